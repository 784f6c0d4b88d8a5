"""tensorflow.serving.PredictionService/Regress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.core.handle import ServableHandle
from accelserve.server.dataplane.predictor import Predictor, PredictReply, PredictRequest, signature_of
from accelserve.server.dataplane.servable import Array, ImageServable, Signature
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.examples import pictures_of
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec
from accelserve.server.scheduler.watch import CallWatch

REGRESS_METHOD = "tensorflow/serving/regress"


@dataclass(frozen=True, slots=True)
class Regress:
    """Answers from the data plane; ``count`` is told the model's name and the number of examples."""

    predictor: Predictor
    count: Callable[[str, int], None]

    def __call__(self, request: serving.RegressionRequest, watch: CallWatch) -> serving.RegressionResponse:
        """One number a picture.

        Raises:
            InvalidRequestError: no pictures, or the signature has not one number a picture.
            Exception: as the data plane raises them.
        """
        spec = request.model_spec
        pictures = pictures_of(request.input)
        with self.predictor.registry.acquire(
            model_choice(spec, present=request.HasField("model_spec"))
        ) as handle:
            asked = regress_request(handle, spec.signature_name, pictures)
            reply = self.predictor.predict_on(handle, asked, watch)
            self.count(handle.servable_id.name, len(pictures))
            return serving.RegressionResponse(
                result=regression(reply), model_spec=model_spec(handle.servable_id, reply.signature)
            )


def regress_request(
    handle: ServableHandle[ImageServable], signature_name: str, pictures: Array
) -> PredictRequest:
    """The numbers that one signature gives pictures; raises as ``Regress``."""
    key, signature = signature_of(handle.servable, signature_name)
    if not _is_one_number(signature):
        raise InvalidRequestError(
            f"Expected regression signature method_name to be {REGRESS_METHOD}. Was: {signature.method_name}"
        )
    return PredictRequest(
        model=model_choice(model_spec(handle.servable_id), present=True),
        signature=key,
        inputs={next(iter(signature.inputs)): pictures},
    )


def regression(reply: PredictReply) -> serving.RegressionResult:
    """The answer to a ``regress_request``."""
    (values,) = reply.outputs.values()
    return serving.RegressionResult(
        regressions=[serving.Regression(value=value) for value in values.reshape(-1).tolist()]
    )


def _is_one_number(signature: Signature) -> bool:
    """One float32 output of shape [N] or [N, 1], as TensorFlow Serving asks for."""
    specs = list(signature.outputs.values())
    return len(specs) == 1 and specs[0].dtype == "float32" and tuple(specs[0].shape[1:]) in ((), (1,))
