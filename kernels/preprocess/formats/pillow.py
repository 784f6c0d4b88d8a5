"""What several formats need of Pillow: a reader by its class, one error for all that it raises, and a palette."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from accelserve.kernels.preprocess.errors import ImageError, InvalidImageError

Pixels = npt.NDArray[np.uint8]
Picture = TypeVar("Picture", bound=Image.Image)


@contextmanager
def opened(reader: Callable[[io.BytesIO], Picture], image_format: str, data: bytes) -> Iterator[Picture]:
    """A file that Pillow reads; the pixels are read by the caller inside.

    Args:
        reader: the format's class and not ``Image.open``: no search for formats, and no process-wide limit beside ours.
        image_format: as ``InvalidImageError`` names it.
        data: the file.

    Raises:
        InvalidImageError: for whatever is raised inside.
    """
    try:
        with reader(io.BytesIO(data)) as picture:
            yield picture
    except ImageError:
        raise
    # Pillow's readers raise whatever their parsing runs into, and warnings where the process makes errors of them
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError) as error:
        raise InvalidImageError(image_format, f"the file does not decode: {error}.") from error
    except (struct.error, zlib.error, MemoryError, Warning, Image.DecompressionBombError) as error:
        raise InvalidImageError(image_format, f"the file does not decode: {error}.") from error


def looked_up(indices: Pixels, table: Pixels) -> Pixels:
    """The colours of indices, several times as fast as numpy looks them up.

    Args:
        indices: uint8 [rows, columns].
        table: uint8 [256, 3].

    Returns:
        uint8 [rows, columns, 3], C-contiguous.
    """
    if not indices.size:
        return np.zeros((*indices.shape, 3), np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(indices))
    picture.putpalette(table.tobytes())
    return np.array(picture.convert("RGB"))
