"""Leads LoadGen's processes from scenario to scenario, and finds the rate at which Server is asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.mlperf.scenario import OFFICIAL_SECONDS, SERVER_BOUND_MS, Scenario, Verdict
from benchmarks.serving.subjects import photographs

DESCRIPTORS = Path("protos/generated/descriptors.binpb")
PROBES = 4
PROBE_SHARE = 1 / 12
"""Of a scenario's time: a probe of the search for Server's rate."""
MORE = 1.5
"""Times the measured rate that a run is sized by, so that its queries do not run out before its time."""
SAFE = 0.95
"""Of the highest rate that a short run kept: what a long one is asked for."""
SINGLE_STREAM, MULTI_STREAM, SERVER, OFFLINE = "SingleStream", "MultiStream", "Server", "Offline"
WHAT = {
    SINGLE_STREAM: "one photograph after the other: 90th percentile",
    MULTI_STREAM: "eight photographs a query: 99th percentile",
    SERVER: f"Poisson arrivals, 99th percentile within {SERVER_BOUND_MS:.0f} ms: queries a second",
    OFFLINE: "all at once: samples a second",
}
Say = Callable[[str], None]


class LoadGenError(RuntimeError):
    """LoadGen's process ended with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs scenarios at one server.

    Attributes:
        python: the interpreter that has LoadGen.
        address: of the server, HOST:PORT.
        model: its name there.
        folder: for photographs and LoadGen's logs.
    """

    python: Path
    address: str
    model: str
    folder: Path

    def run(self, name: str, seconds: float, expected_qps: float) -> Verdict:
        """One scenario.

        Raises:
            LoadGenError: with the last line of what it printed.
        """
        scenario = Scenario(
            name=name,
            seconds=seconds,
            expected_qps=expected_qps,
            address=self.address,
            model=self.model,
            pictures=self._pictures(),
            descriptors=str(DESCRIPTORS.resolve()),
            folder=str(self.folder / name),
        )
        command = [str(self.python), "-m", "benchmarks.mlperf.system_under_test", scenario.to_json()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise LoadGenError(f"{name}: LoadGen's process ended with code {done.returncode}: {last}")
        return Verdict(**json.loads(done.stdout.strip().splitlines()[-1]))

    def _pictures(self) -> list[str]:
        paths = []
        for number, content in enumerate(photographs().files):
            path = self.folder / f"{number}.jpg"
            if not path.exists():
                path.write_bytes(content)
            paths.append(str(path))
        return paths


def run_all(runner: Runner, seconds: float, say: Say) -> dict[str, Any]:
    """The four scenarios.

    Args:
        runner: at the server.
        seconds: of each.
        say: progress.

    Returns:
        ``scenarios``: name -> verdict and ``expected_qps``; ``lone_ms``.
    """
    found: dict[str, tuple[Verdict, float]] = {}
    probe = max(seconds * PROBE_SHARE, 1.0)
    first = runner.run(SINGLE_STREAM, probe, 50.0)
    lone_ms = first.latency_ms["50.00"]
    say(f"a lone request takes {lone_ms:.1f} ms")
    rate = 1000 / lone_ms

    def take(name: str, qps: float) -> None:
        say(f"{name}, {seconds:.0f} s: {WHAT[name]}")
        found[name] = runner.run(name, seconds, qps), qps

    take(SINGLE_STREAM, MORE * rate)
    take(MULTI_STREAM, 2 * MORE * rate)
    offline = runner.run(OFFLINE, probe, MORE * rate).rate or rate
    take(OFFLINE, MORE * offline)
    take(SERVER, _server_rate(runner, found[OFFLINE][0].rate or offline, lone_ms, probe, say))
    if lone_ms > SERVER_BOUND_MS and not found[SERVER][0].valid:
        why = f"even one request takes {lone_ms:.1f} ms, more than the bound of {SERVER_BOUND_MS:.0f} ms"
        found[SERVER][0].reasons.insert(0, why)
    return {
        "lone_ms": lone_ms,
        "scenarios": {
            name: found[name][0].to_json() | {"expected_qps": found[name][1], "what": WHAT[name]}
            for name in (SINGLE_STREAM, MULTI_STREAM, SERVER, OFFLINE)
        },
    }


def _server_rate(runner: Runner, most: float, lone_ms: float, probe: float, say: Say) -> float:
    """Queries a second to ask for: what short runs kept, found by halving; a low rate where nothing can keep the bound."""
    kept, broken = 0.0, most
    if lone_ms > SERVER_BOUND_MS:
        return most / 4
    for _ in range(PROBES):
        rate = (kept + broken) / 2
        verdict = runner.run(SERVER, probe, rate)
        within = verdict.latency_ms.get("99.00", float("inf")) <= SERVER_BOUND_MS and not verdict.failed
        say(f"{SERVER}: {rate:.1f} queries a second are {'kept' if within else 'too many'}")
        kept, broken = (rate, broken) if within else (kept, rate)
    return SAFE * (kept or broken / 2)


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    length = f"{results['seconds']:.0f} s a scenario"
    if results["seconds"] < OFFICIAL_SECONDS:
        length += f", where the rules ask for {OFFICIAL_SECONDS:.0f}"
    table = Table(title=f"MLPerf's LoadGen at {results['server']}: not a submission; {length}")
    for column in ("scenario", "what", "result", "", "why"):
        table.add_column(column)
    for name, row in results["scenarios"].items():
        table.add_row(
            name,
            row["what"],
            figure(name, row),
            "VALID" if row["valid"] else "INVALID",
            "; ".join(row["reasons"]),
        )
    console.print(table)


def figure(name: str, row: Mapping[str, Any]) -> str:
    """What counts in a scenario."""
    if name == OFFLINE:
        return f"{row['rate']:.1f}/s"
    if name == SERVER:
        return f"{row['rate'] or row['expected_qps']:.1f}/s, p99 {row['latency_ms'].get('99.00', float('nan')):.1f} ms"
    percentile = "90.00" if name == SINGLE_STREAM else "99.00"
    value = row["estimate_ms"] or row["latency_ms"].get(percentile)
    return "-" if value is None else f"{value:.1f} ms"
