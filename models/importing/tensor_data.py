"""Tensors of an ONNX file, inside it or beside it; what they claim is checked before memory is taken."""

from __future__ import annotations

import math
import mmap
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from accelserve.kernels.ir import Array
from accelserve.models.errors import ModelFileError

MAX_TENSOR_BYTES = 2**31 - 1
"""No single tensor may claim more: protobuf's own limit, and beyond any network for images."""


def tensor_array(source: str, tensor: onnx.TensorProto, folder: Path | None) -> Array:
    """The array of a tensor of the file; claims are checked before memory is taken.

    Args:
        source: the file, for messages.
        tensor: as parsed.
        folder: where external data may lie; None forbids it.

    Raises:
        ModelFileError: the shape is absurd, the data is short, the element type is not one we read, or external
            data lies outside of ``folder``.
    """
    dtype = _numpy_dtype(source, tensor)
    where = f"tensor '{tensor.name}' of shape {list(tensor.dims)}"
    if min(tensor.dims, default=1) < 0 or math.prod(tensor.dims) * dtype.itemsize > MAX_TENSOR_BYTES:
        raise ModelFileError(source, f"{where} is absurd: a tensor has 0 to 2 GB")
    elements = math.prod(tensor.dims)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _external(source, tensor, folder, dtype)
    stored = len(tensor.raw_data) // dtype.itemsize if tensor.HasField("raw_data") else _typed_count(tensor)
    if stored != elements:
        raise ModelFileError(source, f"{where} has {stored} elements stored, expected {elements}")
    return np.asarray(numpy_helper.to_array(tensor))


def _typed_count(tensor: onnx.TensorProto) -> int:
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    return max(len(field) for field in fields)


# 4-bit and string elements are left out: no operator that kernels implement reads them.
_READ_TYPES = frozenset(
    ("FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL", "FLOAT16", "DOUBLE", "BFLOAT16")
)

FLOATS = frozenset(("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"))
"""Element types that are computed as float32."""


def element_type_name(elem_type: int) -> str:
    """ONNX's name of an element type, or its number if it has none."""
    names: dict[int, str] = {number: name for name, number in onnx.TensorProto.DataType.items()}
    return names.get(elem_type, str(elem_type))


def _numpy_dtype(source: str, tensor: onnx.TensorProto) -> np.dtype[np.generic]:
    name = element_type_name(tensor.data_type)
    if name not in _READ_TYPES:
        raise ModelFileError(
            source,
            f"tensor '{tensor.name}' has element type {name}; expected one of {', '.join(sorted(_READ_TYPES))}",
        )
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))


def _external(
    source: str, tensor: onnx.TensorProto, folder: Path | None, dtype: np.dtype[np.generic]
) -> Array:
    fields = {entry.key: entry.value for entry in tensor.external_data}
    where = f"tensor '{tensor.name}' keeps its data in {fields.get('location')!r}"
    if folder is None:
        raise ModelFileError(source, f"{where}, but a file given as bytes has no folder; give its path")
    path = _inside(source, where, folder, fields.get("location", ""))
    try:
        offset = int(fields.get("offset", 0))
    except ValueError:
        raise ModelFileError(source, f"{where} at offset {fields['offset']!r}, which is no number") from None
    needed = math.prod(tensor.dims) * dtype.itemsize
    if offset < 0 or offset + needed > path.stat().st_size:
        raise ModelFileError(
            source,
            f"{where}, bytes {offset} to {offset + needed}, but that file has {path.stat().st_size} bytes",
        )
    return _mapped(path, offset, tuple(tensor.dims), dtype)


def _inside(source: str, where: str, folder: Path, location: str) -> Path:
    """The file at ``location``, links followed.

    A file may name others of its own folder, and no other: it could have any file of this machine served. A cache of
    downloads whose snapshots are folders of links (``snapshots/REVISION/...`` beside ``blobs``, Hugging Face's) is one.
    """
    written = folder / location
    path, home = written.resolve(), folder.resolve()
    named = not Path(location).is_absolute() and ".." not in Path(location).parts
    caches = [home.parents[i + 1] / "blobs" for i, p in enumerate(home.parents) if p.name == "snapshots"][:1]
    if named and path.is_file() and any(path.is_relative_to(place) for place in (home, *caches)):
        return path
    if named and path.is_file():
        raise ModelFileError(
            source,
            f"{where}, a link to {path}, which is outside of the model's folder; put the file itself there",
        )
    raise ModelFileError(source, f"{where}, which is no file inside the model's folder")


def _mapped(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """The array, copied out of the file (a mapping that outlives the file's deletion would fault)."""
    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        flat: NDArray[np.generic] = np.frombuffer(view, dtype, math.prod(shape), offset).copy()
    return flat.reshape(shape)
