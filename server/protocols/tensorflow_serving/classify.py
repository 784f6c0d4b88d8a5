"""tensorflow.serving.PredictionService/Classify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.core.handle import ServableHandle
from accelserve.server.dataplane.predictor import Predictor, PredictReply, PredictRequest, signature_of
from accelserve.server.dataplane.scores import class_scores, label_of, scores_alias
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.examples import pictures_of
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch

CLASSIFY_METHOD = "tensorflow/serving/classify"


@dataclass(frozen=True, slots=True)
class Classify:
    """Answers from the data plane; ``count`` is told the model's name and the number of examples."""

    predictor: Predictor
    count: Callable[[str, int], None]

    def __call__(
        self, request: serving.ClassificationRequest, watch: CallWatch
    ) -> serving.ClassificationResponse:
        """Every class with its score, in the network's order.

        Signatures for Predict are taken too if one of their outputs ranks classes.

        Raises:
            InvalidRequestError: no pictures, or the signature does not classify.
            Exception: as the data plane raises them.
        """
        spec = request.model_spec
        pictures = pictures_of(request.input)
        with self.predictor.registry.acquire(
            model_choice(spec, present=request.HasField("model_spec"))
        ) as handle:
            asked = classify_request(handle, spec.signature_name, pictures)
            reply = self.predictor.predict_on(handle, asked, watch)
            self.count(handle.servable_id.name, len(pictures))
            return serving.ClassificationResponse(
                result=classification(reply, handle.servable.labels),
                model_spec=model_spec(handle.servable_id, reply.signature),
            )


def classify_request(
    handle: ServableHandle[ImageServable], signature_name: str, pictures: Array
) -> PredictRequest:
    """The scores that one signature gives pictures; raises as ``Classify``."""
    key, signature = signature_of(handle.servable, signature_name)
    alias = scores_alias(signature)
    if alias is None:
        raise InvalidRequestError(
            f"Expected classification signature method_name to be {CLASSIFY_METHOD}. "
            f"Was: {signature.method_name}"
        )
    return PredictRequest(
        model=model_choice(model_spec(handle.servable_id), present=True),
        signature=key,
        inputs={next(iter(signature.inputs)): pictures},
        outputs=(alias,),
    )


def classification(reply: PredictReply, labels: Sequence[str]) -> serving.ClassificationResult:
    """The answer to a ``classify_request``."""
    (alias,) = reply.outputs
    return serving.ClassificationResult(
        classifications=[
            serving.Classifications(
                classes=[
                    serving.Class(label=label_of(labels, index), score=score)
                    for index, score in enumerate(row.tolist())
                ]
            )
            for row in class_scores(reply.outputs, alias)
        ]
    )
