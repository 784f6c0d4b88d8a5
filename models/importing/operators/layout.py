"""Operators that only change how a tensor is seen: most of them change our memory of it, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from accelserve.kernels.ir import Dequantize, DType, Reshape
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.scope import arrangement, identity
from accelserve.models.importing.tensor_data import FLOATS, element_type_name
from accelserve.models.importing.values import Stored, Tensor, Value


@operator("Identity")
def identical(call: Call) -> Value:
    """Nothing."""
    value = call.operand(0)
    return call.tensor(0) if value is None else value


@operator(
    "Dropout",
    operands=3,
    reads="is_test",
    irrelevant={"ratio": "inference drops nothing", "seed": "inference draws nothing"},
)
def dropout(call: Call) -> Value:
    """Nothing, at inference; the ratio, an attribute or an operand, is for training."""
    training = call.opset < 7 and not call.int_attribute("is_test", 0)
    if call.operand(2) is not None:
        training = bool(call.known(2, "training_mode").any())
    if training:
        raise UnsupportedFormError("in training mode")
    value = call.operand(0)
    return call.tensor(0) if value is None else value


@operator(
    "Cast",
    reads="to",
    irrelevant={
        "saturate": "for targets of 8-bit floats, which are refused",
        "round_mode": "for targets of 8-bit floats, which are refused",
    },
)
def cast(call: Call) -> Value:
    """Between kinds of float: nothing. From uint8 or int8 pixels to float: a Dequantize of scale 1."""
    x = call.settled(0)
    dtype = call.scope.type_of(x.value).dtype
    target = element_type_name(call.int_attribute("to", 1))
    if dtype is DType.F32 and target in FLOATS:
        return x
    if dtype in {DType.U8, DType.S8, DType.S32} and target in FLOATS:
        one = call.scope.constant(np.array(1.0, np.float32), f"{call.node.name}/one")
        zero = call.scope.constant(np.zeros((), dtype.numpy), f"{call.node.name}/zero")
        return call.elementwise(Dequantize(), x, one, zero)
    raise UnsupportedFormError(f"of {dtype.value} to {target}")


@operator("Transpose", reads="perm")
def transpose(call: Call) -> Value:
    """Axes in another order; no data moves."""
    operand = call.operand(0)
    if isinstance(operand, Stored):
        permutation = call.ints_attribute("perm") or identity(operand.array.shape)[::-1]
        axis = permutation.index(operand.axis) if operand.scale.ndim else operand.axis
        return replace(operand, array=operand.array.transpose(permutation), axis=axis)
    x = call.settled(0)
    permutation = call.ints_attribute("perm") or identity(x.shape)[::-1]
    if sorted(permutation) != list(range(len(x.shape))):
        raise UnsupportedFormError(f"with perm {permutation} of a tensor of rank {len(x.shape)}")
    if permutation[:1] != (0,):
        call.scope.batch_leads = False
    order = tuple(permutation.index(axis) for axis in x.order)
    return Tensor(x.value, tuple(x.base[axis] for axis in permutation), order)


@operator("Reshape", operands=2, reads="allowzero shape")
def reshape(call: Call) -> Tensor:
    """To a constant shape (an attribute before opset 5)."""
    x = call.tensor(0)
    wanted = call.ints_operand_or_attribute("shape", 1)
    if wanted is None:
        raise UnsupportedFormError("without a shape")
    copies = not call.int_attribute("allowzero", 0)
    if not wanted or (wanted[0] > 0 and call.scope.batch == 1):
        call.scope.batch_leads = False
    return reshaped(call, x, _resolved(x.shape, wanted, copies=copies, batch=call.scope.batch))


def _resolved(
    shape: tuple[int, ...], wanted: tuple[int, ...], *, copies: bool, batch: int
) -> tuple[int, ...]:
    """The shape of one image.

    A file that fixes a batch of several images writes it into its reshapes, at the head of the first axis; one whose
    batch is open may have been traced with several, which then are that axis.
    """
    target = [shape[i] if size == 0 and copies and i < len(shape) else size for i, size in enumerate(wanted)]
    elements = math.prod(shape)
    if batch > 1 and target and wanted[0] > 0:
        target[0] = wanted[0] // batch if wanted[0] % batch == 0 else 0
    if -1 in target:
        rest = math.prod(size for size in target if size != -1)
        target[target.index(-1)] = elements // rest if rest > 0 else 0
    if math.prod(target) != elements and target and target[0] > 1 and batch == 1:
        target[0] = 1
    if math.prod(target) != elements or min(target, default=1) < 1:
        fixed = f" in a file with a batch fixed at {batch}; export it with an open one" if batch > 1 else ""
        raise UnsupportedFormError(f"of {list(shape)} to {list(wanted)}{fixed}")
    return tuple(target)


@operator("Flatten", reads="axis")
def flatten(call: Call) -> Tensor:
    """To two axes."""
    x = call.tensor(0)
    axis = call.int_attribute("axis", 1)
    rank = len(x.shape)
    axis = rank if axis == rank else call.axis(axis, rank)
    if axis == 0:
        call.scope.batch_leads = False
    return reshaped(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze", operands=2, reads="axes")
def squeeze(call: Call) -> Tensor:
    """Without axes of size 1."""
    x = call.tensor(0)
    given = call.ints_operand_or_attribute("axes", 1)
    rank = len(x.shape)
    if given == ():
        raise UnsupportedFormError("of no axes, which runtimes take for none or for all")
    axes = {call.axis(a, rank) for a in given} if given else {a for a in range(rank) if x.shape[a] == 1}
    if 0 in axes:
        call.scope.batch_leads = False
    if any(x.shape[axis] != 1 for axis in axes):
        raise UnsupportedFormError(f"of axes {sorted(axes)} of a tensor of shape {list(x.shape)}")
    return reshaped(call, x, tuple(size for axis, size in enumerate(x.shape) if axis not in axes))


@operator("Unsqueeze", operands=2, reads="axes")
def unsqueeze(call: Call) -> Tensor:
    """With new axes of size 1."""
    x = call.tensor(0)
    given = call.ints_operand_or_attribute("axes", 1) or ()
    rank = len(x.shape) + len(given)
    axes = {call.axis(axis, rank) for axis in given}
    if len(axes) != len(given):
        raise UnsupportedFormError(f"of axes {list(given)}, which repeat one")
    if 0 in axes:
        call.scope.batch_leads = False
    sizes = iter(x.shape)
    return reshaped(call, x, tuple(1 if axis in axes else next(sizes) for axis in range(rank)))


def reshaped(call: Call, x: Tensor, target: tuple[int, ...]) -> Tensor:
    """``x`` under another ONNX shape.

    1. Our shape stays what it is (axes of size 1 only moved): our memory of it changes, and nothing else.
    2. Axes that merge stand side by side in our arrangement: a Reshape of it.
    3. They do not: the reshape waits in the tensor's memory until somebody needs it.
    """
    order, is_view = arrangement(x.base, x.order, target)
    if not is_view:
        return Tensor(x.value, x.base, x.order, target)
    ours = tuple(target[axis] for axis in order)
    if ours == call.scope.type_of(x.value).shape:
        return Tensor(x.value, target, order)
    return call.result(Reshape(ours), [x.value], order)
