"""Channels copied in another order, within blocks of 32, for AVX2.

``void kernel(source, source_step, target, table, runs, turns)``, all int64. A run is ``turns`` blocks of 32 bytes; runs
of the source lie ``source_step`` bytes apart, those of the target follow each other. The table has 64 bytes a block: for
each half of the source which of its bytes goes where, 128 for none (``shuffle_table``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.emit import I8, I32, Emitter, vector

ARGUMENTS = ("source", "source_step", "target", "table", "runs", "turns")
BLOCK = 32
_HALF = 16
TABLE_BYTES = BLOCK // _HALF * BLOCK
"""Of a block."""
_NONE = 0x80
_TOGETHER = 4
"""Runs."""


def shuffle_table(orders: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The tables of orders [..., channels], blocks within themselves: target channel -> source channel."""
    within = orders.reshape(-1, 1, BLOCK) % BLOCK
    halves = np.arange(BLOCK // _HALF).reshape(1, -1, 1)
    return np.where(within // _HALF == halves, within % _HALF, _NONE).astype(np.uint8)


def emit_permute(name: str) -> str:
    """LLVM IR of the kernel: some runs at a time, which share the loads of the tables, and the rest one by one."""
    e = Emitter(name, ARGUMENTS)
    source, source_step, target, _, runs, turns = e.arguments
    begin, end, target_step = e.variable(source), e.variable(target), e.times(turns, BLOCK)
    whole, rest = (
        e.builder.lshr(runs, e.const(_TOGETHER.bit_length() - 1)),
        e.builder.and_(runs, e.const(_TOGETHER - 1)),
    )
    for count, together in ((whole, _TOGETHER), (rest, 1)):
        with e.builder.if_then(e.builder.icmp_signed(">", count, e.const(0))), e.loop(count):
            places = [
                (e.plus(begin.get(), e.times(source_step, run)), e.plus(end.get(), e.times(target_step, run)))
                for run in range(together)
            ]
            _runs(e, places)
            begin.set(e.plus(begin.get(), e.times(source_step, together)))
            end.set(e.plus(end.get(), e.times(target_step, together)))
    return e.finish()


def _runs(e: Emitter, places: Sequence[tuple[ir.Value, ir.Value]]) -> None:
    """Runs from and to each of the places."""
    *_, table, _, turns = e.arguments
    with e.loop(turns) as turn:
        at = e.plus(table, e.times(turn, TABLE_BYTES))
        tables = [e.load(e.plus(at, half), vector(I8, BLOCK)) for half in (0, BLOCK)]
        block = e.times(turn, BLOCK)
        for source, target in places:
            e.store(_permuted(e, e.plus(source, block), tables), e.plus(target, block))


def _permuted(e: Emitter, source: ir.Value, tables: Sequence[ir.Value]) -> ir.Value:
    twice = ir.Constant(vector(I32, BLOCK), [*range(_HALF)] * 2)
    picked = []
    for half, table in enumerate(tables):
        stored = e.load(e.plus(source, half * _HALF), vector(I8, _HALF))
        both = e.builder.shuffle_vector(stored, ir.Constant(stored.type, ir.Undefined), twice)
        picked.append(e.call("llvm.x86.avx2.pshuf.b", vector(I8, BLOCK), [both, table]))
    return e.builder.or_(*picked)


__all__ = ["BLOCK", "TABLE_BYTES", "emit_permute", "shuffle_table"]
