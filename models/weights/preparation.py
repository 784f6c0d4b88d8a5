"""How pictures are prepared for the weights in a file, and where that is known from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeGuard

from accelserve.kernels.preprocess import PreprocessSpec, preprocess_spec
from accelserve.kernels.preprocess.spec import Interpolation
from accelserve.models.architectures import Architecture
from accelserve.models.architectures.architecture import KERAS_PREPROCESS, KERAS_SUFFIXES
from accelserve.models.weights.published import PublishedFile

TIMM_CONFIG: Final = "config.json"
"""What lies beside timm's weights on the Hugging Face Hub."""

_TIMM_INTERPOLATIONS: Final[Mapping[str, Interpolation]] = {
    "bilinear": "bilinear-antialias",
    "bicubic": "bicubic-antialias",
}


@dataclass(frozen=True, slots=True)
class Preparation:
    """Preprocessing and its reason.

    Attributes:
        spec: how pictures are prepared.
        origin: where that is known from, half a sentence for people.
    """

    spec: PreprocessSpec
    origin: str

    def __str__(self) -> str:
        spec = self.spec
        whole = f"{spec.resize_height} x {spec.resize_width}"
        resized = f"shorter side to {spec.resize_height}" if spec.resize == "shorter-side" else f"to {whole}"
        crop = f"{spec.crop_height} x {spec.crop_width}"
        cut = "" if spec.resize == "exact" and crop == whole else f", its centre {crop}"
        return f"{resized} ({spec.interpolation}){cut}, {spec.color_order}; {self.origin}"


def usual_preparation(chosen: Architecture) -> Preparation:
    """The usual way for a network, where there is no file to go by."""
    return Preparation(chosen.preprocess_for(), f"{chosen.name}'s usual way")


def preparation_of(path: Path, chosen: Architecture, identified: PublishedFile | None) -> Preparation:
    """How pictures are prepared for a file of weights.

    By the first of these that holds:

    1. The file is a published one: as it was evaluated. Weights of the same names were trained for other resizes.
    2. It has Keras' format: Keras' way.
    3. timm's ``config.json`` for this network lies beside it: what that says.
    4. The network's usual way.

    Args:
        path: the file.
        chosen: the network that it fills.
        identified: the published file that it is, if any.
    """
    if identified is not None and identified.architecture is chosen:
        weights = identified.weights
        origin = f"the file is {weights.file_name} by its SHA-256, and was evaluated so"
        return Preparation(chosen.preprocess_for(weights), origin)
    if chosen.keras_layers and path.name.endswith(KERAS_SUFFIXES):
        return Preparation(preprocess_spec(KERAS_PREPROCESS), "Keras' way, since the file is Keras'")
    config = timm_config(path)
    if config.get("architecture") == chosen.name:
        spec = _of_timm(chosen, config.get("pretrained_cfg", config))
        if spec is not None:
            return Preparation(spec, f"as the {TIMM_CONFIG} beside the file says")
    origin = (
        f"{chosen.name}'s usual way, since the file is none whose preprocessing is known; "
        "--preprocess if it was trained otherwise"
    )
    return Preparation(chosen.preprocess_for(), origin)


def timm_config(path: Path) -> Mapping[str, Any]:
    """The description that timm writes beside weights; empty if there is none that can be read."""
    try:
        document = json.loads(path.with_name(TIMM_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _of_timm(chosen: Architecture, config: Any) -> PreprocessSpec | None:
    """What timm's ``create_transform`` does for evaluation at the network's size; None where a field is not understood.

    timm resizes the shorter side to ``floor(size / crop_pct)`` and cuts the centre out. Of the two sizes that it may
    name, the one it tests with is taken only if the network has it.
    """
    if not isinstance(config, dict) or config.get("crop_mode", "center") != "center":
        return None
    size = chosen.image_size
    tested = config.get("test_input_size") == [3, size, size]
    crop = config.get("test_crop_pct") if tested and config.get("test_crop_pct") else config.get("crop_pct")
    interpolation = _TIMM_INTERPOLATIONS.get(str(config.get("interpolation")))
    mean, deviation = config.get("mean"), config.get("std")
    if not (_three_numbers(mean) and _three_numbers(deviation) and all(deviation)):
        return None
    if interpolation is None or not isinstance(crop, int | float) or not 0.1 <= crop <= 1:
        return None
    return replace(
        chosen.preprocess_for(),
        resize="shorter-side",
        resize_height=math.floor(size / crop),
        resize_width=math.floor(size / crop),
        interpolation=interpolation,
        size_rule="integer-quotient",
        crop_offset="round-half-even",
        color_order="RGB",
        mean=tuple(255 * value for value in mean),
        scale=tuple(1 / (255 * value) for value in deviation),
    )


def _three_numbers(values: object) -> TypeGuard[list[float]]:
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    )
