"""Where values live: views instead of copies, halos that their writers owe, results over spent residuals."""

from __future__ import annotations

from accelserve.kernels import ir
from accelserve.kernels.compiler.layout import Placement, lay_out
from accelserve.kernels.compiler.plan import plan
from accelserve.kernels.cpu.compiler.lowering import CpuLayoutRules
from accelserve.kernels.cpu.compiler.ops import LOWERINGS
from accelserve.kernels.ir import Graph
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

assert LOWERINGS  # the operators, whose layout rules these tests use, are registered by this import


def placements(graph: Graph) -> dict[str, Placement]:
    return lay_out(graph, CpuLayoutRules()).placements


def test_concat_operands_live_in_slices_of_the_result() -> None:
    g = IntegerGraphBuilder(0)
    x = g.input(4, 4, 8)
    a, b = g.conv(x, 16), g.conv(x, 24)
    joined = g.concat(3, a, b)
    found = placements(g.graph(out=g.conv(joined, 8)))
    assert found[a].buffer == found[b].buffer == found[joined].buffer
    assert (found[a].origin, found[b].origin) == (0, 16)
    assert found[a].pixel_pitch == found[joined].pixel_pitch == 40


def test_a_dense_block_is_one_buffer() -> None:
    """DenseNet: every layer reads everything before it, and no byte is copied."""
    g = IntegerGraphBuilder(0)
    features = [g.conv(g.input(4, 4, 8), 16)]
    joined = features[0]
    for _ in range(4):
        features.append(g.conv(g.conv(joined, 12), 4, 3, padding=1))
        joined = g.concat(3, *features)
    found = placements(g.graph(out=g.conv(joined, 8)))
    assert {found[value].buffer for value in features} == {found[joined].buffer}
    assert [found[value].origin for value in features] == [0, 16, 20, 24, 28]


def test_a_chain_of_concats_is_one_buffer() -> None:
    g = IntegerGraphBuilder(0)
    joined = g.conv(g.input(4, 4, 8), 16)
    parts = [joined]
    for _ in range(3):
        new = g.conv(joined, 4)
        joined = g.concat(3, joined, new)
        parts += [new, joined]
    found = placements(g.graph(out=g.conv(joined, 8)))
    assert len({found[value].buffer for value in parts}) == 1


def test_a_value_in_two_places_of_a_concat_is_copied_once() -> None:
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 4, 8), 16)
    joined = g.concat(3, a, a)
    found = placements(g.graph(out=joined))
    assert found[a].buffer != found[joined].buffer


def test_a_padded_reader_gets_a_halo_of_its_zero_point() -> None:
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 5, 8), 16)
    found = placements(g.graph(out=g.conv(a, 8, 3, padding=(1, 0, 2, 1), input_zero_point=9)))[a]
    assert (found.halo, found.fill) == ((1, 0, 2, 1), 9)
    assert found.row_pitch == 6 * 16
    assert found.origin == 6 * 16


def test_slices_owe_the_halo_of_the_whole() -> None:
    g = IntegerGraphBuilder(0)
    x = g.input(4, 4, 8)
    a, b = g.conv(x, 16), g.conv(x, 24)
    found = placements(g.graph(out=g.conv(g.concat(3, a, b), 8, 3, padding=1)))
    assert found[a].halo == found[b].halo == (1, 1, 1, 1)


def test_a_sum_overwrites_a_spent_residual() -> None:
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 4, 8), 16)
    summed = g.conv(g.conv(a, 8), 16, residual=a)
    found = placements(g.graph(out=g.conv(summed, 8)))
    assert found[summed].buffer == found[a].buffer


def test_a_residual_that_is_read_again_is_kept() -> None:
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 4, 8), 16)
    summed = g.conv(g.conv(a, 8), 16, residual=a)
    found = placements(g.graph(out=summed, again=g.conv(a, 8)))
    assert found[summed].buffer != found[a].buffer


def test_a_residual_that_is_convolved_too_is_kept() -> None:
    """Neighbours of an element that was overwritten would be read wrong."""
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 4, 8), 8)
    summed = g.conv(a, 8, 3, padding=1, residual=a)
    found = placements(g.graph(out=summed))
    assert found[summed].buffer != found[a].buffer


def test_a_reshape_of_dense_elements_is_a_view() -> None:
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 4, 8), 16)
    flat = g.add(ir.Reshape((1, 256)), a)
    found = placements(g.graph(out=flat))
    assert found[flat].buffer == found[a].buffer


def test_readers_with_two_zero_points_get_a_copy_each() -> None:
    g = IntegerGraphBuilder(0)
    a = g.conv(g.input(4, 4, 8), 16)
    b = g.conv(a, 8, 3, padding=1, input_zero_point=1)
    c = g.conv(a, 8, 3, padding=1, input_zero_point=2)
    planned = plan(g.graph(b=b, c=c), CpuLayoutRules())
    copies = [node for node in planned.graph if isinstance(node.op, ir.Slice)]
    assert [planned.placements[node.output].fill for node in copies] == [2]


def test_a_long_chain_takes_no_more_than_its_widest_pair() -> None:
    g = IntegerGraphBuilder(0)
    x = g.input(8, 8, 16)
    for _ in range(10):
        x = g.conv(x, 16)
    planned = plan(g.graph(out=x), CpuLayoutRules())
    assert planned.arena_bytes == 2 * 8 * 8 * 16


def test_a_padded_operand_stays_out_of_a_concat_that_is_reshaped() -> None:
    """The view has other rows, between which there is no room for the operand's halo."""
    g = IntegerGraphBuilder(0)
    x = g.input(1, 3, 1)
    joined = g.concat(3, g.qadd(x, x), x)
    found = placements(
        g.graph(a=g.conv(x, 1, padding=(0, 0, 0, 1)), b=g.add(ir.Reshape((1, 3, 1, 2)), joined))
    )
    assert found[x].buffer != found[joined].buffer
