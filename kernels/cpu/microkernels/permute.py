"""Channels copied in another order, within blocks of 64, for AVX2.

``void kernel(source, source_step, target, table, runs, turns)``, all int64. A run is ``turns`` blocks of 64 bytes; runs of the
source lie ``source_step`` bytes apart, those of the target follow each other. The table has 256 bytes per block: for each
half of the target 4 times 32 bytes, which byte of each 16 of the source goes where, 128 for none (``shuffle_table``).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.emit import I8, I32, Emitter, vector

ARGUMENTS = ("source", "source_step", "target", "table", "runs", "turns")
BLOCK = 64
_QUARTER, _HALF = 16, 32
TABLE_BYTES = BLOCK // _HALF * BLOCK // _QUARTER * _HALF
"""Of a block."""
_NONE = 0x80


def shuffle_table(permutation: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The table of a permutation [channels], blocks of 64 within themselves: target channel -> source channel."""
    within = permutation.reshape(-1, BLOCK // _HALF, 1, _HALF) % BLOCK
    quarters = np.arange(BLOCK // _QUARTER).reshape(1, 1, -1, 1)
    return np.where(within // _QUARTER == quarters, within % _QUARTER, _NONE).astype(np.uint8)


def emit_permute(name: str) -> str:
    """LLVM IR of the kernel."""
    e = Emitter(name, ARGUMENTS)
    source, source_step, target, table, runs, turns = e.arguments
    begin, end = e.variable(source), e.variable(target)
    with e.loop(runs):
        with e.loop(turns) as turn:
            _block(
                e,
                e.plus(begin.get(), e.times(turn, BLOCK)),
                e.plus(end.get(), e.times(turn, BLOCK)),
                e.plus(table, e.times(turn, TABLE_BYTES)),
            )
        begin.set(e.plus(begin.get(), source_step))
        end.set(e.plus(end.get(), e.times(turns, BLOCK)))
    return e.finish()


def _block(e: Emitter, source: ir.Value, target: ir.Value, table: ir.Value) -> None:
    build, half = e.builder, vector(I8, _HALF)
    twice = ir.Constant(vector(I32, _HALF), [*range(_QUARTER)] * 2)
    quarters = []
    for at in range(0, BLOCK, _QUARTER):
        stored = e.load(e.plus(source, at), vector(I8, _QUARTER))
        quarters.append(build.shuffle_vector(stored, ir.Constant(stored.type, ir.Undefined), twice))
    for place in range(0, BLOCK, _HALF):
        picked = []
        for quarter in quarters:
            picked.append(e.call("llvm.x86.avx2.pshuf.b", half, [quarter, e.load(table, half)]))
            table = e.plus(table, _HALF)
        whole = build.or_(build.or_(picked[0], picked[1]), build.or_(picked[2], picked[3]))
        e.store(whole, e.plus(target, place))


__all__ = ["BLOCK", "TABLE_BYTES", "emit_permute", "shuffle_table"]
