"""Writes weights as ``torch.save(model.state_dict(), path)`` does, without PyTorch."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_torch_file(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> Path:
    """A zip archive with a pickle of the names and a member for each tensor's storage."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        entries = b"".join(_entry(name, key, w) for key, (name, w) in enumerate(weights.items()))
        file.writestr("archive/data.pkl", b"\x80\x02}(" + entries + b"u.")
        for key, array in enumerate(weights.values()):
            file.writestr(f"archive/data/{key}", array.astype("<f4").tobytes())
    return path


def _entry(name: str, key: int, array: NDArray[np.float32]) -> bytes:
    strides = tuple(step // array.itemsize for step in np.empty(array.shape, array.dtype).strides)
    storage = (_op("storage"), b"ctorch\nFloatStorage\n", _op(str(key)), _op("cpu"), _op(array.size))
    tensor = (b"(", *storage, b"tQ", _op(0), _op(array.shape), _op(strides), _op(False), _op(None), b"t")
    return _op(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + b"".join(tensor) + b"R"


def _op(value: object) -> bytes:
    """Opcodes that leave ``value`` on the stack; without a memo, since every value is pickled by itself."""
    return pickle.dumps(value, protocol=2)[2:-1]
