"""What a user says of a detector, and what its network answers with, to the stage that decodes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from accelserve.kernels.ir import DType, Graph
from accelserve.kernels.postprocess import DETECTION_PRESETS, DetectionSpec, DetectionSpecError
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.models.detection.stage import COORDINATES, DetectionStage, tensor_list
from accelserve.models.errors import ConversionError
from accelserve.models.repository import tensor_name

_PRESET = "preset"


def detection_document(preset_or_json: str) -> dict[str, Any]:
    """What a user's ``--detection`` stands for, as JSON fields.

    Args:
        preset_or_json: a key of ``DETECTION_PRESETS``, or a JSON object with the fields of a ``DetectionSpec``. A field
            ``preset`` fills in what the object leaves out; ``logits`` and ``offsets`` name tensors.

    Raises:
        DetectionSpecError: it is neither.
    """
    text = preset_or_json.strip()
    if not text.startswith("{"):
        return preset_fields(text)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DetectionSpecError("detection", f"{text[:80]!r} is not JSON: {error}.") from error
    preset = document.pop(_PRESET, None)
    return document if preset is None else {**preset_fields(str(preset)), **document}


def preset_fields(name: str) -> dict[str, Any]:
    """The fields of a preset; its number of classes is left to the network, since fine-tuning changes it."""
    if name not in DETECTION_PRESETS:
        known = ", ".join(DETECTION_PRESETS)
        raise DetectionSpecError("detection", f"got {name[:80]!r}, expected a JSON object or one of {known}.")
    fields = DETECTION_PRESETS[name].to_json()
    del fields["classes"]
    return fields


def detection_stage(
    document: Mapping[str, Any], graph: Graph, preprocess: PreprocessSpec | None
) -> DetectionStage:
    """The stage that fits a network.

    Where the document does not name them, class logits and box offsets are told apart by their sizes: anchors times
    classes, and anchors times four. Where it leaves out ``classes``, they are counted in the network.

    Args:
        document: as ``detection_document`` gives it.
        graph: the network.
        preprocess: how pictures become its input.

    Raises:
        DetectionSpecError: the document breaks a rule.
        ConversionError: the network's outputs, its input or its preprocessing do not fit it.
    """
    fields = dict(document)
    given = {key: fields.pop(key, None) for key in ("logits", "offsets")}
    # any number will do while anchors are counted
    anchors = DetectionSpec.from_json({"classes": 2, **fields, "background_class": 0})
    sizes = {tensor_name(name): graph.type_of(value).elements for name, value in graph.outputs.items()}
    if given["logits"] is None and given["offsets"] is None:
        logits, offsets = _told_apart(anchors, sizes, fields.get("classes"))
    else:
        logits, offsets = (tensor_list(key, given[key]) for key in given)
    classes = fields.get("classes", _count_classes(anchors, logits, sizes))
    stage = DetectionStage(
        spec=DetectionSpec.from_json({**fields, "classes": classes}), logits=logits, offsets=offsets
    )
    _check_tensors(stage, sizes)
    kinds = {tensor_name(name): graph.type_of(value).dtype for name, value in graph.outputs.items()}
    if other := [name for name in (*logits, *offsets) if kinds[name] is not DType.F32]:
        raise ConversionError(f"detection reads float32 tensors, but '{other[0]}' is {kinds[other[0]].value}")
    if taken := sizes.keys() & {spec.name for spec in stage.outputs().values()}:
        raise ConversionError(f"the network has outputs {sorted(taken)} of its own; leave --detection out")
    _check_picture(stage.spec, graph, preprocess)
    return stage


def _anchor_counts(spec: DetectionSpec, tensors: int) -> list[int]:
    """Anchors that each of so many tensors holds."""
    return [spec.anchors] if tensors == 1 else [layer.anchors for layer in spec.layers]


def _told_apart(
    spec: DetectionSpec, sizes: Mapping[str, int], classes: int | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of class logits and box offsets, each in the order of the network's outputs."""
    pairs = len(sizes) // 2
    counts = _anchor_counts(spec, pairs)
    if len(sizes) != 2 * pairs or len(counts) != pairs:
        raise ConversionError(
            f"a detector with {len(spec.layers)} grids answers with {2 * len(spec.layers)} tensors or with 2, "
            f"this network with {len(sizes)}: {', '.join(sizes)}"
        )
    names = list(sizes)
    found = [
        (tuple(first), tuple(second))
        for first, second in _splits(names, pairs)
        if all(sizes[name] == count * COORDINATES for name, count in zip(second, counts, strict=True))
        and all(sizes[name] % count == 0 for name, count in zip(first, counts, strict=True))
        and len({sizes[name] // count for name, count in zip(first, counts, strict=True)}) == 1
        and classes in (None, sizes[first[0]] // counts[0])
    ]
    if len(found) != 1:
        raise ConversionError(
            f"{'more than one' if found else 'no'} way to take the outputs {', '.join(names)} for class logits and box "
            f"offsets of {counts} anchors; name them as 'logits' and 'offsets' in --detection"
        )
    return found[0]


def _splits(names: list[str], pairs: int) -> list[tuple[list[str], list[str]]]:
    """(logits, offsets): in either order, all of one kind before the other; or alternating, a pair a grid."""
    blocks = (names[:pairs], names[pairs:])
    woven = (names[::2], names[1::2])
    orders = [blocks, blocks[::-1], woven, woven[::-1]]
    return list({(tuple(a), tuple(b)): (a, b) for a, b in orders}.values())


def _count_classes(spec: DetectionSpec, logits: tuple[str, ...], sizes: Mapping[str, int]) -> int:
    return sizes.get(logits[0], 0) // _anchor_counts(spec, len(logits))[0]


def _check_tensors(stage: DetectionStage, sizes: Mapping[str, int]) -> None:
    for names, values in ((stage.logits, stage.spec.classes), (stage.offsets, COORDINATES)):
        counts = _anchor_counts(stage.spec, len(names))
        if len(counts) != len(names) or len(stage.logits) != len(stage.offsets):
            raise ConversionError(
                f"{len(names)} tensors {', '.join(names)} for {len(counts)} grids; name one a grid, or one"
            )
        for name, count in zip(names, counts, strict=True):
            if sizes.get(name) != count * values:
                raise ConversionError(
                    f"detection reads {count} anchors x {values} values of '{name}', which has {sizes.get(name, 'no')} "
                    f"elements; the network answers with {', '.join(sizes)}"
                )


def _check_picture(spec: DetectionSpec, graph: Graph, preprocess: PreprocessSpec | None) -> None:
    (kind,) = graph.inputs.values()
    if kind.shape[1:3] != (spec.image_height, spec.image_width):
        raise ConversionError(
            f"detection is described for pictures of {spec.image_height} x {spec.image_width} but the network reads "
            f"{kind.shape[1]} x {kind.shape[2]}"
        )
    if preprocess is None:
        return
    cropped = (preprocess.crop_height, preprocess.crop_width) != (
        preprocess.resize_height,
        preprocess.resize_width,
    )
    if cropped or preprocess.resize != "exact":
        raise ConversionError(
            "detections are places relative to the whole picture, but the preprocessing "
            f"{'pads' if preprocess.resize == 'letterbox' else 'crops'} it; choose one that resizes exactly"
        )
