"""What can go wrong between a network's raw outputs and its answer.

KernelError
├── DetectionSpecError    a description of a detector's decoding that is not one
└── TensorShapeError      a tensor does not fit what the description says
"""

from __future__ import annotations

from accelserve.kernels.errors import KernelError


class DetectionSpecError(KernelError):
    """A detector's description breaks a rule.

    Attributes:
        field: the field's name, or ``"detection"`` for the whole.
        reason: got, expected and the next step, as a sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(field, reason)

    def __str__(self) -> str:
        return f"detection: {self.field}: {self.reason}"


class TensorShapeError(KernelError):
    """A tensor has another shape than its consumer needs.

    Attributes:
        tensor: what the tensor is.
        got: its shape.
        expected: the shape that was needed, as words.
    """

    def __init__(self, tensor: str, got: tuple[int, ...], expected: str) -> None:
        self.tensor = tensor
        self.got = got
        self.expected = expected
        super().__init__(tensor, got, expected)

    def __str__(self) -> str:
        return f"{self.tensor}: got shape {list(self.got)}, expected {self.expected}."
