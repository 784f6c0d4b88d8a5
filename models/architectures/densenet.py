"""DenseNet (Huang et al. 2016) as torchvision builds it: every layer reads all the layers before it in its block."""

from __future__ import annotations

from functools import partial

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.network import Network, Value

BOTTLENECK = 4  # a layer's 1x1 convolution gives four times the growth


def densenet(net: Network, *, classes: int, depths: tuple[int, ...], growth: int, width: int) -> None:
    """The whole network; ``depths`` counts the layers of each block, each of which adds ``growth`` channels."""
    x = net.conv(net.images, "features.conv0", width, 7, stride=2, padding=3)
    x = net.max_pool(_norm_relu(net, x, "features.norm0"), 3, stride=2, padding=1)
    for block, depth in enumerate(depths, start=1):
        for layer in range(1, depth + 1):
            x = _dense_layer(net, x, f"features.denseblock{block}.denselayer{layer}", growth)
        if block < len(depths):
            x = _transition(net, x, f"features.transition{block}")
    pooled = net.global_average_pool(_norm_relu(net, x, "features.norm5"))
    logits = net.dense(net.flatten(pooled), "classifier", classes)
    net.output("features", pooled)
    net.output("logits", logits)
    net.output("probabilities", net.softmax(logits))


def _norm_relu(net: Network, x: Value, name: str) -> Value:
    return net.relu(net.batch_norm(x, name))


def _dense_layer(net: Network, x: Value, name: str, growth: int) -> Value:
    y = net.conv(_norm_relu(net, x, f"{name}.norm1"), f"{name}.conv1", BOTTLENECK * growth, 1)
    y = net.conv(_norm_relu(net, y, f"{name}.norm2"), f"{name}.conv2", growth, 3, padding=1)
    return net.concat([x, y], f"{name}.concat", axis=2)


def _transition(net: Network, x: Value, name: str) -> Value:
    y = net.conv(_norm_relu(net, x, f"{name}.norm"), f"{name}.conv", x.channels // 2, 1)
    return net.average_pool(y, 2)


def _architecture(name: str, depths: tuple[int, ...], growth: int, width: int, file: str) -> Architecture:
    return Architecture(
        name=name,
        define=partial(densenet, depths=depths, growth=growth, width=width),
        image_size=224,
        preprocess="imagenet-torch",
        classes=1000,
        outputs=("probabilities",),
        classifier=ClassifierWeight(name="classifier.weight"),
        published=PublishedWeights(url=f"https://download.pytorch.org/models/{file}.pth"),
        labels="imagenet",
        # The published files are older than the rule that a module's name has no dot: 'norm.1' became 'norm1'.
        renames=((r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),),
    )


ARCHITECTURES = (
    _architecture("densenet121", (6, 12, 24, 16), 32, 64, "densenet121-a639ec97"),
    _architecture("densenet161", (6, 12, 36, 24), 48, 96, "densenet161-8d451a50"),
    _architecture("densenet169", (6, 12, 32, 32), 32, 64, "densenet169-b2777c0a"),
    _architecture("densenet201", (6, 12, 48, 32), 32, 64, "densenet201-c1103571"),
)
