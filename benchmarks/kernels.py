"""Batch-1 latency of our kernels beside OpenVINO's and onnxruntime's int8, on the same QDQ files.

    make bench-kernels                                          # all five networks, 1 and 2 threads
    python -m benchmarks.kernels --networks resnet50 --threads 2

Contenders run in turn in processes of their own. The table's ratios are medians over rounds of the peer's median by
ours: above 1 we are faster. ``answers`` compares each contender's probabilities on a real photograph with onnxruntime's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.interleaved import Contender, competing_process, interleave
from benchmarks.networks import NETWORKS, fast_layers, photograph_tensor, quantised_network
from benchmarks.results_file import RESULTS, heading, write

PEERS = {"openvino": "openvino_int8_ms", "onnxruntime": "onnxruntime_int8_ms"}
MAX_DIFFERENCE = 0.02
"""Largest difference of a probability that the contenders' roundings may explain."""


def measure(name: str, threads: int, options: argparse.Namespace, peers_python: Path) -> dict[str, Any]:
    """Time one network at one thread count; returns the record for the results file."""
    model = quantised_network(name)
    image = photograph_tensor(name)
    with ExitStack() as stack:
        isa = f":isa={options.isa}" if options.isa else ""
        ours = Contender(f"accelserve{isa}", Path(sys.executable), model, threads)
        fast_layers(name)
        fast = Contender(f"accelserve-fast{isa}", Path(sys.executable), model, threads)
        contenders = [stack.enter_context(ours), stack.enter_context(fast)]
        contenders += [stack.enter_context(Contender(peer, peers_python, model, threads)) for peer in PEERS]
        answers = {contender.kind: contender.answer(image) for contender in contenders}
        if options.busy:
            stack.callback(competing_process().kill)
        timings = interleave(contenders, options.rounds, options.runs, options.clock)
    record: dict[str, Any] = {
        "accelserve_ms": timings[ours.kind].median,
        "accelserve_p90_ms": timings[ours.kind].p90,
        "accelserve_fast_ms": timings[fast.kind].median,
        "fast_times_faster_than_exact": timings[fast.kind].times_faster_than(timings[ours.kind]),
    }
    for peer, key in PEERS.items():
        record[key] = timings[peer].median
        record[key.replace("_ms", "_p90_ms")] = timings[peer].p90
        record[f"times_faster_than_{peer}"] = timings[ours.kind].times_faster_than(timings[peer])
        record[f"fast_times_faster_than_{peer}"] = timings[fast.kind].times_faster_than(timings[peer])
        record[f"answers_differ_from_{peer}"] = float(np.abs(answers[ours.kind] - answers[peer]).max())
        record[f"same_top1_as_{peer}"] = bool(answers[ours.kind].argmax() == answers[peer].argmax())
    profile = profile_of_ours(model, threads, options.isa)
    record["share_of_peak"] = profile["share_of_peak"]
    if not options.busy:  # layers are those of a machine of one's own
        record["layers"] = [step for step in profile["steps"] if step["share_of_peak"] is not None]
    record["device"] = ours.description
    return record


def profile_of_ours(model: Path, threads: int, isa: str | None) -> dict[str, Any]:
    """What the profiler says: multiply-accumulates a second, of each layer and of all, by the measured peak."""
    command = [sys.executable, "-m", "accelserve.server.cli", "profile", str(model), "--json"]
    command += ["--threads", str(threads), "--device", f"cpu:{isa}" if isa else "cpu"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(title="batch 1, medians, milliseconds; ratios: above 1 accelserve is faster")
    for column in (
        "network",
        "threads",
        "accelserve",
        "openvino",
        "ratio",
        "onnxruntime",
        "ratio",
        "fast",
        "of peak",
        "same top-1",
    ):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, network in results["networks"].items():
        for threads, row in network["threads"].items():
            table.add_row(
                name, threads,
                f"{row['accelserve_ms']:.2f}", f"{row['openvino_int8_ms']:.2f}", f"{row['times_faster_than_openvino']:.2f}x",
                f"{row['onnxruntime_int8_ms']:.2f}", f"{row['times_faster_than_onnxruntime']:.2f}x",
                f"{row['accelserve_fast_ms']:.2f}", f"{row['share_of_peak']:.0%}", "yes" if row["same_top1_as_onnxruntime"] else "NO",
            )  # fmt: skip
    console.print(table)


def show_layers(name: str, threads: str, row: Mapping[str, Any], console: Console) -> None:
    """Print where one network's time goes."""
    table = Table(title=f"{name}, {threads} thread(s): layers that multiply")
    table.add_column("layer")
    for column in ("result", "ms", "GMAC/s", "of peak"):
        table.add_column(column, justify="right")
    for step in row["layers"]:
        shape = "x".join(map(str, step["shape"][1:]))
        numbers = f"{step['ms']:.3f}", f"{step['gmac_per_second']:.0f}", f"{step['share_of_peak']:.0%}"
        table.add_row(step["name"], shape, *numbers)
    console.print(table)


def peers_versions(python: Path) -> dict[str, str]:
    """Versions of the peers, as their own environment says."""
    script = "import importlib.metadata as m; print(*(m.version(p) for p in ('openvino', 'onnxruntime')))"
    found = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    return {
        "openvino": found[0],
        "onnxruntime": found[1],
        "accelserve": version("accelserve"),
        "numba": version("numba"),
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10, help="inferences of each contender in a round")
    parser.add_argument("--isa", help="instruction set of ours; the best if not given")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: processor time, for --threads 1"
    )
    parser.add_argument("--busy", action="store_true", help="with a process that keeps one core busy beside")
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-bench/bin/python"), help="interpreter that has the peers"
    )
    parser.add_argument("--results", type=Path, default=RESULTS / "kernels.json")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure what the command line asks for; write and show it."""
    options = parse()
    console = Console(width=120)
    results: dict[str, Any] = heading() | {
        "versions": peers_versions(options.peers),
        "competing_process": options.busy,
        "clock": options.clock,
        "networks": {name: {"threads": {}} for name in options.networks},
    }
    for name in options.networks:
        for threads in options.threads:
            console.print(f"{name}, {threads} thread(s) ...")
            results["networks"][name]["threads"][str(threads)] = measure(
                name, threads, options, options.peers
            )
    write(results, options.results)
    for name, network in results["networks"].items():
        for count, row in network["threads"].items():
            if "layers" in row:
                show_layers(name, count, row, console)
    show(results, console)
    wrong = [
        f"{name} differs from {peer} by {row[f'answers_differ_from_{peer}']:.3f}"
        for name, network in results["networks"].items()
        for row in network["threads"].values()
        for peer in PEERS
        if row[f"answers_differ_from_{peer}"] > MAX_DIFFERENCE
    ]
    if wrong:
        sys.exit("answers differ: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
