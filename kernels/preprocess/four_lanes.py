"""Two operations that numba has no form for; for compiled code only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_U8X4 = ir.VectorType(ir.IntType(8), 4)
_I32X4 = ir.VectorType(ir.IntType(32), 4)
_F32X4 = ir.VectorType(ir.FloatType(), 4)


def _data(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """The address of a contiguous array's first element."""
    return context.make_array(array_type)(context, builder, array).data


def _four_bytes(builder: Any, bytes_: Any, offset: Any) -> Any:
    address = builder.bitcast(builder.gep(bytes_, [offset]), _U8X4.as_pointer())
    return builder.load(address, align=1)


def _in_every_lane(builder: Any, value: Any, vector: Any) -> Any:
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, single, ir.Constant(_I32X4, [0, 0, 0, 0]))


def _lerp_four(
    _typing_context: Any, source: Any, left: Any, right: Any, lerp: Any, target: Any, position: Any
) -> tuple[Any, Callable[..., Any]]:
    """``target[position + c] = l + (r - l) * lerp`` for c in 0..3, l = source[left + c], r = source[right + c].

    Four bytes of a uint8 array at each side, a float32 weight, a contiguous float32 target; no bounds are checked.
    """
    signature = types.void(source, left, right, lerp, target, position)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pixels = _data(context, builder, signature.args[0], args[0])
        values = _data(context, builder, signature.args[4], args[4])
        first = builder.uitofp(_four_bytes(builder, pixels, args[1]), _F32X4)
        second = builder.uitofp(_four_bytes(builder, pixels, args[2]), _F32X4)
        weight = _in_every_lane(builder, args[3], _F32X4)
        result = builder.fadd(first, builder.fmul(builder.fsub(second, first), weight))
        address = builder.bitcast(builder.gep(values, [args[5]]), _F32X4.as_pointer())
        builder.store(result, address, align=4)
        return context.get_dummy_value()

    return signature, generate


def _weigh_four(
    _typing_context: Any,
    source: Any,
    start: Any,
    taps: Any,  # noqa: ARG001  # numba binds by name and number
    weights: Any,
    bits: Any,  # noqa: ARG001
    target: Any,
    position: Any,
) -> tuple[Any, Callable[..., Any]]:
    """``target[position + c] = clip8((half + sum_k weights[k] * source[start + 3 k + c]) >> bits)`` for c in 0..3.

    A uint8 source and target, int32 fixed-point weights whose fraction has ``bits`` bits, half = 2**(bits - 1); four
    bytes are read at each tap and four are written; no bounds are checked.
    """
    signature = types.void(source, start, types.intp, weights, types.int32, target, position)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pixels = _data(context, builder, signature.args[0], args[0])
        factors = _data(context, builder, signature.args[3], args[3])
        levels = _data(context, builder, signature.args[5], args[5])
        one = ir.IntType(32)(1)
        half = builder.shl(one, builder.sub(args[4], one))
        total = cgutils.alloca_once_value(builder, _in_every_lane(builder, half, _I32X4))
        three = ir.Constant(args[1].type, 3)
        with cgutils.for_range(builder, args[2]) as loop:
            offset = builder.add(args[1], builder.mul(loop.index, three))
            taken = builder.zext(_four_bytes(builder, pixels, offset), _I32X4)
            factor = builder.load(builder.gep(factors, [loop.index]))
            product = builder.mul(taken, _in_every_lane(builder, factor, _I32X4))
            builder.store(builder.add(builder.load(total), product), total)
        shifted = builder.ashr(builder.load(total), _in_every_lane(builder, args[4], _I32X4))
        lowest, highest = ir.Constant(_I32X4, [0] * 4), ir.Constant(_I32X4, [255] * 4)
        shifted = builder.select(builder.icmp_signed("<", shifted, lowest), lowest, shifted)
        shifted = builder.select(builder.icmp_signed(">", shifted, highest), highest, shifted)
        address = builder.bitcast(builder.gep(levels, [args[6]]), _U8X4.as_pointer())
        builder.store(builder.trunc(shifted, _U8X4), address, align=1)
        return context.get_dummy_value()

    return signature, generate


lerp_four = cast("Callable[..., None]", intrinsic(_lerp_four))
weigh_four = cast("Callable[..., None]", intrinsic(_weigh_four))
