"""What the networks compute, run by onnxruntime."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from accelserve.kernels.ir import ChannelAffine, Mul, Transpose
from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models.architectures import Blueprint, architecture, random_weights
from accelserve.models.architectures.batch_norm import BatchNorm
from accelserve.models.architectures.ssd300_vgg16 import ANCHORS
from accelserve.models.errors import UnknownOutputError, WeightMismatchError
from accelserve.models.importing import import_onnx
from tests.models.architectures.small import SMALL, families, small

Images = NDArray[np.float32]


def run(model: onnx.ModelProto, images: Images, extra: list[str] | None = None) -> dict[str, Images]:
    """Every output of ``model``, and the values in ``extra``."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in extra or [])
    options = onnxruntime.SessionOptions()
    # the values as the file describes them, not as the optimiser fuses them
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def photograph(name: str, preset: str, size: int) -> Images:
    from sklearn.datasets import load_sample_images

    path = Path(load_sample_images().filenames[("china", "flower").index(name)])
    picture = preprocess_float(preprocess_spec(preset), path.read_bytes())
    return np.ascontiguousarray(picture[:size, :size].transpose(2, 0, 1)[None])


def nchw(count: int, blueprint: Blueprint) -> tuple[int, ...]:
    _, rows, columns, channels = blueprint.images.shape
    return count, channels, rows, columns


def filled(name: str, blueprint: Blueprint, seed: int = 0) -> onnx.ModelProto:
    return blueprint.to_onnx(random_weights(blueprint, seed, pixel_scale=architecture(name).pixel_scale))


def test_every_family_is_tested_by_a_small_network() -> None:
    assert [module for module, names in families().items() if SMALL.keys().isdisjoint(names)] == []


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_output_has_its_declared_shape_and_is_finite(name: str) -> None:
    blueprint = small(name)
    found = run(filled(name, blueprint), np.zeros(nchw(2, blueprint), np.float32))
    declared = {k: v.shape[1:] for k, v in blueprint.outputs.items()}
    assert {k: v.shape[1:] for k, v in found.items()} == declared
    assert all(np.isfinite(values).all() and len(values) == 2 for values in found.values())


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vgg16", "tf_efficientnet_lite0"])
def test_probabilities_are_the_softmax_of_the_logits(name: str) -> None:
    rng = np.random.default_rng(0)
    blueprint = small(name)
    found = run(filled(name, blueprint), rng.standard_normal(nchw(3, blueprint), np.float32))
    exponentials = np.exp(found["logits"] - found["logits"].max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-5)


def test_ssd_rows_go_map_by_map_row_by_row_anchor_by_anchor() -> None:
    """The order of torchvision: [N, A * K, H, W] -> view [N, A, K, H, W] -> permute [N, H, W, A, K] -> [N, H * W * A, K]."""
    blueprint = small("ssd300_vgg16")
    raw = [f"head.classification_head.module_list.{index}" for index in range(6)]
    images = np.random.default_rng(0).standard_normal((1, 3, 300, 300), np.float32) * 60
    found = run(filled("ssd300_vgg16", blueprint), images, raw)
    parts = []
    for anchors, name in zip(ANCHORS, raw, strict=True):
        n, channels, rows, columns = found[name].shape
        view = found[name].reshape(n, anchors, channels // anchors, rows, columns)
        parts.append(view.transpose(0, 3, 4, 1, 2).reshape(n, -1, channels // anchors))
    np.testing.assert_array_equal(found["cls_logits"], np.concatenate(parts, axis=1))


def test_conv4_3_is_normalized_to_its_learned_length() -> None:
    images = np.random.default_rng(0).standard_normal((1, 3, 300, 300), np.float32) * 60
    name = "backbone.scale_weight.product"
    scaled = run(filled("ssd300_vgg16", small("ssd300_vgg16")), images, [name])[name]
    assert scaled.shape[2:] == (38, 38)
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), 20.0, rtol=1e-4)


def test_outputs_can_be_chosen_and_what_they_do_not_need_is_left_out() -> None:
    blueprint = small("resnet50")
    chosen = blueprint.select(["features"])
    assert list(chosen.outputs) == ["features"]
    assert blueprint.parameters.keys() - chosen.parameters.keys() == {"fc.weight", "fc.bias"}
    weights = random_weights(blueprint)
    images = np.zeros((1, 3, 64, 64), np.float32)
    alone = run(chosen.to_onnx({k: weights[k] for k in chosen.parameters}), images)
    np.testing.assert_array_equal(alone["features"], run(blueprint.to_onnx(weights), images)["features"])
    with pytest.raises(UnknownOutputError, match=r"no output boxes; it has features, logits, probabilities"):
        blueprint.select(["boxes"])


def test_weights_must_be_exactly_those_of_the_network() -> None:
    blueprint = small("resnet18")
    weights = random_weights(blueprint)
    weights["new"] = weights.pop("fc.bias")
    with pytest.raises(WeightMismatchError, match=r"1 missing \(fc\.bias\), 1 unexpected \(new\)"):
        blueprint.to_onnx(weights)


@pytest.mark.parametrize("size", [2, 31])
def test_a_picture_too_small_for_the_network_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"a window of 2 does not fit"):
        architecture("vgg16").blueprint(image_size=size)


def digest(name: str, seed: int = 0) -> str:
    blueprint = small(name)
    weights = random_weights(blueprint, seed, pixel_scale=architecture(name).pixel_scale)
    content = b"".join(key.encode() + weights[key].tobytes() for key in sorted(weights))
    return hashlib.sha256(content).hexdigest()[:16]


def test_another_seed_gives_other_weights() -> None:
    assert digest("resnet18", 0) == digest("resnet18", 0) != digest("resnet18", 1)


DIGESTS = {
    "densenet121": "a46716129a25dc67",
    "resnet18": "5309985f8226df25",
    "resnet50": "47a73c9e7812f017",
    "squeezenet1_1": "a3baa74a3db625a4",
    "ssd300_vgg16": "ab565525842d82fb",
    "ssd_vgg": "e4f392c1feea9684",
    "tf_efficientnet_lite0": "dfba906875aa2b02",
    "vgg16": "f279b3ec1234e618",
    "vgg16_features": "6eb9158b4d4d7d9e",
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_random_weights_are_those_that_earlier_measurements_were_made_with(name: str) -> None:
    assert digest(name) == DIGESTS[name]


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_exported_file_reads_as_the_network_that_was_written(name: str) -> None:
    """Layer by layer; what scales and shifts by weights is read as that."""
    blueprint = small(name)
    written = [type(node.op) for node in blueprint.graph if not isinstance(node.op, Transpose)]
    read = [type(node.op) for node in import_onnx(filled(name, blueprint).SerializeToString()).graph]
    assert read == [ChannelAffine if kind in {BatchNorm, Mul} else kind for kind in written]


def test_random_weights_are_the_same_bytes_on_other_arithmetic_units() -> None:
    """OpenBLAS is told to be a processor of 2004, numpy to use none of the newer instructions."""
    names = sorted(SMALL)
    code = "import sys; from tests.models.architectures.test_networks import digest; print(*map(digest, sys.argv[1:]))"
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, *names]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True)
    assert found.stdout.split() == [digest(name) for name in names]


DEEP: Mapping[str, dict[str, int]] = {
    "resnet152": {"width": 16},  # all its blocks; depth is what blows activations up
    "densenet121": {"growth": 16, "width": 32},
    "vgg16": {"width": 16, "hidden": 256},
    "tf_efficientnet_lite0": {},
    "ssd300_vgg16": {"width": 8},
}


@pytest.mark.parametrize("name", sorted(DEEP))
def test_random_networks_tell_photographs_apart_and_keep_their_size(name: str) -> None:
    described = architecture(name)
    blueprint = described.blueprint(**DEEP[name])
    model = filled(name, blueprint)
    kinds = {"Conv", "BatchNormalization", "Add", "Gemm"}
    inner = [
        n.output[0] for n in model.graph.node if n.op_type in kinds and n.output[0] not in blueprint.outputs
    ]
    images = [photograph(p, described.preprocess, described.image_size) for p in ("china", "flower")]
    found = run(model, np.concatenate(images), inner)
    deviations = {key: float(found[key].std()) for key in inner}
    assert min(deviations.values()) > 0.1, min(deviations, key=deviations.__getitem__)
    assert max(deviations.values()) < 4, max(deviations, key=deviations.__getitem__)
    if "logits" in found:
        china, flower = found["logits"]
        assert 0.3 < china.std() < 8
        assert np.corrcoef(china, flower)[0, 1] < 0.9
