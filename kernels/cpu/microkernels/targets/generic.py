"""Any processor: plain multiplications and additions of int32 vectors, which LLVM maps to what there is."""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I16, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.word_products import Cycles, plain_words
from accelserve.kernels.native.machine_code import CodeTarget

LANES = 4
TARGET = CodeTarget("", "")


def load_activation(emitter: Emitter, address: ir.Value) -> ir.Value:
    """One byte as int32, in every lane."""
    return emitter.splat(emitter.builder.zext(emitter.load(address, I8), I32), LANES)


def dot(emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value) -> ir.Value:
    """One product."""
    wide = emitter.builder.sext(weights, vector(I32, LANES))
    return emitter.builder.add(accumulator, emitter.builder.mul(wide, activation))


def multiply(emitter: Emitter, value: ir.Value, factor: ir.Value) -> ir.Value:
    """What LLVM makes of a product as narrow as those of ``dot``: x86 has no faster one than that of pairs of int16."""
    if not TARGET.resolved_triple.startswith("x86_64"):
        return emitter.builder.mul(value, factor)
    operands = [emitter.builder.bitcast(each, vector(I16, 2 * LANES)) for each in (value, factor)]
    return emitter.call("llvm.x86.sse2.pmadd.wd", vector(I32, LANES), operands)


INSTRUCTION_SET = InstructionSet(
    name="generic",
    title="generic code",
    summary="plain int32 arithmetic on 128-bit vectors",
    target=TARGET,
    features=(),
    preference=0,
    lanes=LANES,
    group=1,
    weight_bits=8,
    rows=4,
    vectors=2,
    load_activation=load_activation,
    dot=dot,
    multiply=multiply,
    words=plain_words(
        LANES, rows=2, vectors=4, cycles=Cycles(macs=3, direct_macs=1.4, input=40, output=60, weight=16)
    ),
)
