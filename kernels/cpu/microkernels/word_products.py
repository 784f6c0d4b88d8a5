"""How an instruction set multiplies int16 by int16 and adds up in int32 modulo 2**32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I16, I32, Emitter, vector

Load = Callable[[Emitter, ir.Value], ir.Value]
Dot = Callable[[Emitter, ir.Value, ir.Value, ir.Value], ir.Value]


class Body(Protocol):
    """Emits one turn of the innermost loop."""

    def __call__(
        self,
        emitter: Emitter,
        words: WordProducts,
        sums: Sequence[Sequence[ir.Value]],
        at: ir.Value,
        pitch: ir.Value,
        weights: ir.Value,
        steps: int,
    ) -> list[list[ir.Value]]:
        """The sums, [tile][vector], after so many steps of a group of channels each.

        Tiles lie ``pitch`` bytes apart from ``at`` on; a step's weights are ``vectors`` vectors side by side.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycles:
    """What the parts of a convolution take on one core, measured on the processor that ``docs/numerics.md`` names.

    Only their proportions matter, to choose between ways to compute a layer (``benchmarks/winograd.py`` checks them).

    Attributes:
        macs: multiply-accumulates of int16 a cycle, operands in the first-level cache.
        direct_macs: of direct convolution.
        input: cycles of a tile's input transform by F(4x4), per channel.
        output: cycles of a tile's output transform and epilogue, per output channel.
        weight: cycles of one transform of the weights, per pair of input and output channel.
    """

    macs: float
    direct_macs: float
    input: float
    output: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WordProducts:
    """One way to do it.

    Attributes:
        group: channels that one dot product takes.
        rows: most tiles of the image that one call multiplies.
        vectors: most vectors of output channels.
        load: ``group`` int16 at an address, in every lane.
        dot: ``accumulator + sum over the group of activation * weight`` in every lane; weights lie as
            [channel of the output][group].
        body: of the innermost loop.
        cycles: how long it takes.
    """

    group: int
    rows: int
    vectors: int
    load: Load
    dot: Dot
    body: Body
    cycles: Cycles


def plain_body(
    emitter: Emitter,
    words: WordProducts,
    sums: Sequence[Sequence[ir.Value]],
    at: ir.Value,
    pitch: ir.Value,
    weights: ir.Value,
    steps: int,
) -> list[list[ir.Value]]:
    """See ``Body``: by the instruction set's ``load`` and ``dot``, in LLVM's hands."""
    now = [list(row) for row in sums]
    lanes = now[0][0].type.count
    kind = vector(I16, lanes * words.group)
    size = 2 * lanes * words.group
    rows = [emitter.times(pitch, tile) for tile in range(len(now))]
    for step in range(steps):
        loaded = [
            emitter.load(emitter.plus(weights, size * (step * len(now[0]) + v)), kind)
            for v in range(len(now[0]))
        ]
        for offset, totals in zip(rows, now, strict=True):
            activation = words.load(emitter, emitter.plus(at, offset, 2 * words.group * step))
            for v, weight in enumerate(loaded):
                totals[v] = words.dot(emitter, totals[v], activation, weight)
    return now


def plain_words(lanes: int, rows: int, vectors: int, cycles: Cycles) -> WordProducts:
    """Multiplications and additions of vectors, which LLVM maps to what there is (``smlal`` on ARM)."""

    def load(emitter: Emitter, address: ir.Value) -> ir.Value:
        return emitter.splat(emitter.load(address, I16), lanes)

    def dot(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
        build, wide = emitter.builder, vector(I32, lanes)
        product = build.mul(build.sext(activation, wide), build.sext(weights, wide))
        return build.add(accumulator, product)

    return WordProducts(
        group=1, rows=rows, vectors=vectors, load=load, dot=dot, body=plain_body, cycles=cycles
    )
