"""Levels of processors that code can be compiled for ahead, before anybody knows which processor will run it.

x86-64's are the micro-architecture levels of its psABI: https://gitlab.com/x86-psABIs/x86-64-ABI, "Low Level System
Information". Code of a level runs wherever all its features are; what is compiled on the spot is for the very processor.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

from accelserve.kernels.native.machine_code import CodeTarget, host_target

_X86 = "x86_64-unknown-linux-gnu"
_ARM = "aarch64-unknown-linux-gnu"
_V3 = (
    *("cx16", "sahf", "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2"),
    *("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"),
)
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")


@dataclass(frozen=True, slots=True)
class Level:
    """One of them.

    Attributes:
        target: what LLVM compiles for.
        features: LLVM's names of what the processor must have.
        mark: the feature that tells it from the level below; empty for the lowest.
    """

    target: CodeTarget
    features: tuple[str, ...]
    mark: str

    def runs_on(self, machine: str, features: Mapping[str, bool]) -> bool:
        """Whether a processor has all that the code may use; ``machine`` is the first part of the host's triple."""
        return self.target.triple.startswith(machine) and all(
            features.get(name, False) for name in self.features
        )


LEVELS = (
    Level(CodeTarget("x86-64-v4", "", _X86), _V4, "avx512f"),
    Level(CodeTarget("x86-64-v3", "", _X86), _V3, "avx2"),
    Level(CodeTarget("x86-64", "", _X86), (), ""),
    Level(CodeTarget("generic", "+neon", _ARM), ("neon",), ""),
)
"""The highest of each machine first."""

_ahead: CodeTarget | None = None


def this_machine() -> str:
    """The first part of the host's triple, ``x86_64`` or ``aarch64``."""
    return {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())


@cache
def host_features() -> dict[str, bool]:
    """LLVM's feature names -> whether this processor (and its system) has them."""
    return {str(name): bool(present) for name, present in llvm.get_host_cpu_features().items()}


def level_for(features: Iterable[str], machine: str) -> Level | None:
    """The highest level that an instruction set of these features promises; None for a machine without levels."""
    has = {"", *features}
    return next(
        (each for each in LEVELS if each.target.triple.startswith(machine) and each.mark in has), None
    )


def compile_ahead_for(level: Level) -> None:
    """From now on compile functions for a level and nothing else; this process may not run them.

    Raises:
        RuntimeError: numba is imported, and has read by then what it compiles for.
    """
    if "numba" in sys.modules:
        raise RuntimeError("numba is imported already; compile ahead in a process of its own")
    # numba's own optimizer asks these; https://numba.readthedocs.io/en/stable/reference/envvars.html
    os.environ["NUMBA_CPU_NAME"], os.environ["NUMBA_CPU_FEATURES"] = level.target.cpu, level.target.features
    global _ahead  # noqa: PLW0603 - of the whole process, as numba's own target is
    _ahead = level.target


def code_targets() -> tuple[CodeTarget, ...]:
    """What functions are compiled for, and behind it for what else they may be in the cache, the best first."""
    return (_ahead,) if _ahead is not None else _here()


@cache
def _here() -> tuple[CodeTarget, ...]:
    levels = [each.target for each in LEVELS if each.runs_on(this_machine(), host_features())]
    return (host_target(), *levels)
