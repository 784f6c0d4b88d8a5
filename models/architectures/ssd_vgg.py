"""SSD300 with a VGG-16 trunk under the contract of the Azure FPGA service: twelve raw outputs, 21 classes.

The layers have the names that torchvision gives them; the outputs are the TensorFlow graph's. Class logits of map B are
``ssd_300_vgg/blockB_box/Reshape_1:0`` [N, rows, columns, anchors, 21] and its box coordinates ``.../Reshape:0``
[N, rows, columns, anchors, 4]. Its third pool drops the odd row (75 cells become 37) and its fourth keeps it (37
become 19), which is the other way round in torchvision's network.
"""

from __future__ import annotations

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight
from accelserve.models.architectures.network import Network
from accelserve.models.architectures.ssd300_vgg16 import ANCHORS, COORDINATES, feature_maps, head

BLOCKS = (4, 7, 8, 9, 10, 11)
"""Numbers that the TensorFlow graph gives the six maps."""

OUTPUTS = tuple(
    f"ssd_300_vgg/block{block}_box/{tensor}:0" for tensor in ("Reshape_1", "Reshape") for block in BLOCKS
)
"""Class logits of the six maps, then their box coordinates."""


def ssd_vgg(net: Network, *, classes: int, width: int = 64) -> None:
    """The whole network, with the service's twelve outputs."""
    maps = feature_maps(net, width, ceil_pools=(4,))
    names = iter(OUTPUTS)
    for kind, columns in (("classification", classes), ("regression", COORDINATES)):
        for index, x in enumerate(maps):
            shape = (*x.size, ANCHORS[index], columns)
            net.output(next(names), net.reshape(head(net, x, kind, index, columns), shape))


ARCHITECTURES = (
    Architecture(
        name="ssd_vgg",
        define=ssd_vgg,
        image_size=300,
        preprocess="ssd-caffe",
        classes=21,
        outputs=OUTPUTS,
        classifier=ClassifierWeight(
            name="head.classification_head.module_list.0.weight", rows_per_class=ANCHORS[0]
        ),
        pixel_scale=65.0,
        detection="ssd-vgg-300",
        labels="voc",
    ),
)
