"""Small networks of every family, with every kind of layer of the large ones."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from accelserve.models import architectures as room
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


def families() -> dict[str, set[str]]:
    """Module of ``models/architectures`` -> names of its networks: those of one module have the same kinds of layers."""
    found: dict[str, set[str]] = {}
    for module in iter_modules(room.__path__):
        listed = getattr(import_module(f"{room.__name__}.{module.name}"), "ARCHITECTURES", ())
        if listed:
            found[module.name] = {each.name for each in listed}
    return found


def small(name: str) -> Blueprint:
    return architecture(name).blueprint(**SMALL[name])  # type: ignore[arg-type] # options differ by architecture
