"""One image through a model, told in a way that people read: classes, or objects with their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from accelserve.kernels.preprocess import ImageError
from accelserve.server.core.handle import ServableHandle
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.states import StateReport
from accelserve.server.dataplane.predictor import DEFAULT_SIGNATURE, Predictor, SignatureCall
from accelserve.server.dataplane.scores import class_scores, label_of, scores_alias
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.errors import InvalidRequestError, ServableNotFoundError, UnsupportedMethodError
from accelserve.server.rest.numbers import shortest
from accelserve.server.scheduler.watch import CallWatch

_BOXES, _SCORES, _CLASSES, _COUNT = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
)
_BEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A class or an object: its label, its score, its box (ymin, xmin, ymax, xmax in 0..1) or None."""

    label: str
    score: float
    box: Sequence[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a model made of an image, best first.

    Attributes:
        signature: that was used.
        detects: whether the model detects; else it ranks classes.
        found: the best classes, or all objects.
        seconds: stage -> time, in the order in which they were passed.
    """

    signature: str
    detects: bool
    found: Sequence[Found]
    seconds: Mapping[str, float]


def try_image(predictor: Predictor, model: ModelChoice, encoded: bytes, watch: CallWatch) -> Trial:
    """Ask the signature that says most: the one that detects, else one that ranks classes.

    Raises:
        UnsupportedMethodError: the model does neither.
        ServableNotFoundError: it is not there, or not yet, or does not load: the sentence says which.
        InvalidRequestError: what was sent is no image, or cannot be decoded.
        Exception: as the data plane raises them.
    """
    images = np.empty(1, object)
    images[0] = encoded
    with _held(predictor.registry, model) as handle:
        servable = handle.servable
        key, outputs = _most_telling(servable)
        alias = next(iter(servable.signatures[key].inputs))
        call = SignatureCall(signature=key, inputs={alias: images}, outputs=outputs)
        try:
            (result,) = predictor.predict(handle, [call], watch)
        except ImageError as error:  # whoever tries one image knows of no batch, and of no element of it
            reason = f"{error.found[:1].upper()}{error.found[1:]}"
            raise InvalidRequestError(f"{error.headline} {reason}") from error
        labels = servable.labels
    detects = len(outputs) > 1
    found = _objects(result.outputs, labels) if detects else _classes(result.outputs, labels)
    return Trial(signature=key, detects=detects, found=found, seconds=asdict(result.stages))


def _held(registry: ModelRegistry[ImageServable], model: ModelChoice) -> ServableHandle[ImageServable]:
    try:
        return registry.acquire(model)
    except ServableNotFoundError as error:
        name = registry.resolve_name(model)
        if not any(served.name == name for served in registry.models()):
            raise
        raise ServableNotFoundError(_why_nothing_serves(name, registry.states.of(name))) from error


def _why_nothing_serves(name: str, reports: Sequence[StateReport]) -> str:
    for report in reports:
        if report.error is not None:
            return f"version {report.servable_id.version} of model '{name}' did not load: {report.error}"
    return f"model '{name}' is still loading; try again when a version of it is AVAILABLE"


def _most_telling(servable: ImageServable) -> tuple[str, Sequence[str]]:
    for key, signature in servable.signatures.items():
        if {_BOXES, _SCORES, _CLASSES, _COUNT} <= set(signature.outputs):
            return key, (_BOXES, _SCORES, _CLASSES, _COUNT)
    # The default comes first: others may rank the same classes less directly.
    for key in sorted(servable.signatures, key=lambda name: (name != DEFAULT_SIGNATURE, name)):
        alias = scores_alias(servable.signatures[key])
        if alias is not None:
            return key, (alias,)
    raise UnsupportedMethodError(
        f"none of the signatures {', '.join(servable.signatures)} ranks classes or detects objects"
    )


def _classes(outputs: Mapping[str, Array], labels: Sequence[str]) -> list[Found]:
    (alias,) = outputs
    scores = class_scores(outputs, alias)[0]
    order = np.argsort(np.negative(scores), kind="stable")[:_BEST]
    rounded = shortest(np.asarray(scores, np.float32))
    return [Found(label=_name(labels, int(index)), score=float(rounded[index])) for index in order]


def _objects(outputs: Mapping[str, Array], labels: Sequence[str]) -> list[Found]:
    count = int(np.asarray(outputs[_COUNT]).reshape(-1)[0])
    boxes, scores, classes = (
        shortest(np.asarray(outputs[name][0], np.float32)) for name in (_BOXES, _SCORES, _CLASSES)
    )
    return [
        Found(label=_name(labels, int(classes[row])), score=float(scores[row]), box=boxes[row].tolist())
        for row in range(count)
    ]


def _name(labels: Sequence[str], index: int) -> str:
    return label_of(labels, index) or f"class {index}"
