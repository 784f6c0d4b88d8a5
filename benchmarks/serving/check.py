"""Measure shortly, and compare the ratios with the committed ones: has something become slower?

    make bench-check
    python -m benchmarks.serving.check --networks resnet50

Ratios, not times: both servers had the same machine, so a slow machine alone changes little. What is compared is ours beside
each peer with one caller and with eight, and the processor's time; a run of two minutes a network has noise, so
only a ratio that is worse than the committed one by more than the tolerance fails. The exit code is 1 then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.arguments import instruction_set, positive
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, read
from benchmarks.serving.effort import GOAL_NETWORKS
from benchmarks.serving.subjects import SUBJECTS

TOLERANCE = 0.2
"""Share of the committed ratio. Rounds of one run spread by a tenth on an idle machine."""
BETTER_IF_MORE = {"lone_p50": True, "many_requests": True, "cpu": False}
PEERS = ("onnxruntime", "onnxruntime-no-spinning", "openvino-latency", "openvino-throughput")


def worse(
    committed: Mapping[str, Any], measured: Mapping[str, Any], tolerance: float
) -> Iterator[tuple[str, bool]]:
    """Every ratio that both have, as a sentence, and whether it is too bad.

    Args:
        committed: a results file.
        measured: another of the same instruction set.
        tolerance: share of the committed ratio.
    """
    for network, row in measured["networks"].items():
        before = committed["networks"].get(network, {}).get("ratios", {})
        for peer, ratios in row.get("ratios", {}).items():
            for name, more in BETTER_IF_MORE.items():
                if name not in before.get(peer, {}):
                    continue
                was, now = before[peer][name]["median"], ratios[name]["median"]
                lost = (was / now if more else now / was) - 1
                yield f"{network}, {name} beside {peer}: {now:.2f}x, committed {was:.2f}x", lost > tolerance


def missing(committed: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[str]:
    """Peers of the measured networks that the committed file has and this run did not get to measure, and why."""
    for network, row in measured["networks"].items():
        before = committed["networks"].get(network, {}).get("ratios", {})
        for peer in before:
            why = row.get("contenders", {}).get(peer, {}).get("error")
            if why is not None:
                yield f"{network} beside {peer}: {why}"


@owned_processes()
def main() -> None:
    """Measure and compare."""
    from accelserve.kernels.cpu.isa import choose

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(GOAL_NETWORKS), choices=SUBJECTS)
    parser.add_argument("--isa", type=instruction_set, help="instruction set; the best if not given")
    parser.add_argument("--tolerance", type=positive, default=TOLERANCE, help="share of the committed ratio")
    parser.add_argument("--measured", type=Path, help="a results file to compare, instead of measuring")
    options = parser.parse_args()
    committed = RESULTS / f"serving-{choose(options.isa).name}.json"
    if not committed.exists():
        sys.exit(f"{committed} is not there: nothing to compare with; make bench-serving writes it")
    if options.measured is not None and not options.measured.is_file():
        sys.exit(f"--measured {options.measured} is not there")
    with tempfile.TemporaryDirectory() as folder:
        path = options.measured or Path(folder) / "serving.json"
        if options.measured is None:
            _measure(options, path)
        before, now = read(committed), read(path)
    if before.get("isa") != now.get("isa"):
        sys.exit(
            f"{path} was measured on {now.get('isa')}, {committed} on {before.get('isa')}: choose by --isa"
        )
    for words in missing(before, now):
        print(f"       not compared: {words}")
    found = list(worse(before, now, options.tolerance))
    for words, is_worse in found:
        print(("WORSE  " if is_worse else "       ") + words)
    if not found:
        sys.exit("no ratio was measured that the committed file has")
    if any(is_worse for _, is_worse in found):
        sys.exit(f"worse than committed by more than {options.tolerance:.0%}")


def _measure(options: argparse.Namespace, path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.serving", "--networks", *options.networks, "--quick"]
    command += ["--peers", *PEERS, f"--results={path}", *([f"--isa={options.isa}"] if options.isa else [])]
    if subprocess.run(command, check=False).returncode:
        sys.exit("the measurement failed; its error stands above")


if __name__ == "__main__":
    main()
