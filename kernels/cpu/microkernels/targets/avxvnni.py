"""AVX-VNNI: processors with vpdpbusd but without AVX-512; 12 of 16 registers accumulate 6 pixels by 16 channels."""

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import vpdpbusd, words
from accelserve.kernels.cpu.microkernels.word_products import Cycles
from accelserve.kernels.native.machine_code import CodeTarget

INSTRUCTION_SET = InstructionSet(
    name="avxvnni",
    title="AVX-VNNI",
    summary="vpdpbusd on 256-bit vectors",
    target=CodeTarget("alderlake", "+fast-dpwssd", "x86_64-unknown-linux-gnu"),
    features=("avx2", "fma", "avxvnni"),
    preference=30,
    lanes=8,
    group=4,
    weight_bits=8,
    rows=6,
    vectors=2,
    load_activation=vpdpbusd.loader(8),
    dot=vpdpbusd.dot(8),
    words=words.vpdpwssd(
        8, rows=6, vectors=2, cycles=Cycles(macs=31, direct_macs=62, input=18, output=25, weight=7)
    ),
)
