"""The multiply instructions that a core can issue at most, counted as multiply-accumulates.

``void kernel(record, item, thread)``, a step: chains of multiply instructions on registers, as many as it takes to hide
their latency, with nothing loaded, stored or added beside them. One instruction counts as many multiply-accumulates as the
instruction set's dot product has. What a kernel executes, counted the same way (``Step.executed_macs``), is below it
whatever the kernel loads, adds, transforms or leaves out.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I16, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet

TURNS = 0
MEMORY = 1
CONFIGURATION = 2
MEMORY_BYTES = 2048
ARGUMENTS = ("record", "item", "thread")
_CHAINS = 12
"""Latencies are 4 to 5 cycles and two instructions a cycle the most; with two operands 14 of 16 registers are taken."""
_UNROLL = 4


def macs_per_turn(isa: InstructionSet) -> int:
    """Multiply-accumulates of one turn of the loop."""
    if isa.matrix:
        return _UNROLL * 4 * 16 * 16 * 64
    return _UNROLL * _CHAINS * isa.lanes * isa.group


def emit_peak(name: str, isa: InstructionSet) -> str:
    """LLVM IR of the kernel."""
    emitter = Emitter(name, ARGUMENTS)
    record = emitter.arguments[0]
    turns, memory, configuration = (emitter.load(emitter.plus(record, 8 * at), I64, 8) for at in range(3))
    if isa.matrix:
        _matrix_loop(emitter, turns, configuration)
    else:
        _vector_loop(emitter, isa, turns, memory)
    return emitter.finish()


def _matrix_loop(emitter: Emitter, turns: ir.Value, configuration: ir.Value) -> None:
    nothing, pointer = ir.VoidType(), emitter.builder.inttoptr(configuration, I8.as_pointer())
    emitter.call("llvm.x86.ldtilecfg", nothing, [pointer])
    for register in range(8):
        emitter.call("llvm.x86.tilezero", nothing, [ir.Constant(I8, register)])
    with emitter.loop(turns):
        for _ in range(_UNROLL):
            for total in range(4):
                registers = (total, 4 + total // 2, 6 + total % 2)
                emitter.call("llvm.x86.tdpbusd", nothing, [ir.Constant(I8, each) for each in registers])
    emitter.call("llvm.x86.tilerelease", nothing, [])


def _vector_loop(emitter: Emitter, isa: InstructionSet, turns: ir.Value, memory: ir.Value) -> None:
    kind = vector(I32, isa.lanes)
    weights = emitter.load(memory, vector(I8 if isa.weight_bits == 8 else I16, isa.lanes * isa.group))
    factor = emitter.load(emitter.plus(memory, 64), kind)
    # Chains start from memory, so that LLVM knows none of their values.
    chains = [
        emitter.variable(emitter.load(emitter.plus(memory, 64 * chain), kind)) for chain in range(_CHAINS)
    ]
    with emitter.loop(turns):
        for _ in range(_UNROLL):
            for chain in chains:
                if isa.multiply is None:
                    chain.set(isa.dot(emitter, chain.get(), factor, weights))
                else:
                    chain.set(isa.multiply(emitter, chain.get(), factor))
    for index, chain in enumerate(chains):
        emitter.store(chain.get(), emitter.plus(memory, MEMORY_BYTES // 2 + 64 * index))


__all__ = ["CONFIGURATION", "MEMORY", "MEMORY_BYTES", "TURNS", "emit_peak", "macs_per_turn"]
