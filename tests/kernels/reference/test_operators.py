"""The oracle itself, against loops over Python's own integers and numpy's scalar float32."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels import ir
from accelserve.kernels.ir import Array, Epilogue, Intermediate, Residual, Window
from accelserve.kernels.reference.operators import EVALUATORS

f32 = np.float32


def by_hand(op: ir.QConv2d, x: Array, w: Array, bias: Array, scale: Array, residual: Array | None) -> Array:
    """One output at a time, as the operator's docstring reads."""
    (top, left, bottom, right), (sy, sx), (dy, dx) = op.window.padding, op.window.strides, op.window.dilations
    _, height, width, _ = x.shape
    outputs, rows, columns, per_group = w.shape
    high = (height + top + bottom - (rows - 1) * dy - 1) // sy + 1
    wide = (width + left + right - (columns - 1) * dx - 1) // sx + 1
    result = np.zeros((1, high, wide, outputs), np.uint8 if op.epilogue else np.float32)
    for i, j, k in np.ndindex(high, wide, outputs):
        total = int(bias[k])
        first = k // (outputs // op.groups) * per_group
        for r, s, c in np.ndindex(rows, columns, per_group):
            y, z = i * sy + r * dy - top, j * sx + s * dx - left
            inside = 0 <= y < height and 0 <= z < width
            total += int(w[k, r, s, c]) * (int(x[0, y, z, first + c]) if inside else op.input_zero_point)
        value = f32(f32((total + 2**31) % 2**32 - 2**31) * scale[k])
        result[0, i, j, k] = (
            value if op.epilogue is None else finished(op.epilogue, value, residual, (0, i, j, k))
        )
    return result


def finished(epilogue: Epilogue, value: np.float32, residual: Array | None, place: tuple[int, ...]) -> int:
    if epilogue.intermediate is not None:
        bounded = min(max(np.rint(value), f32(epilogue.intermediate.low)), f32(epilogue.intermediate.high))
        value = f32(bounded) * f32(epilogue.intermediate.multiplier)
    if epilogue.residual is not None and residual is not None:
        value = value + f32(int(residual[place]) - epilogue.residual.zero_point) * f32(
            epilogue.residual.multiplier
        )
    return int(min(max(int(np.rint(value)) + epilogue.zero_point, epilogue.low), epilogue.high))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    groups=st.sampled_from([1, 2, 4]),
    form=st.sampled_from(["float", "plain", "residual", "intermediate"]),
)
def test_integer_convolution_is_what_its_docstring_says(
    seed: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: tuple[int, int, int, int],
    groups: int,
    form: str,
) -> None:
    rng = np.random.default_rng(seed)
    residual = Residual(zero_point=17, multiplier=0.37) if form in {"residual", "intermediate"} else None
    middle = Intermediate(low=-100, high=155, multiplier=0.71) if form == "intermediate" else None
    epilogue = Epilogue(zero_point=9, low=3, high=250, residual=residual, intermediate=middle)
    window = Window(kernel=kernel, strides=strides, dilations=dilations, padding=padding)
    op = ir.QConv2d(window, groups, 5, None if form == "float" else epilogue)
    x = rng.integers(0, 256, (1, 6, 7, 4)).astype(np.uint8)
    w = rng.integers(-127, 128, (4, *kernel, 4 // groups)).astype(np.int8)
    bias = rng.integers(-(2**31), 2**31, 4).astype(np.int32)
    bias[:2] //= 2**16
    scale = (10.0 ** rng.uniform(-4, -1, 4)).astype(np.float32)
    plain = ir.QConv2d(window, groups, 5, None)
    shape = plain.infer(tuple(ir.TensorType(a.shape, ir.DType.of(a)) for a in (x, w, bias, scale))).shape
    res = rng.integers(0, 256, shape).astype(np.uint8)
    operands = [x, w, bias, scale, *([res] if residual else [])]
    got = EVALUATORS[ir.QConv2d](op, operands)
    np.testing.assert_array_equal(got, by_hand(op, x, w, bias, scale, res))


@pytest.mark.parametrize("count_padding", [True, False])
def test_integer_mean_divides_by_what_the_operator_says(count_padding: bool) -> None:
    x = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1) * 10
    cells = np.full(10, 9.0) if count_padding else np.maximum(np.arange(10.0), 1)
    op = ir.QAveragePool(Window(kernel=(3, 3), padding=(1, 1, 1, 1)), 20, 7)
    got = EVALUATORS[ir.QAveragePool](op, [x, (1 / cells).astype(np.float32)])
    corner = (0 + 10 + 40 + 50 - 4 * 20) / (9 if count_padding else 4)
    assert got[0, 0, 0, 0] == round(corner) + 7
    assert got.shape == (1, 4, 4, 1)


def test_rounding_is_half_to_even_and_saturates() -> None:
    op = ir.QChannelAffine(0, 0)
    x = np.array([[[[1, 3, 5, 255]]]], np.uint8)
    mul, add = np.array([0.5, 0.5, 0.5, 10], np.float32), np.zeros(4, np.float32)
    assert EVALUATORS[ir.QChannelAffine](op, [x, mul, add]).ravel().tolist() == [0, 2, 2, 255]


def test_l2_normalize_divides_by_the_length_of_what_is_above_the_zero_point() -> None:
    op = ir.QL2Normalize(10, 1.0, 100, 0, 150)
    x = np.array([[13, 14, 10], [10, 10, 10], [10, 7, 14]], np.uint8)
    mul, add = np.array([50, -50, 50], np.float32), np.array([0, 0, 1], np.float32)
    wanted = [[130, 60, 101], [100, 100, 101], [100, 130, 141]]
    assert EVALUATORS[ir.QL2Normalize](op, [x, mul, add]).tolist() == wanted
