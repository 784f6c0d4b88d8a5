"""The multiply-accumulates that a core can do at most: an instruction set's widest tile on operands of a few bytes.

``void kernel(record, item, thread)``, a step. Operands come from the first-level cache and change from turn to turn,
so that nothing can be hoisted out of the loop; matrix tiles stay in their registers.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I16, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet

TURNS = 0
MEMORY = 1
CONFIGURATION = 2
MEMORY_BYTES = 8192
ARGUMENTS = ("record", "item", "thread")
_PLACES = 4
_MATRIX_UNROLL = 4


def macs_per_turn(isa: InstructionSet) -> int:
    """Multiply-accumulates of one turn of the loop."""
    if isa.matrix:
        return _MATRIX_UNROLL * 4 * 16 * 16 * 64
    return isa.rows * isa.channels * isa.group


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
        for _ in range(_MATRIX_UNROLL):
            for total in range(4):
                registers = (total, 4 + total // 2, 6 + total % 2)
                emitter.call("llvm.x86.tdpbusd", nothing, [ir.Constant(I8, each) for each in registers])
    emitter.call("llvm.x86.tilerelease", nothing, [])


def _vector_loop(emitter: Emitter, isa: InstructionSet, turns: ir.Value, memory: ir.Value) -> None:
    kind = vector(I32, isa.lanes)
    weight_type = vector(I8 if isa.weight_bits == 8 else I16, isa.lanes * isa.group)
    zero = ir.Constant(kind, [0] * isa.lanes)
    totals = [[emitter.variable(zero) for _ in range(isa.vectors)] for _ in range(isa.rows)]
    with emitter.loop(turns) as turn:
        place = emitter.times(emitter.builder.and_(turn, emitter.const(_PLACES - 1)), MEMORY_BYTES // 8)
        at = emitter.plus(memory, place)
        weights = [emitter.load(emitter.plus(at, 64 * v), weight_type) for v in range(isa.vectors)]
        for m, row in enumerate(totals):
            activation = isa.load_activation(emitter, emitter.plus(at, 256 + 4 * m))
            for total, weight in zip(row, weights, strict=True):
                total.set(isa.dot(emitter, total.get(), activation, weight))
    for m, row in enumerate(totals):
        for v, total in enumerate(row):
            target = emitter.plus(memory, MEMORY_BYTES // 2 + 64 * ((m * isa.vectors + v) % 32))
            emitter.store(total.get(), target)
