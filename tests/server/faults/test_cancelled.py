"""A caller may leave at any stage; what it asked for is dropped, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from tests.server.waiting import until, waiting_images

from accelserve.kernels.preprocess import ImageError
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array, from_strings
from accelserve.server.core.servable import ServableId
from accelserve.server.scheduler.watch import CallWatch

Serve = Callable[..., SimpleNamespace]
PREDICT = PredictionService.PREDICT
PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))
REQUEST = serving.PredictRequest(inputs={"images": PIXEL})


@pytest.fixture
def server(serve: Serve) -> Iterator[SimpleNamespace]:
    started = serve()
    started.network = started.loader.loaded[ServableId("colour", 1)]
    yield started
    started.network.open.set()  # a failed test must not hold its server up


def call(server: SimpleNamespace, request: serving.PredictRequest = REQUEST) -> Any:
    return PREDICT.stub(server.channel).future(request, timeout=60)


def check_nothing_is_left(server: SimpleNamespace) -> None:
    server.network.open.set()
    until(lambda: waiting_images(server) == 0)
    assert call(server).result().model_spec.version.value == 1
    (harness,) = server.server.registry._manager._models["colour"].values()
    until(lambda: harness.users == 0)


def test_before_the_message_is_whole(server: SimpleNamespace) -> None:
    sending = threading.Event()

    def half() -> Any:
        sending.set()
        threading.Event().wait(0.01)
        yield b"never"

    stub = server.channel.stream_unary(PREDICT.path)
    begun = stub.future(half(), timeout=60)
    sending.wait()
    begun.cancel()
    check_nothing_is_left(server)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once the server has heard that a caller left, which is some time after the caller did."""
    event, cancel = threading.Event(), CallWatch.cancel

    def told(watch: CallWatch) -> None:
        cancel(watch)
        event.set()

    monkeypatch.setattr(CallWatch, "cancel", told)
    return event


def test_while_it_decodes(
    server: SimpleNamespace, heard: threading.Event, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    decode = server.network.decode

    def slow(images: Any, clock: Any) -> list[Any | ImageError]:
        inside.set()
        go_on.wait()
        return list(decode(images, clock))

    monkeypatch.setattr(server.network, "decode", slow)
    begun = call(server, serving.PredictRequest(inputs={"images": from_strings([jpeg])}))
    inside.wait()
    before = list(server.network.batches)
    begun.cancel()
    heard.wait()
    go_on.set()
    check_nothing_is_left(server)
    assert server.network.batches == [
        *before,
        1,
    ]  # the check's own image: the cancelled one was never computed


def test_while_it_waits_for_the_device(server: SimpleNamespace) -> None:
    server.network.open.clear()
    first = call(server)
    server.network.entered.acquire()
    queued = [call(server) for _ in range(5)]
    until(lambda: waiting_images(server) == 6)
    for one in queued:
        one.cancel()
    until(lambda: waiting_images(server) == 1)  # they leave while the device is still busy
    server.network.open.set()
    first.result()
    assert server.network.batches == [1]
    check_nothing_is_left(server)


def test_while_it_computes(server: SimpleNamespace) -> None:
    server.network.open.clear()
    begun = call(server)
    server.network.entered.acquire()
    begun.cancel()
    check_nothing_is_left(server)


def test_when_its_connection_breaks(server: SimpleNamespace) -> None:
    server.network.open.clear()
    with grpc.insecure_channel(f"127.0.0.1:{server.server.port}") as channel:
        begun = PREDICT.stub(channel).future(REQUEST, timeout=60)
        server.network.entered.acquire()
    assert begun.code() is grpc.StatusCode.CANCELLED
    check_nothing_is_left(server)
