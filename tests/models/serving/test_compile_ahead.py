"""A cache that was filled for a kind of processor serves on every one of that kind, whoever filled it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from accelserve.kernels.cpu.isa import available
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.native.levels import LEVELS, host_features, level_for, this_machine
from accelserve.models.serving.compile_ahead import compile_ahead, instruction_sets
from accelserve.models.serving.servable import Servable
from tests.models.serving.test_cached_plans import answers, published

THREADS = (1, 2)
SERVE = """
    import hashlib, logging, sys
    from pathlib import Path
    from accelserve.kernels.program import LoadOptions
    from accelserve.kernels.devices.discovery import open_device
    from accelserve.models.serving.servable import Servable
    from tests.models.serving.test_cached_plans import answers
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    device = open_device(f"cpu:{sys.argv[3]}")
    for threads in (1, 2):
        options = LoadOptions(threads=threads, cache=Path(sys.argv[2]))
        servable = Servable.load(Path(sys.argv[1]), device=device, options=options)
        servable.warm_up()
        print(sorted((name, hashlib.sha256(array.tobytes()).hexdigest()) for name, array in answers(servable).items()))
        servable.close()
"""


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("kept"), seed=3)


@pytest.fixture(scope="module")
def filled(version: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("ahead")
    told: list[tuple[int, int]] = []
    compile_ahead([version], cache, available()[:1], THREADS, lambda *progress: told.append(progress))
    assert told == [(1, 1)]
    assert len(list((cache / "plans").glob("*.json"))) == len(THREADS)
    return cache


@pytest.mark.usefixtures("compiles_itself")
def test_what_was_compiled_ahead_gives_the_reference_devices_bytes_and_nothing_is_compiled_again(
    version: Path, filled: Path
) -> None:
    with closing(Servable.load(version, device=ReferenceDevice())) as servable:
        expected = sorted(
            (name, hashlib.sha256(array.tobytes()).hexdigest()) for name, array in answers(servable).items()
        )
    before = sorted(filled.rglob("*"))
    command = [sys.executable, "-c", textwrap.dedent(SERVE), str(version), str(filled), available()[0].name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(expected)] * len(THREADS)
    assert sorted(filled.rglob("*")) == before


def test_a_processor_that_is_not_here_is_compiled_for_and_nothing_of_it_runs(
    version: Path, filled: Path
) -> None:
    """On a machine that has every instruction set, for one that it has."""
    names = [each.name for each in available()]
    others = [each for each in instruction_sets() if each.name not in names]
    isa = max(others or instruction_sets(), key=lambda each: each.preference)
    before = {path.name for path in (filled / "objects").iterdir()}
    compile_ahead([version], filled, [isa], [3])
    made = {path.name for path in (filled / "objects").iterdir()} - before
    assert [name for name in made if f"__{isa.name}" in name]
    assert len(list((filled / "plans").glob("*.json"))) == len(THREADS) + 1


def test_every_instruction_set_has_a_level_that_it_can_run() -> None:
    for isa in INSTRUCTION_SETS.values():
        machine = isa.target.triple.partition("-")[0] or this_machine()
        level = level_for(isa.features, machine)
        assert level is not None, isa.name
        assert level.mark in ("", *isa.features)


def test_the_levels_that_this_processor_has_are_those_whose_features_it_has() -> None:
    for level in LEVELS:
        lacking = [name for name in level.features if not host_features().get(name, False)]
        same_machine = level.target.triple.startswith(this_machine())
        assert level.runs_on(this_machine(), host_features()) == (same_machine and not lacking)
        assert not level.features or not level.runs_on(this_machine(), {})


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(DeviceError, match=r"is called 'sse9'; there are .*generic"):
        instruction_sets(["sse9"])


def test_what_does_not_compile_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"compiling ahead for .* failed: .*CorruptVersionError"):
        compile_ahead([tmp_path], tmp_path / "cache", available()[:1], [1])
    assert not list(tmp_path.rglob("*.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
