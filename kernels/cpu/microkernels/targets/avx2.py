"""AVX2 without VNNI: bytes widened to int16, then ``vpmaddwd``, which is exact: 2 * 255 * 128 < 2**31.

Dense convolutions widen their activations once and broadcast pairs of them from memory, which leaves registers for a
tile of 6 pixels by 16 channels and issue slots for the additions.

``vpmaddubsw`` multiplies bytes as they are, but its sums of two products saturate where 255 * (w0 + w1) leaves int16. Of
weights that are *split* none do: what a pair has beyond 128 in sum is taken off and multiplied in a repair step. Its
tile is a pixel lower: beside 12 sums LLVM keeps one in memory, whose latency then is longer than a turn of the loop.
"""

from __future__ import annotations

from dataclasses import replace

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I16, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import vpdpbusd, words
from accelserve.kernels.cpu.microkernels.word_products import Cycles
from accelserve.kernels.native.machine_code import CodeTarget

LANES = 8


def load_activation(emitter: Emitter, address: ir.Value) -> ir.Value:
    """Two bytes as two int16, in every lane."""
    pair = emitter.builder.zext(emitter.load(address, vector(I8, 2)), vector(I16, 2))
    return emitter.splat(emitter.builder.bitcast(pair, I32), LANES)


def dot(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
    """One multiplication of pairs, one addition."""
    return emitter.builder.add(accumulator, multiply(emitter, activation, weights))


def dot_of_bytes(
    emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value
) -> ir.Value:
    """Exact for split weights: sums of two products of bytes, added up in pairs by a product with ones."""
    words = vector(I16, 2 * LANES)
    operands = [emitter.builder.bitcast(activation, vector(I8, 4 * LANES)), weights]
    pairs = emitter.call("llvm.x86.avx2.pmadd.ub.sw", words, operands)
    return emitter.builder.add(accumulator, multiply(emitter, pairs, emitter.splat_const(I16, 1, 2 * LANES)))


def multiply(emitter: Emitter, value: ir.Value, factor: ir.Value) -> ir.Value:
    """Sums of two products of int16 each."""
    operands = [emitter.builder.bitcast(each, vector(I16, 2 * LANES)) for each in (value, factor)]
    return emitter.call("llvm.x86.avx2.pmadd.wd", vector(I32, LANES), operands)


WIDENED = InstructionSet(
    name="avx2",
    title="AVX2",
    summary="vpmaddwd on int16, 256-bit vectors",
    target=CodeTarget("haswell", "", "x86_64-unknown-linux-gnu"),
    features=("avx2", "fma"),
    preference=20,
    lanes=LANES,
    group=2,
    weight_bits=16,
    activation_bits=16,
    rows=6,
    vectors=2,
    load_activation=vpdpbusd.loader(LANES),
    dot=dot,
    multiply=multiply,
    words=words.vpmaddwd(
        LANES, rows=6, vectors=2, cycles=Cycles(macs=25.6, direct_macs=28, input=18, output=25, weight=6)
    ),
)
SPLIT = replace(WIDENED, rows=5, group=4, weight_bits=8, activation_bits=8, dot=dot_of_bytes)
INSTRUCTION_SET = replace(
    WIDENED, activation_bits=8, rows=4, load_activation=load_activation, widened=WIDENED, split=SPLIT
)
