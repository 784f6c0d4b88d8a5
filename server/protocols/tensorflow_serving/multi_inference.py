"""tensorflow.serving.PredictionService/MultiInference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.core.handle import ServableHandle
from accelserve.server.dataplane.predictor import DEFAULT_SIGNATURE, Predictor, PredictReply, PredictRequest
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.classify import (
    CLASSIFY_METHOD,
    classification,
    classify_request,
)
from accelserve.server.protocols.tensorflow_serving.examples import pictures_of
from accelserve.server.protocols.tensorflow_serving.regress import REGRESS_METHOD, regress_request, regression
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class MultiInference:
    """Answers from the data plane; ``count`` is told the model's name and the number of examples."""

    predictor: Predictor
    count: Callable[[str, int], None]

    def __call__(
        self, request: serving.MultiInferenceRequest, watch: CallWatch
    ) -> serving.MultiInferenceResponse:
        """One result a task, in their order, all of the same version, from the pictures computed once.

        Raises:
            InvalidRequestError: no tasks, several models, a signature twice, or as Classify and Regress.
            Exception: as the data plane raises them.
        """
        _check(request.tasks)
        pictures = pictures_of(request.input)
        first = request.tasks[0].model_spec
        with self.predictor.registry.acquire(model_choice(first, present=True)) as handle:
            asked = [_request(task, handle, pictures) for task in request.tasks]
            replies = self.predictor.predict_each(handle, asked, watch)
            self.count(handle.servable_id.name, len(pictures))
            labels = handle.servable.labels
        results = [_result(task, reply, labels) for task, reply in zip(request.tasks, replies, strict=True)]
        return serving.MultiInferenceResponse(results=results)


def _request(
    task: serving.InferenceTask, handle: ServableHandle[ImageServable], pictures: Array
) -> PredictRequest:
    make = classify_request if task.method_name == CLASSIFY_METHOD else regress_request
    return make(handle, task.model_spec.signature_name, pictures)


def _result(
    task: serving.InferenceTask, reply: PredictReply, labels: Sequence[str]
) -> serving.InferenceResult:
    result = serving.InferenceResult(model_spec=model_spec(reply.servable_id, reply.signature))
    if task.method_name == CLASSIFY_METHOD:
        result.classification_result.CopyFrom(classification(reply, labels))
    else:
        result.regression_result.CopyFrom(regression(reply))
    return result


def _check(tasks: Sequence[serving.InferenceTask]) -> None:
    """Refuse what TensorFlow Serving refuses, in its words."""
    if not tasks:
        raise InvalidRequestError("Inference request has no tasks; send at least one")
    if len({task.model_spec.name for task in tasks}) > 1:
        raise InvalidRequestError(
            "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        )
    seen: set[str] = set()
    for task in tasks:
        if task.method_name not in (CLASSIFY_METHOD, REGRESS_METHOD):
            raise InvalidRequestError(f"Unsupported signature method_name: {task.method_name}")
        signature = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if signature in seen:
            raise InvalidRequestError(f"Duplicate evaluation of signature: {signature}")
        seen.add(signature)
