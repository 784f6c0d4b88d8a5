"""What preprocessing makes of pictures is what the file's input takes: pixels as integers are not normalized twice.

The judge of the answers is onnxruntime on the file as it came, fed the pixels themselves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import DTypeLike
from onnx import TensorProto

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.kernels.program import LoadOptions
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.errors import ConversionError
from accelserve.models.repository import list_models
from accelserve.models.serving.servable import Servable
from tests.models.importing.onnx_models import floats, node, onnx_file, session

SIDE = 8
PIXELS = PreprocessSpec(
    resize="exact", resize_height=SIDE, resize_width=SIDE, interpolation="bilinear", crop_height=SIDE,
    crop_width=SIDE, color_order="RGB", mean=(0.0,) * 3,
)  # fmt: skip
CENTRED = replace(PIXELS, mean=(128.0,) * 3)
TAKES = {"uint8": (TensorProto.UINT8, PIXELS), "int8": (TensorProto.INT8, CENTRED)}


def converted(folder: Path, cache: Path, element: int, spec: PreprocessSpec) -> Path:
    """The version that ``convert`` makes of a network that casts its integer pixels to float."""
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("Conv", "f w", "y")]
    source = folder / "net.onnx"
    weights = {"w": floats(8, 3, 3, 3) / np.float32(500)}
    source.write_bytes(onnx_file(nodes, {"x": ("N", 3, SIDE, SIDE)}, ["y"], weights, element=element))
    options = ConvertOptions(name="net", repository=folder / "models", preprocess=spec, cache=cache)
    return convert(source, options).directory


@pytest.mark.parametrize("kind", TAKES)
def test_integers_arrive_as_they_are(kind: DTypeLike, tmp_path: Path, code_cache: Path) -> None:
    element, spec = TAKES[str(kind)]
    limits = np.iinfo(kind)
    images = np.random.default_rng(0).integers(
        limits.min, limits.max, (2, SIDE, SIDE, 3), kind, endpoint=True
    )
    directory = converted(tmp_path, code_cache, element, spec)
    judge = session((tmp_path / "net.onnx").read_bytes(), optimize=False)
    wanted = judge.run(["y"], {"x": images.transpose(0, 3, 1, 2)})[0]
    servable = Servable.load(directory, device=CpuDevice(), options=LoadOptions(cache=code_cache))
    found = servable.run(servable.quantize(images.astype(np.float32)))["y:0"]
    servable.close()
    assert np.linalg.norm(found - wanted) <= 0.05 * np.linalg.norm(wanted)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("uint8", CENTRED),
        ("uint8", replace(PIXELS, scale=(1 / 255,) * 3)),
        ("uint8", replace(PIXELS, mean=(0.0, 0.0, 1.0))),
        ("int8", PIXELS),
        ("int8", replace(CENTRED, scale=(1 / 128,) * 3)),
    ],
    ids=["mean", "scale", "mean of one channel", "pixels above 127", "scale of int8"],
)
def test_pixels_are_not_normalized_twice(
    kind: str, spec: PreprocessSpec, tmp_path: Path, code_cache: Path
) -> None:
    element, fitting = TAKES[kind]
    with pytest.raises(
        ConversionError, match=rf"'x' takes pixels as {kind} .* with mean {fitting.mean[0]:.0f} and scale 1"
    ):
        converted(tmp_path, code_cache, element, spec)
    assert list_models(tmp_path / "models") == []


QUANTIZED = [
    node("DequantizeLinear", "x s z", "f"), node("DequantizeLinear", "w v", "k"), node("Conv", "f k", "c"),
    node("QuantizeLinear", "c o z", "q"), node("DequantizeLinear", "q o z", "y"),
]  # fmt: skip


def quantized_input(folder: Path, cache: Path, spec: PreprocessSpec | None) -> Path:
    """The version that ``convert`` makes of a network whose input is codes."""
    random = np.random.default_rng(0)
    scales = {"s": 0.02, "v": 0.01, "o": 0.1}
    constants: dict[str, Array] = {name: np.array(scale, np.float32) for name, scale in scales.items()}
    constants["z"] = np.array(128, np.uint8)
    constants["w"] = random.integers(-99, 99, (8, 3, 3, 3)).astype(np.int8)
    source = folder / "net.onnx"
    shape = {"x": ("N", 3, SIDE, SIDE)}
    source.write_bytes(onnx_file(QUANTIZED, shape, ["y"], constants, element=TensorProto.UINT8))
    options = ConvertOptions(name="net", repository=folder / "models", preprocess=spec, cache=cache)
    return convert(source, options).directory


def test_an_input_of_codes_is_no_picture(tmp_path: Path, code_cache: Path) -> None:
    with pytest.raises(
        ConversionError, match=r"'x' takes uint8 that is quantized already.*leave --preprocess out"
    ):
        quantized_input(tmp_path, code_cache, PIXELS)
    assert list_models(tmp_path / "models") == []


def test_an_input_of_codes_takes_tensors_of_them(tmp_path: Path, code_cache: Path) -> None:
    directory = quantized_input(tmp_path, code_cache, None)
    codes = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    judge = session((tmp_path / "net.onnx").read_bytes(), optimize=False)
    wanted = judge.run(["y"], {"x": codes.transpose(0, 3, 1, 2)})[0]
    servable = Servable.load(directory, device=CpuDevice(), options=LoadOptions(cache=code_cache))
    found = servable.run(codes)["y:0"]
    servable.close()
    # One code apart where float32 sums of the judge lie on the other side of a half.
    np.testing.assert_allclose(found, wanted, atol=0.1001)
    assert np.mean(found == wanted) > 0.99
