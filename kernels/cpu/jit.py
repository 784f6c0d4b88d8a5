"""numba behind two typed decorators: code that is inlined into its callers, and C functions with a persistent cache.

numba keys its cache by the file a function stands in, not by what that file imports, so a changed constant elsewhere
would bring back stale machine code. Here the name of the cache folder carries a hash of every source file of this
room and of the compiler's versions; a stale entry is never looked at.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
from numba.core.ccallback import CFunc

from accelserve.kernels.kept_files import is_writable
from accelserve.kernels.numba_cache import patient_cache

Function = TypeVar("Function", bound=Callable[..., Any])

# error_model numpy: a division by zero gives what C gives, so no exception path costs anything.
_OPTIONS: dict[str, Any] = {"nopython": True, "nogil": True, "error_model": "numpy", "boundscheck": False}
_compiling = threading.Lock()


def inlined(function: Function) -> Function:
    """A function that compiled code may call; it is compiled into each caller."""
    compiled: Function = numba.jit(**_OPTIONS)(function)
    return compiled


class Compiled:
    """A C function ``void name(int64, ...)``, compiled by numba when its address is first asked for.

    Attributes:
        name: of the Python function, for messages and profiles.
    """

    def __init__(self, function: Callable[..., None], arguments: int) -> None:
        self.name = function.__name__
        self._function = function
        self._arguments = arguments
        self._callback: Any = None

    def address(self, folder: Path | None) -> int:
        """Address of the machine code; compiled at most once in a process.

        Args:
            folder: where machine code is kept between processes, None to keep nothing.
        """
        with _compiling:
            if self._callback is None:
                self._callback = self._compile(folder)
            return int(self._callback.address)

    def entry(self, folder: Path | None) -> Callable[..., None]:
        """The function for Python callers; a call lets go of the interpreter lock."""
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * self._arguments)
        return prototype(self.address(folder))

    def _compile(self, folder: Path | None) -> Any:
        signature = (numba.int64,) * self._arguments, numba.void
        options = {key: value for key, value in _OPTIONS.items() if key != "nogil"}
        made: Any = CFunc(self._function, signature, locals={}, options=options)
        if folder is not None:
            made._cache = _cache(self._function, folder / f"numba-{source_hash()}", made._cache)  # noqa: SLF001
        made.compile()
        return made


def _cache(function: Callable[..., None], folder: Path, otherwise: Any) -> Any:
    """What numba keeps in ``folder``; ``otherwise`` if nothing can be kept there.

    Asked first, since numba would fall back on a folder whose name carries no hash of the sources.
    """
    if not is_writable(folder):
        return otherwise
    settings: Any = numba.config
    previous = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)
    try:
        return patient_cache(function)
    finally:
        settings.CACHE_DIR = previous


def step(function: Callable[[int, int, int], None]) -> Compiled:
    """Mark a plan's step, which takes its record, an item and the worker's number."""
    return Compiled(function, 3)


def entry_point(arguments: int) -> Callable[[Callable[..., None]], Compiled]:
    """A C function of so many int64 arguments that Python or compiled code calls by its address."""

    def wrap(function: Callable[..., None]) -> Compiled:
        return Compiled(function, arguments)

    return wrap


@cache
def source_hash() -> str:
    """16 hexadecimal digits over the compiler's versions and the sources that compiled code takes constants from.

    Those are this room's and the postprocessing room's, whose exponential the softmax kernel shares.
    """
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    kernels = Path(__file__).parents[1]
    for source in sorted([*(kernels / "cpu").rglob("*.py"), *(kernels / "postprocess").rglob("*.py")]):
        digest.update(str(source.relative_to(kernels)).encode())
        with suppress(FileNotFoundError):  # replaced while we look: another name is all that follows
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
