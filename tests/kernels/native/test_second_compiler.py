"""A second process that compiles: it changes how long a first start takes, and no byte of what is cached."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelserve.kernels.cpu.runtime import team
from accelserve.kernels.file_cache import write_cached
from accelserve.kernels.native import compiled, machine_code, second_compiler, spare
from accelserve.kernels.native.compiled import ArrayFunction, Compiled, function_of
from accelserve.kernels.native.machine_code import VARIABLE, KernelLoader

TRANSFORM = "accelserve.kernels.preprocess.transform_code"
FUNCTIONS: tuple[compiled.Function, ...] = (
    ArrayFunction(TRANSFORM, "quantize_row", "f32[1]", "f32", "f32", "u8[1]"),
    Compiled("accelserve.kernels.cpu.compiler.convolution.exact_winograd_step", "prepare_weights", 3),
    team.END,
    team.RUN_IMAGE,
    ArrayFunction(TRANSFORM, "spread", "u8[3]", "u8[3]~"),
)
"""Small ones."""
PATIENCE_SECONDS = 120.0


class Compilations(logging.Handler):
    """Counts what the log says was compiled, and tells when something was."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols: list[str] = []
        self.some = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("compiled "):
            self.symbols.append(message.removeprefix("compiled ").rpartition(" in ")[0])
            self.some.set()


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> KernelLoader:
    """Of a process that has compiled nothing, with two processors and enough memory."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(spare, "processors", lambda: 2.0)
    monkeypatch.setattr(spare, "memory_bytes", lambda: None)
    fresh = KernelLoader()
    for module in (machine_code, compiled, second_compiler):
        monkeypatch.setattr(module, "KERNELS", fresh)
    return fresh


@pytest.fixture
def compilations() -> Iterator[Compilations]:
    log = logging.getLogger(machine_code.__name__)
    handler, level = Compilations(), log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


def compile_all(folder: Path) -> None:
    for function in FUNCTIONS:
        each = function_of(function.request)  # of which nothing is loaded yet
        if isinstance(each, Compiled):
            each.address(folder)
        else:
            each.load(folder)


def objects(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "objects").iterdir()}


def test_two_processes_cache_the_bytes_that_one_does(
    loader: KernelLoader, compilations: Compilations, tmp_path: Path
) -> None:
    with second_compiler.second_compiler(tmp_path / "two") as second:
        loader.expect(FUNCTIONS)
        assert compilations.some.wait(PATIENCE_SECONDS), "the other process compiled nothing"
        compile_all(tmp_path / "two")
    assert second.process is not None
    assert second.process.returncode == 0
    assert sorted(compilations.symbols) == sorted(each.symbol for each in FUNCTIONS), "each once, by whomever"
    for each in reversed(FUNCTIONS):
        target = machine_code.host_target()
        path = machine_code.object_path(each.symbol, target, tmp_path / "one")
        assert write_cached(path, each.object_code())
    assert objects(tmp_path / "two") == objects(tmp_path / "one")


def test_what_a_killed_process_was_at_is_compiled_here(
    loader: KernelLoader, compilations: Compilations, tmp_path: Path
) -> None:
    with second_compiler.second_compiler(tmp_path) as second:
        loader.expect(FUNCTIONS)
        assert second.process is not None
        second.process.kill()
        compile_all(tmp_path)
    assert second.process.returncode == -signal.SIGKILL
    # Where this process was held up before the kill, the other one may have been done with some, and had no time to tell.
    assert len(compilations.symbols) == len(set(compilations.symbols))
    assert len(objects(tmp_path)) == len(FUNCTIONS)


def test_a_process_that_was_stopped_is_not_waited_for(
    loader: KernelLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in ("_PATIENCE_SECONDS", "_END_SECONDS"):
        monkeypatch.setattr(second_compiler, patience, 0.1)
    with second_compiler.second_compiler(tmp_path) as second:
        loader.expect(FUNCTIONS)
        assert second.process is not None
        second.process.send_signal(signal.SIGSTOP)
        compile_all(tmp_path)
    assert second.process.returncode == -signal.SIGKILL
    assert len(objects(tmp_path)) == len(FUNCTIONS)


@pytest.mark.parametrize("program", ["", "/nowhere/python", "/bin/true", "/bin/echo", "/etc/passwd"])
def test_a_process_that_cannot_start_or_is_another_program_is_done_without(
    loader: KernelLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with second_compiler.second_compiler(tmp_path):
        loader.expect(FUNCTIONS)
        compile_all(tmp_path)
    assert len(objects(tmp_path)) == len(FUNCTIONS)


def test_where_nothing_can_be_cached_everything_is_compiled_here(
    loader: KernelLoader, tmp_path: Path
) -> None:
    folder = tmp_path / "a-file"
    folder.touch()
    with second_compiler.second_compiler(folder) as second:
        loader.expect(FUNCTIONS)
        compile_all(folder)
    assert second.process is not None
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(("processors", "memory"), [(1.0, None), (1.5, None), (4.0, 256 << 20)])
def test_no_process_without_a_second_processor_and_memory(
    loader: KernelLoader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processors: float,
    memory: int | None,
) -> None:
    monkeypatch.setattr(spare, "processors", lambda: processors)
    monkeypatch.setattr(spare, "memory_bytes", lambda: memory)
    with second_compiler.second_compiler(tmp_path) as second:
        loader.expect(FUNCTIONS)
    assert second.process is None


def test_no_process_for_little_work_or_what_is_cached(loader: KernelLoader, tmp_path: Path) -> None:
    with second_compiler.second_compiler(tmp_path) as second:
        loader.expect(FUNCTIONS[:3])
        assert second.process is None
    for each in FUNCTIONS:
        write_cached(
            machine_code.object_path(each.symbol, machine_code.host_target(), tmp_path), b"seems to be cached"
        )
    with second_compiler.second_compiler(tmp_path) as second:
        loader.expect(FUNCTIONS)
        assert second.process is None


PARENT = """
import sys
from pathlib import Path
from accelserve.kernels.native import spare
from accelserve.kernels.native.second_compiler import second_compiler
from tests.kernels.native.test_second_compiler import FUNCTIONS
spare.processors, spare.memory_bytes = lambda: 2.0, lambda: None
with second_compiler(Path(sys.argv[1])) as second:
    second.expect(FUNCTIONS)
    print(second.process.pid, flush=True)
    sys.stdin.read()
"""


def test_it_ends_with_a_parent_that_is_killed_and_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        other = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            poll = select.poll()
            poll.register(other, select.POLLIN)
            assert poll.poll(PATIENCE_SECONDS * 1000), "the other process outlives its parent"
        finally:
            os.close(other)
    assert not list(tmp_path.rglob(".partial-*"))
