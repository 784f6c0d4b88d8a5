"""Handles of functions that numba compiles: they name the source, and import it only to compile it.

Once its object file is in the cache, a function runs in a process that never imports numba, which would take a third
of a second and the memory of a small network.
"""

from __future__ import annotations

import ctypes
import re
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.file_cache import default_folder
from accelserve.kernels.native.levels import code_targets
from accelserve.kernels.native.machine_code import KERNELS


@dataclass(frozen=True, slots=True)
class Compiled:
    """A C function ``void name(int64, ...)``, compiled by numba when its address is first asked for.

    Attributes:
        module: the Python module that holds the source; imported only if the function has to be compiled.
        name: of the Python function.
        arguments: how many int64 it takes.
    """

    module: str
    name: str
    arguments: int

    @property
    def symbol(self) -> str:
        """Its name among all functions of the process."""
        return f"{self.module}.{self.name}"

    def address(self, folder: Path | None) -> int:
        """Address of the machine code; compiled at most once in a process.

        Args:
            folder: where object files are cached between processes, None to cache nothing.
        """
        return _address(self.symbol, self.object_code, folder)

    def entry(self, folder: Path | None) -> Callable[..., None]:
        """The function for Python callers; a call lets go of the interpreter lock."""
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * self.arguments)
        return prototype(self.address(folder))

    @property
    def request(self) -> list[Any]:
        """What ``function_of`` makes it of again, in JSON's types."""
        return [self.module, self.name, self.arguments]

    def object_code(self) -> bytes:
        """Compile it: an object file, the same bytes whatever was compiled before."""
        from accelserve.kernels.native.jit import object_of

        return object_of(self)


def _address(symbol: str, make: Callable[[], bytes], folder: Path | None) -> int:
    """Of a function that is cached for any of this processor's targets, or is compiled for the first now."""
    target, *others = code_targets()
    return KERNELS.address(symbol, make, target, folder, others)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an ``ArrayFunction``.

    Attributes:
        dtype: numpy's.
        dimensions: 0 for a number.
        strided: the array's elements may lie apart.
    """

    dtype: np.dtype[np.generic]
    dimensions: int
    strided: bool

    @classmethod
    def parse(cls, text: str) -> Argument:
        """``f32`` is a number, ``f32[2]`` a C-contiguous matrix, ``f32[2]~`` one of any strides."""
        match = re.fullmatch(r"([uif])(\d+)(?:\[(\d)\](~?))?", text)
        if match is None:
            raise ValueError(f"argument type '{text}': expected 'f32', 'f32[2]' or 'f32[2]~'")
        kind, bits, dimensions, strided = match.groups()
        return cls(np.dtype(f"{kind}{int(bits) // 8}"), int(dimensions or 0), bool(strided))

    @property
    def words(self) -> str:
        """Its part of a record, as ``struct`` says it: address, shape and strides, or the number."""
        if self.dimensions == 0:
            return "d" if self.dtype.kind == "f" else "q"
        return "q" * (1 + self.dimensions * (2 if self.strided else 1))

    def values(self, value: Any) -> tuple[Any, ...]:
        """What stands in the record; TypeError for an array of another dtype, rank or layout."""
        if self.dimensions == 0:
            return (float(value) if self.dtype.kind == "f" else int(value),)
        array: NDArray[np.generic] = value
        fits = array.dtype == self.dtype and array.ndim == self.dimensions
        if not fits or not (self.strided or array.flags.c_contiguous):
            layout = "C-contiguous" if array.flags.c_contiguous else "strided"
            raise TypeError(f"got {layout} {array.dtype}{list(array.shape)}, expected {self}")
        address = array.__array_interface__["data"][0]
        return (address, *array.shape, *array.strides) if self.strided else (address, *array.shape)

    def __str__(self) -> str:
        layout = "strided" if self.strided else "C-contiguous"
        return f"{layout} {self.dtype} of {self.dimensions} dimensions"


class ArrayFunction:
    """A compiled function of arrays and numbers, for Python callers.

    A call lets go of the interpreter lock. The function allocates nothing: scratch memory is among its arguments.

    Args:
        module: that holds the source; imported only if the function has to be compiled.
        name: of the Python function, which is ``inlined``.
        arguments: see ``Argument.parse``.
        returns: whether it returns a whole number.
    """

    def __init__(self, module: str, name: str, *arguments: str, returns: bool = False) -> None:
        self.module, self.name = module, name
        self.arguments = tuple(Argument.parse(text) for text in arguments)
        self.returns = returns
        self.request: list[Any] = [module, name, list(arguments), returns]
        self.symbol = f"{module}.{name}({','.join(arguments)})"
        # The first word is the result's.
        self._record = struct.Struct("=q" + "".join(argument.words for argument in self.arguments))
        self._buffer = ctypes.c_char * self._record.size
        self._entry: Callable[[int], None] | None = None
        self._loading = threading.Lock()

    def load(self, folder: Path | None) -> Callable[[int], None]:
        """Compile it, or read its object file; later calls do no more than cache it in the folder that they name.

        Args:
            folder: where object files are cached between processes; None takes ``default_folder``.
        """
        with self._loading:
            if self._entry is None or folder is not None:
                address = _address(self.symbol, self.object_code, folder or default_folder())
                if self._entry is None:
                    self._entry = ctypes.CFUNCTYPE(None, ctypes.c_int64)(address)
            return self._entry

    def __call__(self, *values: Any) -> int:
        """The function's result; 0 if it has none.

        Raises:
            TypeError: an array of another dtype, rank or layout, or another number of arguments.
        """
        return self._call([0], self.arguments, values)

    def given(self, *values: Any) -> Callable[..., int]:
        """The function with its first arguments given, whose addresses are then asked for once: it takes the others.

        Raises:
            TypeError: as a call.
        """
        known, others = self.arguments[: len(values)], self.arguments[len(values) :]
        words = [0, *_words(known, values)]

        def call(
            *rest: Any, _held: tuple[Any, ...] = values
        ) -> int:  # the addresses are good while the arrays live
            return self._call(words, others, rest)

        return call

    def _call(self, words: Sequence[Any], arguments: Sequence[Argument], values: Sequence[Any]) -> int:
        entry = self._entry or self.load(None)
        record = self._buffer.from_buffer_copy(self._record.pack(*words, *_words(arguments, values)))
        entry(ctypes.addressof(record))
        return int(struct.unpack_from("=q", record)[0]) if self.returns else 0

    def object_code(self) -> bytes:
        """Compile it: an object file, the same bytes whatever was compiled before."""
        from accelserve.kernels.native.array_entry import object_of_array_function

        return object_of_array_function(self)


Function: TypeAlias = Compiled | ArrayFunction


def function_of(request: Sequence[Any]) -> Function:
    """The function of a ``request``."""
    module, name, arguments, *returns = request
    if isinstance(arguments, int):
        return Compiled(module, name, arguments)
    return ArrayFunction(module, name, *arguments, returns=returns[0])


def _words(arguments: Sequence[Argument], values: Sequence[Any]) -> list[Any]:
    """What stands in the record for some arguments."""
    if len(arguments) != len(values):
        raise TypeError(f"got {len(values)} arguments, expected {len(arguments)}")
    words: list[Any] = []
    for argument, value in zip(arguments, values, strict=True):
        words += argument.values(value)
    return words
