"""Resize, crop, normalize, quantize: against TensorFlow's results, its documented arithmetic, Pillow, and ONNX."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from accelserve.kernels.ir import QuantParams
from accelserve.kernels.preprocess import (
    PRESETS,
    Preprocessor,
    PreprocessSpec,
    decode_image,
    preprocess_float,
)
from accelserve.kernels.preprocess.preprocessor import transform_float
from accelserve.kernels.preprocess.sampling import Axis, filter_taps, two_taps
from accelserve.kernels.preprocess.transform import Levels, QuantizingFilter, quantize

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

GOLDEN = Path(__file__).parents[2] / "data" / "preprocess" / "tensorflow.npz"
GOLDEN_STEP = 11

PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg",
    "retina.jpg", "hubble_deep_field.jpg", "china.jpg", "flower.jpg",
)  # fmt: skip


def exact_spec(height: int, width: int, interpolation: str, **fields: Any) -> PreprocessSpec:
    """The whole picture resized to a size, pixels as they are."""
    document = {
        "resize": "exact", "resize_height": height, "resize_width": width, "interpolation": interpolation,
        "crop_height": height, "crop_width": width, "color_order": "RGB", "mean": [0, 0, 0],
    }  # fmt: skip
    return PreprocessSpec.from_json(document | fields)


def tensorflow_bilinear(picture: U8, height: int, width: int, *, half_pixel: bool) -> F32:
    """TensorFlow's documented arithmetic, written from its description, on whole float32 pictures."""

    def axis(size: int, target: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], F32]:
        scale = np.float32(size) / np.float32(target)
        at = np.arange(target, dtype=np.float32)
        place = (at + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else at * scale
        below = np.floor(place)
        lower = np.maximum(below, 0).astype(np.int64)
        upper = np.minimum(np.ceil(place).astype(np.int64), size - 1)
        return np.minimum(lower, upper), upper, (place - below).astype(np.float32)

    top, bottom, y = axis(picture.shape[0], height)
    left, right, x = axis(picture.shape[1], width)
    values, x, y = picture.astype(np.float32), x[None, :, None], y[:, None, None]
    above = values[top][:, left] + (values[top][:, right] - values[top][:, left]) * x
    beneath = values[bottom][:, left] + (values[bottom][:, right] - values[bottom][:, left]) * x
    return np.asarray(above + (beneath - above) * y, np.float32)


def onnx_quantized(values: F32, scale: float, zero_point: int) -> U8:
    """QuantizeLinear as onnxruntime computes it."""
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    constants = [
        onnx.numpy_helper.from_array(np.array(scale, np.float32), "s"),
        onnx.numpy_helper.from_array(np.array(zero_point, np.uint8), "z"),
    ]
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, values.shape)
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, values.shape)
    graph = onnx.helper.make_graph([node], "quantize", [x], [y], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": values})[0])


@pytest.mark.parametrize("preset", ["imagenet-caffe", "ssd-caffe"])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_become_what_tensorflow_makes_of_them(
    name: str, preset: str, photographs: dict[str, bytes]
) -> None:
    with np.load(GOLDEN) as golden:
        expected = golden[f"{name}__{preset}"]
    values = preprocess_float(PRESETS[preset], photographs[name])
    # bit for bit, which is more than the 1e-3 that we promise
    np.testing.assert_array_equal(values[::GOLDEN_STEP, ::GOLDEN_STEP], expected)


SIZES = [
    (1, 1), (1, 300), (300, 1), (2, 2), (3, 7), (224, 224), (225, 223), (375, 500), (500, 375), (1000, 31), (640, 480)
]  # fmt: skip


@pytest.mark.parametrize("interpolation", ["bilinear-legacy", "bilinear"])
@pytest.mark.parametrize("size", SIZES)
def test_bilinear_follows_tensorflows_arithmetic(size: tuple[int, int], interpolation: str) -> None:
    picture = np.random.default_rng(size).integers(0, 256, (*size, 3), np.uint8)
    for height, width in ((64, 48), (300, 300), (1, 1), (97, 5)):
        expected = tensorflow_bilinear(picture, height, width, half_pixel=interpolation == "bilinear")
        spec = exact_spec(height, width, interpolation)
        np.testing.assert_array_equal(transform_float(spec, picture), expected)


@pytest.mark.parametrize(
    ("interpolation", "method"),
    [("bilinear-antialias", Image.Resampling.BILINEAR), ("bicubic-antialias", Image.Resampling.BICUBIC)],
)
@pytest.mark.parametrize("size", SIZES)
def test_antialias_is_pillows_to_the_bit(
    size: tuple[int, int], interpolation: str, method: Image.Resampling
) -> None:
    rng = np.random.default_rng(size)
    noise = rng.integers(0, 256, (*size, 3), np.uint8)
    extremes = np.where(noise < 128, 0, 255).astype(np.uint8)  # bicubic overshoots and must saturate
    for picture in (noise, extremes):
        for height, width in ((64, 48), (300, 300), (1, 1), (97, 5)):
            # two steps fix the order of the passes, which depends on Pillow's version otherwise
            narrow = Image.fromarray(picture).resize((width, size[0]), method)
            expected = np.asarray(narrow.resize((width, height), method))
            spec = exact_spec(height, width, interpolation)
            np.testing.assert_array_equal(transform_float(spec, picture), expected)
            levels = np.empty((height, width, 3), np.uint8)
            Preprocessor(spec, input_scale=1.0, input_zero_point=0).transform(picture, levels)
            np.testing.assert_array_equal(levels, expected)


def test_imagenet_torch_is_torchvisions_pipeline(rocket: bytes) -> None:
    spec = PRESETS["imagenet-torch"]
    picture = Image.fromarray(decode_image(rocket))
    width, height = picture.size
    resized = picture.resize((int(256 * width / height), 256), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 224) / 2), round((resized.height - 224) / 2)
    crop = np.asarray(resized.crop((left, top, left + 224, top + 224)), np.float64)
    expected = (crop / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(preprocess_float(spec, rocket), expected, atol=1e-6)


def test_ssd300_torch_normalizes_as_torchvisions_transform(rocket: bytes) -> None:
    spec = PRESETS["ssd300-torch"]
    picture = decode_image(rocket)
    resized = tensorflow_bilinear(picture, 300, 300, half_pixel=True).astype(np.float64)
    expected = (resized / 255 - [0.48235, 0.45882, 0.40784]) / (1 / 255)
    np.testing.assert_allclose(preprocess_float(spec, rocket), expected, atol=1e-4)


def test_open_nsfw_is_bgr_minus_its_means(rocket: bytes) -> None:
    picture = Image.fromarray(decode_image(rocket)).resize((256, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(picture, np.float32)[16:240, 16:240, ::-1] - np.array([104, 117, 123], np.float32)
    np.testing.assert_array_equal(preprocess_float(PRESETS["open-nsfw"], rocket), expected)


def test_bgr_preset_is_the_rgb_preset_backwards(rocket: bytes) -> None:
    rgb = preprocess_float(PRESETS["imagenet-caffe"], rocket)
    np.testing.assert_array_equal(preprocess_float(PRESETS["imagenet-caffe-bgr"], rocket), rgb[..., ::-1])


def test_densenet_scales_after_the_subtraction(rocket: bytes) -> None:
    plain = preprocess_float(PRESETS["imagenet-caffe"], rocket)
    scaled = preprocess_float(PRESETS["densenet-caffe"], rocket)
    np.testing.assert_array_equal(scaled, plain * np.float32(0.017))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("scale", "zero_point"), [(0.0186584, 114), (1.0, 128), (0.9173, 0), (3.7, 255)])
def test_quantizing_the_float_result_gives_the_same_bytes(
    preset: str, scale: float, zero_point: int, rocket: bytes
) -> None:
    spec = PRESETS[preset]
    quantized = Preprocessor(spec, input_scale=scale, input_zero_point=zero_point).run([rocket])[0]
    np.testing.assert_array_equal(
        quantized, onnx_quantized(preprocess_float(spec, rocket), scale, zero_point)
    )


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(*[st.floats(-300.0, 300.0, width=32)] * 3),
    st.tuples(*[st.floats(2.0**-10, 4.0, width=32)] * 3),
    st.floats(2.0**-10, 16.0, width=32),
    st.integers(0, 255),
)
@example((0.5, 1.5, 2.5), (1.0, 1.0, 1.0), 1.0, 1)  # ties
def test_levels_are_the_bytes_of_the_definition(
    mean: tuple[float, ...], scale: tuple[float, ...], step: float, zero_point: int
) -> None:
    means, scales = np.array(mean, np.float32), np.array(scale, np.float32)
    levels = Levels.of(means, scales, QuantParams(step, zero_point))
    pixels = np.arange(256, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(levels.table.T, onnx_quantized((pixels - means) * scales, step, zero_point))
    # 16 columns of every pixel as a picture that is not resized: by arithmetic, if it gives the bytes, and by the table.
    picture = np.repeat(np.arange(256, dtype=np.uint8), 16 * 3).reshape(256, 16 * 3)
    taps = (
        filter_taps(Axis(256, 256, 0, 256), "bilinear-antialias"),
        filter_taps(Axis(16, 16, 0, 16), "bilinear-antialias"),
    )
    wide = Levels.of(np.tile(means, 16), np.tile(scales, 16), QuantParams(step, zero_point))
    for each in (wide, dataclasses.replace(wide, is_linear=False)):
        out = np.empty_like(picture)
        QuantizingFilter(*taps, each)(picture, out)
        np.testing.assert_array_equal(out, np.tile(levels.table.T, (1, 16)))


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, st.integers(1, 70), elements=st.floats(-1e9, 1e9, width=32)),
    st.floats(2.0**-20, 1024.0, width=32),
    st.integers(0, 255),
)
def test_quantize_is_onnx_quantize_linear(values: F32, scale: float, zero_point: int) -> None:
    with np.errstate(over="ignore"):
        levels = np.rint(values / np.float32(scale)) + np.float32(zero_point)
    expected = np.clip(levels, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(quantize(values, QuantParams(scale, zero_point)), expected)


def test_quantize_rounds_halves_to_even_and_saturates() -> None:
    values = np.array([[0.5, 1.5, 2.5, -0.5, -1.5], [1e30, -1e30, np.inf, -np.inf, np.nan]], np.float32)
    expected = [[10, 12, 12, 10, 8], [255, 0, 255, 0, 0]]
    np.testing.assert_array_equal(quantize(values, QuantParams(1.0, 10)), expected)
    np.testing.assert_array_equal(onnx_quantized(values[:, :4], 1.0, 10), np.array(expected)[:, :4])


@pytest.mark.parametrize("preset", PRESETS)
def test_a_picture_of_one_pixel_becomes_flat(preset: str) -> None:
    spec = PRESETS[preset]
    pixel = np.array([[[10, 200, 77]]], np.uint8)
    values = transform_float(spec, pixel)
    flat = (pixel[0, 0].astype(np.float32) - np.array(spec.mean, np.float32)) * np.array(
        spec.scale, np.float32
    )
    np.testing.assert_array_equal(values, np.broadcast_to(flat, values.shape))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (65_535, 3), (3, 65_535)])
def test_extreme_shapes_take_little_memory(preset: str, size: tuple[int, int]) -> None:
    spec = PRESETS[preset]
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    transform_float(spec, picture[:9, :9].copy())  # compile first
    tracemalloc.start()
    try:
        values = transform_float(spec, picture)
        # the tallest picture needs one narrow row for each of its own
        assert tracemalloc.get_traced_memory()[1] < 96 << 20
    finally:
        tracemalloc.stop()
    assert np.isfinite(values).all()


def test_only_the_crop_is_computed_and_equals_the_crop_of_the_whole() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (90, 130, 3), np.uint8)
    for interpolation in ("bilinear-legacy", "bilinear", "bilinear-antialias", "bicubic-antialias"):
        whole = exact_spec(70, 60, interpolation)
        part = dataclasses.replace(whole, crop_height=31, crop_width=20)
        np.testing.assert_array_equal(
            transform_float(part, picture), transform_float(whole, picture)[19:50, 20:40]
        )


axes = st.tuples(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 500), st.integers(1, 300)).map(
    lambda a: Axis(a[0], a[1] + a[2] + a[3], a[2], a[3])
)


@settings(deadline=None)
@given(axes, st.sampled_from(["bilinear-legacy", "bilinear"]))
@example(Axis(source_size=1, resized_size=83, start=0, count=82), "bilinear")
def test_two_taps_stay_inside_the_source(axis: Axis, interpolation: Any) -> None:
    taps = two_taps(axis, interpolation)
    assert taps.lower.shape == taps.upper.shape == taps.lerp.shape == (axis.count,)
    assert (taps.lower >= 0).all()
    assert (taps.lower <= taps.upper).all()
    assert (taps.upper < axis.source_size).all()
    # A coordinate a little below a whole number is, less its floor, 1 in float32: in TensorFlow's arithmetic too.
    assert ((taps.lerp >= 0) & (taps.lerp <= 1)).all()
    # reading four bytes of a three-byte pixel is allowed before `inner` only
    assert (taps.upper[: taps.inner] < axis.source_size - 1).all()


@settings(deadline=None)
@given(axes, st.sampled_from(["bilinear-antialias", "bicubic-antialias"]))
def test_filter_taps_stay_inside_the_source_and_sum_to_one(axis: Axis, interpolation: Any) -> None:
    taps = filter_taps(axis, interpolation)
    assert (taps.first >= 0).all()
    assert (taps.taps >= 1).all()
    assert (taps.first + taps.taps <= axis.source_size).all()
    assert (taps.first + taps.taps)[: taps.inner].max(initial=0) < axis.source_size
    totals = taps.weights.sum(axis=1, dtype=np.int64)
    assert (np.abs(totals - (1 << 22)) <= taps.taps).all()


def test_tables_are_kept_and_cannot_be_written() -> None:
    axis = Axis(375, 256, 16, 224)
    taps = two_taps(axis, "bilinear-legacy")
    assert two_taps(Axis(375, 256, 16, 224), "bilinear-legacy") is taps
    with pytest.raises(ValueError, match="read-only"):
        taps.lower[0] = 1
