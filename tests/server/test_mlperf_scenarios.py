"""MLPerf's LoadGen at a real server. Judge: LoadGen itself, which decides what is valid."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks.mlperf.driver import MULTI_STREAM, OFFLINE, SERVER, SINGLE_STREAM, Runner, figure, run_all

PYTHON = os.environ.get("ACCELSERVE_MLPERF_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="LoadGen has an environment of its own: make test-mlperf")


def runner(address: str, model: str, folder: Path) -> Runner:
    return Runner(python=Path(PYTHON), address=address, model=model, folder=folder)


def test_all_four_scenarios_of_a_server(serve: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    port = serve().server.port
    said: list[str] = []
    found = run_all(runner(f"127.0.0.1:{port}", "colour", tmp_path), 1.0, said.append)
    scenarios = found["scenarios"]
    assert list(scenarios) == [SINGLE_STREAM, MULTI_STREAM, SERVER, OFFLINE]
    for name, row in scenarios.items():
        assert row["failed"] == 0
        assert figure(name, row)
    assert scenarios[SINGLE_STREAM]["valid"], scenarios[SINGLE_STREAM]["reasons"]
    assert scenarios[SINGLE_STREAM]["latency_ms"]["50.00"] <= scenarios[SINGLE_STREAM]["latency_ms"]["90.00"]
    assert scenarios[OFFLINE]["rate"] > 0
    assert scenarios[SERVER]["rate"] > 0
    assert found["lone_ms"] > 0


def test_errors_make_a_run_invalid_though_loadgen_knows_of_none(
    serve: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    port = serve().server.port
    verdict = runner(f"127.0.0.1:{port}", "another", tmp_path).run(SINGLE_STREAM, 0.5, 100.0)
    assert not verdict.valid
    assert verdict.failed > 0
    assert "answered with an error" in verdict.reasons[-1]
