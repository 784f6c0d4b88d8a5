"""Limits on the freed memory that the C library holds back. Outside glibc every function does nothing."""

from __future__ import annotations

import ctypes
import gc
import platform

_M_ARENA_MAX = -8  # malloc.h


def give_memory_back() -> None:
    """Return freed memory to the system, now."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def limit_heaps(count: int) -> None:
    """Let threads share so many heaps, instead of eight for every core; to be called before threads are started.

    Every heap keeps the most that its threads ever needed: a server whose requests change threads would hold several
    times the memory that it uses at once.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, count)
