"""Batch-1 latency of our kernels beside OpenVINO's and onnxruntime's int8, on the same QDQ files.

    make bench-kernels                                          # all five networks, 1 and 2 threads
    python -m benchmarks.kernels --networks resnet50 --threads 2
    python -m benchmarks.kernels --isa avx2                     # on a processor that has more

Contenders run in turn in processes of their own. Ratios are medians over rounds of the peer's median by ours: above 1 we
are faster. Answers are judged by unoptimised onnxruntime, which computes what the file says on every processor: a run
fails if ours differ, and what the peers' differ by is recorded.

``--isa`` holds all contenders down that can be held down. OpenVINO takes oneDNN's kernels of that instruction set
(``ONEDNN_MAX_CPU_ISA``) and float32 for bfloat16, but some kernels of its own remain what the processor has, so the
primitives that it runs are recorded, and those beyond the instruction set are named in the table. onnxruntime has no such
switch and is left out. Each instruction set has a results file of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from accelserve.kernels.cpu.isa import available, choose
from benchmarks.arguments import count, instruction_set
from benchmarks.interleaved import Contender, competing_process, interleave
from benchmarks.kernel_tables import show, show_layers
from benchmarks.networks import NETWORKS, fast_layers, photograph_tensor, quantized_network
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, read, write

PEERS = {"openvino": "openvino_int8_ms", "onnxruntime": "onnxruntime_int8_ms"}
"""Contender -> its median's name in the results."""
JUDGE = "onnxruntime-unoptimised"
MAX_DIFFERENCE = 0.02
"""Largest difference of a probability from the judge's that float32's roundings may explain."""
ONEDNN_NAMES = {"avx2": "AVX2", "avxvnni": "AVX2_VNNI", "avx512vnni": "AVX512_CORE_VNNI"}
"""Instruction set -> what ``ONEDNN_MAX_CPU_ISA`` calls it."""
BEYOND = {
    "avx2": re.compile(r"avx512|amx|vnni|avx10"),
    "avxvnni": re.compile(r"avx512|amx|avx10"),
    "avx512vnni": re.compile(r"amx|avx10"),
}
"""Instruction set -> OpenVINO's primitives that use more."""


def environment_of(peer: str, isa: str | None) -> dict[str, str]:
    """The variables that hold a peer down to an instruction set, if there are such and one is given."""
    if peer == "openvino" and isa in ONEDNN_NAMES:
        return {"ONEDNN_MAX_CPU_ISA": ONEDNN_NAMES[isa]}
    return {}


def peers_of(isa: str | None) -> list[str]:
    """Peers that can be measured at an instruction set: onnxruntime always takes the processor's best."""
    best = available()[0].name
    return [peer for peer in PEERS if peer != "onnxruntime" or isa in {None, best}]


def measure(name: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """Time one network at one thread count; returns the record for the results file."""
    model = quantized_network(name)
    fast_layers(name)
    isa = f":isa={options.isa}" if options.isa else ""
    ours, fast = f"accelserve{isa}", f"accelserve-fast{isa}"
    peers = peers_of(options.isa)
    with ExitStack() as stack:
        contenders = [Contender(kind, Path(sys.executable), model, threads) for kind in (ours, fast)]
        contenders += [
            Contender(peer, options.peers, model, threads, environment_of(peer, options.isa))
            for peer in peers
        ]
        for each in contenders:
            stack.enter_context(each)
        answers = {each.kind: each.answer(photograph_tensor(name)) for each in contenders}
        if options.busy:
            stack.callback(competing_process().kill)
        timings = interleave(contenders, options.rounds, options.runs, options.clock)
    record: dict[str, Any] = {
        "accelserve_ms": timings[ours].median,
        "accelserve_p90_ms": timings[ours].p90,
        "accelserve_fast_ms": timings[fast].median,
        "fast_times_faster_than_exact": timings[fast].times_faster_than(timings[ours]),
    }
    for peer in peers:
        key = PEERS[peer]
        record[key] = timings[peer].median
        record[key.replace("_ms", "_p90_ms")] = timings[peer].p90
        record[f"times_faster_than_{peer}"] = timings[ours].times_faster_than(timings[peer])
        record[f"fast_times_faster_than_{peer}"] = timings[fast].times_faster_than(timings[peer])
    record |= differences(
        {"accelserve": answers[ours], **{peer: answers[peer] for peer in peers}}, name, options
    )
    record |= openvino_primitives(contenders, options.isa)
    profile = profile_of_ours(model, threads, options.isa)
    record["share_of_peak"] = profile["share_of_peak"]
    record["gmac_per_second"] = profile["gmac_per_second"]
    if not options.busy:  # layers are those of a machine of one's own
        record["layers"] = [step for step in profile["steps"] if step["share_of_peak"] is not None]
    record["device"] = contenders[0].description
    return record


def differences(
    answers: Mapping[str, NDArray[np.float64]], name: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Largest difference of each contender's probabilities from the judge's, and whether its best class is the judge's."""
    with Contender(JUDGE, options.peers, quantized_network(name), 1) as judge:
        right = judge.answer(photograph_tensor(name))
    record: dict[str, Any] = {}
    for contender, answer in answers.items():
        record[f"{contender}_differs_by"] = float(np.abs(answer - right).max())
        record[f"{contender}_has_same_top1"] = bool(answer.argmax() == right.argmax())
    return record


def openvino_primitives(contenders: Sequence[Contender], isa: str | None) -> dict[str, Any]:
    """What OpenVINO computed by, and which of it is beyond the instruction set that it was held to."""
    (primitives,) = (each.primitives for each in contenders if each.kind == "openvino")
    beyond = BEYOND.get(isa or "")
    return {
        "openvino_primitives": primitives,
        "openvino_primitives_beyond_isa": [
            each for each in sorted(primitives) if beyond is not None and beyond.search(each)
        ],
    }


def profile_of_ours(model: Path, threads: int, isa: str | None) -> dict[str, Any]:
    """What the profiler says of each layer and of all: multiplications by the measured peak, GMAC/s, milliseconds."""
    command = [sys.executable, "-m", "accelserve.server.cli", "profile", str(model), "--json"]
    command += ["--threads", str(threads), "--device", f"cpu:{isa}" if isa else "cpu"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


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


def measured_where(isa: str | None) -> dict[str, str]:
    """Contender -> how it was kept to the instruction set, or why it is missing."""
    best = available()[0].name
    if isa in {None, best}:
        return dict.fromkeys(("accelserve", *PEERS), f"the processor's best, {best} by our names")
    variables = " ".join(f"{key}={value}" for key, value in environment_of("openvino", isa).items())
    return {
        "accelserve": f"held to {isa} by its option",
        "openvino": f"oneDNN held by {variables}; see openvino_primitives_beyond_isa of every row"
        if variables
        else "not held down",
        "onnxruntime": f"left out: it has no switch and would use {best}",
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=count, default=[2, 1])
    parser.add_argument("--rounds", type=count, default=12)
    parser.add_argument("--runs", type=count, default=8, help="inferences of each contender in a round")
    parser.add_argument(
        "--isa",
        type=instruction_set,
        help="instruction set that contenders are held to; the best if not given",
    )
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: processor time, for --threads 1"
    )
    parser.add_argument("--busy", action="store_true", help="with a process that keeps one core busy beside")
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-bench/bin/python"), help="interpreter that has the peers"
    )
    parser.add_argument(
        "--results", type=Path, help="default: benchmarks/results/kernels[-busy]-INSTRUCTION_SET.json"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="keep what the results file has of other networks, measured alike",
    )
    options = parser.parse_args(arguments)
    if options.results is None:
        options.results = RESULTS / f"kernels{'-busy' * options.busy}-{choose(options.isa).name}.json"
    return options


def others_in(path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """The networks of a results file; SystemExit if they were measured in another way than ``results`` will be."""
    before = read(path)
    alike = set(results) - {"date", "networks"}
    if differing := [name for name in sorted(alike) if results[name] != before.get(name)]:
        sys.exit(f"{path} was measured with another {', '.join(differing)}: measure all networks again")
    networks: dict[str, Any] = before["networks"]
    return networks


@owned_processes()
def main() -> None:
    """Measure what the command line asks for; write and show it."""
    options = parse()
    if not options.peers.exists():
        sys.exit(f"--peers {options.peers} is not there: make bench-kernels installs the peers")
    console = Console(width=120)
    results: dict[str, Any] = heading() | {
        "isa": choose(options.isa).name,
        "measured_where": measured_where(options.isa),
        "versions": peers_versions(options.peers),
        "competing_process": options.busy,
        "clock": options.clock,
        "rounds": options.rounds,
        "runs_a_round": options.runs,
        "networks": {name: {"threads": {}} for name in options.networks},
    }
    others = others_in(options.results, results) if options.update else {}
    for name in options.networks:
        for threads in options.threads:
            console.print(f"{name}, {threads} thread(s) ...")
            results["networks"][name]["threads"][str(threads)] = measure(name, threads, options)
    write(results | {"networks": others | results["networks"]}, options.results)
    for name, network in results["networks"].items():
        for threads, row in network["threads"].items():
            if "layers" in row:
                show_layers(name, threads, row, console)
    show(results, console)
    wrong = [
        f"{name} by {row['accelserve_differs_by']:.3f}"
        for name, network in results["networks"].items()
        for row in network["threads"].values()
        if row["accelserve_differs_by"] > MAX_DIFFERENCE
    ]
    if wrong:
        sys.exit("our answers differ from unoptimised onnxruntime's: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
