"""What a value of an ONNX file is while it is imported.

Images are NHWC in our representation and mostly NCHW in ONNX. Instead of inserting transposes and removing them
again, every tensor remembers how its axes are arranged: an ONNX Transpose then only changes the memory of it, and
costs nothing. A transposition is made only where an operator needs another arrangement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from accelserve.kernels.ir import Array

Order: TypeAlias = tuple[int, ...]
"""``order[i]`` is the ONNX axis that axis i of our tensor holds: ours = onnx.transpose(order)."""

IMAGE: Order = (0, 2, 3, 1)
"""The order of NHWC for ONNX's NCHW."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value known at import, in ONNX's axis order."""

    name: str
    array: Array


@dataclass(frozen=True, slots=True)
class Stored:
    """Quantized weights: ``(array - zero_point) * scale``; all in ONNX's axis order.

    Attributes:
        name: of the stored integers.
        array: int8, uint8 or int32.
        scale, zero_point: scalars, or vectors along ``axis``.
        axis: 0 or more; without meaning for scalars.
    """

    name: str
    array: Array
    scale: Array
    zero_point: Array
    axis: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value of the graph.

    Attributes:
        value: its name in the graph that is built.
        base: ONNX shape whose axes ``order`` rearranges.
        order: how our axes hold those of ``base``.
        reshaped: ONNX shape after a reshape that our arrangement does not allow to be a mere view; the transposition
            it needs waits until an operator asks (a Dense after a Flatten permutes its weights instead).
    """

    value: str
    base: tuple[int, ...]
    order: Order
    reshaped: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that ONNX sees."""
        return self.base if self.reshaped is None else self.reshaped


@dataclass(frozen=True, slots=True)
class Norm:
    """A step on the way to an L2 normalization, which frameworks spell in many operators.

    Attributes:
        of: the tensor that is normalized.
        stage: ``square`` x**2; ``sum`` of squares; ``norm`` its root; ``inverse`` 1 / norm.
        axis: ONNX axis of the sum, None before it.
        epsilon: least norm.
        node: who began it, for messages.
    """

    of: Tensor
    stage: Literal["square", "sum", "norm", "inverse"]
    axis: int | None
    epsilon: float
    node: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Absent:
    """A value that could not be imported: which node is to blame, and what it would have needed."""

    node: str
    operator: str


Value: TypeAlias = Known | Stored | Tensor | Norm | Absent
