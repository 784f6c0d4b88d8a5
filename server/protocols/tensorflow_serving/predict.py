"""tensorflow.serving.PredictionService/Predict."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.dataplane.predictor import Predictor, SignatureCall
from accelserve.server.protocols.tensorflow_serving.tensors import (
    encoded_response,
    inputs_of,
    model_choice,
)
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class Predict:
    """Answers from the data plane; in raw bytes instead of typed fields if ``tensor_content``."""

    predictor: Predictor
    tensor_content: bool

    def __call__(self, request: serving.PredictRequest, watch: CallWatch) -> bytes:
        """Answer one request with an encoded PredictResponse; errors as the data plane raises them."""
        spec = request.model_spec
        call = SignatureCall(
            signature=spec.signature_name,
            inputs=inputs_of(request.inputs),
            outputs=tuple(request.output_filter),
        )
        choice = model_choice(spec, present=request.HasField("model_spec"))
        with self.predictor.registry.acquire(choice) as handle:
            (found,) = self.predictor.predict(handle, [call], watch)
        return encoded_response(
            found.outputs, found.servable_id, found.signature, as_content=self.tensor_content
        )
