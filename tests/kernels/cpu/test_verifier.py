"""What is proved of a plan before it runs, on every instruction set: sound ones pass, and no damaged one does."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels import ir
from accelserve.kernels.cpu.compiler.lowering import Context
from accelserve.kernels.cpu.compiler.planning import plan_network
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.cpu.plan.plan_file import CpuPlan
from accelserve.kernels.cpu.plan.steps import Address, Code, Field
from accelserve.kernels.cpu.plan.verifier import verify
from accelserve.kernels.cpu.records import convolution, matrix, tiles
from accelserve.kernels.cpu.records.copies import HALO
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import UnsafePlanError
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.cpu.test_program import images, small_network
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.conformance_cases import joined_cases
from tests.kernels.devices.inner_batch_cases import INNER_BATCH_CASES
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.random_graphs import integer_graphs
from tests.kernels.devices.winograd_graphs import winograd_convolution

Planned = tuple[CpuPlan, NDArray[np.uint8]]
SETS = pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)


compiled_kernel = Context.kernel


@pytest.fixture(scope="module", autouse=True)
def _uncompiled() -> Iterator[None]:
    """Plans name their kernels without compiling them, so that those of every processor can be made here."""
    patch = pytest.MonkeyPatch()
    patch.setattr(Context, "kernel", lambda _self, name, _emit: Code(name))
    yield
    patch.undo()


def planned(graph: Graph, isa: InstructionSet, threads: int = 2) -> Planned:
    plan, constants = plan_network(Lowered(graph, {}), isa, threads, None)
    return plan, constants.bytes


@cache
def small(isa: str) -> Planned:
    return planned(small_network(), INSTRUCTION_SETS[isa])


def with_step(plan: CpuPlan, index: int, **changes: Any) -> CpuPlan:
    steps = list(plan.recipe.steps)
    steps[index] = replace(steps[index], **changes)
    return replace(plan, recipe=replace(plan.recipe, steps=steps))


def without_step(plan: CpuPlan, index: int) -> CpuPlan:
    steps = [*plan.recipe.steps[:index], *plan.recipe.steps[index + 1 :]]
    writes = [each._replace(step=each.step - 1) for each in plan.recipe.writes]
    return replace(plan, recipe=replace(plan.recipe, steps=steps, writes=writes))


def with_field(plan: CpuPlan, index: int, position: int, value: object) -> CpuPlan:
    return with_step(plan, index, fields={**plan.recipe.steps[index].fields, position: value})


@SETS
def test_every_conformance_case_is_proved(isa: InstructionSet) -> None:
    verify(*planned(joined_cases()[0], isa))


@SETS
def test_inner_batches_are_proved(isa: InstructionSet) -> None:
    for case in INNER_BATCH_CASES.values():
        g = IntegerGraphBuilder(0)
        result = case(g)
        whole = g.add(ir.Reshape((1, g.types[result].elements)), result)
        verify(*planned(g.graph(a=whole), isa))


@SETS
@settings(max_examples=15, deadline=None)
@given(drawn=integer_graphs(), threads=st.integers(1, 3))
def test_random_graphs_are_proved(
    isa: InstructionSet, drawn: tuple[Graph, Mapping[str, Array]], threads: int
) -> None:
    verify(*planned(drawn[0], isa, threads))


@SETS
@pytest.mark.parametrize("form", ["float", "plain", "residual", "intermediate"])
@pytest.mark.parametrize("size", [(9, 7), (8, 20)])
def test_winograd_convolutions_are_proved(isa: InstructionSet, form: str, size: tuple[int, int]) -> None:
    g = IntegerGraphBuilder(1)
    first = winograd_convolution(g, g.input(*size, 70), 70, form=form)
    verify(*planned(g.graph(a=first), isa))


def test_a_residual_layer_that_is_written_over_its_operand_is_proved_and_owns_its_bytes() -> None:
    g = IntegerGraphBuilder(0)
    stem = g.conv(g.input(8, 8, 3), 16)
    summed = g.conv(g.conv(stem, 16, 3, padding=1), 16, residual=stem)
    plan, constants = planned(g.graph(a=g.conv(summed, 8, 3, padding=1)), INSTRUCTION_SETS["generic"])
    arena = [block for block in plan.recipe.blocks if block.space == "arena"]
    assert len(set(arena)) < len(arena), "nothing was written over anything"
    verify(plan, constants)
    with pytest.raises(UnsafePlanError, match="no step before it wrote"):
        verify(without_step(plan, 3), constants)


def test_a_missing_step_leaves_bytes_that_nobody_wrote() -> None:
    plan, constants = small("generic")
    inputs, outputs = len(plan.inputs), len(plan.outputs)
    for index in range(inputs, len(plan.recipe.steps) - outputs):
        with pytest.raises(UnsafePlanError, match=r"no step (before it wrote|writes)"):
            verify(without_step(plan, index), constants)


def test_steps_in_another_order_read_what_is_not_written_yet() -> None:
    plan, constants = small("generic")
    first, second, *others = plan.recipe.steps[1:]
    steps = [plan.recipe.steps[0], second, first, *others]
    with pytest.raises(UnsafePlanError, match="no step before it wrote"):
        verify(replace(plan, recipe=replace(plan.recipe, steps=steps)), constants)


def test_a_value_whose_bytes_were_taken_is_not_there_any_more() -> None:
    plan, constants = small("generic")
    blocks = list(plan.recipe.blocks)
    arena = [index for index, block in enumerate(blocks) if block.space == "arena"]
    first = blocks[arena[0]]
    for index in arena[1:]:  # every value begins where the first one does
        blocks[index] = blocks[index]._replace(offset=first.offset)

    def moved(value: Field) -> Field:
        if not isinstance(value, Address) or value.space != "arena":
            return value
        inside = value.offset - plan.recipe.blocks[value.block].offset
        return replace(value, offset=first.offset + inside)

    steps = [
        replace(each, fields={position: moved(value) for position, value in each.fields.items()})
        for each in plan.recipe.steps
    ]
    with pytest.raises(UnsafePlanError, match="no step before it wrote for it"):
        verify(replace(plan, recipe=replace(plan.recipe, blocks=blocks, steps=steps)), constants)


def addresses(plan: CpuPlan) -> list[tuple[int, int]]:
    """Step and field of every address in the arena that is used whether or not a frame has a halo."""
    return [
        (index, position)
        for index, each in enumerate(plan.recipe.steps)
        for position, value in each.fields.items()
        if isinstance(value, Address) and value.space == "arena" and position not in (convolution.HALO, HALO)
    ]


@SETS
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_address_may_lie_outside_its_block(isa: InstructionSet, data: st.DataObject) -> None:
    plan, constants = small(isa.name)
    index, position = data.draw(st.sampled_from(addresses(plan)))
    address = plan.recipe.steps[index].fields[position]
    assert isinstance(address, Address)
    size = plan.recipe.blocks[address.block].size_bytes
    distance = data.draw(st.integers(size, 2**40) | st.integers(-(2**40), -size))
    with pytest.raises(UnsafePlanError):
        verify(with_field(plan, index, position, address + distance), constants)


@SETS
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_result_may_lie_a_byte_beside_its_place(isa: InstructionSet, data: st.DataObject) -> None:
    plan, constants = small(isa.name)
    layers = [index for index, each in enumerate(plan.recipe.steps) if each.macs]
    index = data.draw(st.sampled_from(layers))
    distance = data.draw(st.integers(-64, 64).filter(bool))
    address = plan.recipe.steps[index].fields[convolution.OUTPUT]
    assert isinstance(address, Address)
    with pytest.raises(UnsafePlanError):
        verify(with_field(plan, index, convolution.OUTPUT, address + distance), constants)


@SETS
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_result_may_have_another_shape(isa: InstructionSet, data: st.DataObject) -> None:
    plan, constants = small(isa.name)
    layers = [index for index, each in enumerate(plan.recipe.steps) if each.macs and each.shape[1] > 1]
    index = data.draw(st.sampled_from(layers))
    fields = plan.recipe.steps[index].fields
    position = data.draw(
        st.sampled_from(
            [
                at
                for at in (
                    convolution.OUTPUT_ROW,
                    convolution.OUTPUT_PIXEL,
                    convolution.PANELS,
                    tiles.TILES,
                )
                if fields.get(at, 0) not in (0, 1)
            ]
        )
    )
    value = data.draw(st.integers(-(2**40), 2**40) | st.integers(0, 100))
    assume(value != fields[position])
    # Rows of an image that counts as one are no distance, and matrix tiles jump from row to row.
    assume(position != convolution.OUTPUT_ROW or not (isa.matrix or fields.get(tiles.ROWS) == 1))
    with pytest.raises(UnsafePlanError):
        verify(with_field(plan, index, position, value), constants)


@SETS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_field_holds_the_verifier_answers(isa: InstructionSet, data: st.DataObject) -> None:
    """A multiplier may be any number; but no value may end in another error, or in one that takes all memory."""
    plan, constants = small(isa.name)
    index = data.draw(st.integers(0, len(plan.recipe.steps) - 1))
    position = data.draw(st.sampled_from(sorted(plan.recipe.steps[index].fields)))
    value = data.draw(
        st.integers(-(2**62), 2**62)
        | st.integers(-300, 300)
        | st.builds(
            Address,
            st.sampled_from(["arena", "scratch", "constants", "nowhere"]),
            st.integers(-(2**40), 2**40),
            st.integers(-3, 300),
        )
        | st.builds(Code, st.text(max_size=8) | st.sampled_from(kernels(plan)))
    )
    with contextlib.suppress(UnsafePlanError):
        verify(with_field(plan, index, position, value), constants)


def test_matrix_tiles_without_a_single_pixel_are_refused() -> None:
    plan, constants = small("amx")
    steps = [each.function.name for each in plan.recipe.steps]
    emptied = with_field(plan, steps.index("convolve_matrix"), matrix.COLUMNS, 0)
    with pytest.raises(UnsafePlanError, match="has no position that is a pixel"):
        verify(emptied, constants)


def kernels(plan: CpuPlan) -> list[str]:
    return [
        value.name for each in plan.recipe.steps for value in each.fields.values() if isinstance(value, Code)
    ]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_fewer_or_more_items_than_the_record_counts_on_are_refused(data: st.DataObject) -> None:
    plan, constants = small("generic")
    index = data.draw(st.integers(0, len(plan.recipe.steps) - 1))
    items = data.draw(st.integers(-1, 2**21))
    assume(items != plan.recipe.steps[index].items)
    with pytest.raises(UnsafePlanError):
        verify(with_step(plan, index, items=items), constants)


def test_a_plan_for_smaller_memory_is_refused() -> None:
    plan, constants = small("generic")
    for smaller in ("arena_bytes", "weights_bytes"):
        damaged: CpuPlan = replace(plan, **{smaller: getattr(plan, smaller) // 2})
        with pytest.raises(UnsafePlanError, match="does not lie inside"):
            verify(damaged, constants)


def test_a_step_that_declares_nothing_cannot_be_written() -> None:
    def forgotten(record: int, item: int, thread: int) -> None:
        """Reads and writes something."""

    with pytest.raises(TypeError, match="declares no accesses"):
        step(forgotten)


@pytest.fixture
def kept(tmp_path: Path, code_cache: Path) -> Iterator[LoadOptions]:
    """A cache that holds the plan of the small network, compiled."""
    del code_cache
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "kernel", compiled_kernel)
        options = LoadOptions(threads=2, cache=tmp_path, network="small")
        CpuDevice().load(Lowered(small_network(), {}), options).close()
        yield options


def test_a_plan_in_the_cache_that_is_not_proved_is_made_again_with_a_warning(
    kept: LoadOptions, caplog: pytest.LogCaptureFixture
) -> None:
    device, lowered = CpuDevice(), Lowered(small_network(), {})
    assert kept.cache is not None
    (file,) = (kept.cache / "plans").glob("*.json")
    whole, plan = file.read_bytes(), CpuPlan.read(file)
    assert plan is not None
    without_step(plan, 1).save(file)
    assert device.load_cached(kept) is None
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert re.search(r"\.json is made again: .* no step before it wrote", record.getMessage())
    device.load(lowered, kept).close()
    assert file.read_bytes() == whole
    again = device.load_cached(kept)
    assert again is not None
    assert_same(
        again.program.run(images(1))["scores"], evaluate(lowered.graph, images(1))["scores"], "scores"
    )
    again.program.close()


def test_a_compiled_plan_that_is_not_proved_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*arguments: Any) -> Any:
        plan, constants = plan_network(*arguments)
        return without_step(plan, 1), constants

    monkeypatch.setattr("accelserve.kernels.cpu.compiler.planning.plan_network", damaged)
    wanted = (
        r"the plan of this network is refused: step '.*' \(.*\) reads \d+ bytes .* no step before it wrote"
    )
    with pytest.raises(UnsafePlanError, match=wanted):
        CpuDevice().load(
            Lowered(small_network(), {}), LoadOptions(threads=2, cache=tmp_path, network="small")
        )
    assert not list(tmp_path.glob("plans/*"))
