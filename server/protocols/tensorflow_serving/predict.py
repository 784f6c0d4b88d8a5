"""tensorflow.serving.PredictionService/Predict."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import encoded
from accelserve.server.dataplane.predictor import Predictor, SignatureCall
from accelserve.server.protocols.tensorflow_serving.tensors import (
    arrays_of,
    encoded_model_spec,
    model_choice,
)
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class Predict:
    """Answers from the data plane; in raw bytes instead of typed fields if ``tensor_content``."""

    predictor: Predictor
    tensor_content: bool

    def __call__(self, request: serving.PredictRequest, watch: CallWatch) -> serving.PredictResponse:
        """Answer one request; errors as the data plane raises them."""
        spec = request.model_spec
        call = SignatureCall(
            signature=spec.signature_name,
            inputs=arrays_of(request.inputs),
            outputs=tuple(request.output_filter),
        )
        choice = model_choice(spec, present=request.HasField("model_spec"))
        with self.predictor.registry.acquire(choice) as handle:
            (found,) = self.predictor.predict(handle, [call], watch)
        response = serving.PredictResponse()
        response.model_spec.MergeFromString(encoded_model_spec(found.servable_id, found.signature))
        for name, array in found.outputs.items():
            response.outputs[name].MergeFromString(encoded(array, as_content=self.tensor_content))
        return response
