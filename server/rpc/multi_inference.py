"""tensorflow.serving.PredictionService/MultiInference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.core.handle import ServableHandle
from accelserve.server.dataplane.predictor import DEFAULT_SIGNATURE, Predictor, signature_of
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.rpc.classify import CLASSIFY_METHOD, classification
from accelserve.server.rpc.examples import pictures_of
from accelserve.server.rpc.regress import REGRESS_METHOD, regression
from accelserve.server.rpc.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class MultiInference:
    """Answers from the data plane; ``count`` is told the model's name and the number of examples."""

    predictor: Predictor
    count: Callable[[str, int], None]

    def __call__(
        self, request: serving.MultiInferenceRequest, watch: CallWatch
    ) -> serving.MultiInferenceResponse:
        """One result a task, in their order, all of the same version.

        Raises:
            InvalidRequestError: no tasks, several models, a signature twice, or as Classify and Regress.
            Exception: as the data plane raises them.
        """
        _check(request.tasks)
        pictures = pictures_of(request.input)
        first = request.tasks[0].model_spec
        with self.predictor.registry.acquire(model_choice(first, present=True)) as handle:
            results = [self._result(task, handle, pictures, watch) for task in request.tasks]
            self.count(handle.servable_id.name, len(pictures))
        return serving.MultiInferenceResponse(results=results)

    def _result(
        self,
        task: serving.InferenceTask,
        handle: ServableHandle[ImageServable],
        pictures: Array,
        watch: CallWatch,
    ) -> serving.InferenceResult:
        name = task.model_spec.signature_name
        key, _ = signature_of(handle.servable, name)
        result = serving.InferenceResult(model_spec=model_spec(handle.servable_id, key))
        if task.method_name == CLASSIFY_METHOD:
            result.classification_result.CopyFrom(
                classification(self.predictor, handle, name, pictures, watch)
            )
        else:
            result.regression_result.CopyFrom(regression(self.predictor, handle, name, pictures, watch))
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
