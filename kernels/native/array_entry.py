"""From an ``ArrayFunction``'s record of int64 to the arrays and numbers that its source takes; compiled code only."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from accelserve.kernels.native.compiled import Argument, ArrayFunction
from accelserve.kernels.native.jit import object_file
from accelserve.kernels.native.memory import store_i64

I64 = ir.IntType(64)


def object_of_array_function(function: ArrayFunction) -> bytes:
    """The object file of ``void symbol(int64 record)``."""
    source: Any = getattr(importlib.import_module(function.module), function.name)
    unpack = _unpacker(function.arguments)

    def call(record: int) -> None:
        source(*unpack(record))

    def call_for_a_number(record: int) -> None:
        store_i64(record, source(*unpack(record)))

    return object_file(call_for_a_number if function.returns else call, 1, function.symbol)


def _type_of(argument: Argument) -> Any:
    from_dtype: Any = numba.from_dtype  # its type knows one dtype only
    element = from_dtype(argument.dtype)
    if argument.dimensions == 0:
        return element
    return types.Array(element, argument.dimensions, "A" if argument.strided else "C")


def _unpacker(arguments: Sequence[Argument]) -> Any:
    """A compiled function from a record's address to a tuple of its arguments."""
    kind: Any = types.BaseTuple.from_types([_type_of(argument) for argument in arguments])

    def unpack(_context: Any, _record: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, values: Sequence[ir.Value]) -> ir.Value:
            reader = _Reader(context, builder, values[0])
            return context.make_tuple(builder, kind, [reader.read(argument) for argument in arguments])

        return kind(types.int64), generate

    return intrinsic(unpack)


class _Reader:
    """Emits loads of one word of the record after the other."""

    def __init__(self, context: Any, builder: ir.IRBuilder, record: ir.Value) -> None:
        self.context, self.builder = context, builder
        self._words = builder.inttoptr(record, I64.as_pointer())
        self._next = 1  # word 0 is the result's

    def read(self, argument: Argument) -> ir.Value:
        """An argument as numba represents it."""
        if argument.dimensions > 0:
            return self._array(argument)
        if argument.dtype.kind != "f":
            return self._narrowed(self._word(), argument)
        number = self.builder.bitcast(self._word(), ir.DoubleType())
        single = argument.dtype.itemsize == 4
        return self.builder.fptrunc(number, ir.FloatType()) if single else number

    def _narrowed(self, word: ir.Value, argument: Argument) -> ir.Value:
        bits = 8 * argument.dtype.itemsize
        return word if bits == 64 else self.builder.trunc(word, ir.IntType(bits))

    def _word(self) -> ir.Value:
        place = self.builder.gep(self._words, [I64(self._next)])
        self._next += 1
        return self.builder.load(place)

    def _array(self, argument: Argument) -> ir.Value:
        kind = _type_of(argument)
        array = self.context.make_array(kind)(self.context, self.builder)
        data = self.builder.inttoptr(self._word(), array.data.type)
        shape = [self._word() for _ in range(argument.dimensions)]
        strides = [self._word() for _ in shape] if argument.strided else self._dense(shape, argument)
        populate_array(
            array,
            data=data,
            shape=shape,
            strides=strides,
            itemsize=I64(argument.dtype.itemsize),
            meminfo=None,
        )
        return array._getvalue()  # noqa: SLF001 - numba's own way to read a struct

    def _dense(self, shape: Sequence[ir.Value], argument: Argument) -> list[ir.Value]:
        strides = [I64(argument.dtype.itemsize)]
        for extent in reversed(shape[1:]):
            strides.insert(0, self.builder.mul(strides[0], extent))
        return strides
