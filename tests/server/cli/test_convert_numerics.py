"""``accelserve convert --numerics``: what it publishes, and what it says of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.models.importing.trained import open_nsfw
from tests.models.quantize.photographs import CALIBRATION

from accelserve.models.repository import read_manifest
from accelserve.models.repository.numerics import WINOGRAD
from accelserve.server.cli.convert import PROVING, convert


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    shutil.copy(CALIBRATION[0], photographs)
    return [
        str(open_nsfw()),
        *("--name", "nsfw", "--repository", str(tmp_path / "models")),
        *("--calibrate", str(photographs), "--preprocess", "open-nsfw"),
    ]


def test_exact_is_the_default() -> None:
    (numerics,) = (option for option in convert.params if option.name == "numerics")
    assert numerics.default == "exact"


def test_fast_names_every_layer_and_what_it_costs(arguments: list[str], tmp_path: Path) -> None:
    fast = [*arguments, "--numerics", "fast", "--fast-budget", "0.02"]
    done = CliRunner().invoke(convert, fast, catch_exceptions=False)
    assert done.exit_code == 0
    numerics = read_manifest(tmp_path / "models/nsfw/1").numerics
    assert set(numerics.values()) == {WINOGRAD}
    for name in numerics:
        assert f"  {name}: " in done.stderr
    assert f"{PROVING}\n" in done.stderr
    assert f"fast numerics: {len(numerics)} of " in done.stderr
    assert "of a budget of 0.02)" in done.stderr
    assert done.stdout == f"published {tmp_path}/models/nsfw/1: signatures serving_default, features\n"


def test_a_budget_without_fast_is_a_mistake(arguments: list[str]) -> None:
    done = CliRunner().invoke(convert, [*arguments, "--fast-budget", "0.02"])
    assert done.exit_code == 2
    assert "--fast-budget is of --numerics fast" in done.stderr
