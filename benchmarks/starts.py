"""Whether a process now and then stays slow for its whole life: many starts of one network, and how fast each can be.

    python -m benchmarks.starts                          # 50 starts of ResNet-50 on 2 threads
    python -m benchmarks.starts --isa avx2 --network vgg16

A start is judged by the 10th percentile of its inferences beside that of a *witness*: another process of the same kind, which
lives as long as the benchmark and infers in turn with every start. What makes a process slow for its whole life (pages, where
its memory lies, workers on one core) slows every inference of it, the fastest ones too, and no witness; neighbours on the same
machine slow both, some for longer than a start lives. The runs of a start are made in several rounds with a pause between. Its
own times stand beside the judgement, and what the system did for that process (huge pages behind its memory, switches that it
did not ask for), since a slow one is hard to catch a second time. The process exits with 1 if the slowest start took more than
``MOST`` times the median of all.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from accelserve.kernels.cpu.isa import choose
from benchmarks.arguments import count, instruction_set
from benchmarks.interleaved import Contender
from benchmarks.networks import NETWORKS, quantized_network
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write

MOST = 1.2
"""Times the median of all starts, that the slowest one may take."""
JUDGED_PERCENTILE = 10
ROUNDS, PAUSE_SECONDS = 4, 0.3
"""A start's runs are made in so many rounds; neighbours keep a core for tens to hundreds of milliseconds."""


def start(model: Path, kind: str, threads: int, runs: int, witness: Contender) -> dict[str, Any]:
    """Start one process, let it infer in turn with the witness, and end it.

    Returns:
        ``p10_ms`` and ``witness_p10_ms``, which judge it, ``ms`` (median), ``p90_ms``, and of its end ``huge_pages_mb``,
        ``resident_mb`` and ``involuntary_switches``.
    """
    times: list[float] = []
    witnessed: list[float] = []
    with Contender(kind, Path(sys.executable), model, threads) as contender:
        for _ in range(ROUNDS):
            time.sleep(PAUSE_SECONDS)
            witnessed += witness.time(-(-runs // ROUNDS))
            times += contender.time(-(-runs // ROUNDS))
        process = Path(f"/proc/{contender.pid}")
        memory = (process / "smaps_rollup").read_text()
        switches = sum(
            _number("nonvoluntary_ctxt_switches", (task / "status").read_text())
            for task in (process / "task").iterdir()
        )
    return {
        "p10_ms": float(np.percentile(times, JUDGED_PERCENTILE)),
        "witness_p10_ms": float(np.percentile(witnessed, JUDGED_PERCENTILE)),
        "ms": float(np.median(times)),
        "p90_ms": float(np.percentile(times, 90)),
        "huge_pages_mb": _number("AnonHugePages", memory) / 1000,
        "resident_mb": _number("Rss", memory) / 1000,
        "involuntary_switches": switches,
    }


def _number(label: str, text: str) -> int:
    match = re.search(rf"^{label}:\s+(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else 0


def judged(starts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What all starts say together.

    Returns:
        ``p10_ms``, the median of the starts' own; ``slowest_times_median``, the greatest of their ratios to the witness by the
        median of those; ``slowest_p10_times_median``, the same of their own times, which judges nothing.
    """
    fast, witnessed = (np.array([each[key] for each in starts]) for key in ("p10_ms", "witness_p10_ms"))
    ratios = fast / witnessed
    return {
        "p10_ms": float(np.median(fast)),
        "slowest_times_median": float(ratios.max() / np.median(ratios)),
        "slowest_p10_times_median": float(fast.max() / np.median(fast)),
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet50", choices=list(NETWORKS))
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--starts", type=count, default=50)
    parser.add_argument("--runs", type=count, default=60, help="inferences of each process, in rounds")
    parser.add_argument("--isa", type=instruction_set, help="instruction set; the best if not given")
    parser.add_argument(
        "--results", type=Path, help="default: benchmarks/results/starts-INSTRUCTION_SET.json"
    )
    options = parser.parse_args(arguments)
    if options.results is None:
        options.results = RESULTS / f"starts-{choose(options.isa).name}.json"
    return options


@owned_processes()
def main() -> None:
    """Start as often as the command line asks; write and judge."""
    options = parse()
    console = Console()
    kind = f"accelserve:isa={choose(options.isa).name}"
    model = quantized_network(options.network)
    starts = []
    with Contender(kind, Path(sys.executable), model, options.threads) as witness:
        for index in range(options.starts):
            starts.append(start(model, kind, options.threads, options.runs, witness))
            console.print(f"start {index + 1}: {starts[-1]}", highlight=False)
    verdict = judged(starts)
    results = heading() | {
        "isa": choose(options.isa).name,
        "network": options.network,
        "threads": options.threads,
        "runs_a_start": options.runs,
        **verdict,
        "starts": starts,
    }
    write(results, options.results)
    slowest = verdict["slowest_times_median"]
    console.print(
        f"10th percentile {verdict['p10_ms']:.2f} ms; the slowest start, beside the witness: {slowest:.2f} times the median"
    )
    if slowest > MOST:
        sys.exit(f"a start of {options.starts} took {slowest:.2f} times the median, expected {MOST} at most")


if __name__ == "__main__":
    main()
