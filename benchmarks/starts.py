"""Whether a process now and then stays slow for its whole life: many starts of one network, the median time of each.

    python -m benchmarks.starts                          # 50 starts of ResNet-50 on 2 threads
    python -m benchmarks.starts --isa avx2 --network vgg16

Beside each median stands what the system did for that process (huge pages behind its memory, switches that it did not
ask for), since a slow one is hard to catch a second time. Starts are judged on a quiet machine: the process exits with 1
if the slowest took more than ``MOST`` times the median of all.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from accelserve.kernels.cpu.isa import choose
from benchmarks.interleaved import Contender
from benchmarks.networks import NETWORKS, quantized_network
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write

MOST = 1.2
"""Times the median of all starts, that the slowest one may take."""


def start(model: Path, kind: str, threads: int, runs: int) -> dict[str, Any]:
    """Start one process, let it infer, and end it.

    Returns:
        ``ms`` (median), ``p90_ms``, and of its end ``huge_pages_mb``, ``resident_mb`` and ``involuntary_switches``.
    """
    with Contender(kind, Path(sys.executable), model, threads) as contender:
        times = contender.time(runs)
        process = Path(f"/proc/{contender.pid}")
        memory = (process / "smaps_rollup").read_text()
        switches = sum(
            _number("nonvoluntary_ctxt_switches", (task / "status").read_text())
            for task in (process / "task").iterdir()
        )
    return {
        "ms": float(np.median(times)),
        "p90_ms": float(np.percentile(times, 90)),
        "huge_pages_mb": _number("AnonHugePages", memory) / 1000,
        "resident_mb": _number("Rss", memory) / 1000,
        "involuntary_switches": switches,
    }


def _number(label: str, text: str) -> int:
    match = re.search(rf"^{label}:\s+(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else 0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet50", choices=list(NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument(
        "--runs", type=int, default=60, help="inferences of each process, after two that do not count"
    )
    parser.add_argument("--isa", help="instruction set; the best if not given")
    parser.add_argument(
        "--results", type=Path, help="default: benchmarks/results/starts-INSTRUCTION_SET.json"
    )
    options = parser.parse_args(arguments)
    if options.results is None:
        options.results = RESULTS / f"starts-{choose(options.isa).name}.json"
    return options


@owned_processes()
def main() -> None:
    """Start as often as the command line asks; write and judge the medians."""
    options = parse()
    console = Console()
    kind = f"accelserve:isa={choose(options.isa).name}"
    model = quantized_network(options.network)
    start(model, kind, options.threads, 1)  # compiles what the cache lacks
    starts = []
    for index in range(options.starts):
        starts.append(start(model, kind, options.threads, options.runs))
        console.print(f"start {index + 1}: {starts[-1]}", highlight=False)
    medians = np.array([each["ms"] for each in starts])
    slowest = float(medians.max() / np.median(medians))
    results = heading() | {
        "isa": choose(options.isa).name,
        "network": options.network,
        "threads": options.threads,
        "runs_a_start": options.runs,
        "median_ms": float(np.median(medians)),
        "slowest_times_median": slowest,
        "starts": starts,
    }
    write(results, options.results)
    console.print(f"median {np.median(medians):.2f} ms, slowest start {slowest:.2f} times that")
    if slowest > MOST:
        sys.exit(f"a start of {options.starts} took {slowest:.2f} times the median, expected {MOST} at most")


if __name__ == "__main__":
    main()
