"""What can go wrong between encoded bytes and the network's input tensor.

KernelError
├── PreprocessSpecError         a preprocessing description that is not one
└── ImageError                  one picture of a batch cannot be used; the sender's fault
    ├── EmptyImageError         no bytes
    ├── UnknownImageFormatError the bytes are not a JPEG, PNG, GIF, BMP or WebP
    ├── InvalidImageError       the bytes are damaged or cut short
    └── ImageTooLargeError      the picture claims more pixels than the limits allow

The first sentence of an image error is the one TensorFlow's decoding operators use, since clients search for it; what
was found follows it.
"""

from __future__ import annotations

import copy
from typing import Any, Self

from accelserve.kernels.errors import KernelError


class PreprocessSpecError(KernelError):
    """A preprocessing description breaks a rule.

    Attributes:
        field: the field's name, or ``"preprocess"`` for the whole.
        reason: got, expected and the next step, as a sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        of_a_field = "" if field == "preprocess" else f"{field}: "
        super().__init__(f"preprocess: {of_a_field}{reason}")


class ImageError(KernelError):
    """One picture cannot be decoded.

    Attributes:
        headline: TensorFlow's sentence for the fault.
        found: what was found in the bytes, and what would be accepted.
        element: index of the picture in its batch, None while it is not known.
    """

    def __init__(self, headline: str, found: str) -> None:
        self.headline = headline
        self.found = found
        self.element: int | None = None
        super().__init__(headline, found)

    def with_element(self, element: int) -> Self:
        """The same error, naming the picture's place in its batch.

        Args:
            element: index of the picture, from 0.
        """
        named = copy.copy(self)
        named.element = element
        return named

    def __reduce__(self) -> tuple[Any, ...]:
        # subclasses take other arguments than Exception remembers, so copies and pickles are made from the fields
        return ImageError.__new__, (type(self), *self.args), self.__dict__

    def __str__(self) -> str:
        where = "" if self.element is None else f"Element {self.element} of the batch: "
        return f"{self.headline} {where}{self.found}"


class EmptyImageError(ImageError):
    """No bytes were sent for a picture."""

    def __init__(self) -> None:
        super().__init__("Input is empty.", "got 0 bytes, expected an encoded picture.")


class UnknownImageFormatError(ImageError):
    """The bytes do not begin like a picture of a supported format.

    Attributes:
        first_bytes: at most the first eight bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.first_bytes = bytes(data[:8])
        super().__init__(
            "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required.",
            f"got {len(data)} bytes that begin with {self.first_bytes!r}.",
        )


_INVALID_HEADLINES = {
    "JPEG": "Invalid JPEG data or crop window.",
    "PNG": "Invalid PNG data.",
    "GIF": "Invalid GIF data.",
    "BMP": "Invalid BMP data.",
    "WebP": "Invalid WebP data.",
}


class InvalidImageError(ImageError):
    """The picture's bytes are damaged, cut short, or use a variant that the decoder lacks.

    Attributes:
        image_format: ``"JPEG"``, ``"PNG"``, ``"GIF"``, ``"BMP"`` or ``"WebP"``.
        reason: what the decoder said.
    """

    def __init__(self, image_format: str, reason: str) -> None:
        self.image_format = image_format
        self.reason = reason
        super().__init__(_INVALID_HEADLINES[image_format], reason)


class ImageTooLargeError(ImageError):
    """The picture's header claims more than the limits allow; nothing was decoded.

    Attributes:
        image_format: ``"JPEG"``, ``"PNG"``, ``"GIF"``, ``"BMP"`` or ``"WebP"``.
        width: claimed pixels per row.
        height: claimed rows.
        limit: the limit that it breaks, as words.
    """

    def __init__(self, image_format: str, width: int, height: int, limit: str) -> None:
        self.image_format = image_format
        self.width = width
        self.height = height
        self.limit = limit
        super().__init__(
            _INVALID_HEADLINES[image_format],
            f"the picture claims {width} x {height} pixels and the limit is {limit}; send a smaller picture.",
        )
