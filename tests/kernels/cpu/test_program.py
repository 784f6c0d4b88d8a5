"""A loaded program: batches, threads, memory, profiles, and what the cache spares a second process."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from accelserve.kernels.cpu.compiler.pack import Packer
from accelserve.kernels.cpu.isa import available
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.runtime.program import CpuProgram
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.program import Device, LoadOptions, Lowered, Program, WorksSideBySide, share_of_peak
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


def small_network() -> Graph:
    g = IntegerGraphBuilder(3)
    x = g.input(16, 16, 3)
    stem = g.maximum(g.conv(x, 32, 7, stride=2, padding=3), 3, stride=1, padding=1)
    block = g.conv(g.conv(stem, 16), 16, 3, padding=1)
    summed = g.conv(block, 32, residual=stem)
    joined = g.concat(3, summed, g.conv(summed, 8, 3, padding=1))
    return g.graph(scores=g.conv(g.average(joined, (8, 8)), 10, float_result=True), features=joined)


def load(cache: Path | None, threads: int = 2, graph: Graph | None = None) -> CpuProgram:
    return CpuDevice().load(Lowered(graph or small_network(), {}), LoadOptions(threads=threads, cache=cache))


def images(count: int) -> dict[str, Array]:
    return {"in0": np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)}


def test_it_is_a_device_with_programs(code_cache: Path) -> None:
    assert isinstance(CpuDevice(), Device)
    program = load(code_cache)
    assert isinstance(program, Program)
    assert program.description == f"cpu {CpuDevice().isa.name}, 2 threads"
    assert isinstance(program, WorksSideBySide)
    assert program.side_by_side == 2
    program.close()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_a_batch_gives_the_bytes_of_its_images(code_cache: Path, threads: int, count: int) -> None:
    graph = small_network()
    program = load(code_cache, threads, graph)
    batch = images(count)
    results = program.run(batch)
    program.close()
    for i in range(count):
        for name, wanted in evaluate(graph, {"in0": batch["in0"][i : i + 1]}).items():
            assert_same(results[name][i : i + 1], wanted, f"{name} of image {i}")


def test_inputs_need_not_be_contiguous(code_cache: Path) -> None:
    program = load(code_cache)
    wide = np.random.default_rng(0).integers(0, 256, (4, 16, 32, 3)).astype(np.uint8)
    results = program.run({"in0": wide[::2, :, ::2]})
    wanted = program.run({"in0": np.ascontiguousarray(wide[::2, :, ::2])})
    program.close()
    assert_same(results["scores"], wanted["scores"], "scores")


def test_calls_from_many_threads_are_ordered(code_cache: Path) -> None:
    program = load(code_cache)
    batches = [images(1 + i % 4) for i in range(24)]
    alone = [program.run(batch) for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(program.run, batches))
    program.close()
    for one, other in zip(alone, together, strict=True):
        assert_same(other["features"], one["features"], "features")


def test_a_closed_program_says_so(code_cache: Path) -> None:
    before = set(threading.enumerate())  # some of which may end meanwhile
    program = load(code_cache)
    program.close()
    program.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(DeviceError, match="closed"):
        program.run(images(1))


def test_a_profile_names_every_node_that_runs(code_cache: Path) -> None:
    program = load(code_cache)
    profile = program.profile(images(1), 3)
    program.close()
    wanted = [node.name for node in small_network() if node.op.label == "QConv2d"]
    # Which kernel computes a layer is the instruction set's business.
    convolutions = {each.name: each for each in profile if each.name in wanted}
    assert list(convolutions) == wanted
    assert convolutions[wanted[0]].macs == 8 * 8 * 32 * 7 * 7 * 3
    assert all(each.seconds > 0 for each in profile)


@pytest.mark.parametrize("each", available(), ids=lambda each: each.name)
def test_the_measured_peak_bounds_what_layers_reach(code_cache: Path, each: InstructionSet) -> None:
    options = LoadOptions(threads=1, cache=code_cache)
    program = CpuDevice(each.name).load(Lowered(small_network(), {}), options)
    peak = program.peak_macs_per_second()
    profile = program.profile(images(1), 3)
    program.close()
    assert peak > 0
    assert 0 < share_of_peak(profile, peak) < 1


def test_concat_costs_no_step(code_cache: Path) -> None:
    program = load(code_cache)
    profile = program.profile(images(1), 1)
    program.close()
    joins = {node.name for node in small_network() if node.op.label == "Concat"}
    assert joins
    assert not joins & {each.name for each in profile}


def test_packed_weights_are_packed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code_cache: Path
) -> None:
    first = load(tmp_path)
    wanted = first.run(images(2))
    first.close()

    def refuse(*_: object) -> None:
        raise AssertionError("packed again")

    monkeypatch.setattr(Packer, "_fill", refuse)
    second = load(tmp_path)
    results = second.run(images(2))
    second.close()
    assert_same(results["scores"], wanted["scores"], "scores")


LOAD_AGAIN = """
import sys
from pathlib import Path
import llvmlite.binding as llvm
from accelserve.kernels.native import machine_code
from tests.kernels.cpu.test_program import images, load

def refuse(*_):
    raise AssertionError("compiled again")

if sys.argv[2] == "warm":
    machine_code.object_code = refuse
    from numba.core import compiler
    compiler.compile_extra = refuse
program = load(Path(sys.argv[1]))
print(program.run(images(1))["scores"].tobytes().hex())
program.close()
"""


@pytest.mark.usefixtures("compiles_itself")
def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    results = [
        subprocess.run(
            [sys.executable, "-c", LOAD_AGAIN, str(tmp_path), state],
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for state in ("cold", "warm")
    ]
    assert results[0] == results[1] != ""
    assert list(tmp_path.glob("objects/*.o"))


def test_loading_and_unloading_leaves_no_growth(code_cache: Path) -> None:
    def resident_pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    for _ in range(5):
        load(code_cache).close()
    before = resident_pages()
    for _ in range(40):
        program = load(code_cache)
        program.run(images(2))
        program.close()
    assert (resident_pages() - before) * 4096 < 4 << 20


def test_a_program_keeps_no_weights_but_the_packed_ones(code_cache: Path) -> None:
    graph = small_network()
    weights = [weakref.ref(array) for array in graph.constants.values()]
    program = load(code_cache, graph=graph)
    del graph
    gc.collect()
    assert not [kept for kept in weights if kept() is not None]
    program.run(images(1))
    program.close()


GROWTH = """
import gc, sys
from pathlib import Path
from tests.kernels.cpu.test_program import images, load

def resident_pages():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1])

def five_at_once():
    programs = [load(Path(sys.argv[1])) for _ in range(5)]
    for program in programs:
        program.run(images(3))
        program.close()

for _ in range(15):
    five_at_once()
before = resident_pages()
for _ in range(50):
    five_at_once()
print((resident_pages() - before) * 4096)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_and_unloading_takes_no_memory_for_good(code_cache: Path) -> None:
    load(code_cache).close()
    grown = subprocess.run(
        [sys.executable, "-c", GROWTH, str(code_cache)], capture_output=True, text=True, check=True
    ).stdout
    # 250 programs of some 140 kB each would have taken 35 MB.
    assert int(grown) < 4 << 20


DROPPED = """
import gc, sys, threading
from pathlib import Path
from tests.kernels.cpu.test_program import images, load

cache = Path(sys.argv[1])
kept = load(cache)
wanted = kept.run(images(3))["scores"].tobytes()
wrong = 0
for _ in range(150):
    dropped = load(cache)  # the one before is nobody's any more, as in a notebook's cell that is run again
    for count in (1, 3):
        expected = kept.run(images(count))["scores"].tobytes()
        wrong += dropped.run(images(count))["scores"].tobytes() != expected
    wrong += kept.run(images(3))["scores"].tobytes() != wanted
dropped.profile(images(1), 2)
workers = [each for each in threading.enumerate() if each.name.startswith("accelserve-worker")]
del dropped
gc.collect()
for each in workers[1:]:
    each.join(60)
    wrong += each.is_alive()
print(wrong, "wrong")
"""


def test_programs_dropped_without_close_end_their_workers_and_harm_nobody(code_cache: Path) -> None:
    load(code_cache).close()
    done = subprocess.run(
        [sys.executable, "-c", DROPPED, str(code_cache)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0 wrong\n"), done.stderr
