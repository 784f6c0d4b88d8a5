"""What is wrong with a tensor.

    ValueError
    └── TensorError
        ├── TensorShapeError       a shape that no tensor can have, or that does not fit its elements
        ├── TensorDtypeError       a dtype that cannot be read or written here
        ├── TensorValueError       an element outside its dtype's range
        └── TensorTooLargeError    more bytes than the caller allows

The sentence says what was found and what would have been right; the fields say it to programs.
"""

from collections.abc import Sequence


class TensorError(ValueError):
    """A tensor that cannot be converted."""


class TensorShapeError(TensorError):
    """A shape that no tensor can have, or that does not fit the elements that came with it.

    Attributes:
        shape: the dimensions as they were given; None where the rank is unknown.
        expected: elements or bytes that the shape asks for; None where the shape itself is wrong.
        got: elements or bytes that are there; None likewise.
    """

    def __init__(
        self,
        message: str,
        *,
        shape: Sequence[int] | None,
        expected: int | None = None,
        got: int | None = None,
    ) -> None:
        super().__init__(message)
        self.shape = None if shape is None else tuple(shape)
        self.expected = expected
        self.got = got


class TensorDtypeError(TensorError):
    """A dtype that cannot be read or written here.

    Attributes:
        dtype: its name, `DT_RESOURCE` or `datetime64[ns]` for instance.
    """

    def __init__(self, message: str, *, dtype: str) -> None:
        super().__init__(message)
        self.dtype = dtype


class TensorValueError(TensorError):
    """An element outside the range of its tensor's dtype.

    Attributes:
        dtype: name of the dtype.
        index: position of the first such element, in row-major order.
    """

    def __init__(self, message: str, *, dtype: str, index: int) -> None:
        super().__init__(message)
        self.dtype = dtype
        self.index = index


class TensorTooLargeError(TensorError):
    """A tensor of more bytes than the caller allows; found before anything of that size is allocated.

    Attributes:
        shape: the dimensions as they were given.
        size_bytes: bytes that its elements would take.
        limit_bytes: bytes allowed.
    """

    def __init__(self, message: str, *, shape: Sequence[int], size_bytes: int, limit_bytes: int) -> None:
        super().__init__(message)
        self.shape = tuple(shape)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
