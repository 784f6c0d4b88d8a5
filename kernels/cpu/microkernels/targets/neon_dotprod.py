"""ARM with the dot product extension only: ``sdot`` on activations less 128; the packed bias adds 128 * sum(w) back."""

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import neon
from accelserve.kernels.cpu.microkernels.word_products import plain_words
from accelserve.kernels.native.machine_code import CodeTarget

INSTRUCTION_SET = InstructionSet(
    name="neondot",
    title="NEON with dot products",
    summary="sdot on 128-bit vectors",
    target=CodeTarget("generic", "+v8.2a,+neon,+dotprod", neon.TRIPLE),
    features=("neon", "dotprod"),
    preference=25,
    lanes=neon.LANES,
    group=4,
    weight_bits=8,
    rows=6,
    vectors=4,
    load_activation=neon.load_activation,
    dot=neon.dot_by("sdot", 0x80),
    words=plain_words(neon.LANES, rows=6, vectors=4, cycles=neon.CYCLES),
    activation_offset=-128,
)
