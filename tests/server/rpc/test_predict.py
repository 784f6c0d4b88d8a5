"""Predict over a real socket: every form of input that clients send, and what they get back."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.server.waiting import queued_images, until, waiting_images

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array, from_strings, to_array
from accelserve.server.config import BatchingConfig
from accelserve.server.core.servable import ServableId

Serve = Callable[..., SimpleNamespace]
COLOUR = ServableId("colour", 1)


def solid(red: int, green: int, blue: int) -> bytes:
    """A PNG of one colour, which survives any resampling."""
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


def request(
    tensor: tf.TensorProto, *outputs: str, name: str = "colour", alias: str = "images", signature: str = ""
) -> serving.PredictRequest:
    return serving.PredictRequest(
        model_spec=serving.ModelSpec(name=name, signature_name=signature),
        inputs={alias: tensor},
        output_filter=outputs,
    )


def predict(server: SimpleNamespace, message: serving.PredictRequest) -> serving.PredictResponse:
    return PredictionService.PREDICT.stub(server.channel)(message, timeout=60)


def means(response: serving.PredictResponse, name: str = "output_alias") -> NDArray[np.generic]:
    return to_array(response.outputs[name])


def request_threads() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith("grpc_")}


def test_the_first_request_waits_for_no_thread_to_start(serve: Serve) -> None:
    server = serve()
    before = request_threads()
    predict(server, request(from_strings([solid(10, 20, 30)])))
    assert before
    assert request_threads() == before


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)], ids=str)
def test_one_encoded_picture(serve: Serve, shape: tuple[int, ...]) -> None:
    response = predict(serve(), request(from_strings([solid(10, 20, 30)], shape)))
    assert means(response).tolist() == [[10, 20, 30]]


@pytest.mark.parametrize("shape", [(2,), (2, 1)], ids=str)
def test_several_encoded_pictures(serve: Serve, shape: tuple[int, ...]) -> None:
    response = predict(serve(), request(from_strings([solid(1, 2, 3), solid(7, 8, 9)], shape)))
    assert means(response).tolist() == [[1, 2, 3], [7, 8, 9]]


def test_a_photograph(serve: Serve, jpeg: bytes, photo: bytes) -> None:
    server = serve()
    response = predict(server, request(from_strings([jpeg, photo])))
    expected = server.loader.loaded[COLOUR]
    alone = [expected.run(expected.decode([data]).complete())["colour/mean:0"][0] for data in (jpeg, photo)]
    np.testing.assert_array_equal(means(response), np.stack(alone))


def test_preprocessed_floats(serve: Serve) -> None:
    tensor = np.full((2, 8, 8, 3), (4.0, 5.0, 6.0), np.float32)
    response = predict(serve(), request(from_array(tensor)))
    assert means(response).tolist() == [[4, 5, 6], [4, 5, 6]]


def test_preprocessed_floats_with_channels_first(serve: Serve) -> None:
    """As clients of ONNX servers send them, whose networks read [N, C, H, W]."""
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    server = serve()
    last = predict(server, request(from_array(images)))
    first = predict(server, request(from_array(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))))
    np.testing.assert_array_equal(means(first), means(last))
    assert len(set(means(last)[0])) > 1


@pytest.mark.parametrize("alias", ["images", "images:0"])
@pytest.mark.parametrize("output", ["output_alias", "colour/mean:0", "colour/mean"])
def test_aliases_and_tensor_names(serve: Serve, alias: str, output: str) -> None:
    response = predict(serve(), request(from_strings([solid(1, 2, 3)]), output, alias=alias))
    assert dict(response.outputs).keys() == {output}
    assert means(response, output).tolist() == [[1, 2, 3]]


def test_no_filter_means_every_output(serve: Serve) -> None:
    response = predict(serve(), request(from_strings([solid(1, 2, 3)])))
    assert dict(response.outputs).keys() == {"output_alias", "brightest"}
    assert to_array(response.outputs["brightest"]).dtype == np.uint8


def test_the_response_names_what_answered(serve: Serve) -> None:
    response = predict(serve(models={"colour": {3: "1.0"}}), request(from_strings([solid(1, 2, 3)])))
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("colour", 3, "serving_default")


def test_a_second_signature(serve: Serve) -> None:
    response = predict(serve(), request(from_strings([solid(1, 2, 3)]), signature="features"))
    assert dict(response.outputs).keys() == {"output_alias"}
    assert response.model_spec.signature_name == "features"


@pytest.mark.parametrize("spec", [None, serving.ModelSpec()], ids=["absent", "empty"])
def test_without_a_model_spec_the_only_model_answers(serve: Serve, spec: serving.ModelSpec | None) -> None:
    message = serving.PredictRequest(model_spec=spec, inputs={"images": from_strings([solid(1, 2, 3)])})
    response = predict(serve(), message)
    assert means(response).tolist() == [[1, 2, 3]]
    assert response.model_spec.name == "colour"


@pytest.mark.parametrize("spec", [None, serving.ModelSpec()], ids=["absent", "empty"])
def test_without_a_model_spec_the_model_called_default_answers(
    serve: Serve, spec: serving.ModelSpec | None
) -> None:
    server = serve(models={"colour": {1: "1.0"}, "default": {1: "2.0"}})
    message = serving.PredictRequest(model_spec=spec, inputs={"images": from_strings([solid(1, 2, 3)])})
    assert means(predict(server, message)).tolist() == [[2, 4, 6]]


def test_answers_are_typed_fields_by_default(serve: Serve) -> None:
    tensor = predict(serve(), request(from_strings([solid(1, 2, 3)] * 2))).outputs["output_alias"]
    assert list(tensor.float_val) == [1, 2, 3, 1, 2, 3]
    assert tensor.tensor_content == b""


def test_answers_are_raw_bytes_on_demand(serve: Serve) -> None:
    tensor = predict(serve(tensor_content=True), request(from_strings([solid(1, 2, 3)]))).outputs[
        "output_alias"
    ]
    assert tensor.tensor_content == np.array([1, 2, 3], "<f4").tobytes()
    assert list(tensor.float_val) == []


def test_a_bad_picture_fails_only_its_own_request(serve: Serve) -> None:
    server = serve()
    network = server.loader.loaded[COLOUR]
    network.open.clear()
    call = PredictionService.PREDICT.stub(server.channel)
    held = call.future(request(from_strings([solid(9, 9, 9)])), timeout=60)
    network.entered.acquire()
    bad = call.future(request(from_strings([solid(1, 1, 1), b"no picture"])), timeout=60)
    good = call.future(request(from_strings([solid(2, 2, 2)])), timeout=60)
    with pytest.raises(grpc.RpcError) as caught:
        bad.result()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    network.open.set()
    assert means(held.result()).tolist() == [[9, 9, 9]]
    assert means(good.result()).tolist() == [[2, 2, 2]]


def test_overload_is_refused_with_a_retry_hint(serve: Serve) -> None:
    server = serve(batching=BatchingConfig(max_queued_images=1))
    network = server.loader.loaded[COLOUR]
    network.open.clear()
    call = PredictionService.PREDICT.stub(server.channel)
    held = call.future(request(from_strings([solid(9, 9, 9)])), timeout=60)
    network.entered.acquire()
    with pytest.raises(grpc.RpcError) as caught:
        call(request(from_strings([solid(1, 1, 1)])), timeout=60)
    network.open.set()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    hints = {item.key: item.value for item in caught.value.trailing_metadata()}
    assert int(hints["grpc-retry-pushback-ms"]) >= 1
    assert means(held.result()).tolist() == [[9, 9, 9]]


@pytest.mark.parametrize(("side_by_side", "batches"), [(None, [1, 4]), (2, [1, 2, 2]), (8, [1, 1, 1, 1, 1])])
def test_what_queued_up_is_computed_as_the_device_gains_by_it(
    serve: Serve, side_by_side: int | None, batches: list[int]
) -> None:
    server = serve()
    network = server.loader.loaded[COLOUR]
    network.side_by_side = side_by_side
    network.open.clear()
    call = PredictionService.PREDICT.stub(server.channel)
    held = call.future(request(from_strings([solid(9, 9, 9)])), timeout=60)
    network.entered.acquire()
    queued = [call.future(request(from_strings([solid(grey, 0, 0)])), timeout=60) for grey in range(4)]
    until(lambda: queued_images(server) == 4)
    network.open.set()
    assert means(held.result()).tolist() == [[9, 9, 9]]
    assert [means(each.result()).tolist() for each in queued] == [[[grey, 0, 0]] for grey in range(4)]
    assert network.batches == batches


def arrived_or_done(server: SimpleNamespace, second: Any) -> bool:
    return waiting_images(server) == 2 or bool(second.done())


def test_work_for_a_client_that_left_is_not_done(serve: Serve) -> None:
    server = serve()
    network = server.loader.loaded[COLOUR]
    network.open.clear()
    call = PredictionService.PREDICT.stub(server.channel)
    held = call.future(request(from_strings([solid(9, 9, 9)])), timeout=60)
    network.entered.acquire()
    for seconds in (0.2, 2, 20):  # one that has come by then
        late = call.future(request(from_strings([solid(1, 1, 1)])), timeout=seconds)
        until(partial(arrived_or_done, server, late))
        if not late.done():
            break
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: waiting_images(server) == 1)  # the server's own clock says so a little later
    network.open.set()
    held.result()
    predict(server, request(from_strings([solid(2, 2, 2)])))
    assert sum(network.batches) == 2


def refused(call: Callable[..., serving.PredictResponse]) -> bool:
    """Whether the server takes nothing new; while it does, the request waits for the device in vain."""
    try:
        call(request(from_strings([solid(1, 1, 1)])), timeout=0.2)
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


def test_stopping_finishes_what_is_in_flight(serve: Serve) -> None:
    server = serve()
    network = server.loader.loaded[COLOUR]
    network.open.clear()
    call = PredictionService.PREDICT.stub(server.channel)
    held = call.future(request(from_strings([solid(9, 9, 9)])), timeout=60)
    network.entered.acquire()
    stopping = threading.Thread(target=server.server.stop)
    stopping.start()
    while not refused(call):
        pass
    network.open.set()
    assert means(held.result()).tolist() == [[9, 9, 9]]
    stopping.join()
    assert network.closed
