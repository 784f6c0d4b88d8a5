"""Exact Winograd convolution of a layer: how it is packed; ``winograd_cuts`` cut it, ``exact_winograd_step`` is what runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.exact_winograd_step import (
    convolve_by_winograd,
    prepare_weights,
)
from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.winograd_cuts import cut_of, starts_along
from accelserve.kernels.cpu.compiler.lowering import Field, Step, record_of
from accelserve.kernels.cpu.compiler.pack import PanelLayout, pack_parameters
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName
from accelserve.kernels.cpu.microkernels.packed_epilogue import kind_for, packs_panels, panel_order
from accelserve.kernels.cpu.microkernels.winograd_forms import KERNEL, Form, Span
from accelserve.kernels.cpu.microkernels.winograd_products import channels_a_turn, emit_word_products
from accelserve.kernels.cpu.microkernels.winograd_results import Tile, emit_results
from accelserve.kernels.cpu.microkernels.winograd_transforms import (
    WINDOW,
    emit_input_transform,
    emit_weight_transform,
    words_of,
)
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import exact_winograd as w

MOST_READY_BYTES = 3 << 20
"""Of a layer's transformed weights, if all chunks are to share them."""
LEAST_CHUNKS_TO_SHARE = 4
PARTS = (1, 2, 4)
"""Into so many parts the input's channels may be divided, so that the sums of each stay within a form's bound."""
PASS_CHANNELS = 32
"""At least so many output channels share a pass over the transformed patches, where panels are narrower."""


def suits(layer: Layer) -> bool:
    """Whether a layer is what the forms compute: a 3x3 window at stride 1 over all channels, dilated or not."""
    window = layer.op.window
    return (layer.r, layer.s) == (KERNEL, KERNEL) and window.strides == (1, 1) and layer.op.groups == 1


def is_exact(layer: Layer, form: Form, parts: int = 1) -> bool:
    """Whether every sum that inputs of 0 to 255 can make lies within the form's bound, in each part of the channels.

    Then the int32 that the transforms make is ``2**shift`` times the sum. The bias counts with the first part. Of a
    single part every scale divided by that power of two has to be the same number otherwise, as all but the very
    smallest are.
    """
    channels = padded_channels(layer.per_group, layer.context.isa, parts) // parts
    for part in range(parts):
        weights = layer.weights[..., part * channels : (part + 1) * channels].reshape(layer.k, -1)
        bias = layer.bias() if part == 0 else 0
        greatest = 255 * np.maximum(weights, 0).sum(axis=1, dtype=np.int64) + bias
        least = 255 * np.minimum(weights, 0).sum(axis=1, dtype=np.int64) + bias
        if (least < -form.bound).any() or (greatest >= form.bound).any():
            return False
    factor, scale = np.float32(2.0**form.shift), layer.scale()
    return parts > 1 or bool((scale / factor * factor == scale).all())


def parts_of(layer: Layer, form: Form) -> int | None:
    """Into how few parts the channels have to be divided for the form to be exact; None if no number is enough."""
    return next((parts for parts in PARTS if is_exact(layer, form, parts)), None)


class ExactWinogradConvolution:
    """Lowers one layer by one form.

    Args:
        layer: what is lowered.
        form: how.
        parts: of the input's channels; see ``parts_of``.
    """

    def __init__(self, layer: Layer, form: Form, parts: int) -> None:
        self.layer, self.form, self.parts = layer, form, parts
        self.context, self.isa = layer.context, layer.context.isa
        words = self.isa.words
        self.panels = PanelLayout(layer.k, min(self.isa.lanes * words.vectors, layer.k), self.isa.lanes)
        self.channels = padded_channels(layer.per_group, self.isa, parts)
        self.row_starts, self.column_starts = (
            starts_along(length, form, dilation)
            for length, dilation in zip(layer.output_size, layer.op.window.dilations, strict=True)
        )
        self.rows, self.columns = (
            (len(longest), len(shorter)) for longest, shorter in (self.row_starts, self.column_starts)
        )
        self.tiles = sum(self.rows) * sum(self.columns)
        self.panel_pass = max(1, PASS_CHANNELS // self.panels.padded(0))
        passes = -(-self.panels.panels // self.panel_pass)
        self.cut = cut_of(self.tiles, self.channels, passes, words.rows, form.taps, self.context.threads)

    def steps(self) -> list[Step]:
        """The layer, after a step that transforms its weights if that is worth doing once."""
        fields = self._fields()
        steps = []
        if self._ready_bytes:
            steps.append(
                Step(
                    name=f"{self.layer.node.name} weights",
                    operator=f"winograd_{self.form}_weights",
                    function=prepare_weights,
                    fields=fields,
                    items=self.panels.panels * self.form.side // 2,
                    shape=self.layer.weights.shape,
                )
            )
        steps.append(
            Step(
                name=self.layer.node.name,
                operator=str(self._name()),
                function=convolve_by_winograd,
                fields=fields,
                items=self.cut.chunks * self.cut.panel_items,
                shape=self.layer.target.type.shape,
                macs=self.layer.macs,
                executed_macs=self._executed_macs,
            )
        )
        return steps

    @property
    def _executed_macs(self) -> int:
        """An instruction makes as many products of int16 as its group has channels; one of the peak's may make more."""
        outputs = sum(map(self.panels.padded, range(self.panels.panels)))
        products = self.tile_taps * self.channels * outputs
        return products * self.isa.group // self.isa.words.group

    @property
    def tile_taps(self) -> int:
        """Of all tiles together; a shorter one has a row or a column of them less."""
        side = self.form.side
        down, right = (
            side * longest + (side - 1) * shorter for longest, shorter in (self.rows, self.columns)
        )
        return down * right

    @property
    def weight_transforms(self) -> int:
        """How often the weights are transformed in a run."""
        return 1 if self._ready_bytes else self.cut.chunks

    @property
    def _ready_bytes(self) -> int:
        """Of the transformed weights that all chunks share; 0 if each transforms its own."""
        size = self.panels.panels * self.form.taps * self._weight_tap
        return size if size <= MOST_READY_BYTES and self.cut.chunks >= LEAST_CHUNKS_TO_SHARE else 0

    @property
    def _weight_tap(self) -> int:
        """Bytes of one tap of a panel; not a power of two, so that taps do not compete for lines of a cache."""
        return 2 * self.channels * self.panels.padded(0) + 64

    def _name(self) -> KernelName:
        words = self.isa.words
        return KernelName(
            op=f"winograd{self.form}",
            result=self.layer.result_kind().unpacked,
            rows=self.cut.group,
            channels=self.panels.full,
            group=words.group,
            isa=self.isa.name,
        )

    def _fields(self) -> dict[int, Field]:
        layer, form, cut, panels = self.layer, self.form, self.cut, self.panels
        own: dict[int, Field] = {
            f.INPUT: layer.origin(),
            f.PIXEL_STEP: layer.source.pixel_pitch,
            f.ROW_STEP: layer.source.row_pitch,
            w.SIDE: form.side,
            w.INPUT_CHANNELS: layer.per_group,
            w.TILES: self.tiles,
            f.PANELS: panels.panels,
            w.TILE_ROWS: sum(self.rows),
            w.TILE_COLUMNS: sum(self.columns),
            w.LONGEST_ROWS: self.rows[0],
            w.LONGEST_COLUMNS: self.columns[0],
            w.TILE_STARTS: self.context.pack(np.array(self._starts(), np.int64)),
            w.DILATION: layer.op.window.dilations[0],
            w.DILATION + 1: layer.op.window.dilations[1],
            w.CHUNKS: cut.chunks,
            w.GROUP_TILES: cut.group,
            f.PANEL_CHANNELS: panels.full,
            w.INPUT_TILE: 2 * self.channels,
            w.PANEL_PASS: self.panel_pass,
            w.CHANNEL_BLOCKS: self.channels // words_of(self.isa),
            f.PANEL_ITEMS: cut.panel_items,
            w.PARTS: self.parts,
            w.TURNS: self.channels // self.parts // channels_a_turn(self.isa),
        }
        parts = layer.result_fields(), self._weight_fields(), self._kernels(), self._scratch_fields()
        return record_of(w.EXACT_WINOGRAD, *parts, own)

    def _weight_fields(self) -> dict[int, Field]:
        panels, context = self.panels, self.context
        widths = [panels.padded(panel) for panel in range(panels.panels)]
        blocks = [width * self.channels // words_of(self.isa) for width in widths]
        return {
            f.WEIGHTS: context.pack_later(sum(widths) * self.channels * WINDOW, self._packed_weights),
            f.PANEL_BYTES: widths[0] * self.channels * WINDOW,
            w.WEIGHT_BLOCKS: blocks[0],
            w.LAST_WEIGHT_BLOCKS: blocks[-1],
            f.PARAMETERS: context.pack_later(8 * widths[0] * panels.panels, self._packed_parameters),
            f.PARAMETER_BYTES: 8 * widths[0],
            w.WEIGHT_TAP: self._weight_tap,
            w.PART_WEIGHTS: 2 * self.channels // self.parts * widths[0],
            w.PART_WEIGHTS + 1: 2 * self.channels // self.parts * widths[-1],
        }

    def _starts(self) -> list[int]:
        """Rows, then columns, of the first results of tiles."""
        return [start for starts in (*self.row_starts, *self.column_starts) for start in starts]

    def _order(self) -> NDArray[np.int64]:
        """Output channels in the order in which the epilogue wants them."""
        order = np.arange(self.layer.k)
        width = self.panels.full
        if self.layer.result_kind().quantized and packs_panels(self.isa, width):
            for first in range(0, self.layer.k - width + 1, width):
                order[first : first + width] = first + np.array(panel_order(self.isa))
        return order

    def _packed_weights(self) -> NDArray[np.int8]:
        """Panel by panel [block][3][3][vector], blocks being of [channels of a group][output channel][group]."""
        layer, panels, group = self.layer, self.panels, self.isa.words.group
        weights = layer.weights[self._order()].reshape(layer.k, WINDOW, layer.per_group)
        parts = []
        for panel in range(panels.panels):
            part = weights[panel * panels.full : (panel + 1) * panels.full]
            whole = np.zeros((panels.padded(panel), WINDOW, self.channels), np.int8)
            whole[: len(part), :, : layer.per_group] = part
            grouped = whole.reshape(panels.padded(panel), WINDOW, self.channels // group, group)
            flat = grouped.transpose(2, 0, 3, 1).reshape(-1, words_of(self.isa), WINDOW)
            parts.append(np.ascontiguousarray(flat.transpose(0, 2, 1)).reshape(-1))
        return np.concatenate(parts)

    def _packed_parameters(self) -> NDArray[np.int32]:
        layer, form, order = self.layer, self.form, self._order()
        bias = (layer.bias().astype(np.int64) * form.scale).astype(np.int32)
        scale = layer.scale() if self.parts > 1 else layer.scale() / np.float32(2.0**form.shift)
        return pack_parameters(bias[order], scale[order], 1, self.panels)

    def _kernels(self) -> dict[int, Field]:
        isa, form, panels, context = self.isa, self.form, self.panels, self.context
        fields: dict[int, Field] = {
            w.TRANSFORM_WEIGHTS: context.kernel(
                f"winograd_weights_{form}__{isa.name}", partial(emit_weight_transform, isa=isa, form=form)
            ),
        }
        for kind, tile, text in self._kinds_of_tiles():
            fields[w.TRANSFORM + kind] = context.kernel(
                f"winograd_input_{form}_{text}__{isa.name}",
                partial(emit_input_transform, isa=isa, form=form, tile=tile),
            )
        for last, channels in enumerate((panels.full, panels.last)):
            vectors = -(-channels // isa.lanes)
            for tiles in range(1, self.cut.group + 1):
                fields[w.KERNEL + w.MOST_GROUP_TILES * last + tiles - 1] = context.kernel(
                    f"winograd_products_{tiles}x{vectors}__{isa.name}",
                    partial(emit_word_products, isa=isa, tiles=tiles, vectors=vectors),
                )
            result = kind_for(self.layer.result_kind(), isa, channels)
            for kind, tile, text in self._kinds_of_tiles():
                results = Tile(form=form, spans=tile, kind=result, channels=channels, parts=self.parts)
                fields[w.FINISH + 4 * last + kind] = context.kernel(
                    f"winograd_results_{form}_{text}_{result}_{channels}x{self.parts}__{isa.name}",
                    partial(emit_results, isa=isa, tile=results),
                )
        return fields

    def _kinds_of_tiles(self) -> Iterator[tuple[int, tuple[Span, Span], str]]:
        """Those that there are: their number, the spans of their rows and columns, and what kernels' names call them."""
        spans = self.form.spans
        for down, rows in enumerate(spans):
            for right, columns in enumerate(spans):
                if self.rows[down] and self.columns[right]:
                    yield 2 * down + right, (rows, columns), f"{rows.outputs}x{columns.outputs}"

    def _scratch_fields(self) -> dict[int, Field]:
        """Taps lie apart by no power of two, so that they do not compete for the same lines of a cache."""
        chunk, taps = self.cut.chunk, self.form.taps
        input_tap = _odd_lines(2 * self.channels * chunk)
        products_tap = _odd_lines(4 * self.panels.padded(0) * chunk)
        weights = 0 if self._ready_bytes else 2 * self.form.side * self._weight_tap * self.panel_pass
        whole = taps * (input_tap + self.panel_pass * self.parts * products_tap) + weights
        scratch, pitch = self.context.scratch(whole)
        ready: Field = 0
        if self._ready_bytes:
            ready = self.context.shared_scratch(pitch, self._ready_bytes)
        return {
            w.SCRATCH: scratch,
            w.THREAD_BYTES: pitch,
            w.INPUT_TAP: input_tap,
            w.PRODUCTS: taps * input_tap,
            w.PRODUCTS_TAP: products_tap,
            w.PART_INPUT: 2 * self.channels // self.parts,
            w.READY_WEIGHTS: ready,
            w.WEIGHTS_ARE_READY: int(bool(self._ready_bytes)),
        }


def padded_channels(channels: int, isa: InstructionSet, parts: int) -> int:
    """Input channels as parts of whole vectors of int16 and whole turns of the products' loop."""
    whole = parts * max(words_of(isa), channels_a_turn(isa))
    return -(-channels // whole) * whole


def _odd_lines(least_bytes: int) -> int:
    lines = -(-least_bytes // 64)
    return 64 * (lines + 1 if lines % 2 == 0 else lines)


__all__ = [
    "ExactWinogradConvolution",
    "is_exact",
    "padded_channels",
    "parts_of",
    "suits",
]
