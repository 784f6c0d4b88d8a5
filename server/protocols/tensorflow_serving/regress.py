"""tensorflow.serving.PredictionService/Regress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.dataplane.predictor import SignatureCall, SignatureResult, signature_of
from accelserve.server.dataplane.servable import Array, ImageServable, Signature
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.examples import images_of_examples
from accelserve.server.protocols.tensorflow_serving.scoring import Scoring
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch


class Regression:
    """The task: one number an image."""

    method_name = "tensorflow/serving/regress"

    def call(self, servable: ImageServable, signature_name: str, images: Array) -> SignatureCall:
        """The numbers; InvalidRequestError if the signature has not one number an image."""
        key, signature = signature_of(servable, signature_name)
        if not _is_one_number(signature):
            raise InvalidRequestError(
                f"Expected regression signature method_name to be {self.method_name}. "
                f"Was: {signature.method_name}"
            )
        return SignatureCall(signature=key, inputs={next(iter(signature.inputs)): images})

    def result(self, found: SignatureResult, _labels: Sequence[str]) -> serving.RegressionResult:
        """The number of each image."""
        (values,) = found.outputs.values()
        return serving.RegressionResult(
            regressions=[serving.Regression(value=value) for value in values.reshape(-1).tolist()]
        )


REGRESSION = Regression()


@dataclass(frozen=True, slots=True)
class Regress:
    """The method."""

    scoring: Scoring

    def __call__(self, request: serving.RegressionRequest, watch: CallWatch) -> serving.RegressionResponse:
        """Answer one request.

        Raises:
            InvalidRequestError: no images, or the signature has not one number an image.
            Exception: as the data plane raises them.
        """
        images = images_of_examples(request.input)
        spec = request.model_spec
        choice = model_choice(spec, present=request.HasField("model_spec"))
        scored = self.scoring.score(REGRESSION, choice, spec.signature_name, images, watch)
        return serving.RegressionResponse(
            result=scored.result, model_spec=model_spec(scored.servable_id, scored.signature)
        )


def _is_one_number(signature: Signature) -> bool:
    """One float32 output of shape [N] or [N, 1], as TensorFlow Serving asks for."""
    specs = list(signature.outputs.values())
    return len(specs) == 1 and specs[0].dtype == "float32" and tuple(specs[0].shape[1:]) in ((), (1,))
