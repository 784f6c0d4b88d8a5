"""inference.GRPCInferenceService/ModelInfer: its messages, and the call that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelserve.protos import inference
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import Array
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.open_inference.call import (
    CLASSIFICATION_PARAMETER,
    SIGNATURE_PARAMETER,
    InferCall,
    InferResult,
    infer,
)
from accelserve.server.protocols.open_inference.tensors import (
    array_of_contents,
    array_of_raw,
    check_new_input,
    check_new_output,
    contents_of,
    datatype_of,
    has_contents,
    raw_of,
)
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class ModelInfer:
    """Answers from the data plane: raw tensors to a request with raw ones, typed to typed."""

    predictor: Predictor

    def __call__(
        self, request: inference.ModelInferRequest, watch: CallWatch
    ) -> inference.ModelInferResponse:
        """Answer one request.

        Raises:
            InvalidRequestError: tensors that do not hold together.
            Exception: as the data plane raises them.
        """
        call = InferCall(
            model_name=request.model_name,
            model_version=request.model_version,
            signature=request.parameters[SIGNATURE_PARAMETER].string_param
            if SIGNATURE_PARAMETER in request.parameters
            else "",
            inputs=_inputs(request),
            outputs=_outputs(request),
        )
        return _response(request, infer(self.predictor, call, watch))


def _inputs(request: inference.ModelInferRequest) -> dict[str, Array]:
    raw = request.raw_input_contents
    seen: set[str] = set()
    for tensor in request.inputs:
        check_new_input(tensor.name, seen)
        seen.add(tensor.name)
    if not raw:
        return {
            tensor.name: array_of_contents(tensor.name, tensor.datatype, tensor.shape, tensor.contents)
            for tensor in request.inputs
        }
    if len(raw) != len(request.inputs):
        raise InvalidRequestError(
            f"{len(request.inputs)} inputs, but {len(raw)} raw_input_contents: all inputs are raw, or none is"
        )
    return {
        tensor.name: array_of_raw(tensor.name, tensor.datatype, tensor.shape, content)
        for tensor, content in zip(request.inputs, raw, strict=True)
    }


def _outputs(request: inference.ModelInferRequest) -> Mapping[str, int]:
    outputs: dict[str, int] = {}
    for output in request.outputs:
        check_new_output(output.name, outputs)
        classes = CLASSIFICATION_PARAMETER in output.parameters
        outputs[output.name] = output.parameters[CLASSIFICATION_PARAMETER].int64_param if classes else 0
    return outputs


def _response(request: inference.ModelInferRequest, answer: InferResult) -> inference.ModelInferResponse:
    raw = bool(request.raw_input_contents) or not all(map(has_contents, answer.outputs.values()))
    return inference.ModelInferResponse(
        model_name=answer.servable_id.name,
        model_version=str(answer.servable_id.version),
        id=request.id,
        outputs=[
            inference.ModelInferResponse.InferOutputTensor(
                name=name,
                datatype=datatype_of(array.dtype.name),
                shape=array.shape,
                contents=None if raw else contents_of(array),
            )
            for name, array in answer.outputs.items()
        ],
        raw_output_contents=[raw_of(array) for array in answer.outputs.values()] if raw else [],
    )
