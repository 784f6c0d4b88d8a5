"""What a process that serves one network takes, and whether loading and unloading five of them leaves anything.

    python -m benchmarks.memory

The goal is the packed weights, the arena and 150 MB for everything else: Python, gRPC, LLVM's loader, a decoded
picture. The peak counts mapped files, libraries and weights, though processes share them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from accelserve.kernels.cpu.plan.plan_file import CpuPlan
from benchmarks.arguments import count
from benchmarks.networks import CACHE, NETWORKS
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving_process import ProcessMemory, ServingProcess, jpeg_request, published

ELSE_MB = 150.0
REQUESTS = 50


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Serve a network from a cache that is filled, answer some requests, and look at the process."""
    cache, model, request = folder / name, published(name), jpeg_request(name)
    with ServingProcess(model, cache) as first:
        first_start = first.memory()
    with ServingProcess(model, cache) as server:
        for _ in range(REQUESTS):
            server.predict(request)
        memory = server.memory()
    (file,) = (cache / "plans").glob("*.json")
    plan = CpuPlan.read(file)
    assert plan is not None
    weights, arena = plan.weights_bytes / 1e6, plan.arena_bytes / 1e6
    return {
        "weights_mb": weights,
        "arena_mb": arena,
        "goal_mb": weights + arena + ELSE_MB,
        **{f"{key}_mb": value for key, value in asdict(memory).items()},
        "peak_when_nothing_was_cached_mb": first_start.peak,
    }


def reload_all(networks: list[str], folder: Path, rounds: int) -> list[ProcessMemory]:
    """Memory of one process after every round of loading and unloading the networks."""
    models = [str(published(name)) for name in networks]
    command = [sys.executable, "-m", "benchmarks.reloading", str(folder / "all"), str(rounds), *models]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ProcessMemory(**json.loads(line)) for line in lines]


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the tables."""
    table = Table(title="MB of a process that serves one network")
    columns = ("weights", "arena", "goal", "peak", "resident", "private", "mapped")
    for column in ("network", *columns):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, row in results["networks"].items():
        table.add_row(name, *(f"{row[f'{column}_mb']:.0f}" for column in columns))
    console.print(table)
    rounds = results["reloading"]["resident_mb"]
    shown = {1: rounds[0], len(rounds) // 2: rounds[len(rounds) // 2 - 1], len(rounds): rounds[-1]}
    console.print(
        f"{len(results['networks'])} networks loaded and unloaded, resident after round "
        + ", ".join(f"{number}: {mb:.0f} MB" for number, mb in shown.items())
    )


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=count, default=50, help="of loading and unloading every network")
    parser.add_argument("--results", type=Path, default=RESULTS / "memory.json")
    options = parser.parse_args()
    console = Console()
    results: dict[str, Any] = heading() | {"networks": {}}
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="memory-") as folder:
        for name in options.networks:
            console.print(f"{name} ...")
            results["networks"][name] = measure(name, Path(folder))
        memory = reload_all(options.networks, Path(folder), options.rounds)
    results["reloading"] = {
        "resident_mb": [each.resident for each in memory],
        "private_mb": [each.private for each in memory],
    }
    write(results, options.results)
    show(results, console)


if __name__ == "__main__":
    main()
