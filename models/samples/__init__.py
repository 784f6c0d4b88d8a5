"""What a newcomer starts with: a small trained network and a few photographs, shipped with the package.

``examples/make_samples.py`` made them and says how; ``LICENSES.txt`` says whose they are. The network is SqueezeNet 1.1,
trained on ImageNet: the smallest whose weights may be passed on and that still answers photographs sensibly. It is here to
show how things are done; its authors give it 57.5 % top-1.
"""

from __future__ import annotations

import io
import lzma
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from accelserve.models.architectures.blueprint import Weights
    from accelserve.models.conversion.source import SourceNetwork

ARCHITECTURE = "squeezenet1_1"
WEIGHTS = "squeezenet1_1.npz.xz"
LICENSES = "LICENSES.txt"
PHOTOGRAPHS = ("chelsea.jpg", "china.jpg", "coffee.jpg", "rocket.jpg")
SCALE_SUFFIX = ".scale"

_ROOM = files(__name__)


def sample_weights() -> Weights:
    """The network's weights, ``state_dict`` name -> float32.

    They are stored as integer codes, with a scale for each output channel under the weight's name and ``SCALE_SUFFIX``;
    biases are stored as they are.
    """
    packed = lzma.decompress(_ROOM.joinpath(WEIGHTS).read_bytes())
    with np.load(io.BytesIO(packed)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    scales = {name: arrays.pop(name + SCALE_SUFFIX) for name in list(arrays) if name + SCALE_SUFFIX in arrays}
    for name, scale in scales.items():
        codes = arrays[name]
        arrays[name] = codes * scale.reshape(-1, *[1] * (codes.ndim - 1))
    return arrays


def sample_network() -> SourceNetwork:
    """The network with its weights, as float32 ONNX that says how its pictures are prepared."""
    from accelserve.models.architectures import architecture
    from accelserve.models.conversion.source import filled_network

    network = filled_network(architecture(ARCHITECTURE), sample_weights())
    network.model.doc_string = _ROOM.joinpath(LICENSES).read_text(encoding="utf-8")
    return network


def sample_photographs() -> dict[str, bytes]:
    """The photographs by name, encoded. Needs nothing but the package: a machine that makes load has no more."""
    return {name: _ROOM.joinpath("photographs", name).read_bytes() for name in PHOTOGRAPHS}


def write_sample_photographs(folder: Path) -> list[Path]:
    """Write the photographs, and beside them whose they are; returns the photographs' files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LICENSES).write_bytes(_ROOM.joinpath(LICENSES).read_bytes())
    for name, content in sample_photographs().items():
        (folder / name).write_bytes(content)
    return [folder / name for name in PHOTOGRAPHS]
