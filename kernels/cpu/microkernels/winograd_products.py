"""Products of one tap of an exact Winograd convolution: some tiles by one panel of output channels, int16 to int32.

``void multiply(input, weights, output, turns, input pitch, output pitch)``, all int64: ``input`` is the first tile's
channels, ``weights`` the panel's as [channels of a group][output channel][group], ``turns`` the number of channels
divided by those of a turn. Stores the sums of every tile, modulo 2**32; it reads nothing else.
"""

from __future__ import annotations

from accelserve.kernels.cpu.microkernels.emit import I32, Emitter
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet

UNROLLED = 4
ARGUMENTS = ("input", "weights", "output", "turns", "input_pitch", "output_pitch")


def channels_a_turn(isa: InstructionSet) -> int:
    """Of the innermost loop; the input's channels are padded to a multiple."""
    return UNROLLED * isa.words.group


def emit_word_products(name: str, isa: InstructionSet, tiles: int, vectors: int) -> str:
    """LLVM IR of the kernel for so many tiles by so many vectors of output channels."""
    e, lanes = Emitter(name, ARGUMENTS), isa.lanes
    source, weights, output, turns, input_pitch, output_pitch = e.arguments
    nothing = e.splat_const(I32, 0, lanes)
    sums = [[e.variable(nothing) for _ in range(vectors)] for _ in range(tiles)]
    at, panel = e.variable(source), e.variable(weights)
    with e.loop(turns):
        before = [[each.get() for each in row] for row in sums]
        after = isa.words.body(e, isa.words, before, at.get(), input_pitch, panel.get(), UNROLLED)
        for row, values in zip(sums, after, strict=True):
            for each, value in zip(row, values, strict=True):
                each.set(value)
        at.set(e.plus(at.get(), 2 * channels_a_turn(isa)))
        panel.set(e.plus(panel.get(), UNROLLED * vectors * 2 * lanes * isa.words.group))
    for row in sums:
        for v, total in enumerate(row):
            e.store(total.get(), e.plus(output, 4 * lanes * v), 4 * lanes)
        output = e.plus(output, output_pitch)
    return e.finish()
