"""ARM with the int8 matrix extension: ``usdot`` multiplies uint8 by int8 directly."""

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import neon
from accelserve.kernels.cpu.microkernels.word_products import plain_words
from accelserve.kernels.native.machine_code import CodeTarget

INSTRUCTION_SET = InstructionSet(
    name="neoni8mm",
    title="NEON with int8 matrices",
    summary="usdot on 128-bit vectors",
    target=CodeTarget("generic", "+v8.2a,+neon,+dotprod,+i8mm", neon.TRIPLE),
    features=("neon", "i8mm"),
    preference=35,
    lanes=neon.LANES,
    group=4,
    weight_bits=8,
    rows=6,
    vectors=4,
    load_activation=neon.load_activation,
    dot=neon.dot_by("usdot", 0),
    words=plain_words(neon.LANES, rows=6, vectors=4, cycles=neon.CYCLES),
)
