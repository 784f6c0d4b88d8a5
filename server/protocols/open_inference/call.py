"""One inference of the protocol, free of its transports: gRPC and HTTP make a call of a request and take its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from accelserve.server.core.registry import ModelChoice
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.predictor import Predictor, SignatureCall
from accelserve.server.dataplane.scores import class_scores, label_of
from accelserve.server.dataplane.servable import Array
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.open_inference.images import encoded_images
from accelserve.server.scheduler.watch import CallWatch

# Parameter of a request that chooses a signature: the protocol has no word for it.
SIGNATURE_PARAMETER = "signature_name"
# Parameter of a requested output that asks for the best classes in place of the tensor (Triton's extension).
CLASSIFICATION_PARAMETER = "classification"
_MAX_DIGITS = 19  # of a version, which is an int64


@dataclass(frozen=True, slots=True, kw_only=True)
class InferCall:
    """What a client asks.

    Attributes:
        model_name: empty for the only model.
        model_version: a number, a label, or empty for the latest.
        signature: empty means ``serving_default``.
        inputs: name -> array; BYTES are object arrays.
        outputs: name -> how many of the best classes, 0 for the tensor itself; empty means all tensors.
    """

    model_name: str
    model_version: str
    signature: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResult:
    """What the client gets: the version that answered, and name -> array."""

    servable_id: ServableId
    outputs: Mapping[str, Array]


def choice_of(name: str, version: str) -> ModelChoice:
    """The model of a request: a version of digits is a number, any other a label."""
    number = version.isascii() and version.isdigit() and len(version) <= _MAX_DIGITS
    return ModelChoice(
        name=name,
        version=int(version) if number else None,
        label=version if version and not number else None,
    )


def infer(predictor: Predictor, call: InferCall, watch: CallWatch) -> InferResult:
    """Answer a call; errors as the data plane raises them."""
    choice = choice_of(call.model_name, call.model_version)
    with predictor.registry.acquire(choice) as handle:
        asked = SignatureCall(
            signature=call.signature,
            inputs={name: encoded_images(name, tensor) for name, tensor in call.inputs.items()},
            outputs=tuple(call.outputs),
        )
        (found,) = predictor.predict(handle, [asked], watch)
        labels = handle.servable.labels
    outputs = {
        name: _best(name, array, call.outputs[name], labels) if call.outputs.get(name) else array
        for name, array in found.outputs.items()
    }
    return InferResult(servable_id=found.servable_id, outputs=outputs)


def _best(name: str, array: Array, count: int, labels: Sequence[str]) -> Array:
    """Object array [N, count] of ``score:index:label``, best first; of equal ones the lower index first."""
    if count < 0 or array.dtype != np.float32 or array.ndim < 2:
        raise InvalidRequestError(f"output '{name}' cannot be asked for as its {count} best classes")
    scores = class_scores({name: array}, name)
    order = np.argsort(np.negative(scores), axis=1, kind="stable")[:, :count]
    best = np.empty(order.shape, object)
    for row, column in np.ndindex(*order.shape):
        index = int(order[row, column])
        label = label_of(labels, index)
        text = f"{scores[row, index]:f}:{index}" + (f":{label}" if label else "")
        best[row, column] = text.encode()
    return best
