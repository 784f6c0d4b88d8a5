"""Products of int16 on x86: what exact Winograd convolutions multiply with.

The innermost loop's body is written as assembly: it uses every vector register, and LLVM, left to order the same
instructions by itself, loads the next step's weights early and spills accumulators.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

import llvmlite.binding as llvm
from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I16, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.word_products import (
    Body,
    Cycles,
    Dot,
    WordProducts,
    plain_body,
)

RowLines = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[str]]
"""Registers of a tile's sums, of weights and for the products in between, the first of which holds the activation -> instructions."""

PREFETCH_BYTES, LINE_BYTES = 2048, 64
"""Weights are asked for so far ahead: they come from the second-level cache, and each is used for a few tiles only."""
ROWS_A_BASE = 3
"""Rows that one address register reaches: at it, and at one and two pitches beyond."""


def vpdpwssd(lanes: int, rows: int, vectors: int, cycles: Cycles) -> WordProducts:
    """Two products into each int32 lane in one instruction, which wraps."""

    def dot(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
        name = f"llvm.x86.avx512.vpdpwssd.{32 * lanes}"
        return emitter.call(name, vector(I32, lanes), [accumulator, activation, weights])

    def row(sums: Sequence[str], weights: Sequence[str], temporaries: Sequence[str]) -> list[str]:
        activation = temporaries[0]
        return [f"vpdpwssd {w}, {activation}, {s}" for s, w in zip(sums, weights, strict=True)]

    return _words(lanes, (rows, vectors), cycles, dot, row, temporaries=1)


def vpmaddwd(lanes: int, rows: int, vectors: int, cycles: Cycles) -> WordProducts:
    """Two products, their sum (exact: at most 2 * 17340 * 18432 < 2**31), then an addition."""

    def dot(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
        products = emitter.call("llvm.x86.avx2.pmadd.wd", vector(I32, lanes), [activation, weights])
        return emitter.builder.add(accumulator, products)

    def row(sums: Sequence[str], weights: Sequence[str], temporaries: Sequence[str]) -> list[str]:
        activation, product = temporaries
        lines = []
        for s, w in zip(sums[:-1], weights[:-1], strict=True):
            lines += [f"vpmaddwd {w}, {activation}, {product}", f"vpaddd {product}, {s}, {s}"]
        # The last product may take the activation's register.
        return [
            *lines,
            f"vpmaddwd {weights[-1]}, {activation}, {activation}",
            f"vpaddd {activation}, {sums[-1]}, {sums[-1]}",
        ]

    return _words(lanes, (rows, vectors), cycles, dot, row, temporaries=2)


def _words(
    lanes: int, tile: tuple[int, int], cycles: Cycles, dot: Dot, row: RowLines, temporaries: int
) -> WordProducts:
    def load(emitter: Emitter, address: ir.Value) -> ir.Value:
        pair = emitter.splat(emitter.load(address, I32), lanes)
        return emitter.builder.bitcast(pair, vector(I16, 2 * lanes))

    body: Body
    if platform.machine() in {"x86_64", "AMD64"}:
        llvm.initialize_native_asmparser()
        body = _Assembly(lanes, row, temporaries)
    else:
        body = plain_body  # on other processors this code is only looked at, and their LLVM cannot parse assembly
    return WordProducts(group=2, rows=tile[0], vectors=tile[1], load=load, dot=dot, body=body, cycles=cycles)


class _Assembly:
    """A turn of the loop as one assembly statement."""

    def __init__(self, lanes: int, row: RowLines, temporaries: int) -> None:
        self.lanes, self.row, self.temporaries = lanes, row, temporaries

    def __call__(
        self,
        emitter: Emitter,
        words: WordProducts,  # noqa: ARG002 - every body has this signature
        sums: Sequence[Sequence[ir.Value]],
        at: ir.Value,
        pitch: ir.Value,
        weights: ir.Value,
        steps: int,
    ) -> list[list[ir.Value]]:
        """See ``word_products.Body``."""
        kind = vector(I32, self.lanes)
        tiles, vectors = len(sums), len(sums[0])
        flat = [each for row in sums for each in row]
        bases = [emitter.plus(at, emitter.times(pitch, row)) for row in range(0, tiles, ROWS_A_BASE)]
        inputs = [weights, pitch, *bases]
        outputs = len(flat) + vectors + self.temporaries
        first_input = outputs + len(flat)
        text = self._text(tiles, vectors, len(flat), first_input, steps)
        constraints = ["=&v"] * outputs + [str(k) for k in range(len(flat))] + ["r"] * len(inputs)
        result = ir.LiteralStructType([kind] * outputs)
        signature = ir.FunctionType(result, [kind] * len(flat) + [each.type for each in inputs])
        statement = ir.InlineAsm(signature, "\n\t".join(text), ",".join([*constraints, "~{memory}"]), False)
        made = emitter.builder.call(statement, [*flat, *inputs])
        values = [emitter.builder.extract_value(made, k) for k in range(len(flat))]
        return [values[row * vectors : (row + 1) * vectors] for row in range(tiles)]

    def _text(self, tiles: int, vectors: int, sums: int, first_input: int, steps: int) -> list[str]:
        weight_names = [f"${sums + v}" for v in range(vectors)]
        temporaries = [f"${sums + vectors + k}" for k in range(self.temporaries)]
        size = 4 * self.lanes
        lines = []
        for step in range(steps):
            first, behind = (size * vectors * each for each in (step, step + 1))
            lines += [
                f"prefetcht0 {at + PREFETCH_BYTES}(${first_input})"
                for at in range(-(-first // LINE_BYTES) * LINE_BYTES, behind, LINE_BYTES)
            ]
            lines += [
                f"vmovdqu{'64' if self.lanes == 16 else ''} {size * (step * vectors + v)}(${first_input}), {name}"
                for v, name in enumerate(weight_names)
            ]
            for tile in range(tiles):
                base, beyond = f"${first_input + 2 + tile // ROWS_A_BASE}", tile % ROWS_A_BASE
                index = f",${first_input + 1},{beyond}" if beyond else ""
                lines.append(f"vpbroadcastd {4 * step}({base}{index}), {temporaries[0]}")
                names = [f"${tile * vectors + v}" for v in range(vectors)]
                lines += self.row(names, weight_names, temporaries)
        return lines
