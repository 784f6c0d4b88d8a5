"""Bytes copied as int16, run after run.

``void kernel(source, source_step, target, target_step, runs, turns)``, all int64. A run is ``turns`` times 32 bytes; the
steps go from one run to the next. What the last turn reads and writes beyond a run's bytes is overwritten by the next
run, so the target needs room for 64 bytes more.
"""

from __future__ import annotations

from accelserve.kernels.cpu.microkernels.emit import I8, I16, Emitter, vector

ARGUMENTS = ("source", "source_step", "target", "target_step", "runs", "turns")
WIDTH = 32
"""Bytes of a turn."""


def emit_widen(name: str) -> str:
    """LLVM IR of the kernel."""
    e = Emitter(name, ARGUMENTS)
    source, source_step, target, target_step, runs, turns = e.arguments
    begin, end = e.variable(source), e.variable(target)
    with e.loop(runs):
        with e.loop(turns) as turn:
            stored = e.load(e.plus(begin.get(), e.times(turn, WIDTH)), vector(I8, WIDTH))
            place = e.plus(end.get(), e.times(turn, 2 * WIDTH))
            e.store(e.builder.zext(stored, vector(I16, WIDTH)), place)
        begin.set(e.plus(begin.get(), source_step))
        end.set(e.plus(end.get(), target_step))
    return e.finish()


__all__ = ["WIDTH", "emit_widen"]
