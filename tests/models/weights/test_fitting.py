"""Weights find their network, whatever wrapped them, and say in one sentence when they do not fit."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save_file

from accelserve.models.architectures import architecture
from accelserve.models.errors import ModelFileError, UnknownArchitectureError, WeightMismatchError
from accelserve.models.weights.fitting import import_weights, recognise
from accelserve.models.weights.state_dict import find_state_dict

DATA = Path(__file__).parent / "data"
Weights = dict[str, NDArray[np.generic]]
Save = Callable[[Weights], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(weights: Weights) -> Path:
        path = tmp_path / "weights.safetensors"
        save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, path)
        return path

    return write


def resnet18(classes: int = 1000, dtype: str = "float32") -> Weights:
    rng = np.random.default_rng(0)
    parameters = architecture("resnet18").blueprint(classes=classes).parameters
    return {name: rng.random(p.shape, np.float32).astype(dtype) for name, p in parameters.items()}


def initializers(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Its float constants; shapes are integers."""
    floats = (t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in floats}


def test_weights_arrive_in_the_onnx_file_under_their_names(save: Save) -> None:
    weights = resnet18()
    found, model = import_weights(save(weights))
    assert found.name == "resnet18"
    stored = initializers(model)
    assert stored.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(stored[name], array, err_msg=name)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_what_wrappers_did_to_names_is_undone(save: Save, prefix: str) -> None:
    found, _ = import_weights(save({f"{prefix}{k}": v for k, v in resnet18().items()}))
    assert found.name == "resnet18"


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_the_state_dict_inside_a_training_checkpoint_is_found(wrapper: str) -> None:
    weights = resnet18()
    assert find_state_dict("x.pth", {"epoch": 3, wrapper: weights}).keys() == weights.keys()


def test_step_counters_are_left_out() -> None:
    found = find_state_dict("x.pth", {"bn1.weight": np.zeros(3), "bn1.num_batches_tracked": np.array(7)})
    assert list(found) == ["bn1.weight"]


def test_a_whole_pickled_module_is_no_state_dict() -> None:
    with pytest.raises(ModelFileError, match=r"torch\.save\(model\.state_dict\(\), path\)"):
        import_weights(DATA / "whole_module.pth")


def test_a_fine_tuned_head_brings_its_number_of_classes(save: Save) -> None:
    _, model = import_weights(save(resnet18(classes=7)))
    assert model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 7


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_become_float32(save: Save, dtype: str) -> None:
    weights = resnet18(dtype=dtype)
    _, model = import_weights(save(weights))
    stored = initializers(model)
    assert all(array.dtype == np.float32 for array in stored.values())
    np.testing.assert_array_equal(stored["fc.weight"], weights["fc.weight"].astype(np.float32))


def test_older_names_of_densenet_are_understood(save: Save) -> None:
    parameters = architecture("densenet121").blueprint().parameters
    weights: Weights = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): np.full(p.shape, 0.5, np.float32)
        for name, p in parameters.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in weights
    found, model = import_weights(save(weights))
    assert found.name == "densenet121"
    assert initializers(model).keys() == parameters.keys()


def test_features_need_no_classifier_in_the_file(save: Save) -> None:
    _, model = import_weights(save(resnet18()), outputs=("features",))
    assert [output.name for output in model.graph.output] == ["features"]
    assert "fc.weight" not in initializers(model)


def test_what_does_not_fit_is_named_in_one_sentence(save: Save) -> None:
    weights = resnet18()
    del weights["layer1.0.bn1.bias"]
    weights["extra.weight"] = np.zeros(3, np.float32)
    weights["conv1.weight"] = np.zeros((64, 3, 3, 3), np.float32)
    with pytest.raises(WeightMismatchError) as caught:
        import_weights(save(weights), "resnet18")
    error = caught.value
    assert error.missing == ("layer1.0.bn1.bias",)
    assert error.unexpected == ("extra.weight",)
    assert error.misshapen == {"conv1.weight": ((64, 3, 3, 3), (64, 3, 7, 7))}
    assert str(error) == (
        "the weights do not fit resnet18: 1 missing (layer1.0.bn1.bias), 1 unexpected (extra.weight), "
        "1 misshapen (conv1.weight is [64, 3, 3, 3] for [64, 3, 7, 7]); check the architecture's name"
    )


def test_weights_of_no_architecture_are_compared_with_the_nearest(save: Save) -> None:
    weights = resnet18()
    del weights["layer4.1.bn2.weight"]
    with pytest.raises(
        WeightMismatchError, match=r"do not fit resnet18: 1 missing \(layer4\.1\.bn2\.weight\)"
    ):
        import_weights(save(weights))


def test_the_two_ssds_are_told_apart_by_their_classes() -> None:
    for name in ("ssd300_vgg16", "ssd_vgg"):
        parameters = architecture(name).blueprint().parameters
        weights: Weights = {k: np.broadcast_to(np.float32(0), p.shape) for k, p in parameters.items()}
        assert recognise("x", weights).name == name


def test_weights_that_fit_several_ask_which() -> None:
    parameters = architecture("ssd_vgg").blueprint(classes=5).parameters
    weights: Weights = {k: np.broadcast_to(np.float32(0), p.shape) for k, p in parameters.items()}
    with pytest.raises(ModelFileError, match=r"fit ssd300_vgg16, ssd_vgg; say which with --architecture"):
        recognise("x", weights)


def test_weights_that_are_not_finite_are_refused(save: Save) -> None:
    weights = resnet18()
    weights["fc.bias"][3] = np.nan
    with pytest.raises(ModelFileError, match=r"'fc\.bias' has values that are not finite"):
        import_weights(save(weights))


def test_quantized_weights_are_refused(save: Save) -> None:
    weights = resnet18()
    weights["fc.bias"] = np.zeros(1000, np.int8)
    with pytest.raises(ModelFileError, match=r"'fc\.bias' is int8, expected floating point"):
        import_weights(save(weights))


def test_an_unknown_architecture_lists_those_there_are(save: Save) -> None:
    with pytest.raises(
        UnknownArchitectureError, match=r"no architecture is named 'resnet5'; there are .*resnet50"
    ):
        import_weights(save(resnet18()), "resnet5")


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{}", b"\xff" * 64])
def test_a_damaged_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        import_weights(path)


def test_safetensors_give_what_pytorch_saved() -> None:
    from accelserve.models.weights.safetensors_file import read_safetensors_file

    found = read_safetensors_file(DATA / "tensors.safetensors")
    with np.load(DATA / "expected.npz") as expected:
        assert set(found) == set(expected)
        for name, array in found.items():
            np.testing.assert_array_equal(array.astype(np.float32), expected[name], err_msg=name)
    assert found["bfloat16"].dtype == np.float32
