"""VGG (Simonyan & Zisserman 2014) as torchvision builds it, without batch normalization.

Keras builds the same network with other names, so Keras weights fill it too; what the convolutions alone give is
the architecture ``vgg16_features``.
"""

from __future__ import annotations

from functools import partial

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.network import Network, Value

DEPTHS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
POOLED = 7  # rows and columns that the first dense layer reads


def stage_width(stage: int, width: int) -> int:
    """Channels of a stage: they double from ``width`` up to eight times it."""
    return width << min(stage, 3)


def convolutions(net: Network, depths: tuple[int, ...], width: int) -> Value:
    """The convolutions and pools, ``features`` in the ``state_dict``, whose indices count every layer."""
    x, index = net.images, 0
    for stage, depth in enumerate(depths):
        for _ in range(depth):
            x = net.relu(net.conv(x, f"features.{index}", stage_width(stage, width), 3, padding=1, bias=True))
            index += 2
        x = net.max_pool(x, 2, stride=2)
        index += 1
    return x


def vgg(net: Network, *, classes: int, depths: tuple[int, ...], width: int = 64, hidden: int = 4096) -> None:
    """The whole network; ``hidden`` is the width of its two dense layers."""
    x = convolutions(net, depths, width)
    if min(x.size) > POOLED:
        # torchvision's AdaptiveAvgPool2d(7); at 224 pixels the map is 7 x 7 already
        if x.size[0] % POOLED or x.size[1] % POOLED:
            raise ValueError(f"{net.name}: its last map is {x.size}, not a multiple of {POOLED}")
        x = net.average_pool(x, x.size[0] // POOLED)
    x = net.relu(net.dense(net.flatten(x), "classifier.0", hidden))
    x = net.relu(net.dense(x, "classifier.3", hidden))
    logits = net.dense(x, "classifier.6", classes)
    net.output("features", net.reshape(x, (1, 1, hidden)))
    net.output("logits", logits)
    net.output("probabilities", net.softmax(logits))


def vgg_features(net: Network, *, classes: int, depths: tuple[int, ...], width: int = 64) -> None:
    """The convolutions alone; there are no classes."""
    del classes
    net.output("features", convolutions(net, depths, width))


def keras_convolutions(depths: tuple[int, ...]) -> dict[str, str]:
    """Keras' ``blockB_convC`` -> ``features.I``."""
    names, index = {}, 0
    for stage, depth in enumerate(depths, start=1):
        for conv in range(1, depth + 1):
            names[f"block{stage}_conv{conv}"] = f"features.{index}"
            index += 2
        index += 1
    return names


# What torchvision published before 0.10.
_OLDER = {"vgg11": ("vgg11-bbd30ac9",), "vgg13": ("vgg13-c768596a",)}

_KERAS_DENSE = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}


def _architecture(name: str, file: str) -> Architecture:
    return Architecture(
        name=name,
        define=partial(vgg, depths=DEPTHS[name]),
        image_size=224,
        preprocess="imagenet-torch",
        classes=1000,
        outputs=("probabilities",),
        classifier=ClassifierWeight(name="classifier.6.weight"),
        published=PublishedWeights(url=f"https://download.pytorch.org/models/{file}.pth"),
        also_published=tuple(PublishedWeights(url=f"{older}.pth") for older in _OLDER.get(name, ())),
        labels="imagenet",
        keras_layers=keras_convolutions(DEPTHS[name]) | _KERAS_DENSE,
    )


ARCHITECTURES = (
    _architecture("vgg11", "vgg11-8a719046"),
    _architecture("vgg13", "vgg13-19584684"),
    _architecture("vgg16", "vgg16-397923af"),
    _architecture("vgg19", "vgg19-dcbb9e9d"),
    Architecture(
        name="vgg16_features",
        define=partial(vgg_features, depths=DEPTHS["vgg16"]),
        image_size=224,
        preprocess="imagenet-caffe-bgr",
        classes=0,
        outputs=("features",),
        classifier=None,
        pixel_scale=65.0,
        keras_layers=keras_convolutions(DEPTHS["vgg16"]),
    ),
)
