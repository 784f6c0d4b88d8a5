"""SSD300 with a VGG-16 trunk (Liu et al. 2015) as torchvision builds it.

Two outputs: ``bbox_regression`` [N, 8732, 4] and ``cls_logits`` [N, 8732, 91], anchors in the order map, row, column,
anchor. Decoding them is ``kernels.postprocess``.
"""

from __future__ import annotations

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.network import Network, Value
from accelserve.models.architectures.vgg import stage_width

ANCHORS = (4, 6, 6, 6, 4, 4)
"""Boxes per cell of each of the six maps."""

COORDINATES = 4
L2_SCALE = 20.0  # ParseNet's start value, section 3.1 of the SSD paper
_FC6_DILATION = 6
_STAGES = (2, 2, 3, 3, 3)  # convolutions of VGG-16's stages

# Each extra block: channels of its 1x1 and its 3x3 convolution in units of the trunk's width, stride, padding.
_EXTRAS = ((4, 8, 2, 1), (2, 4, 2, 1), (2, 4, 1, 0), (2, 4, 1, 0))


def feature_maps(net: Network, width: int, ceil_pools: tuple[int, ...]) -> list[Value]:
    """The six maps that the heads read, under torchvision's names.

    Args:
        net: what to write to.
        width: channels of the first stage; 64 in the paper.
        ceil_pools: stages (from 1) whose pool keeps an odd last row; the paper's is stage 3.
    """
    x, index = net.images, 0
    for stage in range(4):
        for _ in range(_STAGES[stage]):
            x = _conv(net, x, f"backbone.features.{index}", stage_width(stage, width), 3, padding=1)
            index += 2
        if stage < 3:
            x = net.max_pool(x, 2, stride=2, ceil=stage + 1 in ceil_pools)
            index += 1
    conv4 = net.scale_channels(net.l2_normalize(x), "backbone.scale_weight", L2_SCALE)
    x = net.max_pool(x, 2, stride=2, ceil=4 in ceil_pools)
    for index in (1, 3, 5):
        x = _conv(net, x, f"backbone.extra.0.{index}", stage_width(4, width), 3, padding=1)
    x = net.max_pool(x, 3, stride=1, padding=1)
    x = _conv(net, x, "backbone.extra.0.7.1", 16 * width, 3, padding=_FC6_DILATION, dilation=_FC6_DILATION)
    maps = [conv4, _conv(net, x, "backbone.extra.0.7.3", 16 * width, 1)]
    for block, (narrow, wide, stride, padding) in enumerate(_EXTRAS, start=1):
        x = _conv(net, maps[-1], f"backbone.extra.{block}.0", narrow * width, 1)
        x = _conv(net, x, f"backbone.extra.{block}.2", wide * width, 3, stride=stride, padding=padding)
        maps.append(x)
    return maps


def _conv(
    net: Network,
    x: Value,
    name: str,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Value:
    y = net.conv(x, name, channels, kernel, stride=stride, padding=padding, dilation=dilation, bias=True)
    return net.relu(y)


def head(net: Network, x: Value, kind: str, index: int, columns: int) -> Value:
    """The 3x3 convolution of a head (``classification`` or ``regression``) on map ``index``: (rows, columns, anchors * columns)."""
    name = f"head.{kind}_head.module_list.{index}"
    return net.conv(x, name, ANCHORS[index] * columns, 3, padding=1, bias=True)


def ssd300(net: Network, *, classes: int, width: int = 64) -> None:
    """The whole network, with torchvision's two outputs."""
    maps = feature_maps(net, width, ceil_pools=(3,))
    for kind, output, columns in (
        ("regression", "bbox_regression", COORDINATES),
        ("classification", "cls_logits", classes),
    ):
        rows = []
        for index, x in enumerate(maps):
            cells = x.size[0] * x.size[1] * ANCHORS[index]
            rows.append(net.reshape(head(net, x, kind, index, columns), (cells, columns)))
        net.output(output, net.concat(rows, f"head.{kind}_head.rows", axis=0))


ARCHITECTURES = (
    Architecture(
        name="ssd300_vgg16",
        define=ssd300,
        image_size=300,
        preprocess="ssd300-torch",
        classes=91,
        outputs=("bbox_regression", "cls_logits"),
        classifier=ClassifierWeight(
            name="head.classification_head.module_list.0.weight", rows_per_class=ANCHORS[0]
        ),
        pixel_scale=65.0,
        published=PublishedWeights(
            url="https://download.pytorch.org/models/ssd300_vgg16_coco-b556d3b4.pth", resize=300
        ),
        detection="ssd300-torch",
        labels="coco",
    ),
)
