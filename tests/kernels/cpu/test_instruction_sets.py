"""Every instruction set of the table: compiled for its processor, and bit-exact where this one can run it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.microkernels.conv2d import emit_conv2d
from accelserve.kernels.cpu.microkernels.elements import ElementKernelName, emit_element_kernel
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.matrix import emit_matrix_conv2d
from accelserve.kernels.cpu.microkernels.names import KernelName, ResultKind, parse
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.native.machine_code import assembly
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.random_graphs import integer_graphs

RUNNABLE = [each.name for each in isa.available()]
MARKS = {
    "amx": "vpdpbusd",
    "avx512vnni": "vpdpbusd",
    "avxvnni": "{vex}\tvpdpbusd",
    "avx2": "vpmaddwd",
    "neoni8mm": "usdot",
    "neondot": "sdot",
}
"""The instruction that an inner loop is made of."""
WIDE = {"amx": "%zmm", "avx512vnni": "%zmm", "avxvnni": "%ymm", "avx2": "%ymm"}


def assert_bit_exact(
    graph: Graph, feeds: Mapping[str, Array], name: str, cache: Path, threads: int = 2
) -> None:
    program = CpuDevice(name).load(Lowered(graph, {}), LoadOptions(threads=threads, cache=cache))
    try:
        results = program.run(feeds)
    finally:
        program.close()
    for output, wanted in evaluate(graph, feeds).items():
        assert_same(results[output], wanted, f"{output} on {name}")


@pytest.mark.parametrize("each", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
def test_a_kernel_compiles_to_the_instructions_that_name_it(each: InstructionSet) -> None:
    if not each.target.triple:
        pytest.skip("made for whatever the host is")
    name = KernelName(
        op="conv2d",
        result=ResultKind(True, True, True),
        rows=each.rows,
        channels=each.channels,
        group=each.group,
        isa=each.name,
        unroll=2,
    )
    text = assembly(emit_conv2d(name, each), each.target)
    loop = [line for line in text.splitlines() if line.strip().startswith(MARKS[each.name])]
    assert len(loop) >= each.rows * each.vectors * 2
    assert all(WIDE.get(each.name, "") in line for line in loop)
    assert "fma" not in text, "a fused multiply-add rounds once where the definition rounds twice"


@pytest.mark.parametrize("channels", [64, 48, 7])
def test_a_matrix_kernel_multiplies_one_tile_or_two(channels: int) -> None:
    name = KernelName(
        op="conv2d",
        result=ResultKind(True, True, True),
        rows=28,
        channels=channels,
        group=64,
        isa="amx",
        tiles=2,
    )
    text = assembly(emit_matrix_conv2d(parse(str(name))), INSTRUCTION_SETS["amx"].target)
    pairs, rest = divmod(-(-channels // 16), 2)
    one_tile = 2 * (pairs > 0) + rest  # a loop runs over the pairs of vectors
    assert text.count("\ttdpbusd\t") == one_tile + 2 * one_tile
    assert "fma" not in text


@pytest.mark.parametrize("each", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
@pytest.mark.parametrize("op", ["affine", "norm", "add", "maxpool", "avgpool"])
@pytest.mark.parametrize("narrow", [False, True])
def test_an_element_kernel_compiles_without_fused_additions(
    each: InstructionSet, op: str, narrow: bool
) -> None:
    name = ElementKernelName(op=op, channels=7 if narrow else 4 * each.lanes, isa=each.name)
    text = assembly(emit_element_kernel(name, each), each.target)
    assert not re.search(r"\bv?fn?m(add|la|adds?|las)", text), (
        "it rounds once where the definition rounds twice"
    )


def rows_of_pixels(g: IntegerGraphBuilder, channels: int) -> Graph:
    """Every operator of element kernels, on one count of channels."""
    x, y = g.input(9, 7, channels), g.input(9, 7, channels)
    summed = g.affine(g.l2_normalize(g.qadd(x, y)), low=3)
    pooled = g.maximum(summed, 3, stride=2, padding=1)
    return g.graph(pooled=pooled, mean=g.average(summed, (2, 3)), all=g.average(x, (9, 7)))


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("channels", [1, 7, 16, 31, 63, 64, 65, 96, 130])
def test_channels_beside_whole_blocks_are_exact(name: str, channels: int, code_cache: Path) -> None:
    g = IntegerGraphBuilder(channels)
    assert_bit_exact(rows_of_pixels(g, channels), g.feeds, name, code_cache)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("channels", [2, 7, 31, 64, 65, 96, 192])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_depthwise_convolutions_are_exact(name: str, channels: int, kernel: int, code_cache: Path) -> None:
    g = IntegerGraphBuilder(channels)
    same: dict[str, Any] = {"padding": kernel // 2, "groups": channels, "input_zero_point": 7}
    x = g.input(9, 11, channels)
    first = g.conv(x, channels, kernel, stride=2, **same)
    second = g.conv(first, channels, kernel, residual=first, intermediate=True, gain=1e9, **same)
    third = g.conv(second, channels, kernel, float_result=True, **same)
    assert_bit_exact(g.graph(a=first, b=second, c=third), g.feeds, name, code_cache)


def test_the_generic_set_runs_anywhere() -> None:
    assert RUNNABLE[-1] == "generic"


def test_the_best_set_is_chosen_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELSERVE_ISA", raising=False)
    assert CpuDevice().isa.name == RUNNABLE[0]
    monkeypatch.setenv("ACCELSERVE_ISA", RUNNABLE[-1])
    assert CpuDevice().isa.name == RUNNABLE[-1]
    assert CpuDevice(RUNNABLE[0]).isa.name == RUNNABLE[0]
    assert CpuDevice("generic").isa.name == "generic"


def test_a_set_that_this_processor_lacks_is_refused_with_those_it_has() -> None:
    lacking = next(name for name in INSTRUCTION_SETS if name not in RUNNABLE)
    with pytest.raises(DeviceError, match=f"'{lacking}': this processor lacks it; choose one of .*generic"):
        CpuDevice(lacking)
    with pytest.raises(DeviceError, match="there is none of that name"):
        CpuDevice("mmx")


@pytest.mark.parametrize("name", RUNNABLE)
@settings(max_examples=15, deadline=None)
@given(drawn=integer_graphs(), threads=st.integers(1, 3))
def test_random_graphs_are_bit_exact(
    name: str, code_cache: Path, drawn: tuple[Graph, Mapping[str, Array]], threads: int
) -> None:
    assert_bit_exact(*drawn, name, code_cache, threads)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Graph, Mapping[str, Array]]:
    """One convolution of any shape, channel counts around every tile's width."""
    g = IntegerGraphBuilder(draw(st.integers(0, 2**16)))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = groups * draw(st.integers(1, 70)), groups * draw(st.integers(1, 140))
    x = g.input(draw(st.integers(5, 12)), draw(st.integers(5, 20)), inputs)
    asked: dict[str, Any] = {
        "stride": (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        "padding": tuple(draw(st.integers(0, 2)) for _ in range(4)),
        "groups": groups,
        "input_zero_point": draw(st.integers(0, 255)),
        "zero_point": draw(st.integers(0, 255)),
        "intermediate": draw(st.booleans()),
        "gain": draw(st.sampled_from([1.0, 50.0, 1e30])),
    }
    first = g.conv(x, outputs, kernel, float_result=draw(st.booleans()), **asked)
    residual = g.conv(x, outputs, kernel, **asked)
    return g.graph(a=first, b=g.conv(x, outputs, kernel, residual=residual, **asked)), g.feeds


@pytest.mark.parametrize("name", RUNNABLE)
@settings(max_examples=25, deadline=None)
@given(drawn=convolutions())
def test_random_convolutions_are_bit_exact(
    name: str, code_cache: Path, drawn: tuple[Graph, Mapping[str, Array]]
) -> None:
    assert_bit_exact(*drawn, name, code_cache)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize(("activation", "weight"), [(255, -128), (255, 127), (0, -128)])
def test_extreme_sums_are_exact(name: str, code_cache: Path, activation: int, weight: int) -> None:
    """Pairs of such products overflow int16, where instructions that saturate go wrong."""
    g = IntegerGraphBuilder(1)
    x = g.input(4, 5, 130, values=np.full((4, 5, 130), activation))
    result = g.conv(x, 33, 3, padding=1, float_result=True, input_zero_point=activation)
    weights = g.nodes[-1].inputs[1]
    g.constants[weights] = np.full_like(g.constants[weights], weight)
    assert_bit_exact(g.graph(out=result), g.feeds, name, code_cache)
