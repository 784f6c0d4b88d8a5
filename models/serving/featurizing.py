"""Features of pictures from a quantized network, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.preprocess import ImageError
from accelserve.kernels.program import Device, LoadOptions
from accelserve.models.errors import InputError
from accelserve.models.repository import latest_version
from accelserve.models.serving.servable import Servable

Floats = NDArray[np.float32]
Picture = bytes | Path | str
"""An encoded picture, or the path of its file."""

_AT_ONCE = 8


def featurize(
    model: Servable | Path | str,
    images: Iterable[Picture],
    *,
    device: Device | str = "auto",
    options: LoadOptions | None = None,
) -> Floats:
    """Pooled features of pictures, float32 [N, 1, 1, C]; the same bytes on every device.

    Args:
        model: a loaded servable, which stays loaded; or the folder of a published version, or of a model, whose latest
            version is taken.
        images: encoded pictures or paths, read eight at a time.
        device: where to run a model that is not loaded yet: a device, or its name (``auto``, ``cpu``, ``fpga:0``).
        options: threads and cache, likewise.

    Raises:
        InputError: the model has no features, or takes tensors only; or there is no image.
        ImageError: a picture cannot be used; its element counts from the first of ``images``.
        ModelError, DeviceError: the model cannot be loaded.
        OSError: a file cannot be read.
    """
    if isinstance(model, Servable):
        return _features(model, images)
    opened = open_device(device) if isinstance(device, str) else device
    with closing(Servable.load(latest_version(Path(model)), device=opened, options=options)) as servable:
        return _features(servable, images)


def _features(servable: Servable, images: Iterable[Picture]) -> Floats:
    batches: list[Floats] = []
    seen = 0
    for batch in _batches(images):
        try:
            batches.append(servable.featurize(batch))
        except ImageError as error:
            raise error.with_element(seen + (error.element or 0)) from error
        seen += len(batch)
    if not batches:
        raise InputError("there is no image to featurise")
    return np.concatenate(batches)


def _batches(images: Iterable[Picture]) -> Iterator[list[bytes]]:
    waiting = iter(images)
    while batch := [_encoded(image) for image in islice(waiting, _AT_ONCE)]:
        yield batch


def _encoded(image: Picture) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()
