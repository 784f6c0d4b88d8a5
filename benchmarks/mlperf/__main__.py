"""Run MLPerf's four scenarios at a server of ours, or at one that runs already; not a submission.

python -m benchmarks.mlperf                             # 60 seconds a scenario, about seven minutes
python -m benchmarks.mlperf --official                  # 600 seconds a scenario, as the rules ask
python -m benchmarks.mlperf --address HOST:PORT --model NAME
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from accelserve.kernels.cpu.isa import choose
from benchmarks.arguments import instruction_set, positive
from benchmarks.mlperf.driver import LoadGenError, Runner, run_all, show
from benchmarks.mlperf.scenario import OFFICIAL_SECONDS
from benchmarks.networks import CACHE
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving.contenders import command_of_ours
from benchmarks.serving.network import PATIENCE_SECONDS
from benchmarks.serving.running import Running, StartError
from benchmarks.serving.subjects import SUBJECTS, photographs, subject


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mlperf",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", default="resnet50", choices=SUBJECTS, help="that our server is given")
    parser.add_argument(
        "--isa", type=instruction_set, help="instruction set of our server; the best if not given"
    )
    parser.add_argument("--address", help="of a server of TensorFlow Serving's API that runs, HOST:PORT")
    parser.add_argument("--model", default="", help="its name at that server")
    parser.add_argument("--seconds", type=positive, default=60.0, help="of each scenario, at least")
    parser.add_argument("--official", action="store_true", help=f"{OFFICIAL_SECONDS:.0f} seconds each")
    parser.add_argument(
        "--python", type=Path, default=Path(".venv-mlperf/bin/python"), help="that has LoadGen"
    )
    parser.add_argument(
        "--results", type=Path, help="default: benchmarks/results/mlperf-INSTRUCTION_SET.json"
    )
    return parser.parse_args(arguments)


@contextmanager
def server(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str]]:
    """Address and model's name: of the server that was named, or of one of ours."""
    if options.address:
        yield options.address, options.model
        return
    served = subject(options.network)
    cores = len(os.sched_getaffinity(0))
    command, _ = command_of_ours(served, cores, options.isa, folder)
    with Running(command, photographs().files[0], PATIENCE_SECONDS) as running:
        yield running.target.address, served.name


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    options = parse()
    if not options.python.exists():
        sys.exit(f"{options.python} is not there: make bench-mlperf installs LoadGen")
    console = Console(width=120)
    seconds = OFFICIAL_SECONDS if options.official else options.seconds
    isa = choose(options.isa).name
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(dir=CACHE.absolute(), prefix="mlperf-") as folder,
            server(options, Path(folder)) as (address, model),
        ):
            runner = Runner(
                python=options.python.absolute(), address=address, model=model, folder=Path(folder)
            )
            found = run_all(runner, seconds, lambda words: console.print(words, highlight=False))
    except (LoadGenError, StartError) as error:
        sys.exit(str(error))
    results: dict[str, Any] = heading() | {
        "submission": False,
        "isa": None if options.address else isa,
        "server": options.address or f"accelserve, {options.network}",
        "seconds": seconds,
        "command": " ".join(["python -m benchmarks.mlperf", *sys.argv[1:]]),
        **found,
    }
    write(results, options.results or RESULTS / f"mlperf-{isa}.json")
    show(results, console)


if __name__ == "__main__":
    main()
