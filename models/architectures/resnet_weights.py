"""ResNet weights that others publish under torchvision's names: what a file is recognised as, and how it was evaluated.

The same keys and shapes, another training: only the file tells which resize belongs to them. Facts of torchvision 0.29
(``Weights.transforms``), of its releases before 0.13, and of timm 1.0 (``default_cfgs``; a network that timm evaluates at
other sizes, too, is taken at 224).
"""

from __future__ import annotations

from accelserve.kernels.preprocess.spec import Interpolation
from accelserve.models.architectures.architecture import PublishedWeights

_BICUBIC: Interpolation = "bicubic-antialias"
_BILINEAR: Interpolation = "bilinear-antialias"

# Pixels of the shorter side, interpolation -> network -> its files.
_FILES: dict[tuple[int, Interpolation], dict[str, tuple[str, ...]]] = {
    (256, _BILINEAR): {
        # torchvision's IMAGENET1K_V1, before it the same under older hashes; Facebook's semi-supervised ones
        "resnet18": (
            "resnet18-5c106cde",
            "semi_supervised_resnet18-d92f0530",
            "semi_weakly_supervised_resnet18-118f1556",
        ),
        "resnet34": ("resnet34-333f7ec4",),
        "resnet50": (
            "resnet50-0676ba61",
            "resnet50-19c8e357",
            "semi_supervised_resnet50-08389792",
            "semi_weakly_supervised_resnet50-16a12f1b",
        ),
        "resnet101": ("resnet101-63fe2227", "resnet101-5d3b4d8f"),
        "resnet152": ("resnet152-394f9c45", "resnet152-b121ed2d"),
    },
    (256, _BICUBIC): {
        "resnet18": ("gluon_resnet18_v1b-0757602b",),
        "resnet34": ("resnet34-43635321", "gluon_resnet34_v1b-c6d82d59"),
        "resnet50": (
            "resnet50_ram-a26f946b",
            "resnet50_am-6c502b37",
            "resnet50_ra-85ebb6e5",
            "rw_resnet50-86acaeed",
            "gluon_resnet50_v1b-0ebe02e2",
        ),
        "resnet101": ("gluon_resnet101_v1b-3b017079",),
        "resnet152": ("gluon_resnet152_v1b-c1edb0dd",),
    },
    (235, _BICUBIC): {
        "resnet18": ("resnet18_a1_0-d63eafa0", "resnet18_a2_0-b61bd467", "resnet18_a3_0-40c531c8"),
        "resnet34": ("resnet34_a1_0-46f8f793", "resnet34_a2_0-82d47d71", "resnet34_a3_0-a20cabb6"),
        "resnet50": (
            "resnet50_a1_0-14fe96d1",
            "resnet50_a2_0-a2746f79",
            "resnet50_a3_0-59cae1ef",
            "resnet50_b1k-532a802a",
            "resnet50_b2k-1ba180c1",
            "resnet50_c1-5ba5e060",
            "resnet50_c2-d01e05b2",
            "resnet50_d-f39db8af",
        ),
        "resnet101": (
            "resnet101_a1_0-cdcb52a9",
            "resnet101_a2_0-6edb36c7",
            "resnet101_a3_0-1db14157",
            "resnet101_a1h-36d3f2aa",
        ),
        "resnet152": (
            "resnet152_a1_0-2eee8a7a",
            "resnet152_a2_0-b4c6978f",
            "resnet152_a3_0-134d4688",
            "resnet152_a1h-dc400468",
        ),
    },
    (224, _BICUBIC): {"resnet50": ("resnet50_a1h2_176-001a1197",)},
}


def other_weights(name: str) -> tuple[PublishedWeights, ...]:
    """What is published for this ResNet beside the weights that ``accelserve pull`` fetches."""
    return tuple(
        PublishedWeights(url=f"{file}.pth", resize=resize, interpolation=interpolation)
        for (resize, interpolation), networks in _FILES.items()
        for file in networks.get(name, ())
    )
