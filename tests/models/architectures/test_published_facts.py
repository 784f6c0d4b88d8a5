"""Each architecture against what is published about it: parameters, names, shapes, outputs."""

import math
import re
from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from onnx import shape_inference

from accelserve.kernels.preprocess import preprocess_spec
from accelserve.models.architectures import architecture, architectures
from accelserve.models.architectures.ssd_vgg import OUTPUTS
from accelserve.models.errors import UnknownArchitectureError
from tests.models.architectures.small import families

# torchvision's and timm's tables of models
PARAMETERS = {
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "efficientnet_lite0": 4_652_008,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "squeezenet1_1": 1_235_496,
    "ssd300_vgg16": 35_641_826,
    "tf_efficientnet_lite0": 4_652_008,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}

# Names and shapes at corners of each state_dict, and how many tensors it has besides step counters.
NAMES: Mapping[str, tuple[int, dict[str, tuple[int, ...]]]] = {
    "resnet50": (
        267,
        {
            "conv1.weight": (64, 3, 7, 7),
            "bn1.running_var": (64,),
            "layer1.0.downsample.0.weight": (256, 64, 1, 1),
            "layer1.0.downsample.1.running_mean": (256,),
            "layer2.0.conv2.weight": (128, 128, 3, 3),
            "layer3.5.bn3.bias": (1024,),
            "layer4.2.conv3.weight": (2048, 512, 1, 1),
            "fc.weight": (1000, 2048),
        },
    ),
    "resnet152": (
        777,
        {"layer2.7.conv1.weight": (128, 512, 1, 1), "layer3.35.conv2.weight": (256, 256, 3, 3)},
    ),
    "densenet121": (
        606,
        {
            "features.conv0.weight": (64, 3, 7, 7),
            "features.denseblock1.denselayer1.norm1.weight": (64,),
            "features.denseblock3.denselayer24.conv1.weight": (128, 992, 1, 1),
            "features.denseblock4.denselayer16.conv2.weight": (32, 128, 3, 3),
            "features.transition3.conv.weight": (512, 1024, 1, 1),
            "features.norm5.running_mean": (1024,),
            "classifier.weight": (1000, 1024),
        },
    ),
    "vgg16": (
        32,
        {
            "features.0.weight": (64, 3, 3, 3),
            "features.28.bias": (512,),
            "classifier.0.weight": (4096, 25088),
            "classifier.6.bias": (1000,),
        },
    ),
    "squeezenet1_1": (
        52,
        {
            "features.0.weight": (64, 3, 3, 3),
            "features.3.squeeze.weight": (16, 64, 1, 1),
            "features.6.expand1x1.bias": (128,),
            "features.12.expand3x3.weight": (256, 64, 3, 3),
            "classifier.1.weight": (1000, 512, 1, 1),
        },
    ),
    "ssd300_vgg16": (
        71,
        {
            "backbone.scale_weight": (512,),
            "backbone.features.21.weight": (512, 512, 3, 3),
            "backbone.extra.0.5.weight": (512, 512, 3, 3),
            "backbone.extra.0.7.1.weight": (1024, 512, 3, 3),
            "backbone.extra.0.7.3.weight": (1024, 1024, 1, 1),
            "backbone.extra.1.2.weight": (512, 256, 3, 3),
            "backbone.extra.4.2.weight": (256, 128, 3, 3),
            "head.classification_head.module_list.1.weight": (546, 1024, 3, 3),
            "head.regression_head.module_list.5.bias": (16,),
        },
    ),
    "tf_efficientnet_lite0": (
        247,
        {
            "conv_stem.weight": (32, 3, 3, 3),
            "blocks.0.0.conv_dw.weight": (32, 1, 3, 3),
            "blocks.0.0.conv_pw.weight": (16, 32, 1, 1),
            "blocks.5.3.conv_pwl.weight": (192, 1152, 1, 1),
            "blocks.6.0.bn3.running_var": (320,),
            "conv_head.weight": (1280, 320, 1, 1),
            "classifier.weight": (1000, 1280),
        },
    ),
}


def test_no_network_escapes_these_tables() -> None:
    """Parameters of each whose weights somebody published; names and shapes of one a family."""
    published = {name for name, each in architectures().items() if each.published_files}
    assert sorted(published - PARAMETERS.keys()) == []
    for module, names in families().items():
        assert not OUTPUT_SHAPES.keys().isdisjoint(names), f"OUTPUT_SHAPES has no network of {module}.py"
        if names & published:
            assert not NAMES.keys().isdisjoint(names), f"NAMES has no network of {module}.py"


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_trained_parameters_are_as_many_as_published(name: str) -> None:
    assert architecture(name).blueprint().trained_parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_and_shapes_are_those_of_the_state_dict(name: str) -> None:
    count, corners = NAMES[name]
    parameters = architecture(name).blueprint().parameters
    assert len(parameters) == count
    assert {key: parameters[key].shape for key in corners} == corners


OUTPUT_SHAPES: Mapping[str, dict[str, tuple[int, ...]]] = {
    "resnet50": {"features": (1, 1, 2048), "logits": (1000,), "probabilities": (1000,)},
    "resnet152": {"features": (1, 1, 2048), "logits": (1000,), "probabilities": (1000,)},
    "densenet121": {"features": (1, 1, 1024), "logits": (1000,), "probabilities": (1000,)},
    "vgg16": {"features": (1, 1, 4096), "logits": (1000,), "probabilities": (1000,)},
    "squeezenet1_1": {"features": (1, 1, 512), "logits": (1000,), "probabilities": (1000,)},
    "tf_efficientnet_lite0": {"features": (1, 1, 1280), "logits": (1000,), "probabilities": (1000,)},
    "ssd300_vgg16": {"bbox_regression": (8732, 4), "cls_logits": (8732, 91)},
    "ssd_vgg": dict(
        zip(
            OUTPUTS,
            [(n, n, a, k) for k in (21, 4) for n, a in ((37, 4), (19, 6), (10, 6), (5, 6), (3, 4), (1, 4))],
            strict=True,
        )
    ),
}


@pytest.mark.parametrize("name", sorted(OUTPUT_SHAPES))
def test_the_full_network_is_valid_onnx_of_the_published_shapes(name: str) -> None:
    blueprint = architecture(name).blueprint()
    nothing = np.zeros((), np.float32)
    weights = {key: np.broadcast_to(nothing, p.shape) for key, p in blueprint.parameters.items()}
    model = blueprint.to_onnx(weights)
    onnx.checker.check_model(model)
    # shapes do not depend on weights, and half a gigabyte is not copied for them
    others = [tensor for tensor in model.graph.initializer if tensor.name not in weights]
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            declared = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            model.graph.input.append(declared)
    del model.graph.initializer[:]
    model.graph.initializer.extend(others)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    found = {
        o.name: tuple(d.dim_value for d in o.type.tensor_type.shape.dim[1:]) for o in inferred.graph.output
    }
    assert found == OUTPUT_SHAPES[name]


def test_the_azure_outputs_have_the_services_names() -> None:
    assert OUTPUTS[0] == "ssd_300_vgg/block4_box/Reshape_1:0"
    assert OUTPUTS[-1] == "ssd_300_vgg/block11_box/Reshape:0"
    assert architecture("ssd_vgg").outputs == OUTPUTS
    anchors = sum(math.prod(shape[:3]) for shape in OUTPUT_SHAPES["ssd_vgg"].values()) // 2
    assert anchors == 8732 - 4 * (38**2 - 37**2)  # torchvision's third pool keeps the odd row


@pytest.mark.parametrize("name", sorted(architectures()))
def test_facts_about_weights_point_at_what_exists(name: str) -> None:
    described = architecture(name)
    blueprint = described.blueprint()
    assert set(described.outputs) <= set(blueprint.outputs)
    spec = preprocess_spec(described.preprocess)
    assert (spec.crop_height, spec.crop_width) == (described.image_size, described.image_size)
    if described.classifier is not None:
        rows = blueprint.parameters[described.classifier.name].shape[0]
        assert rows == described.classes * described.classifier.rows_per_class
    assert {f"{prefix}.weight" for prefix in described.keras_layers.values()} <= set(blueprint.parameters)


@pytest.mark.parametrize(
    ("network", "sha256", "resize", "interpolation"),
    [  # Weights.transforms of torchvision 0.29.1, default_cfgs of timm 1.0.31
        ("resnet50", "0676ba61", 256, "bilinear-antialias"),
        ("resnet50", "11ad3fa6", 232, "bilinear-antialias"),
        ("resnet152", "394f9c45", 256, "bilinear-antialias"),
        ("resnet152", "f82ba261", 232, "bilinear-antialias"),
        ("resnet50", "14fe96d1", 235, "bicubic-antialias"),
        ("resnet50", "001a1197", 224, "bicubic-antialias"),
        ("vgg11", "bbd30ac9", 256, "bilinear-antialias"),
        ("efficientnet_lite0", "37913777", 256, "bicubic-antialias"),
    ],
)
def test_published_weights_bring_the_resize_they_were_evaluated_with(
    network: str, sha256: str, resize: int, interpolation: str
) -> None:
    described = architecture(network)
    (weights,) = (w for w in described.published_files if w.sha256 == sha256)
    spec = described.preprocess_for(weights)
    assert (spec.resize_height, spec.resize_width, spec.interpolation) == (resize, resize, interpolation)


def test_every_published_file_has_a_hash_of_its_own() -> None:
    hashes = [weights.sha256 for a in architectures().values() for weights in a.published_files]
    assert len(hashes) > 40
    assert all(re.fullmatch("[0-9a-f]{8}", found) for found in hashes)
    assert len(set(hashes)) == len(hashes)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UnknownArchitectureError, match=r"there are densenet121, .*vgg19"):
        architecture("lenet")
