"""The cache of packed weights and machine code: filled by many at once, damaged, unwritable, full; never a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from accelserve.kernels.cpu.compiler.planning import plan_network
from accelserve.kernels.cpu.isa import available
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.file_cache import DIGEST_BYTES
from accelserve.kernels.program import Lowered
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.limits import limited_files

ROOT = Path(__file__).parents[3]
LOAD = """
import logging, sys
from pathlib import Path
import numpy as np
from tests.kernels.cpu.test_program import load
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
logging.basicConfig(level=logging.WARNING, format="%(message)s")
builder = IntegerGraphBuilder(3)
image = builder.input(8, 8, 3)
program = load(Path(sys.argv[1]), graph=builder.graph(scores=builder.conv(image, 8, 3)))
picture = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
print(program.run({image: picture})["scores"].tobytes().hex())
program.close()
"""
TIMEOUT_SECONDS = 240


def loading(cache: Path, *before: str) -> subprocess.Popen[str]:
    """A process that loads a network and runs it: scores on standard output, the log on standard error."""
    return subprocess.Popen(
        [*before, sys.executable, "-W", "ignore", "-c", LOAD, str(cache)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """Scores and lines of the log of a process that must end well."""
    scores, log = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, log
    assert scores
    return scores, log.splitlines()


def files(cache: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in cache.rglob(pattern) if path.is_file())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache that three processes filled at once, and the scores that all of them got."""
    cache = tmp_path_factory.mktemp("filled") / "not there yet"
    outcomes = [outcome(process) for process in [loading(cache) for _ in range(3)]]
    ((scores, log),) = {(scores, tuple(log)) for scores, log in outcomes}
    assert log == ()
    return cache, scores


@pytest.fixture
def copy(filled: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the filled cache, to be damaged."""
    cache = tmp_path / "cache"
    subprocess.run(["cp", "-r", str(filled[0]), str(cache)], check=True)
    return cache


def test_processes_that_start_at_once_on_an_empty_cache_leave_whole_files_only(
    filled: tuple[Path, str],
) -> None:
    cache, _ = filled
    assert {path.suffix for path in files(cache)} == {".bin", ".o"}


def test_damaged_files_are_made_again(filled: tuple[Path, str], copy: Path) -> None:
    _, scores = filled
    weights = {path: path.read_bytes() for path in files(copy, "*.bin")}
    code = files(copy, "*.o")
    for index, path in enumerate(files(copy)):
        os.truncate(path, path.stat().st_size // 2 if index % 3 else 0)
    answered, log = outcome(loading(copy))
    assert answered == scores
    assert all("made again" in line for line in log)
    assert sum(".bin" in line for line in log) == 1
    assert {path: path.read_bytes() for path in weights} == weights
    assert files(copy, "*.o") == code
    assert outcome(loading(copy)) == (scores, [])


@pytest.mark.parametrize("each", available(), ids=lambda each: each.name)
@pytest.mark.parametrize("side", [7, 14, 28, 56])
def test_programs_of_different_numbers_of_workers_share_a_cache(
    side: int, each: InstructionSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A dense block's layer: how many tiles a worker has decides how weights are packed, on AVX2 for instance at 7x7."""
    g = IntegerGraphBuilder(side)
    lowered = Lowered(g.graph(features=g.conv(g.input(side, side, 128), 32, 3, padding=1)), {})
    for _ in range(2):
        for threads in (2, 1, 3, 8):
            plan, constants = plan_network(lowered, each, threads, tmp_path)
            assert constants.bytes.nbytes == plan.weights_bytes + DIGEST_BYTES
            constants.close()
    assert caplog.messages == []


def test_weights_with_one_wrong_bit_are_packed_again(filled: tuple[Path, str], copy: Path) -> None:
    _, scores = filled
    (weights,) = files(copy, "*.bin")
    damaged = bytearray(weights.read_bytes())
    damaged[100] ^= 1
    weights.write_bytes(damaged)
    assert outcome(loading(copy)) == (scores, [f"{weights} is damaged; it is made again"])


def test_a_folder_that_cannot_be_written_costs_time_and_one_line(
    filled: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "in the way").write_text("a file")
    answered, log = outcome(loading(tmp_path / "in the way" / "cache"))
    assert answered == filled[1]
    (line,) = log
    assert line.startswith("the cache cannot be used")


def test_a_full_disk_costs_time_and_one_line(filled: tuple[Path, str], tmp_path: Path) -> None:
    answered, log = outcome(loading(tmp_path, *limited_files(0)))
    assert answered == filled[1]
    (line,) = log
    assert line.startswith("the cache cannot be used")
    assert files(tmp_path) == []
