"""How long a server takes until it is ready, with and without a cache, and how much slower its first answer is.

    python -m benchmarks.start_up

Every start is a process of its own. Of times on a machine that others use, the least says most: of each figure the
best start is given, and all of them are in the results. Ratios are medians over starts.

The first request comes as soon as a health check says that the server serves, as an orchestrator would let it, and is
compared with the median of those that follow each other. A request that comes after a pause finds caches cold and cores
asleep, at any time; what that costs is measured too.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.arguments import count
from benchmarks.networks import CACHE, NETWORKS
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving_process import ServingProcess, jpeg_request, published

REQUESTS = 60
RESTED_REQUESTS = 5
PAUSE_SECONDS = 1.0


def measure(name: str, starts: int) -> dict[str, Any]:
    """Start a server of a network without a cache, then with one, ``starts`` times each."""
    model, request = published(name), jpeg_request(name)
    cold, cold_cpu, warm, first, median, rested, progress = [], [], [], [], [], [], 0
    for _ in range(starts):
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="cold-") as cache:
            folder = Path(cache)
            before = _children_cpu_seconds()
            with ServingProcess(model, folder) as server:
                cold.append(server.ready_seconds)
                progress = sum("compil" in line for line in server.log)
            cold_cpu.append(_children_cpu_seconds() - before)
            with ServingProcess(model, folder) as server:
                warm.append(server.ready_seconds)
                server.check_health()
                times = [server.milliseconds(request) for _ in range(REQUESTS)]
                first.append(times[0])
                median.append(statistics.median(times))
                rested.append(statistics.median(_rested(server, request)))
    return {
        "cold_seconds": cold,
        "cold_cpu_seconds": cold_cpu,
        "progress_lines": progress,
        "warm_seconds": warm,
        "first_request_ms": first,
        "median_request_ms": median,
        "rested_request_ms": rested,
        "first_by_median": _ratio(first, median),
        "rested_by_median": _ratio(rested, median),
    }


def _children_cpu_seconds() -> float:
    """Of all processes that this one started, and that those did, once they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rested(server: ServingProcess, request: bytes) -> Iterator[float]:
    """Milliseconds of requests before each of which the server had nothing to do."""
    for _ in range(RESTED_REQUESTS):
        time.sleep(PAUSE_SECONDS)
        yield server.milliseconds(request)


def _ratio(of: Sequence[float], by: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(of, by, strict=True))


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(title="from the start of the process; the best of some starts")
    columns = (
        "network",
        "ready, no cache",
        "CPU, no cache",
        "ready, cache",
        "first request",
        "rested",
        "median",
    )
    for column in (*columns, "first / median", "rested / median"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, row in results["networks"].items():
        table.add_row(
            name,
            f"{min(row['cold_seconds']):.1f} s",
            f"{min(row['cold_cpu_seconds']):.1f} s",
            f"{min(row['warm_seconds']):.2f} s",
            f"{min(row['first_request_ms']):.1f} ms",
            f"{min(row['rested_request_ms']):.1f} ms",
            f"{min(row['median_request_ms']):.1f} ms",
            f"{row['first_by_median']:.2f}",
            f"{row['rested_by_median']:.2f}",
        )
    console.print(table)


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--starts", type=count, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS / "start_up.json")
    options = parser.parse_args()
    console = Console()
    results: dict[str, Any] = heading() | {"networks": {}}
    for name in options.networks:
        console.print(f"{name} ...")
        results["networks"][name] = measure(name, options.starts)
    write(results, options.results)
    show(results, console)


if __name__ == "__main__":
    main()
