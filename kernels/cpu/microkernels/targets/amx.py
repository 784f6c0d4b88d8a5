"""AMX int8: tiles of 16 pixels by 64 input channels times 64 by 16 output channels; AVX-512 VNNI for what tiles do not suit."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import vpdpbusd, words
from accelserve.kernels.cpu.microkernels.word_products import Cycles
from accelserve.kernels.native.machine_code import CodeTarget

_ARCH_PRCTL = 158
_ARCH_REQ_XCOMP_PERM = 0x1023
_XFEATURE_XTILEDATA = 18


@cache
def permitted() -> bool:
    """Ask Linux for the tile registers, which it gives to a process on demand (since 5.16)."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    # Refused on older systems, and where a signal stack was set up that is too small for the registers.
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA) == 0)


INSTRUCTION_SET = InstructionSet(
    name="amx",
    title="AMX",
    summary="tdpbusd on 16 x 64 byte tiles, and vpdpbusd on 512-bit vectors",
    target=CodeTarget("sapphirerapids", "+fast-dpwssd", "x86_64-unknown-linux-gnu"),
    features=("amx-tile", "amx-int8", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"),
    preference=50,
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
    matrix=True,
    permitted=permitted,
)
