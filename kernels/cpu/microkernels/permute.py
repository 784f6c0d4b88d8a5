"""Channels copied in another order, within blocks of 16, and some of them complemented, for AVX2.

``void kernel(source, source_step, target, table, runs, turns)``, all int64. A run is ``turns`` times 32 bytes; runs of the
source lie ``source_step`` bytes apart, those of the target follow each other. The table has 64 bytes a turn: which byte
of its block goes where, and 255 where it is taken from 255, else 0 (``shuffle_table``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.emit import I8, Emitter, vector

ARGUMENTS = ("source", "source_step", "target", "table", "runs", "turns")
BLOCK = 16
"""Bytes within which ``vpshufb`` changes places."""
WIDTH = 32
"""Bytes of a turn."""
TABLE_BYTES = 2 * WIDTH
"""Of a turn."""
_TOGETHER = 4
"""Runs."""


def shuffle_table(orders: NDArray[np.int64], complemented: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The tables of orders [..., channels], blocks within themselves: place -> channel, and whether it is complemented."""
    picks = (orders % BLOCK).reshape(-1, 1, WIDTH)
    masks = np.where(complemented, 255, 0).reshape(-1, 1, WIDTH)
    return np.concatenate([picks, masks], axis=1).astype(np.uint8)


def emit_permute(name: str) -> str:
    """LLVM IR of the kernel: some runs at a time, which share the loads of the tables, and the rest one by one."""
    e = Emitter(name, ARGUMENTS)
    source, source_step, target, _, runs, turns = e.arguments
    begin, end, target_step = e.variable(source), e.variable(target), e.times(turns, WIDTH)
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
    kind = vector(I8, WIDTH)
    with e.loop(turns) as turn:
        at = e.plus(table, e.times(turn, TABLE_BYTES))
        picks, mask = (e.load(e.plus(at, half), kind) for half in (0, WIDTH))
        offset = e.times(turn, WIDTH)
        for source, target in places:
            stored = e.load(e.plus(source, offset), kind)
            picked = e.call("llvm.x86.avx2.pshuf.b", kind, [stored, picks])
            e.store(e.builder.xor(picked, mask), e.plus(target, offset))


__all__ = ["BLOCK", "TABLE_BYTES", "WIDTH", "emit_permute", "shuffle_table"]
