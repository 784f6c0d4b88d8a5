"""Reads weights that Keras saved: ``.weights.h5`` of Keras 3, and ``.h5`` of Keras 2 and before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.models.errors import MissingExtraError, ModelFileError

if TYPE_CHECKING:
    import h5py

Array: TypeAlias = NDArray[np.generic]
Layers: TypeAlias = dict[str, tuple[Array, ...]]


def read_keras_file(path: Path) -> Layers:
    """Layer name -> its weights in the order Keras keeps them (kernel, then bias), in Keras' layout.

    Raises:
        MissingExtraError: if h5py is not installed.
        ModelFileError: if the file is no HDF5, or no layer in it has weights.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "convert", "reading Keras weights") from None
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            layers = _named_in_attributes(group) if "layer_names" in group.attrs else _named_in_groups(group)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ModelFileError(str(path), f"not weights that Keras saved, or damaged: {error}") from error
    if not layers:
        raise ModelFileError(str(path), "no layer in it has weights")
    return layers


def has_whole_model(path: Path) -> bool:
    """Whether an HDF5 file holds the network beside its weights; False for every other kind of file."""
    try:
        import h5py
    except ImportError:
        return False
    try:
        with h5py.File(path, "r") as file:
            return "model_config" in file.attrs
    except OSError:  # no HDF5 file, or a damaged one: whoever reads its weights says so
        return False


def _named_in_attributes(group: h5py.Group) -> Layers:
    """Keras 2: the attribute ``layer_names`` lists groups, whose ``weight_names`` list their arrays."""
    layers: Layers = {}
    for name in _texts(group.attrs["layer_names"]):
        layer = group[name]
        arrays = tuple(np.asarray(layer[weight]) for weight in _texts(layer.attrs["weight_names"]))
        if arrays:
            layers[name] = arrays
    return layers


def _named_in_groups(group: h5py.Group) -> Layers:
    """Keras 3: a group ``vars`` holds arrays ``0``, ``1``, ... and, as an attribute, the layer's name."""
    import h5py

    layers: Layers = {}

    def visit(path: str, item: object) -> None:
        if isinstance(item, h5py.Group) and path.rsplit("/", 1)[-1] == "vars" and len(item):
            arrays = (np.asarray(item[str(index)]) for index in range(len(item)))
            layers[str(item.attrs.get("name", path.removesuffix("/vars")))] = tuple(arrays)

    group.visititems(visit)
    return layers


def _texts(values: object) -> list[str]:
    return [
        value.decode() if isinstance(value, bytes) else str(value) for value in np.asarray(values).ravel()
    ]


def to_state_dict(layers: Layers, names: Mapping[str, str]) -> dict[str, Array]:
    """Keras layers under PyTorch's names, in PyTorch's layout; layers that ``names`` lacks are left out.

    Args:
        layers: as ``read_keras_file`` gives them.
        names: Keras layer name -> prefix in the ``state_dict``, in the order of the data. The first dense layer reads
            a flattened map: Keras flattens (rows, columns, channels), PyTorch (channels, rows, columns).
    """
    result: dict[str, Array] = {}
    channels = 0
    for layer, prefix in names.items():
        for suffix, array in zip(("weight", "bias"), layers.get(layer, ()), strict=False):
            name = f"{prefix}.{suffix}"
            if array.ndim == 4:
                channels = array.shape[3]
                result[name] = array.transpose(3, 2, 0, 1)
            elif array.ndim == 2:
                result[name] = _dense(array, channels)
                channels = 0  # only the first dense layer reads a map
            else:
                result[name] = array
    return result


def _dense(kernel: Array, channels: int) -> Array:
    """[inputs, outputs] of Keras as [outputs, inputs] of PyTorch; inputs are a flattened map if ``channels`` is not 0."""
    inputs, outputs = kernel.shape
    if not channels or inputs % channels:
        return kernel.T
    return kernel.reshape(-1, channels, outputs).transpose(2, 1, 0).reshape(outputs, inputs)
