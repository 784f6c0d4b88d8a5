"""tensorflow.serving.PredictionService/MultiInference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.dataplane.predictor import DEFAULT_SIGNATURE, SignatureResult
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.classify import CLASSIFICATION
from accelserve.server.protocols.tensorflow_serving.examples import images_of_examples
from accelserve.server.protocols.tensorflow_serving.regress import REGRESSION
from accelserve.server.protocols.tensorflow_serving.scoring import Scoring, Task
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch

_TASKS: Mapping[str, Task[object]] = MappingProxyType(
    {task.method_name: task for task in (CLASSIFICATION, REGRESSION)}
)


@dataclass(frozen=True, slots=True)
class MultiInference:
    """The method."""

    scoring: Scoring

    def __call__(
        self, request: serving.MultiInferenceRequest, watch: CallWatch
    ) -> serving.MultiInferenceResponse:
        """One result a task, in their order, all of the same version, from the images computed once.

        Raises:
            InvalidRequestError: no tasks, several models, a signature twice, or as Classify and Regress.
            Exception: as the data plane raises them.
        """
        _check(request.tasks)
        images = images_of_examples(request.input)
        predictor = self.scoring.predictor
        with predictor.registry.acquire(model_choice(request.tasks[0].model_spec, present=True)) as handle:
            calls = [
                _TASKS[task.method_name].call(handle.servable, task.model_spec.signature_name, images)
                for task in request.tasks
            ]
            found = predictor.predict(handle, calls, watch)
            self.scoring.count(handle.servable_id.name, len(images))
            labels = handle.servable.labels
        results = [_result(task, each, labels) for task, each in zip(request.tasks, found, strict=True)]
        return serving.MultiInferenceResponse(results=results)


def _result(
    task: serving.InferenceTask, found: SignatureResult, labels: Sequence[str]
) -> serving.InferenceResult:
    spec = model_spec(found.servable_id, found.signature)
    if task.method_name == CLASSIFICATION.method_name:
        return serving.InferenceResult(
            model_spec=spec, classification_result=CLASSIFICATION.result(found, labels)
        )
    return serving.InferenceResult(model_spec=spec, regression_result=REGRESSION.result(found, labels))


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
        if task.method_name not in _TASKS:
            raise InvalidRequestError(f"Unsupported signature method_name: {task.method_name}")
        signature = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if signature in seen:
            raise InvalidRequestError(f"Duplicate evaluation of signature: {signature}")
        seen.add(signature)
