"""Small networks of every family, with every kind of layer of the large ones."""

from collections.abc import Mapping

from accelserve.models.architectures import Blueprint, architecture
from accelserve.models.architectures.efficientnet_lite import Stage

Options = dict[str, object]

SMALL: Mapping[str, Options] = {
    "resnet18": {"classes": 10, "image_size": 64, "depths": (1, 1, 1, 1), "width": 8},
    "resnet50": {"classes": 10, "image_size": 64, "depths": (1, 2, 1, 1), "width": 8},
    "densenet121": {"classes": 10, "image_size": 64, "depths": (2, 2, 2, 2), "growth": 8, "width": 16},
    "vgg16": {"classes": 10, "image_size": 64, "width": 8, "hidden": 32},
    "vgg16_features": {"image_size": 64, "width": 8},
    "squeezenet1_1": {"classes": 10, "image_size": 64, "width": 16},
    "ssd300_vgg16": {"classes": 5, "width": 4},
    "ssd_vgg": {"classes": 5, "width": 4},
    "tf_efficientnet_lite0": {
        "classes": 10,
        "image_size": 64,
        "stages": (Stage(1, 3, 1, 1, 8), Stage(2, 3, 2, 6, 8), Stage(2, 5, 2, 6, 16)),
        "stem": 8,
        "features": 64,
    },
}


def small(name: str) -> Blueprint:
    return architecture(name).blueprint(**SMALL[name])  # type: ignore[arg-type] # options differ by architecture
