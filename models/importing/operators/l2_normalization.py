"""The steps of L2 normalization that are operators of their own."""

from __future__ import annotations

from accelserve.models.importing import l2_normalization
from accelserve.models.importing.reductions import REDUCTION, reduced_axes
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.values import Norm, Tensor


@operator("LpNormalization", reads="axis p")
def lp_normalization(call: Call) -> Tensor:
    """Only p = 2."""
    if call.int_attribute("p", 2) != 2:
        raise UnsupportedFormError("with p other than 2")
    x = call.tensor(0)
    axis = call.axis(call.int_attribute("axis", -1), len(x.shape))
    call.refuse_across_images(x, axis)
    return l2_normalization.normalize(call, x, axis, 0.0)


@operator("ReduceL2", operands=2, reads=REDUCTION)
def reduce_l2(call: Call) -> Norm:
    """The norm at once."""
    x = call.tensor(0)
    return l2_normalization.begin(call, x, "norm", _one_axis(call, x))


@operator("ReduceSumSquare", operands=2, reads=REDUCTION)
def reduce_sum_square(call: Call) -> Norm:
    """The sum of squares at once."""
    x = call.tensor(0)
    return l2_normalization.begin(call, x, "sum", _one_axis(call, x))


@operator("ReduceSum", operands=2, reads=REDUCTION)
def reduce_sum(call: Call) -> Norm:
    """Of squares, along one axis."""
    squares = call.operand(0)
    if not isinstance(squares, Norm) or squares.stage != "square":
        raise UnsupportedFormError("outside of an L2 normalization")
    axis = _one_axis(call, squares.of)
    return Norm(squares.of, "sum", axis, 0.0, squares.node)


@operator("Sqrt")
def sqrt(call: Call) -> Norm:
    """Root of a sum of squares."""
    return l2_normalization.root(_norm(call))


@operator("Reciprocal")
def reciprocal(call: Call) -> Norm:
    """1 / norm."""
    return l2_normalization.inverse(_norm(call))


@operator(
    "Pow",
    operands=2,
    irrelevant={
        "axis": "the exponent is one number",
        "broadcast": "the exponent is one number",
    },
)
def power(call: Call) -> Norm:
    """Exponents 2, 0.5 and -0.5, as steps of an L2 normalization."""
    exponent = call.known(1, "an exponent")
    x = call.operand(0)
    rank = len((x.of if isinstance(x, Norm) else call.tensor(0)).shape)
    value = float(exponent.reshape(())) if exponent.size == 1 and exponent.ndim <= rank else 0.0
    if value == 2.0 and isinstance(x, Tensor):
        return l2_normalization.begin(call, x, "square")
    if value in {0.5, -0.5} and isinstance(x, Norm):
        norm = l2_normalization.root(x)
        return norm if value > 0 else l2_normalization.inverse(norm)
    raise UnsupportedFormError("outside of an L2 normalization")


@operator("Expand", operands=2)
def expand(call: Call) -> Norm | Tensor:
    """Of a norm (to divide by it), or to the shape that a tensor already has."""
    x = call.operand(0)
    wanted = call.known_ints(1, "a shape")
    if isinstance(x, Norm):
        if len(wanted) == len(x.of.shape) and all(
            s in {1, h} for s, h in zip(wanted, x.of.shape, strict=True)
        ):
            return x
        raise UnsupportedFormError(f"of the norm of {list(x.of.shape)} to {list(wanted)}")
    tensor = call.tensor(0)
    if len(wanted) <= len(tensor.shape) and all(
        size in {1, have} for size, have in zip(wanted[::-1], tensor.shape[::-1], strict=False)
    ):
        return tensor
    raise UnsupportedFormError(f"of {list(tensor.shape)} to {list(wanted)}")


def _norm(call: Call) -> Norm:
    value = call.operand(0)
    if not isinstance(value, Norm):
        raise UnsupportedFormError("outside of an L2 normalization")
    return value


def _one_axis(call: Call, x: Tensor) -> int:
    axes = reduced_axes(call, len(x.shape))
    if len(axes) != 1 or not call.int_attribute("keepdims", 1):
        raise UnsupportedFormError(f"over axes {sorted(axes)}; only over one axis that is kept")
    return axes[0]
