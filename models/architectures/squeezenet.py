"""SqueezeNet 1.1 (Iandola et al. 2016, as its authors revised it) as torchvision builds it.

At 224 pixels every window of its pools ends at the edge, so that Caffe's and torchvision's rounding up is no matter; at
other sizes a last window hangs over, as theirs does.
"""

from __future__ import annotations

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.network import Network, Value

# (index in ``features``, channels of the squeeze, of each expand); None is a pool.
LAYERS: tuple[tuple[int, int, int] | None, ...] = (
    None,
    (3, 16, 64),
    (4, 16, 64),
    None,
    (6, 32, 128),
    (7, 32, 128),
    None,
    (9, 48, 192),
    (10, 48, 192),
    (11, 64, 256),
    (12, 64, 256),
)


def squeezenet(net: Network, *, classes: int, width: int = 64) -> None:
    """The whole network; ``width`` is the first convolution's channels, and all others go with it."""
    x = net.relu(net.conv(net.images, "features.0", width, 3, stride=2, bias=True))
    for layer in LAYERS:
        if layer is None:
            x = net.max_pool(x, 3, stride=2, ceil=True)
        else:
            index, squeeze, expand = layer
            x = _fire(net, x, f"features.{index}", squeeze * width // 64, expand * width // 64)
    scores = net.relu(net.conv(x, "classifier.1", classes, 1, bias=True))
    features = net.global_average_pool(x)
    logits = net.flatten(net.global_average_pool(scores))
    net.output("features", features)
    net.output("logits", logits)
    net.output("probabilities", net.softmax(logits))


def _fire(net: Network, x: Value, name: str, squeeze: int, expand: int) -> Value:
    """A squeeze to few channels, from which a 1x1 and a 3x3 convolution expand side by side."""
    few = net.relu(net.conv(x, f"{name}.squeeze", squeeze, 1, bias=True))
    one = net.relu(net.conv(few, f"{name}.expand1x1", expand, 1, bias=True))
    three = net.relu(net.conv(few, f"{name}.expand3x3", expand, 3, padding=1, bias=True))
    return net.concat([one, three], f"{name}.concat", axis=2)


ARCHITECTURES = (
    Architecture(
        name="squeezenet1_1",
        define=squeezenet,
        image_size=224,
        preprocess="imagenet-torch",
        classes=1000,
        outputs=("probabilities",),
        classifier=ClassifierWeight(name="classifier.1.weight"),
        published=PublishedWeights(url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"),
        labels="imagenet",
    ),
)
