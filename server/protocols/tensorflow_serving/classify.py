"""tensorflow.serving.PredictionService/Classify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.dataplane.predictor import SignatureCall, SignatureResult, signature_of
from accelserve.server.dataplane.scores import class_scores, label_of, scores_alias
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.examples import images_of_examples
from accelserve.server.protocols.tensorflow_serving.scoring import Scoring
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch


class Classification:
    """The task: every class with its score, in the network's order.

    Signatures for Predict are taken too if one of their outputs ranks classes.
    """

    method_name = "tensorflow/serving/classify"

    def call(self, servable: ImageServable, signature_name: str, images: Array) -> SignatureCall:
        """The scores; InvalidRequestError if the signature does not classify."""
        key, signature = signature_of(servable, signature_name)
        alias = scores_alias(signature)
        if alias is None:
            raise InvalidRequestError(
                f"Expected classification signature method_name to be {self.method_name}. "
                f"Was: {signature.method_name}"
            )
        return SignatureCall(signature=key, inputs={next(iter(signature.inputs)): images}, outputs=(alias,))

    def result(self, found: SignatureResult, labels: Sequence[str]) -> serving.ClassificationResult:
        """Classes of each image."""
        (alias,) = found.outputs
        return serving.ClassificationResult(
            classifications=[
                serving.Classifications(
                    classes=[
                        serving.Class(label=label_of(labels, index), score=score)
                        for index, score in enumerate(row.tolist())
                    ]
                )
                for row in class_scores(found.outputs, alias)
            ]
        )


CLASSIFICATION = Classification()


@dataclass(frozen=True, slots=True)
class Classify:
    """The method."""

    scoring: Scoring

    def __call__(
        self, request: serving.ClassificationRequest, watch: CallWatch
    ) -> serving.ClassificationResponse:
        """Answer one request.

        Raises:
            InvalidRequestError: no images, or the signature does not classify.
            Exception: as the data plane raises them.
        """
        images = images_of_examples(request.input)
        spec = request.model_spec
        choice = model_choice(spec, present=request.HasField("model_spec"))
        scored = self.scoring.score(CLASSIFICATION, choice, spec.signature_name, images, watch)
        return serving.ClassificationResponse(
            result=scored.result, model_spec=model_spec(scored.servable_id, scored.signature)
        )
