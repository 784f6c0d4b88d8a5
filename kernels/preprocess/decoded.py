"""Images that were decoded together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.preprocess.errors import ImageError

Scalar_co = TypeVar("Scalar_co", bound=np.generic, covariant=True)


@dataclass(frozen=True, slots=True)
class DecodedBatch(Generic[Scalar_co]):
    """What a network reads of N images, and what is wrong with those that cannot be used.

    Attributes:
        pixels: [N, H, W, C], uint8 or what else the network reads; the rows of images with an error are unspecified.
        errors: index of an image -> its error, which names the index; in ascending order.
    """

    pixels: NDArray[Scalar_co]
    errors: Mapping[int, ImageError]

    def complete(self, first: int = 0) -> NDArray[Scalar_co]:
        """The pixels, if all images can be used.

        Args:
            first: number of the batch's first image among all that the caller sent.

        Raises:
            ImageError: for the first image that cannot be used, naming its element.
        """
        for index, error in self.errors.items():
            raise error.with_element(first + index)
        return self.pixels
