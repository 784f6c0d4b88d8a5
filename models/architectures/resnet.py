"""ResNet (He et al. 2015) as torchvision builds it: in a bottleneck the 3x3 convolution strides ("v1.5")."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.network import Network, Value
from accelserve.models.architectures.resnet_weights import other_weights

RESIDUAL_GAIN = 0.25  # of random weights: dozens of residuals add up, and their sum should stay of one size


class Block(Protocol):
    """Writes one residual block down and gives its result."""

    def __call__(self, net: Network, x: Value, name: str, planes: int, stride: int) -> Value:
        """The block called ``name``; ``planes`` is its width before expansion."""
        ...


def basic(net: Network, x: Value, name: str, planes: int, stride: int) -> Value:
    """Two 3x3 convolutions and the shortcut."""
    y = _conv_norm(net, x, name, 1, planes, 3, stride)
    y = _conv_norm(net, net.relu(y), name, 2, planes, 3, 1, gain=RESIDUAL_GAIN)
    return net.relu(net.add(y, _shortcut(net, x, name, planes, stride), f"{name}.sum"))


def bottleneck(net: Network, x: Value, name: str, planes: int, stride: int) -> Value:
    """1x1, 3x3, 1x1 convolutions and the shortcut; the last is four times as wide."""
    y = _conv_norm(net, x, name, 1, planes, 1, 1)
    y = _conv_norm(net, net.relu(y), name, 2, planes, 3, stride)
    y = _conv_norm(net, net.relu(y), name, 3, 4 * planes, 1, 1, gain=RESIDUAL_GAIN)
    return net.relu(net.add(y, _shortcut(net, x, name, 4 * planes, stride), f"{name}.sum"))


def _conv_norm(
    net: Network,
    x: Value,
    name: str,
    index: int,
    channels: int,
    kernel: int,
    stride: int,
    gain: float = 1.0,
) -> Value:
    y = net.conv(x, f"{name}.conv{index}", channels, kernel, stride=stride, padding=kernel // 2)
    return net.batch_norm(y, f"{name}.bn{index}", gain=gain)


def _shortcut(net: Network, x: Value, name: str, channels: int, stride: int) -> Value:
    if stride == 1 and x.channels == channels:
        return x
    y = net.conv(x, f"{name}.downsample.0", channels, 1, stride=stride)
    return net.batch_norm(y, f"{name}.downsample.1")


def resnet(net: Network, *, classes: int, block: Block, depths: tuple[int, ...], width: int = 64) -> None:
    """The whole network; ``depths`` counts the blocks of each stage, whose width doubles from ``width``."""
    x = net.conv(net.images, "conv1", width, 7, stride=2, padding=3)
    x = net.max_pool(net.relu(net.batch_norm(x, "bn1")), 3, stride=2, padding=1)
    for stage, depth in enumerate(depths):
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            x = block(net, x, f"layer{stage + 1}.{index}", width << stage, stride)
    pooled = net.global_average_pool(x)
    logits = net.dense(net.flatten(pooled), "fc", classes)
    net.output("features", pooled)
    net.output("logits", logits)
    net.output("probabilities", net.softmax(logits))


def _architecture(name: str, block: Block, depths: tuple[int, ...], file: str, resize: int) -> Architecture:
    return Architecture(
        name=name,
        define=partial(resnet, block=block, depths=depths),
        image_size=224,
        preprocess="imagenet-torch",
        classes=1000,
        outputs=("probabilities",),
        classifier=ClassifierWeight(name="fc.weight"),
        published=PublishedWeights(url=f"https://download.pytorch.org/models/{file}.pth", resize=resize),
        also_published=other_weights(name),
        labels="imagenet",
    )


ARCHITECTURES = (
    _architecture("resnet18", basic, (2, 2, 2, 2), "resnet18-f37072fd", 256),
    _architecture("resnet34", basic, (3, 4, 6, 3), "resnet34-b627a593", 256),
    _architecture("resnet50", bottleneck, (3, 4, 6, 3), "resnet50-11ad3fa6", 232),
    _architecture("resnet101", bottleneck, (3, 4, 23, 3), "resnet101-cd907fc2", 232),
    _architecture("resnet152", bottleneck, (3, 8, 36, 3), "resnet152-f82ba261", 232),
)
