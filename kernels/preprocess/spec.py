"""The description of a network's preprocessing: how a picture becomes numbers.

A picture is decoded, resized, cropped, and every value becomes ``(pixel - mean[c]) * scale[c]``. The description is
plain data that travels inside a servable, so every rule that changes a byte of the result is a field of it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from accelserve.kernels.preprocess.errors import PreprocessSpecError

ResizeMode = Literal["shorter-side", "exact", "letterbox"]
Interpolation = Literal["bilinear-legacy", "bilinear", "bilinear-antialias", "bicubic-antialias"]
SizeRule = Literal["float32-product", "integer-quotient", "rounded-quotient"]
CropOffset = Literal["floor", "round-half-even"]
ColorOrder = Literal["RGB", "BGR", "GRAY"]
PerChannel = tuple[float, ...]

MAX_OUTPUT_SIDE = 4096


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessSpec:
    """How a decoded picture becomes the network's input, ``[crop_height, crop_width, channels]``.

    The value of channel c at a pixel is ``float32(float32(pixel - mean[c]) * scale[c])`` with mean and scale rounded to
    float32 first, the subtraction before the multiplication, and no fused multiply-add. ``pixel`` is a float32 in
    0..255; the anti-aliased interpolations round it to a whole number before this step.

    Attributes:
        resize: ``shorter-side`` keeps the aspect and gives the shorter side ``resize_height`` (= ``resize_width``)
            pixels; ``exact`` gives exactly ``resize_height`` x ``resize_width``; ``letterbox`` keeps the aspect, makes
            the picture as large as fits into ``resize_height`` x ``resize_width``, and fills the rest with ``pad``.
        resize_height: pixels; with ``shorter-side`` it must equal ``resize_width``.
        resize_width: pixels.
        interpolation: ``bilinear-legacy`` is TensorFlow 1's ``resize_bilinear(align_corners=False)``: source
            coordinate ``i * scale``, two taps, no anti-aliasing. ``bilinear`` is the same with half-pixel centres
            (``(i + 0.5) * scale - 0.5``). ``bilinear-antialias`` and ``bicubic-antialias`` are Pillow's ``BILINEAR``
            and ``BICUBIC`` for 8-bit pictures, to the bit: the filter widens with the scale; horizontally first, then
            vertically, rounded to 8 bits after each. (Pillow 13 and later swap the passes where the height shrinks much
            more than the width, which moves a few pixels by one level; this order is the one of all versions before.)
        size_rule: how the side that the aspect decides is computed. ``float32-product``: as TensorFlow's pipelines do;
            with ``shorter-side`` both sides are ``int(float32(side) * float32(target / shorter))``, with ``letterbox``
            ``tf.image.resize_with_pad``'s ``floor(side / ratio)`` in float32, and its margins. ``integer-quotient``: one
            side is the target and the other is ``target * side // other side`` (torchvision's). ``rounded-quotient``:
            the other is ``round(side / other side * target)`` (Pillow's ``ImageOps.contain`` and ``pad``). A side is
            never less than the crop, with ``letterbox`` never less than 1.
        crop_height: rows of the central crop, at most the resized rows; with ``letterbox`` equal to ``resize_height``,
            since nothing is cropped.
        crop_width: columns of the central crop.
        crop_offset: where the crop begins: ``floor`` is ``(size - crop) // 2``; ``round-half-even`` is
            ``round((size - crop) / 2)`` as Python rounds (torchvision's). With ``letterbox`` likewise where the picture
            begins.
        color_order: order of the channels in the result, and of ``mean`` and ``scale``. ``GRAY`` is one channel, what
            TensorFlow's ``decode_image(channels=1)`` makes of a picture; it reads no GIF and no BMP so.
        mean: subtracted from each channel, in units of an 8-bit pixel; one number per channel.
        scale: multiplies each channel after the subtraction; 1 if left out.
        pad: with ``letterbox``, the pixel around the picture before the normalization, 0..255, one number per channel in
            the order of ``color_order``; black if left out.

    Raises:
        PreprocessSpecError: if a field breaks its rule.
    """

    resize: ResizeMode
    resize_height: int
    resize_width: int
    interpolation: Interpolation
    size_rule: SizeRule = "float32-product"
    crop_height: int
    crop_width: int
    crop_offset: CropOffset = "floor"
    color_order: ColorOrder
    mean: PerChannel
    scale: PerChannel = ()
    pad: PerChannel = ()

    def __post_init__(self) -> None:
        for field, allowed in _CHOICES.items():
            _require_choice(field, getattr(self, field), allowed)
        for field in ("resize_height", "resize_width", "crop_height", "crop_width"):
            _require_side(field, getattr(self, field))
        object.__setattr__(self, "mean", _per_channel("mean", self.mean, self.channels))
        scale = (1.0,) * self.channels if self.scale == () else self.scale
        object.__setattr__(self, "scale", _per_channel("scale", scale, self.channels))
        self._check_pad()
        if self.resize == "shorter-side" and self.resize_height != self.resize_width:
            raise PreprocessSpecError(
                "resize_height",
                f"'shorter-side' has one target, but got {self.resize_height} and resize_width "
                f"{self.resize_width}; make them equal, or set resize to 'exact'.",
            )
        for side in ("height", "width"):
            crop, resized = getattr(self, f"crop_{side}"), getattr(self, f"resize_{side}")
            if crop > resized:
                raise PreprocessSpecError(
                    f"crop_{side}",
                    f"got {crop}, but the resized picture may have only {resized} pixels there.",
                )
            if self.resize == "letterbox" and crop != resized:
                raise PreprocessSpecError(
                    f"crop_{side}",
                    f"got {crop}, but 'letterbox' crops nothing: expected {resized}, resize_{side}.",
                )

    def _check_pad(self) -> None:
        if self.resize != "letterbox":
            if self.pad != ():
                raise PreprocessSpecError(
                    "pad",
                    f"got {self.pad!r}, but only the resize 'letterbox' pads, and resize is {self.resize!r}.",
                )
            return
        pad = _per_channel("pad", (0.0,) * self.channels if self.pad == () else self.pad, self.channels)
        if not all(0.0 <= value <= 255.0 for value in pad):
            raise PreprocessSpecError("pad", f"got {self.pad!r}, expected 8-bit pixels, 0 to 255.")
        object.__setattr__(self, "pad", pad)

    @property
    def channels(self) -> int:
        """Channels of the result: 3, or 1 for grey."""
        return 1 if self.color_order == "GRAY" else 3

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, in the order of their definition; ``pad`` if something is padded."""
        document = dataclasses.asdict(self)
        document["mean"] = list(self.mean)
        document["scale"] = list(self.scale)
        if self.pad:
            document["pad"] = list(self.pad)
        else:
            del document["pad"]
        return document

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The description that ``to_json`` wrote.

        Args:
            document: a mapping of field names to JSON values; fields with a default may be absent.

        Raises:
            PreprocessSpecError: on anything else, a field that does not exist, or a value that breaks its rule.
        """
        if not isinstance(document, Mapping):
            raise PreprocessSpecError("preprocess", f"got {type(document).__name__}, expected a JSON object.")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(str(name) for name in document if name not in fields)
        if unknown:
            raise PreprocessSpecError(
                unknown[0], f"there is no such field; the fields are {', '.join(fields)}."
            )
        missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in document]
        if missing:
            raise PreprocessSpecError(missing[0], "the field is missing.")
        return cls(**document)

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """The description in a JSON text, as a user types it.

        Args:
            text: a JSON object.

        Raises:
            PreprocessSpecError: if the text is not JSON, or as ``from_json`` says.
        """
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise PreprocessSpecError("preprocess", f"{text[:80]!r} is not JSON: {error}.") from error
        return cls.from_json(document)


_CHOICES: dict[str, tuple[str, ...]] = {
    "resize": get_args(ResizeMode),
    "interpolation": get_args(Interpolation),
    "size_rule": get_args(SizeRule),
    "crop_offset": get_args(CropOffset),
    "color_order": get_args(ColorOrder),
}


def _require_choice(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise PreprocessSpecError(field, f"got {value!r}, expected one of {', '.join(allowed)}.")


def _require_side(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_OUTPUT_SIDE:
        raise PreprocessSpecError(
            field, f"got {value!r}, expected a whole number from 1 to {MAX_OUTPUT_SIDE}."
        )


def _per_channel(field: str, values: object, channels: int) -> PerChannel:
    wanted = "three numbers, one per channel" if channels == 3 else "one number, since grey has one channel"
    if not isinstance(values, (list, tuple)) or len(values) != channels:
        raise PreprocessSpecError(field, f"got {values!r}, expected {wanted}.")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        raise PreprocessSpecError(field, f"got {values!r}, expected {wanted}.")
    # beyond 1e6 float32 has no digit left for a difference of one level
    if not all(math.isfinite(v) and abs(v) <= 1e6 for v in values):
        raise PreprocessSpecError(
            field, f"got {values!r}, expected finite numbers of at most 1e6 in magnitude."
        )
    return tuple(float(value) for value in values)
