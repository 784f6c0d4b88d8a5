"""Exact Winograd convolution on every instruction set that this machine runs, to the reference's bytes.

Layers here are too small to be worth it, so tests choose the form themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.compiler.plan import plan
from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.compiler.blocks import Blocks
from accelserve.kernels.cpu.compiler.convolution import exact_winograd, winograd_cuts
from accelserve.kernels.cpu.compiler.convolution.exact_winograd import (
    PARTS,
    ExactWinogradConvolution,
    is_exact,
    parts_of,
    suits,
)
from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.winograd_choice import by_winograd
from accelserve.kernels.cpu.compiler.convolution.winograd_cuts import cut_of, starts_along
from accelserve.kernels.cpu.compiler.lowering import Context, CpuLayoutRules
from accelserve.kernels.cpu.compiler.ops import convolution
from accelserve.kernels.cpu.compiler.pack import Packer
from accelserve.kernels.cpu.compiler.planning import plan_network
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import ResultKind
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.cpu.microkernels.winograd_forms import F2, F4, FORMS, Form
from accelserve.kernels.cpu.microkernels.winograd_products import emit_word_products
from accelserve.kernels.cpu.microkernels.winograd_results import Tile, emit_results
from accelserve.kernels.cpu.microkernels.winograd_transforms import (
    emit_input_transform,
    emit_weight_transform,
)
from accelserve.kernels.cpu.plan.steps import Code
from accelserve.kernels.cpu.plan.verifier import verify
from accelserve.kernels.cpu.records import exact_winograd as w
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import UnsafePlanError
from accelserve.kernels.ir import QConv2d
from accelserve.kernels.native.machine_code import assembly
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

RUNNABLE = [each.name for each in isa.available()]
EPILOGUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "float": {"float_result": True},
    "residual": {"residual": True},
    "intermediate": {"residual": True, "intermediate": True},
    "saturating": {"gain": 50.0, "zero_point": 0},
    "wide": {"gain": 1e30, "low": 3, "high": 250},
}
MARKS = {
    "amx": r"vpdpwssd.*%zmm",
    "avx512vnni": r"vpdpwssd.*%zmm",
    "avxvnni": r"vpdpwssd.*%ymm",
    "avx2": r"vpmaddwd.*%ymm",
    "neoni8mm": r"smlal2?\b",
    "neondot": r"smlal2?\b",
}


@pytest.fixture(params=FORMS, ids=str)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Form:
    """Every layer takes this form if it can."""
    chosen: Form = request.param
    monkeypatch.setattr(convolution, "by_winograd", partial(forced, form=chosen))
    return chosen


def forced(layer: Layer, form: Form, least_parts: int = 1) -> ExactWinogradConvolution | None:
    """The form, if it can be exact."""
    needed = parts_of(layer, form) if suits(layer) else None
    return None if needed is None else ExactWinogradConvolution(layer, form, max(needed, least_parts))


def assert_bit_exact(
    g: IntegerGraphBuilder, outputs: dict[str, str], name: str, cache: Path | None, threads: int = 2
) -> list[str]:
    """Run and compare; the operators that ran."""
    graph = g.graph(**outputs)
    program = CpuDevice(name).load(Lowered(graph, {}), LoadOptions(threads=threads, cache=cache))
    try:
        results = program.run(g.feeds)
        ran = [step.operator for step in program.profile(g.feeds, 1)]
    finally:
        program.close()
    for output, wanted in evaluate(graph, g.feeds).items():
        assert_same(results[output], wanted, f"{output} on {name}")
    return ran


def convolve(g: IntegerGraphBuilder, x: str, outputs: int, epilogue: str = "plain", **more: Any) -> str:
    asked = EPILOGUES[epilogue] | {"padding": 1} | more
    if asked.get("residual"):
        plain = g.conv(x, outputs, 3, padding=asked["padding"], dilation=asked.get("dilation", 1))
        asked["residual"] = g.input(*g.shape(plain)[1:])
    return g.conv(x, outputs, 3, **asked)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_every_epilogue_is_bit_exact(form: Form, name: str, epilogue: str, code_cache: Path) -> None:
    g = IntegerGraphBuilder(1)
    y = convolve(g, g.input(13, 14, 48), 80, epilogue)
    ran = assert_bit_exact(g, {"y": y}, name, code_cache / str(form))
    assert any(operator.startswith(f"winograd{form}_qu8_qc8w_") for operator in ran)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (7, 9, 70), (16, 14, 33), (31, 5, 64)])
def test_odd_sizes_are_bit_exact(
    form: Form, name: str, shape: tuple[int, int, int], code_cache: Path
) -> None:
    g = IntegerGraphBuilder(2)
    x = g.input(*shape)
    results = {
        f"y{outputs}": convolve(g, x, outputs, "residual", input_zero_point=255) for outputs in (1, 67, 130)
    }
    assert_bit_exact(g, results, name, code_cache / str(form))


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("chunk_tiles", [1, 3, 56])
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (14, 8), (4, 11), (19, 3), (5, 6)], ids=str)
def test_spans_of_every_length_are_bit_exact(
    name: str, size: tuple[int, int], chunk_tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles that are shorter one way, both ways or neither, all in a chunk or each in another."""
    monkeypatch.setattr(convolution, "by_winograd", partial(forced, form=F4))
    monkeypatch.setattr(winograd_cuts, "MOST_CHUNK_TILES", chunk_tiles)
    g = IntegerGraphBuilder(5)
    y = convolve(g, g.input(*size, 32), 72, "residual", input_zero_point=77)
    y = g.conv(y, 24, 3, padding=1, input_zero_point=9)
    assert_bit_exact(g, {"y": y}, name, None, threads=2)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("ready_bytes", [0, 1 << 30])
def test_many_small_chunks_are_bit_exact(
    form: Form, name: str, ready_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights that all chunks share, and that each transforms anew; chains write halos and reuse memory."""
    monkeypatch.setattr(winograd_cuts, "MOST_CHUNK_TILES", 5)
    monkeypatch.setattr(winograd_cuts, "LEAST_CHUNK_TILES", 1)
    monkeypatch.setattr(exact_winograd, "MOST_READY_BYTES", ready_bytes)
    g = IntegerGraphBuilder(3)
    x = g.input(22, 19, 20)
    first = convolve(g, x, 72)
    second = g.conv(first, 72, 3, padding=1, residual=first, input_zero_point=200)
    third = g.conv(second, 24, 3, padding=(0, 1, 2, 1), input_zero_point=9)
    ran = assert_bit_exact(g, {"y": g.conv(third, 70)}, name, None, threads=3)
    assert (f"winograd_{form}_weights" in ran) == (ready_bytes > 0)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("zero_point", [0, 3, 128, 255])
@pytest.mark.parametrize(("pixels", "channels"), [("extreme", 100), ("all 255", 100), ("all 255", 140)])
def test_extreme_sums_are_exact(
    form: Form, name: str, zero_point: int, pixels: str, channels: int, code_cache: Path
) -> None:
    """The largest sums that 100 channels make, every bit of them seen through a float32 result.

    And those of 140 channels, which are too great for F(4x4) unless the channels are divided.
    """
    rng, shape = np.random.default_rng(0), (9, 10, channels)
    g = IntegerGraphBuilder(4)
    x = g.input(*shape, values=np.full(shape, 255) if pixels == "all 255" else rng.choice([0, 255], shape))
    results = {}
    for kind in ("extreme", "greatest", "least"):
        results[kind] = convolve(g, x, 33, "float", input_zero_point=zero_point)
        weights, bias = g.nodes[-1].inputs[1:3]
        old = g.constants[weights]
        new = {
            "extreme": rng.choice([-128, 127], old.shape),
            "greatest": np.full(old.shape, 127),
            "least": np.full(old.shape, -128),
        }[kind]
        g.constants[weights] = new.astype(np.int8)
        g.constants[bias] = np.zeros_like(g.constants[bias])
    ran = assert_bit_exact(g, results, name, code_cache / str(form))
    assert sum(operator.startswith(f"winograd{form}_qu8") for operator in ran) == 3


@pytest.mark.parametrize("name", RUNNABLE)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_layer_is_bit_exact(name: str, code_cache: Path, data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(FORMS))
    g = IntegerGraphBuilder(data.draw(st.integers(0, 2**16)))
    padding = tuple(data.draw(st.integers(0, 3)) for _ in range(4))
    dilation = data.draw(st.sampled_from([(1, 1), (1, 2), (3, 1), (2, 3), (6, 6)]))
    parts = data.draw(st.sampled_from(PARTS))
    height, width = (
        data.draw(st.integers(max(1, 1 + 2 * each - before - behind), 20))
        for each, before, behind in zip(dilation, padding[:2], padding[2:], strict=True)
    )
    x = g.input(height, width, data.draw(st.integers(1, 90)))
    y = convolve(
        g,
        x,
        data.draw(st.integers(1, 150)),
        data.draw(st.sampled_from(sorted(EPILOGUES))),
        padding=padding,
        dilation=dilation,
        input_zero_point=data.draw(st.integers(0, 255)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "by_winograd", partial(forced, form=chosen, least_parts=parts))
        assert_bit_exact(g, {"y": y}, name, code_cache / str(chosen), threads=data.draw(st.integers(1, 3)))


TILES = [(form, rows, columns) for form in FORMS for rows in form.spans for columns in form.spans]
KERNELS: dict[str, Callable[[InstructionSet], str]] = {
    "products": lambda each: emit_word_products("k", each, each.words.rows, each.words.vectors),
    **{
        f"input {form} {rows.outputs}x{columns.outputs}": partial(
            emit_input_transform, "k", form=form, tile=(rows, columns)
        )
        for form, rows, columns in TILES
    },
    **{f"weights {form}": partial(emit_weight_transform, "k", form=form) for form in FORMS},
    **{
        f"results {form} {rows.outputs}x{columns.outputs} of {parts}": partial(
            emit_results,
            "k",
            tile=Tile(
                form=form,
                spans=(rows, columns),
                kind=ResultKind(True, True, True),
                channels=33,
                parts=parts,
            ),
        )
        for form, rows, columns in TILES
        for parts in (1, 2)
    },
}


@pytest.mark.parametrize("each", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_compile_for_every_instruction_set(each: InstructionSet, kernel: str) -> None:
    text = assembly(KERNELS[kernel](each), each.target)
    assert "fma" not in text, "it rounds once where the definition rounds twice"
    if kernel == "products" and each.target.triple:
        made = re.findall(MARKS[each.name], text)
        assert len(made) >= each.words.rows * each.words.vectors


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (w.LONGEST_ROWS, 4),
        (w.LONGEST_COLUMNS, 0),
        (w.TILE_ROWS, 5),
        (w.TILE_COLUMNS, 2),
        (w.TILES, 20),
        (w.DILATION, 0),
        (w.DILATION + 1, 2),
        (w.PARTS, 2),
        (w.PART_INPUT, 16),
        (w.PART_WEIGHTS, 64),
        (w.GROUP_TILES, 0),
        (w.GROUP_TILES, 7),
        (w.TRANSFORM + 3, Code("winograd_input_f4_4x4__generic")),
        (w.FINISH + 1, 0),
        (w.KERNEL + 1, Code("winograd_products_3x4__generic")),
    ],
)
def test_tiles_that_are_not_those_of_the_image_are_refused(
    field: int, value: Code | int, monkeypatch: pytest.MonkeyPatch, code_cache: Path
) -> None:
    """Two rows and columns of four pixels and two of three; others would compute past it, or by another's kernels."""
    monkeypatch.setattr(convolution, "by_winograd", partial(forced, form=F4))
    g = IntegerGraphBuilder(6)
    y = convolve(g, g.input(14, 14, 16), 16)
    made, constants = plan_network(Lowered(g.graph(y=y), {}), isa.choose("generic"), 1, code_cache)
    (step,) = (each for each in made.recipe.steps if each.function.name == "convolve_by_winograd")
    assert (step.fields[w.LONGEST_ROWS], step.fields[w.LONGEST_COLUMNS]) == (2, 2)
    verify(made, constants.bytes)
    damaged = replace(step, fields={**step.fields, field: value})
    steps = [damaged if each is step else each for each in made.recipe.steps]
    with pytest.raises(UnsafePlanError, match="the plan of this network is refused"):
        verify(replace(made, recipe=replace(made.recipe, steps=steps)), constants.bytes)


# --- where it is chosen -------------------------------------------------------------------------------------------


def layer_of(g: IntegerGraphBuilder, name: str, threads: int = 1) -> Layer:
    graph = g.graph(y=g.nodes[-1].output)
    rules = CpuLayoutRules()
    laid_out = plan(graph, rules)
    context = Context(
        plan=laid_out,
        blocks=Blocks(laid_out, rules),
        packer=Packer(),
        isa=INSTRUCTION_SETS[name],
        threads=threads,
        cache=None,
    )
    node = graph.nodes[-1]
    assert isinstance(node.op, QConv2d)
    return Layer(node, node.op, context)


@pytest.mark.parametrize("weight", [127, -128])
@pytest.mark.parametrize(
    ("channels", "parts"),
    [(112, (1, 1)), (130, (2, 1)), (260, (4, 1)), (520, (None, 1)), (1900, (None, 2)), (9000, (None, None))],
)
def test_a_form_is_exact_as_far_as_its_bound_reaches(
    weight: int, channels: int, parts: tuple[int | None, int | None]
) -> None:
    """9 * 112 * 255 * 127 < 2**25 < 9 * 130 * 255 * 127, so 130 channels need two parts; F(2x2) reaches to 2**29."""
    g = IntegerGraphBuilder(0)
    g.conv(g.input(4, 4, channels), 16, 3, padding=1, bias=np.zeros(16, np.int32))
    weights = g.nodes[-1].inputs[1]
    g.constants[weights] = np.zeros_like(g.constants[weights])
    g.constants[weights][5] = weight  # one channel that fails is enough
    layer = layer_of(g, "avx2")
    assert (parts_of(layer, F4), parts_of(layer, F2)) == parts


def test_a_bias_near_the_bound_counts() -> None:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(4, 4, 8), 16, 3, padding=1, bias=np.full(16, 2**25 - 1, np.int32))
    assert not is_exact(layer_of(g, "avx2"), F4)


def test_a_scale_that_cannot_be_divided_exactly_counts() -> None:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(4, 4, 8), 16, 3, padding=1)
    scale = g.nodes[-1].inputs[3]
    g.constants[scale] = np.full(16, 1.1e-38, np.float32)
    assert not is_exact(layer_of(g, "avx2"), F4)


@pytest.mark.parametrize("name", ["avx2", "avx512vnni", "avxvnni", "generic"])
def test_large_layers_take_the_larger_form(name: str) -> None:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(56, 56, 128), 128, 3, padding=1)
    chosen = by_winograd(layer_of(g, name))
    assert chosen is not None
    assert chosen.form is F4


@pytest.mark.parametrize("name", ["avx2", "generic"])
def test_sums_too_great_for_the_larger_form_are_divided(name: str) -> None:
    """SSD's class scores: 9 * 1024 weights, of 30 each."""
    g = IntegerGraphBuilder(0)
    g.conv(g.input(19, 19, 1024), 64, 3, padding=1)
    weights = g.nodes[-1].inputs[1]
    g.constants[weights] = np.full_like(g.constants[weights], 30)
    chosen = by_winograd(layer_of(g, name))
    assert chosen is not None
    assert (chosen.form, chosen.parts) == (F4, 4)


def test_dilated_layers_take_a_tile_of_every_interlaced_image() -> None:
    """SSD's fc6: 19 rows are six images of rows six apart, one of four and five of three rows."""
    g = IntegerGraphBuilder(0)
    g.conv(g.input(19, 19, 512), 1024, 3, padding=6, dilation=6)
    chosen = by_winograd(layer_of(g, "avx2"))
    assert chosen is not None
    assert (chosen.form, chosen.rows, chosen.columns) == (F4, (1, 5), (1, 5))


@given(length=st.integers(1, 60), form=st.sampled_from(FORMS), dilation=st.integers(1, 9))
def test_spans_cover_what_they_are_to_cover(length: int, form: Form, dilation: int) -> None:
    covered = [
        first + dilation * k
        for firsts, span in zip(starts_along(length, form, dilation), form.spans, strict=False)
        for first in firsts
        for k in range(span.outputs)
    ]
    assert sorted(row for row in covered if row < length) == list(range(length))


@pytest.mark.parametrize("name", ["amx", "neondot", "neoni8mm"])
def test_fast_direct_products_are_kept(name: str) -> None:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(56, 56, 128), 128, 3, padding=1)
    assert by_winograd(layer_of(g, name)) is None


@pytest.mark.parametrize(
    "asked",
    [{"stride": 2}, {"groups": 2}, {"kernel": 5}, {"kernel": (3, 1)}],
    ids=str,
)
def test_other_windows_are_convolved_directly(asked: dict[str, Any]) -> None:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(56, 56, 64), 64, **({"kernel": 3, "padding": 1} | asked))
    assert by_winograd(layer_of(g, "avx2")) is None


def test_few_channels_are_convolved_directly() -> None:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(56, 56, 3), 64, 3, padding=1)
    assert by_winograd(layer_of(g, "avx512vnni")) is None


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(("tiles", "channels"), [(1, 512), (4, 512), (16, 256), (49, 512), (3136, 64)])
@pytest.mark.parametrize("passes", [1, 8])
def test_a_cut_covers_the_layer_and_balances_it(threads: int, tiles: int, channels: int, passes: int) -> None:
    cut = cut_of(tiles, channels, passes, rows=6, taps=36, threads=threads)
    assert 1 <= cut.chunks <= tiles
    assert 1 <= cut.panel_items <= passes
    assert 1 <= cut.group <= min(6, cut.chunk)
    assert cut.chunks * cut.panel_items >= min(threads, passes)
