"""Reads ``.safetensors`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from accelserve.models.errors import MissingExtraError, ModelFileError
from accelserve.models.weights.element_types import bfloat16_to_float32

_DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "?",
}


def read_safetensors_file(path: Path) -> dict[str, NDArray[np.generic]]:
    """Name -> tensor; bfloat16 becomes float32.

    Raises:
        MissingExtraError: if the safetensors package is not installed.
        ModelFileError: if the file is not in this format, is truncated, or has elements of a type numpy lacks.
    """
    try:
        from safetensors import SafetensorError, deserialize
    except ImportError:
        raise MissingExtraError("safetensors", "convert", "reading .safetensors") from None
    try:
        # not safe_open: numpy has no bfloat16, and this gives the bytes as they are
        entries = deserialize(path.read_bytes())  # type: ignore[no-untyped-call] # the package has no types
        return {name: _array(entry) for name, entry in entries}
    except OSError as error:
        raise ModelFileError(str(path), f"cannot be read: {error.strerror or error}") from error
    except (SafetensorError, ValueError) as error:
        raise ModelFileError(str(path), f"not a safetensors file, or a damaged one: {error}") from error


def _array(entry: dict[str, object]) -> NDArray[np.generic]:
    dtype, shape, data = entry["dtype"], entry["shape"], entry["data"]
    if not (isinstance(dtype, str) and isinstance(shape, list) and isinstance(data, (bytes, bytearray))):
        raise TypeError("safetensors describes its tensors in a way that is new")
    if dtype not in _DTYPES:
        raise ValueError(f"tensors of {dtype} are not read")
    flat = np.frombuffer(data, _DTYPES[dtype])
    widened = bfloat16_to_float32(flat.view(np.uint16)) if dtype == "BF16" else flat
    return widened.reshape(shape)
