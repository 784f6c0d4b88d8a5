"""Operations that numba has no form for; for compiled code only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

ROWS: Final = 16
"""Rows, and columns, of a block that ``turn`` turns: a vector register's bytes."""

_U8X4 = ir.VectorType(ir.IntType(8), 4)
_U8X16 = ir.VectorType(ir.IntType(8), ROWS)
_F32X4 = ir.VectorType(ir.FloatType(), 4)
# One byte of each of two registers in turn: of their lower halves, of their upper halves.
_INTERLEAVED = tuple(
    ir.Constant(
        ir.VectorType(ir.IntType(32), ROWS),
        [lane + ROWS * other for lane in half for other in (0, 1)],
    )
    for half in (range(ROWS // 2), range(ROWS // 2, ROWS))
)


def _data(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """The address of a contiguous array's first element."""
    return context.make_array(array_type)(context, builder, array).data


def _four_bytes(builder: Any, bytes_: Any, offset: Any) -> Any:
    address = builder.bitcast(builder.gep(bytes_, [offset]), _U8X4.as_pointer())
    return builder.load(address, align=1)


def _in_every_lane(builder: Any, value: Any, vector: Any) -> Any:
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, single, first)


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


def _weigher(lanes: int, vectors: int) -> Callable[..., Any]:
    """Weighs so many vectors of so many lanes at once."""

    def weigh(
        _typing_context: Any,
        source: Any,
        start: Any,
        pitch: Any,
        taps: Any,  # noqa: ARG001  # numba binds by name and number
        weights: Any,
        bits: Any,  # noqa: ARG001
        target: Any,
        position: Any,
    ) -> tuple[Any, Callable[..., Any]]:
        signature = types.void(source, start, pitch, types.intp, weights, types.int32, target, position)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = [_data(context, builder, signature.args[i], args[i]) for i in (0, 4, 6)]
            _weigh(builder, data, *(args[i] for i in (1, 2, 3, 5, 7)), lanes=lanes, vectors=vectors)
            return context.get_dummy_value()

        return signature, generate

    return weigh


def _weigh(
    builder: Any,
    data: Any,
    start: Any,
    pitch: Any,
    taps: Any,
    bits: Any,
    position: Any,
    *,
    lanes: int,
    vectors: int,
) -> None:
    pixels, factors, levels = data
    wide, narrow = ir.VectorType(ir.IntType(32), lanes), ir.VectorType(ir.IntType(8), lanes)

    def place(data: Any, offset: Any, vector: int) -> Any:
        lane = builder.add(offset, offset.type(vector * lanes))
        return builder.bitcast(builder.gep(data, [lane]), narrow.as_pointer())

    one = ir.IntType(32)(1)
    half = _in_every_lane(builder, builder.shl(one, builder.sub(bits, one)), wide)
    totals = [cgutils.alloca_once_value(builder, half) for _ in range(vectors)]
    with cgutils.for_range(builder, taps) as loop:
        factor = _in_every_lane(builder, builder.load(builder.gep(factors, [loop.index])), wide)
        tap = builder.add(start, builder.mul(loop.index, pitch))
        for vector, total in enumerate(totals):
            taken = builder.zext(builder.load(place(pixels, tap, vector), align=1), wide)
            builder.store(builder.add(builder.load(total), builder.mul(taken, factor)), total)
    shift = _in_every_lane(builder, bits, wide)
    lowest, highest = ir.Constant(wide, [0] * lanes), ir.Constant(wide, [255] * lanes)
    for vector, total in enumerate(totals):
        level = builder.ashr(builder.load(total), shift)
        level = builder.select(builder.icmp_signed("<", level, lowest), lowest, level)
        level = builder.select(builder.icmp_signed(">", level, highest), highest, level)
        builder.store(builder.trunc(level, narrow), place(levels, position, vector), align=1)


def _turn(
    _typing_context: Any,
    source: Any,
    start: Any,
    pitch: Any,
    target: Any,
    position: Any,
    target_pitch: Any,
) -> tuple[Any, Callable[..., Any]]:
    """``target[position + c * target_pitch + r] = source[start + r * pitch + c]`` for r and c in 0..15.

    Contiguous uint8 arrays; no bounds are checked.
    """
    signature = types.void(source, start, pitch, target, position, target_pitch)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pixels, turned = (_data(context, builder, signature.args[i], args[i]) for i in (0, 3))

        def row(data: Any, first: Any, step: Any, index: int) -> Any:
            offset = builder.add(first, builder.mul(step, step.type(index)))
            return builder.bitcast(builder.gep(data, [offset]), _U8X16.as_pointer())

        rows = [builder.load(row(pixels, args[1], args[2], r), align=1) for r in range(ROWS)]
        for _ in range(ROWS.bit_length() - 1):
            rows = [
                builder.shuffle_vector(rows[r], rows[r + ROWS // 2], half)
                for r in range(ROWS // 2)
                for half in _INTERLEAVED
            ]
        for r, values in enumerate(rows):
            builder.store(values, row(turned, args[4], args[5], r), align=1)
        return context.get_dummy_value()

    return signature, generate


def _fetch(for_write: bool) -> Callable[..., Any]:
    """Asks for a line of memory, to read it or to write it."""

    def fetch(_typing_context: Any, source: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
        signature = types.void(source, offset)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address = builder.gep(_data(context, builder, signature.args[0], args[0]), [args[1]])
            arguments = ir.FunctionType(ir.VoidType(), [address.type, *[ir.IntType(32)] * 3])
            function = cgutils.get_or_insert_function(builder.module, arguments, "llvm.prefetch.p0i8")
            builder.call(function, [address, *(ir.IntType(32)(flag) for flag in (int(for_write), 3, 1))])
            return context.get_dummy_value()

        return signature, generate

    return fetch


ask_to_read, ask_to_write = (
    cast("Callable[..., None]", intrinsic(_fetch(for_write))) for for_write in (False, True)
)
"""Have the line of memory with element ``offset`` of an array of bytes brought to the nearest cache; beyond its end too, where
nothing happens if there is no memory."""
LINE: Final = 64
"""Bytes of a line."""
lerp_four = cast("Callable[..., None]", intrinsic(_lerp_four))
turn = cast("Callable[..., None]", intrinsic(_turn))
weigh_four, weigh_wide = (
    cast("Callable[..., None]", intrinsic(_weigher(lanes, vectors))) for lanes, vectors in ((4, 1), (ROWS, 3))
)
"""``target[position + c] = clip8((half + sum_k weights[k] * source[start + k pitch + c]) >> bits)``, c in 0..3 or 0..47.

A uint8 source and target, int32 fixed-point weights whose fraction has ``bits`` bits, half = 2**(bits - 1), so many taps; as
many bytes as there are c are read at each tap and written; no bounds are checked.
"""
WIDE: Final = 3 * ROWS
"""How many ``weigh_wide`` weighs: a pixel of ``ROWS`` rows."""
