"""``vpdpbusd``: four products of a uint8 and an int8 into each int32 lane, in one instruction of one vector width."""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import DotProduct, LoadActivation


def loader(lanes: int) -> LoadActivation:
    """Broadcasts four bytes."""

    def load(emitter: Emitter, address: ir.Value) -> ir.Value:
        return emitter.splat(emitter.load(address, I32), lanes)

    return load


def dot(lanes: int) -> DotProduct:
    """The instruction on vectors of ``lanes`` int32; LLVM picks the EVEX or the VEX form by the target."""

    def emit(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
        bytes_of = vector(I8, 4 * lanes)
        operands = [accumulator, emitter.builder.bitcast(activation, bytes_of), weights]
        return emitter.call(f"llvm.x86.avx512.vpdpbusd.{32 * lanes}", vector(I32, lanes), operands)

    return emit
