"""What a picture may claim before anything is allocated for it."""

from __future__ import annotations

import dataclasses

from accelserve.kernels.preprocess.errors import ImageTooLargeError, InvalidImageError, PreprocessSpecError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """Bounds on one encoded picture, checked against its header.

    Decoding takes 3 bytes per pixel, and about 6 more for a progressive JPEG.

    Attributes:
        max_pixels: width times height.
        max_side: the longer side, in pixels.
        max_jpeg_scans: passes of a progressive JPEG; a real one has about ten, and each costs a walk over the picture.

    Raises:
        PreprocessSpecError: if a bound is not a positive whole number.
    """

    max_pixels: int = 50_000_000
    max_side: int = 65_535
    max_jpeg_scans: int = 100

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise PreprocessSpecError(
                    field.name, f"got {value!r}, expected a whole number of at least 1."
                )

    def check(self, image_format: str, width: int, height: int) -> None:
        """Accept a size that a header claims.

        Args:
            image_format: as ``InvalidImageError`` names it.
            width: pixels per row.
            height: rows.

        Raises:
            InvalidImageError: a side is not positive.
            ImageTooLargeError: the size breaks a limit.
        """
        if width < 1 or height < 1:
            raise InvalidImageError(image_format, f"the picture claims {width} x {height} pixels.")
        if width * height > self.max_pixels:
            raise ImageTooLargeError(image_format, width, height, f"{self.max_pixels} pixels in all")
        if max(width, height) > self.max_side:
            raise ImageTooLargeError(image_format, width, height, f"{self.max_side} pixels a side")
