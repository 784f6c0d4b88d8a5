"""Operations that numba has no form for; for compiled code only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

ROWS: Final = 4
"""Rows that ``weigh_four_of_rows`` works on: their sums fit into registers, and each weight is loaded once for all."""

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
        pixels, factors, levels = (_data(context, builder, signature.args[i], args[i]) for i in (0, 3, 5))
        _weigh(builder, pixels, [args[1]], args[2], factors, args[4], levels, [args[6]])
        return context.get_dummy_value()

    return signature, generate


def _weigh_four_of_rows(
    _typing_context: Any,
    source: Any,
    start: Any,
    pitch: Any,
    taps: Any,  # noqa: ARG001
    weights: Any,
    bits: Any,  # noqa: ARG001
    target: Any,
    position: Any,
    target_pitch: Any,
) -> tuple[Any, Callable[..., Any]]:
    """``weigh_four`` in ``ROWS`` rows at once: row r begins ``r * pitch`` further, its result ``r * target_pitch``."""
    signature = types.void(
        source, start, pitch, types.intp, weights, types.int32, target, position, target_pitch
    )

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pixels, factors, levels = (_data(context, builder, signature.args[i], args[i]) for i in (0, 4, 6))
        starts, positions = (
            [builder.add(first, builder.mul(step, first.type(row))) for row in range(ROWS)]
            for first, step in ((args[1], args[2]), (args[7], args[8]))
        )
        _weigh(builder, pixels, starts, args[3], factors, args[5], levels, positions)
        return context.get_dummy_value()

    return signature, generate


def _weigh(
    builder: Any, pixels: Any, starts: Any, taps: Any, factors: Any, bits: Any, levels: Any, positions: Any
) -> None:
    """The weighted sums from several starts, which share taps and weights, each clipped and written to its position."""
    one = ir.IntType(32)(1)
    half = _in_every_lane(builder, builder.shl(one, builder.sub(bits, one)), _I32X4)
    totals = [cgutils.alloca_once_value(builder, half) for _ in starts]
    with cgutils.for_range(builder, taps) as loop:
        factor = _in_every_lane(builder, builder.load(builder.gep(factors, [loop.index])), _I32X4)
        passed = builder.mul(loop.index, loop.index.type(3))
        for start, total in zip(starts, totals, strict=True):
            taken = builder.zext(_four_bytes(builder, pixels, builder.add(start, passed)), _I32X4)
            builder.store(builder.add(builder.load(total), builder.mul(taken, factor)), total)
    lowest, highest = ir.Constant(_I32X4, [0] * 4), ir.Constant(_I32X4, [255] * 4)
    shift = _in_every_lane(builder, bits, _I32X4)
    for total, position in zip(totals, positions, strict=True):
        shifted = builder.ashr(builder.load(total), shift)
        shifted = builder.select(builder.icmp_signed("<", shifted, lowest), lowest, shifted)
        shifted = builder.select(builder.icmp_signed(">", shifted, highest), highest, shifted)
        address = builder.bitcast(builder.gep(levels, [position]), _U8X4.as_pointer())
        builder.store(builder.trunc(shifted, _U8X4), address, align=1)


lerp_four = cast("Callable[..., None]", intrinsic(_lerp_four))
weigh_four = cast("Callable[..., None]", intrinsic(_weigh_four))
weigh_four_of_rows = cast("Callable[..., None]", intrinsic(_weigh_four_of_rows))
