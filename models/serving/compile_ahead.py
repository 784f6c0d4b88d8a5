"""Fills a cache for processors that are not here: an image's first start, wherever that is, is then a later start.

``python -m accelserve.models.serving.compile_ahead CACHE ISA THREADS DIRECTORY...`` does it for one instruction set and for
comma-separated numbers of workers. Each instruction set has a process of its own, since numba compiles for one processor in
a process; nothing of what is compiled runs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import sched_getaffinity
from pathlib import Path

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.devices.cpu import fill_cache
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.native.levels import compile_ahead_for, level_for, this_machine
from accelserve.kernels.preprocess import PreprocessSpec, load_code
from accelserve.kernels.program import LoadOptions
from accelserve.models.detection import DetectionRunner, DetectionStage
from accelserve.models.repository import MODEL_FILE, verify
from accelserve.models.repository.numerics import read_winograd
from accelserve.models.serving.compiling import network_of


def instruction_sets(names: Sequence[str] = ()) -> list[InstructionSet]:
    """Those of this kind of machine that have the names; every one but ``generic`` if none is given.

    Raises:
        DeviceError: there is none of a name, or it is another kind of machine's.
    """
    here = {
        each.name: each
        for each in INSTRUCTION_SETS.values()
        if not each.target.triple or each.target.triple.startswith(this_machine())
    }
    for name in names:
        if name not in here:
            raise DeviceError(
                f"no instruction set of {this_machine()} is called '{name}'; there are {', '.join(here)}"
            )
    return [here[name] for name in names or here if names or here[name].features]


def compile_ahead(
    directories: Sequence[Path],
    cache: Path,
    isas: Sequence[InstructionSet],
    threads: Sequence[int],
    done: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fill a cache with all that versions need on processors of these instruction sets.

    Args:
        directories: ``REPOSITORY/NAME/VERSION`` of each.
        cache: folder; what it holds already is left.
        isas: of this kind of machine; the processor need not have them.
        threads: numbers of workers; each has plans and packed weights of its own.
        done: told how many instruction sets are done, and how many there are.

    Raises:
        DeviceError: something did not compile; the compiler's last line is in the message.
    """
    cache.mkdir(parents=True, exist_ok=True)
    counts = ",".join(map(str, threads))
    commands = [
        [sys.executable, "-m", __spec__.name, str(cache), isa.name, counts, *map(str, directories)]
        for isa in isas
    ]
    with ThreadPoolExecutor(len(sched_getaffinity(0))) as pool:
        for count, failure in enumerate(pool.map(_failure, commands), 1):
            if failure:
                raise DeviceError(f"compiling ahead for {isas[count - 1].name} failed: {failure}")
            done(count, len(isas))


def _failure(command: Sequence[str]) -> str:
    """The last line that the process wrote; empty if it succeeded."""
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if process.returncode == 0:
        return ""
    lines = process.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"


def _fill(directory: Path, isa: InstructionSet, cache: Path, threads: Sequence[int]) -> None:
    from accelserve.kernels.compiler.lower import lower
    from accelserve.models.importing import import_onnx

    manifest = verify(directory)
    lowered = lower(import_onnx(directory / MODEL_FILE).graph, read_winograd(directory, manifest))
    for count in threads:
        fill_cache(lowered, isa, LoadOptions(threads=count, cache=cache, network=network_of(manifest)))
    if manifest.preprocess is not None:
        load_code(PreprocessSpec.from_json(manifest.preprocess), cache)
    if manifest.detection is not None:
        DetectionRunner(DetectionStage.from_json(manifest.detection)).load_code(cache)


def main(cache: str, isa_name: str, threads: str, *directories: str) -> None:
    """Fill the cache for one instruction set; whatever fails is raised."""
    (isa,) = instruction_sets([isa_name])
    level = level_for(isa.features, this_machine())
    if level is None:
        raise DeviceError(f"code cannot be compiled ahead on {this_machine()}")
    compile_ahead_for(level)
    for directory in directories:
        _fill(Path(directory), isa, Path(cache), [int(count) for count in threads.split(",")])


if __name__ == "__main__":
    main(*sys.argv[1:])
