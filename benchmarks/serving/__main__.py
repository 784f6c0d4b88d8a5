"""Measure servers and write ``benchmarks/results/serving-INSTRUCTION_SET.json``, then docs/performance.md from it.

    python -m benchmarks.serving                                  # all networks, less than 20 minutes on two idle cores
    python -m benchmarks.serving --networks resnet50 open-nsfw    # those of the goals, 12 minutes
    python -m benchmarks.serving --isa avx2                       # ours and OpenVINO, which can be held down
    python -m benchmarks.serving --prepare                        # the environments and the networks alone
    python -m benchmarks.serving --resume                         # after one that was interrupted

The file is written after each network, so an interrupted run has those that it finished.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.owned_processes import owned_processes


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from benchmarks.arguments import count, instruction_set, positive
    from benchmarks.serving.contenders import PEERS
    from benchmarks.serving.subjects import SUBJECTS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", nargs="+", default=list(SUBJECTS), choices=SUBJECTS)
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=list(PEERS),
        help="all if not given, of which those that decide no goal run beside the networks of the goals alone",
    )
    parser.add_argument(
        "--isa", type=instruction_set, help="instruction set that everyone is held to; the best if not given"
    )
    parser.add_argument("--cores", type=count, default=2, help="that everything runs on, the client too")
    parser.add_argument("--factor", type=positive, default=1.0, help="on the length of every load")
    parser.add_argument("--rounds", type=count, help="instead of 5, or 2 for the networks without goals")
    parser.add_argument("--full", action="store_true", help="every network as long as those of the goals")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="no goodput, no large batches, and of the peers those alone that decide goals or are named: what bench-check takes",
    )
    parser.add_argument("--prepare", action="store_true", help="set everything up, and measure nothing")
    parser.add_argument("--resume", action="store_true", help="keep the networks that the file has")
    parser.add_argument(
        "--results", type=Path, help="default: benchmarks/results/serving-INSTRUCTION_SET.json"
    )
    return parser.parse_args(arguments)


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    from benchmarks.serving.campaign import prepare, run
    from benchmarks.serving.environments import PeerUnavailableError

    options = parse()
    if options.prepare:
        try:
            prepare(options)
        except PeerUnavailableError as error:
            sys.exit(str(error))
        return
    results: dict[str, Any] = run(options)
    failed = [name for name, network in results["networks"].items() if "error" in network]
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
