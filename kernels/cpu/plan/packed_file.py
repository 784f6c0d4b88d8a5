"""The file of a network's packed constants, which processes share by mmap."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from accelserve.kernels.cpu.plan.arena import Memory
from accelserve.kernels.file_cache import DIGEST_BYTES, is_sound, report_damage
from accelserve.kernels.ir import Array


def mapped_block(file: Path, size: int) -> Memory | None:
    """The cached block of ``size`` bytes; None if it is not there, or not what was written."""
    try:
        fits = file.stat().st_size == size + DIGEST_BYTES
        memory = Memory.mapped(file) if fits else None
    except OSError:
        return None
    if memory is not None and is_sound(memory.bytes.data):
        return memory
    report_damage(file)
    if memory is not None:
        memory.close()
    return None


def digest_of(parts: Sequence[bytes | Array]) -> str:
    """24 hexadecimal digits over texts and arrays, for the name of a cached file."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return digest.hexdigest()[:24]
