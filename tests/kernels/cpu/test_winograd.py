"""Convolution in the Winograd domain on every instruction set that this machine runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.compiler.convolution.winograd import split_of
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.winograd_graphs import FORMS, winograd_convolution

RUNNABLE = [each.name for each in isa.available()]
GENERIC_AND_BEST = list(dict.fromkeys((RUNNABLE[0], RUNNABLE[-1])))


def assert_bit_exact(
    g: IntegerGraphBuilder, outputs: dict[str, str], name: str, cache: Path, threads: int = 2
) -> None:
    graph = g.graph(**outputs)
    program = CpuDevice(name).load(Lowered(graph, {}), LoadOptions(threads=threads, cache=cache))
    try:
        results = program.run(g.feeds)
    finally:
        program.close()
    for output, wanted in evaluate(graph, g.feeds).items():
        assert_same(results[output], wanted, f"{output} on {name}")


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("form", FORMS)
def test_every_epilogue_is_bit_exact(name: str, form: str, code_cache: Path) -> None:
    g = IntegerGraphBuilder(1)
    y = winograd_convolution(g, g.input(15, 14, 64), 128, form=form)
    assert_bit_exact(g, {"y": y}, name, code_cache)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (7, 9, 70), (14, 14, 100), (33, 5, 64)])
@pytest.mark.parametrize("outputs", [1, 67, 130])
def test_odd_sizes_are_bit_exact(
    name: str, shape: tuple[int, int, int], outputs: int, code_cache: Path
) -> None:
    g = IntegerGraphBuilder(2)
    y = winograd_convolution(g, g.input(*shape), outputs, form="residual", input_zero_point=255)
    assert_bit_exact(g, {"y": y}, name, code_cache)


@pytest.mark.parametrize("name", RUNNABLE)
def test_saturating_taps_are_bit_exact(name: str, code_cache: Path) -> None:
    g = IntegerGraphBuilder(3)
    y = winograd_convolution(g, g.input(9, 12, 33), 40, gain=8.0, input_zero_point=0)
    assert_bit_exact(g, {"y": y}, name, code_cache)


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_chain_writes_halos_and_reuses_memory(name: str, code_cache: Path) -> None:
    g = IntegerGraphBuilder(4)
    x = g.input(13, 15, 20)
    first = winograd_convolution(g, x, 24)
    second = g.conv(first, 24, 3, padding=1, residual=first)
    third = winograd_convolution(g, second, 24, form="residual", residual=first, input_zero_point=9)
    assert_bit_exact(g, {"y": winograd_convolution(g, g.conv(third, 70), 70)}, name, code_cache)


@pytest.mark.parametrize("name", GENERIC_AND_BEST)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_any_shape_is_bit_exact(name: str, code_cache: Path, data: st.DataObject) -> None:
    g = IntegerGraphBuilder(data.draw(st.integers(0, 2**16)))
    padding = tuple(data.draw(st.integers(0, 3)) for _ in range(4))
    height = data.draw(st.integers(max(1, 3 - padding[0] - padding[2]), 20))
    width = data.draw(st.integers(max(1, 3 - padding[1] - padding[3]), 20))
    x = g.input(height, width, data.draw(st.integers(1, 90)))
    y = winograd_convolution(
        g,
        x,
        data.draw(st.integers(1, 150)),
        padding=(padding[0], padding[1], padding[2], padding[3]),
        input_zero_point=data.draw(st.integers(0, 255)),
        form=data.draw(st.sampled_from(FORMS)),
        gain=data.draw(st.sampled_from((0.2, 1.0, 5.0))),
    )
    assert_bit_exact(g, {"y": y}, name, code_cache, threads=data.draw(st.integers(1, 3)))


def test_a_profile_counts_the_products_that_are_made(code_cache: Path) -> None:
    g = IntegerGraphBuilder(5)
    y = winograd_convolution(g, g.input(15, 14, 64), 128)
    program = CpuDevice().load(Lowered(g.graph(y=y), {}), LoadOptions(threads=1, cache=code_cache))
    profile = program.profile(g.feeds, 2)
    program.close()
    (layer,) = (each for each in profile if each.operator.startswith("winograd2d_qu8_qc8w_qu8_"))
    assert layer.macs == 15 * 14 * 9 * 64 * 128, "of the definition, whatever the algorithm"
    assert layer.executed_macs == 8 * 7 * 16 * 64 * 128
    assert layer.seconds > 0


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(("groups", "panels"), [(1, 1), (7, 8), (28, 8), (448, 2), (3, 30)])
def test_a_cut_covers_the_layer_and_balances_it(groups: int, panels: int, threads: int) -> None:
    cut = split_of(groups, panels, 64 * panels, threads, most_groups=16)
    chunks = -(-groups // cut.groups)
    assert cut.items == chunks * cut.panel_items
    assert 1 <= cut.groups <= 16
    assert 1 <= cut.panel_items <= panels
    assert cut.items >= min(threads, groups * panels)
