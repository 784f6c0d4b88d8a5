"""Preprocessing that published networks were trained with, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from accelserve.kernels.preprocess.errors import PreprocessSpecError
from accelserve.kernels.preprocess.spec import PreprocessSpec

_CAFFE_MEAN_RGB = (123.68, 116.779, 103.939)

_IMAGENET_CAFFE = PreprocessSpec(
    resize="shorter-side",
    resize_height=256,
    resize_width=256,
    interpolation="bilinear-legacy",
    crop_height=224,
    crop_width=224,
    color_order="RGB",
    mean=_CAFFE_MEAN_RGB,
)

# torchvision scales to 0..1 first: (p / 255 - mean) / std = (p - 255 * mean) * (1 / (255 * std))
_IMAGENET_TORCH = PreprocessSpec(
    resize="shorter-side",
    resize_height=256,
    resize_width=256,
    interpolation="bilinear-antialias",
    size_rule="integer-quotient",
    crop_height=224,
    crop_width=224,
    crop_offset="round-half-even",
    color_order="RGB",
    mean=(255 * 0.485, 255 * 0.456, 255 * 0.406),
    scale=(1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
)

_SSD_CAFFE = PreprocessSpec(
    resize="exact",
    resize_height=300,
    resize_width=300,
    interpolation="bilinear-legacy",
    crop_height=300,
    crop_width=300,
    color_order="RGB",
    mean=_CAFFE_MEAN_RGB,
)

PRESETS: Mapping[str, PreprocessSpec] = MappingProxyType(
    {
        # ResNet, VGG of the Caffe and TensorFlow-slim line: legacy bilinear, means only.
        "imagenet-caffe": _IMAGENET_CAFFE,
        # The same for weights that came straight from Caffe.
        "imagenet-caffe-bgr": dataclasses.replace(
            _IMAGENET_CAFFE, color_order="BGR", mean=_CAFFE_MEAN_RGB[::-1]
        ),
        # torchvision's classification weights (IMAGENET1K_V1): Resize(256), CenterCrop(224), ToTensor, Normalize.
        "imagenet-torch": _IMAGENET_TORCH,
        # DenseNet of the Caffe line: (pixel - mean) * 0.017, RGB.
        "densenet-caffe": dataclasses.replace(_IMAGENET_CAFFE, scale=(0.017, 0.017, 0.017)),
        # SSD-VGG of the TensorFlow line: the whole picture, aspect not kept.
        "ssd-caffe": _SSD_CAFFE,
        # torchvision's ssd300_vgg16: image_mean (0.48235, 0.45882, 0.40784), image_std 1/255, so 255 cancels;
        # its detection transform resizes float tensors with half-pixel centres and without anti-aliasing.
        "ssd300-torch": dataclasses.replace(
            _SSD_CAFFE, interpolation="bilinear", mean=(255 * 0.48235, 255 * 0.45882, 255 * 0.40784)
        ),
        # Yahoo's open_nsfw: the whole picture to 256 x 256, then the centre, BGR. (Its own pipeline stores the resized
        # picture as JPEG once more; that loss is not imitated.)
        "open-nsfw": PreprocessSpec(
            resize="exact",
            resize_height=256,
            resize_width=256,
            interpolation="bilinear-antialias",
            crop_height=224,
            crop_width=224,
            color_order="BGR",
            mean=(104.0, 117.0, 123.0),
        ),
        # EfficientNet-Lite0: bicubic, crop fraction 0.875, (pixel - 127) / 128.
        "efficientnet-lite0": dataclasses.replace(
            _IMAGENET_TORCH,
            interpolation="bicubic-antialias",
            mean=(127.0, 127.0, 127.0),
            scale=(1 / 128, 1 / 128, 1 / 128),
        ),
    }
)


def preprocess_spec(name_or_json: str) -> PreprocessSpec:
    """The description that a preset's name or a JSON object stands for.

    Args:
        name_or_json: a key of ``PRESETS``, or the text of a JSON object.

    Raises:
        PreprocessSpecError: if it is neither, naming every preset.
    """
    if name_or_json in PRESETS:
        return PRESETS[name_or_json]
    if name_or_json.lstrip().startswith("{"):
        return PreprocessSpec.parse_json(name_or_json)
    raise PreprocessSpecError(
        "preprocess", f"got {name_or_json[:80]!r}, expected a JSON object or one of {', '.join(PRESETS)}."
    )
