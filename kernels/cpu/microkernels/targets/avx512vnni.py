"""AVX-512 VNNI: 28 of 32 registers accumulate a tile of 7 pixels by 64 channels."""

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import vpdpbusd, words
from accelserve.kernels.cpu.microkernels.word_products import Cycles
from accelserve.kernels.native.machine_code import CodeTarget

INSTRUCTION_SET = InstructionSet(
    name="avx512vnni",
    title="AVX-512 VNNI",
    summary="vpdpbusd on 512-bit vectors",
    target=CodeTarget("cascadelake", "+fast-dpwssd", "x86_64-unknown-linux-gnu"),
    features=("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"),
    preference=40,
    lanes=16,
    group=4,
    weight_bits=8,
    rows=7,
    vectors=4,
    load_activation=vpdpbusd.loader(16),
    dot=vpdpbusd.dot(16),
    words=words.vpdpwssd(
        16, rows=6, vectors=4, cycles=Cycles(macs=31, direct_macs=62, input=6, output=14, weight=4.5)
    ),
)
