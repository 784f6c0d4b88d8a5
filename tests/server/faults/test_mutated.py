"""Requests that were bent in every way: each gets an answer or a reason, and the next one is answered as ever."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelserve.protos import inference
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import InferenceService, ModelService, PredictionService
from accelserve.protos.tensors import from_array, from_strings

Serve = Callable[..., SimpleNamespace]
CODE = grpc.StatusCode
PIXEL = from_array(np.full((1, 8, 8, 3), 7.0, np.float32))
GOOD = serving.PredictRequest(inputs={"images": PIXEL}, output_filter=["brightest"])
# The caller's fault, or in one case the server's own limit; never INTERNAL, UNKNOWN or UNAVAILABLE.
REASONS = {
    CODE.INVALID_ARGUMENT,
    CODE.NOT_FOUND,
    CODE.FAILED_PRECONDITION,
    CODE.RESOURCE_EXHAUSTED,
    CODE.UNIMPLEMENTED,
}


def messages(jpeg: bytes) -> dict[str, bytes]:
    """A good message of every method that takes pictures or names, by path."""
    spec = serving.ModelSpec(name="colour", signature_name="serving_default")
    picture = tf.Feature(bytes_list=tf.BytesList(value=[jpeg]))
    example = tf.Example(features=tf.Features(feature={"image/encoded": picture}))
    examples = serving.Input(example_list=serving.ExampleList(examples=[example]))
    infer = inference.ModelInferRequest(
        model_name="colour",
        inputs=[
            inference.ModelInferRequest.InferInputTensor(
                name="images",
                datatype="BYTES",
                shape=[1],
                contents=inference.InferTensorContents(bytes_contents=[jpeg]),
            )
        ],
    )
    service = PredictionService
    return {
        service.PREDICT.path: serving.PredictRequest(
            model_spec=spec, inputs={"images": from_strings([jpeg])}
        ).SerializeToString(),
        service.CLASSIFY.path: serving.ClassificationRequest(
            model_spec=spec, input=examples
        ).SerializeToString(),
        service.REGRESS.path: serving.RegressionRequest(model_spec=spec, input=examples).SerializeToString(),
        service.GET_MODEL_METADATA.path: serving.GetModelMetadataRequest(
            model_spec=spec, metadata_field=["signature_def"]
        ).SerializeToString(),
        ModelService.GET_MODEL_STATUS.path: serving.GetModelStatusRequest(
            model_spec=spec
        ).SerializeToString(),
        InferenceService.MODEL_INFER.path: infer.SerializeToString(),
    }


def mutated(draw: st.DrawFn, message: bytes) -> bytes:
    """Bytes changed, cut out, put in, doubled; mostly near the beginning, where lengths and tags are."""
    data = bytearray(message)
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, min(len(data), 300)))
        kind = draw(st.sampled_from(("change", "cut", "insert", "repeat", "end")))
        if kind == "change" and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place : place + draw(st.integers(1, 20))]
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=20))
        elif kind == "repeat":
            data[place:place] = data[place : place + draw(st.integers(1, 200))]
        else:
            del data[place:]
    return bytes(data)


@pytest.fixture
def server(serve: Serve, scoring_network: type) -> SimpleNamespace:
    """One server for all examples of a property."""
    return serve(network=scoring_network)


def bend(server: SimpleNamespace, jpeg: bytes, data: st.DataObject) -> None:
    originals = messages(jpeg[:2000])
    path = data.draw(st.sampled_from(sorted(originals)))
    message = mutated(data.draw, originals[path])  # type: ignore[arg-type]  # a DataObject's draw is one
    try:
        server.channel.unary_unary(path)(message, timeout=60)
    except grpc.RpcError as caught:
        assert caught.code() in REASONS, (path, message, caught)  # noqa: PT017 - an answer is right too
    answer = PredictionService.PREDICT.stub(server.channel)(GOOD, timeout=60)
    assert list(answer.outputs["brightest"].int_val) == [7, 7, 7]


BENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@settings(BENT, max_examples=200)
@given(data=st.data())
def test_bent_requests(server: SimpleNamespace, jpeg: bytes, data: st.DataObject) -> None:
    bend(server, jpeg, data)


@pytest.mark.soak
@settings(BENT, max_examples=10_000)
@given(data=st.data())
def test_ten_thousand_bent_requests(server: SimpleNamespace, jpeg: bytes, data: st.DataObject) -> None:
    bend(server, jpeg, data)
