"""Reads PyTorch checkpoints (``.pth``, ``.pt``) without PyTorch, and without running anything that is in them.

A checkpoint is a pickle, and a pickle is a program. This reader lets it build dictionaries, lists and tensors; every
other class it names becomes an empty placeholder that is never imported, so the training arguments beside the weights
do no harm. Both of PyTorch's formats are read: the zip archive of 1.6 and later, and the stream before it, which many
published weights still have.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, Final, Self, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from accelserve.models.errors import ModelFileError
from accelserve.models.weights.element_types import bfloat16_to_float32

Array: TypeAlias = NDArray[np.generic]

_STREAM_MAGIC: Final = 0x1950A86A20F9469CFC6C
_STREAM_VERSION: Final = 1001
_STREAM_START: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_BFLOAT16: Final = "bfloat16"
_STORES: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})

_STORAGE_DTYPES: Final = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


def read_torch_file(path: Path) -> object:
    """What ``torch.save`` was given: dictionaries and lists, with numpy arrays for tensors.

    bfloat16 tensors become float32. Objects of other classes become placeholders without content.

    Raises:
        ModelFileError: if the file is no checkpoint, is truncated, claims more than it holds, or is TorchScript.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read_archive(path, archive)
        with path.open("rb") as stream:
            return _read_stream(path, stream)
    except OSError as error:
        raise ModelFileError(str(path), f"cannot be read: {error.strerror or error}") from error
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(str(path), f"not a PyTorch checkpoint, or a damaged one: {error}") from error


class _Storage:
    """The flat memory that tensors are views of; a stream brings its bytes after the tensors."""

    __slots__ = ("data", "dtype", "elements")

    def __init__(self, dtype: str, elements: int) -> None:
        self.dtype = dtype
        self.elements = elements
        self.data: Array | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes that the elements take."""
        return self.elements * (2 if self.dtype == _BFLOAT16 else np.dtype(self.dtype).itemsize)

    def fill(self, content: bytes) -> None:
        """Take the bytes; ValueError if they are too few or too many."""
        if len(content) != self.size_bytes:
            raise ValueError(f"a storage of {self.size_bytes} bytes has {len(content)}")
        if self.dtype == _BFLOAT16:
            self.data = bfloat16_to_float32(np.frombuffer(content, "<u2"))
        else:
            self.data = np.frombuffer(content, self.dtype)


class _Tensor:
    """A tensor before its storage has its bytes."""

    __slots__ = ("offset", "shape", "storage", "strides")

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        if not isinstance(storage, _Storage) or len(shape) != len(strides):
            raise ValueError("a tensor without storage or with as many strides as it has not dimensions")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> Array:
        """The view; ValueError if it would reach beyond its storage."""
        data = self.storage.data
        if data is None:
            raise ValueError("a tensor's storage is missing")
        sizes = (*self.shape, *self.strides, self.offset)
        if min(sizes) < 0 or not all(isinstance(size, int) for size in sizes):
            raise ValueError(f"a tensor has shape {self.shape}, strides {self.strides}, offset {self.offset}")
        count = 1
        for size in self.shape:
            count *= size
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if count > data.size or (count and last >= data.size):
            raise ValueError(f"a tensor of shape {self.shape} reaches beyond its {data.size} elements")
        if count == 0:
            return np.empty(self.shape, data.dtype)
        steps = tuple(stride * data.itemsize for stride in self.strides)
        return as_strided(data[self.offset :], self.shape, steps, writeable=False)


class _RebuildTensor:
    """``torch._utils._rebuild_tensor_v2``. No slots: a pickle cannot set anything on it."""

    __slots__ = ()

    def __call__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
    ) -> _Tensor:
        return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _RebuildParameter:
    """``torch._utils._rebuild_parameter``: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, tensor: object, *_: object) -> object:
        return tensor


class Placeholder:
    """Stands for an object of a class that is not read; takes whatever a pickle does to one and keeps nothing."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Self:
        """Ignore the arguments of any constructor."""
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> Self:
        """Ignore the arguments of any method or function."""
        return self

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None:
        """Ignore it."""

    def extend(self, _: object) -> None:
        """Ignore them."""


_REBUILDERS: Final = {
    "_rebuild_tensor_v2": _RebuildTensor(),
    "_rebuild_tensor": _RebuildTensor(),
    "_rebuild_parameter": _RebuildParameter(),
}


class _Unpickler(pickle.Unpickler):
    """Builds containers and tensors; imports nothing.

    Args:
        stream: at the start of a pickle.

    Raises:
        ValueError: the pickle has no end, lengths beyond it, or an index that would take memory for what is not there.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        _check_memo(stream)
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The few names that are understood; a fresh placeholder class for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch", "Size"):
            return tuple
        if module == "torch._utils" and name in _REBUILDERS:
            return _REBUILDERS[name]
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        return type(f"{module}.{name}", (Placeholder,), {"__slots__": ()})

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that a tensor names: ``('storage', type, key, device, elements, ...)``."""
        kind, dtype, key, _, elements, *rest = pid
        if kind != "storage" or not isinstance(elements, int) or elements < 0 or (rest and rest[0]):
            raise ValueError(f"an unknown kind of storage: {pid!r}")
        if not isinstance(dtype, str):
            raise ValueError(f"tensors of {getattr(dtype, '__name__', dtype)} are not read")  # noqa: TRY004 - all of these end as one ModelFileError
        storage = self.storages.setdefault(str(key), _Storage(dtype, elements))
        if (storage.dtype, storage.elements) != (dtype, elements):
            raise ValueError(f"storage {key} is described in two ways")
        return storage


def _check_memo(stream: IO[bytes]) -> None:
    """Walk a pickle's opcodes up to its end, and go back; Python's unpickler has a table as long as the largest index."""
    start = stream.tell()
    for opcode, argument, position in pickletools.genops(stream):
        # A pickler counts what it stores, and every object takes bytes.
        before = (position or start) - start
        if opcode.name in _STORES and not 0 <= int(argument or 0) <= before:
            raise ValueError(f"a pickle's object number {argument} is stored after {before} bytes")
    stream.seek(start)


def _read_archive(path: Path, archive: zipfile.ZipFile) -> object:
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") for name in members):
        reason = "this is TorchScript, a program; save the weights with torch.save(model.state_dict(), path)"
        raise ModelFileError(str(path), reason)
    if len(pickles) != 1:
        raise ModelFileError(str(path), "a zip archive without PyTorch's data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    if order is not None and _content(archive, order) != b"little":
        raise ModelFileError(str(path), "its tensors are big-endian; save them on a little-endian machine")
    unpickler = _Unpickler(io.BytesIO(_content(archive, members[pickles[0]])))
    root = unpickler.load()
    for key, storage in unpickler.storages.items():
        storage.fill(_content(archive, members[f"{folder}data/{key}"]))
    return _resolved(root)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # PyTorch never compresses; a compressed member could claim to be of any size
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"'{info.filename}' is compressed")
    return archive.read(info)


def _read_stream(path: Path, stream: IO[bytes]) -> object:
    if stream.read(len(_STREAM_START)) != _STREAM_START:
        raise ModelFileError(str(path), "not a PyTorch checkpoint: it starts with neither of the two formats")
    if _Unpickler(stream).load() != _STREAM_VERSION:
        raise ModelFileError(str(path), "a PyTorch checkpoint of an unknown version")
    machine = _Unpickler(stream).load()
    if not (isinstance(machine, dict) and machine.get("little_endian") is True):
        raise ModelFileError(str(path), "its tensors are big-endian; save them on a little-endian machine")
    unpickler = _Unpickler(stream)
    root = unpickler.load()
    size_bytes = path.stat().st_size
    for key in _Unpickler(stream).load():
        storage = unpickler.storages[key]
        elements = int.from_bytes(stream.read(8), "little")
        if elements != storage.elements or storage.size_bytes > size_bytes - stream.tell():
            raise ValueError(f"storage {key} claims {storage.elements} elements, which are not there")
        storage.fill(stream.read(storage.size_bytes))
    return _resolved(root)


def _resolved(value: object) -> object:
    """``value`` with arrays for tensors, through dictionaries and lists (each visited once)."""
    done: dict[int, object] = {}

    def visit(item: object) -> object:
        if isinstance(item, _Tensor):
            return item.array()
        if not isinstance(item, (dict, list, tuple)):
            return item
        if id(item) not in done:
            done[id(item)] = None  # a container inside itself ends here
            done[id(item)] = (
                {key: visit(entry) for key, entry in item.items()}
                if isinstance(item, dict)
                else [visit(entry) for entry in item]
            )
        return done[id(item)]

    return visit(value)
