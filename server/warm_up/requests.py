"""Recorded requests, whatever their method, as calls of a servable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.dataplane.inputs import EncodedImages, Input, images_of
from accelserve.server.dataplane.outputs import wanted_outputs
from accelserve.server.dataplane.predictor import signature_of
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.examples import images_of_examples
from accelserve.server.protocols.tensorflow_serving.tensors import inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call of one signature.

    Attributes:
        signature: key; empty means ``serving_default``.
        inputs: by name; empty stands for ``examples``.
        outputs: names wanted back; empty means all.
        examples: encoded images of tf.Examples, for the signature's only input; or None.
    """

    signature: str
    inputs: Mapping[str, Input]
    outputs: Sequence[str] = ()
    examples: Array | None = None


def calls_of(record: bytes) -> list[RecordedCall]:
    """What a PredictionLog recorded.

    Raises:
        InvalidRequestError: no PredictionLog, one of a method that does not compute, or one that makes no sense.
    """
    try:
        log = serving.PredictionLog.FromString(record)
    except DecodeError as error:
        raise InvalidRequestError(f"no PredictionLog: {error}") from error
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        asked = log.predict_log.request
        return [
            RecordedCall(
                signature=asked.model_spec.signature_name,
                inputs=inputs_of(asked.inputs),
                outputs=tuple(asked.output_filter),
            )
        ]
    if kind == "classify_log":
        return _of_examples(log.classify_log.request.input, [log.classify_log.request.model_spec])
    if kind == "regress_log":
        return _of_examples(log.regress_log.request.input, [log.regress_log.request.model_spec])
    if kind == "multi_inference_log":
        several = log.multi_inference_log.request
        return _of_examples(several.input, [task.model_spec for task in several.tasks])
    raise InvalidRequestError(f"Unsupported log_type for warmup: {kind or 'none'}")


def replay(call: RecordedCall, servable: ImageServable, batch_images: int) -> None:
    """Take a call through decode, compute and post-processing; raises as the data plane does.

    Args:
        call: the call.
        servable: what is asked.
        batch_images: at most so many on the device at once.
    """
    key, signature = signature_of(servable, call.signature)
    inputs = call.inputs if call.examples is None else {next(iter(signature.inputs)): call.examples}
    images = images_of(signature, inputs, servable.input_shape, max_images=_ANY_NUMBER)
    aliases = list(dict.fromkeys(wanted_outputs(signature, call.outputs).values()))
    if isinstance(images, EncodedImages):
        pixels = servable.decode(images.images).complete()
    else:
        pixels = servable.quantize(images.tensor)
    for start in range(0, len(pixels), batch_images):
        servable.respond(key, servable.run(pixels[start : start + batch_images]), aliases)


def _of_examples(examples: serving.Input, specs: Sequence[serving.ModelSpec]) -> list[RecordedCall]:
    images = images_of_examples(examples)
    return [RecordedCall(signature=spec.signature_name, inputs={}, examples=images) for spec in specs]


# Whoever wrote the file may have asked for more at once than callers may now.
_ANY_NUMBER = 1 << 30
