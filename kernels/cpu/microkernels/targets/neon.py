"""What the two ARM instruction sets share: 128-bit vectors and a broadcast of four bytes."""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import DotProduct
from accelserve.kernels.cpu.microkernels.word_products import Cycles

LANES = 4
CYCLES = Cycles(macs=8, direct_macs=32, input=20, output=30, weight=8)
"""Not measured: of a core with two vector pipes, on which a dot product makes four times the products of ``smlal``."""
TRIPLE = "aarch64-unknown-linux-gnu"


def load_activation(emitter: Emitter, address: ir.Value) -> ir.Value:
    """Four bytes in every lane."""
    return emitter.splat(emitter.load(address, I32), LANES)


def dot_by(intrinsic: str, flip: int) -> DotProduct:
    """A NEON dot product of (accumulator, activations, weights), the activations' bits flipped by ``flip`` first."""

    def emit(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
        bytes_of = vector(I8, 4 * LANES)
        activations = emitter.builder.bitcast(activation, bytes_of)
        if flip:
            activations = emitter.builder.xor(activations, emitter.splat_const(I8, flip, 4 * LANES))
        name = f"llvm.aarch64.neon.{intrinsic}.v4i32.v16i8"
        return emitter.call(name, vector(I32, LANES), [accumulator, activations, weights])

    return emit
