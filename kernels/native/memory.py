"""Memory by address, for compiled code: loads and stores, array views, atomics, calls through pointers.

Everything here is for functions that numba compiles; called from Python it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from accelserve.kernels.native.jit import inlined

I64, I32, I8 = ir.IntType(64), ir.IntType(32), ir.IntType(8)
Emit = Callable[[ir.IRBuilder, Sequence[ir.Value]], ir.Value | None]


def _intrinsic(result: Any, arguments: Sequence[Any], emit: Emit) -> tuple[Any, Any]:
    def generate(context: Any, builder: ir.IRBuilder, _: Any, values: Sequence[ir.Value]) -> ir.Value:
        made = emit(builder, values)
        return context.get_dummy_value() if made is None else made

    return result(*arguments), generate


def _compiled_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's decorator, whose own type demands the typing context as an argument of every call."""
    made: Callable[..., Any] = intrinsic(function)
    return made


def _pointer(builder: ir.IRBuilder, address: ir.Value, pointee: ir.Type) -> ir.Value:
    return builder.inttoptr(address, pointee.as_pointer())


@_compiled_only
def load_i64(context: Any, address: Any) -> Any:  # noqa: ARG001
    """The int64 at ``address`` (a multiple of 8)."""
    return _intrinsic(types.int64, [types.int64], lambda b, v: b.load(_pointer(b, v[0], I64), align=8))


@_compiled_only
def store_i64(context: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write an int64 at ``address`` (a multiple of 8)."""
    return _intrinsic(
        types.void,
        [types.int64] * 2,
        lambda b, v: b.store(v[1], _pointer(b, v[0], I64), align=8) and None,
    )


@_compiled_only
def as_float(context: Any, value: Any) -> Any:  # noqa: ARG001
    """The float32 whose bits are the low half of an int64."""
    return _intrinsic(
        types.float32, [types.int64], lambda b, v: b.bitcast(b.trunc(v[0], I32), ir.FloatType())
    )


@_compiled_only
def u8_pointer(context: Any, address: Any) -> Any:  # noqa: ARG001
    """``address`` as a pointer to uint8, for ``numba.carray``."""
    return _intrinsic(types.CPointer(types.uint8), [types.int64], lambda b, v: _pointer(b, v[0], I8))


@_compiled_only
def s8_pointer(context: Any, address: Any) -> Any:  # noqa: ARG001
    """``address`` as a pointer to int8, for ``numba.carray``."""
    return _intrinsic(types.CPointer(types.int8), [types.int64], lambda b, v: _pointer(b, v[0], I8))


@_compiled_only
def s32_pointer(context: Any, address: Any) -> Any:  # noqa: ARG001
    """``address`` as a pointer to int32, for ``numba.carray``."""
    return _intrinsic(types.CPointer(types.int32), [types.int64], lambda b, v: _pointer(b, v[0], I32))


@_compiled_only
def f32_pointer(context: Any, address: Any) -> Any:  # noqa: ARG001
    """``address`` as a pointer to float32, for ``numba.carray``."""
    return _intrinsic(
        types.CPointer(types.float32), [types.int64], lambda b, v: _pointer(b, v[0], ir.FloatType())
    )


@_compiled_only
def atomic_load(context: Any, address: Any) -> Any:  # noqa: ARG001
    """The int64 at ``address``, acquired."""
    return _intrinsic(
        types.int64, [types.int64], lambda b, v: b.load_atomic(_pointer(b, v[0], I64), "seq_cst", 8)
    )


@_compiled_only
def atomic_store(context: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write an int64 at ``address``, released."""
    return _intrinsic(
        types.void,
        [types.int64] * 2,
        lambda b, v: b.store_atomic(v[1], _pointer(b, v[0], I64), "seq_cst", 8) and None,
    )


@_compiled_only
def atomic_add(context: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Add to the int64 at ``address``; what it held before."""
    return _intrinsic(
        types.int64,
        [types.int64] * 2,
        lambda b, v: b.atomic_rmw("add", _pointer(b, v[0], I64), v[1], "seq_cst"),
    )


@_compiled_only
def atomic_swap_if(context: Any, address: Any, expected: Any, value: Any) -> Any:  # noqa: ARG001
    """Write ``value`` if the int64 at ``address`` is ``expected``; whether it was."""

    def emit(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> ir.Value:
        pair = builder.cmpxchg(_pointer(builder, values[0], I64), values[1], values[2], "seq_cst")
        return builder.extract_value(pair, 1)

    return _intrinsic(types.boolean, [types.int64] * 3, emit)


@_compiled_only
def relax(context: Any) -> Any:  # noqa: ARG001
    """Tell the core that this loop spins: ``pause`` or ``yield``; on other machines nothing."""

    def emit(builder: ir.IRBuilder, _: Sequence[ir.Value]) -> None:
        triple = builder.module.triple
        if triple.startswith(("x86_64", "i686")):
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, "llvm.x86.sse2.pause"), [])
        elif triple.startswith(("aarch64", "arm64")):
            hint = ir.FunctionType(ir.VoidType(), [I32])
            function = cgutils.get_or_insert_function(builder.module, hint, "llvm.aarch64.hint")
            builder.call(function, [ir.Constant(I32, 1)])  # hint 1 is ``yield``

    return _intrinsic(types.void, [], emit)


@_compiled_only
def prefetch(context: Any, address: Any) -> Any:  # noqa: ARG001
    """Ask for the cache line at an address, to be read, into the second-level cache. Any address will do."""

    def emit(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> None:
        pointer = _pointer(builder, values[0], I8)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, *(ir.Constant(I32, each) for each in (0, 2, 1))])

    return _intrinsic(types.void, [types.int64], emit)


def _call(count: int) -> Any:
    def emit(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> None:
        kind = ir.FunctionType(ir.VoidType(), [I64] * count)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])

    return _intrinsic(types.void, [types.int64] * (count + 1), emit)


@_compiled_only
def call3(context: Any, function: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    """Call ``void function(int64, int64, int64)``."""
    return _call(3)


@_compiled_only
def call6(context: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:  # noqa: ARG001
    """Call ``void function(int64 x 6)``."""
    return _call(6)


@_compiled_only
def call12(
    context: Any,  # noqa: ARG001
    function: Any,  # noqa: ARG001
    a: Any,  # noqa: ARG001
    b: Any,  # noqa: ARG001
    c: Any,  # noqa: ARG001
    d: Any,  # noqa: ARG001
    e: Any,  # noqa: ARG001
    f: Any,  # noqa: ARG001
    g: Any,  # noqa: ARG001
    h: Any,  # noqa: ARG001
    i: Any,  # noqa: ARG001
    j: Any,  # noqa: ARG001
    k: Any,  # noqa: ARG001
    m: Any,  # noqa: ARG001
) -> Any:
    """Call ``void function(int64 x 12)``."""
    return _call(12)


@_compiled_only
def call1(context: Any, function: Any, a: Any) -> Any:  # noqa: ARG001
    """Call ``void function(int64)``."""
    return _call(1)


@_compiled_only
def copy_bytes(context: Any, target: Any, source: Any, count: Any) -> Any:  # noqa: ARG001
    """Memcpy."""

    def emit(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> None:
        cgutils.raw_memcpy(
            builder, _pointer(builder, values[0], I8), _pointer(builder, values[1], I8), values[2], 1
        )

    return _intrinsic(types.void, [types.int64] * 3, emit)


@_compiled_only
def fill_bytes(context: Any, target: Any, count: Any, value: Any) -> Any:  # noqa: ARG001
    """Memset with the low byte of ``value``."""

    def emit(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> None:
        cgutils.memset(builder, _pointer(builder, values[0], I8), values[1], builder.trunc(values[2], I8))

    return _intrinsic(types.void, [types.int64] * 3, emit)


@inlined
def field(record: int, position: int) -> int:
    """A field of a step's record."""
    value: int = load_i64(record + 8 * position)
    return value


@inlined
def u8_at(address: int, count: int) -> NDArray[np.uint8]:
    """Memory as uint8 [count]."""
    return carray(u8_pointer(address), (count,))


@inlined
def s8_at(address: int, count: int) -> NDArray[np.int8]:
    """Memory as int8 [count]."""
    return carray(s8_pointer(address), (count,))


@inlined
def s32_at(address: int, count: int) -> NDArray[np.int32]:
    """Memory as int32 [count]."""
    return carray(s32_pointer(address), (count,))


@inlined
def f32_at(address: int, count: int) -> NDArray[np.float32]:
    """Memory as float32 [count]."""
    return carray(f32_pointer(address), (count,))
