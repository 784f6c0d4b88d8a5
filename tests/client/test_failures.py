"""Errors, retries and deadlines, against a real server."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from tests.ports import held_ports

from accelserve.client import (
    AccessDeniedError,
    CallError,
    CancelledError,
    ClientClosedError,
    DeadlineError,
    InvalidRequestError,
    MessageTooLargeError,
    ModelNotFoundError,
    OverloadedError,
    PredictionClient,
    RetryPolicy,
    ServerError,
    UnavailableError,
)
from accelserve.protos import google_rpc
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import from_array

from .peer import QUICK_RETRY, Answer, Peer, image_lengths, start

Metadata = tuple[tuple[str, str | bytes], ...]


def failing(times: int, code: grpc.StatusCode, metadata: Metadata = ()) -> Answer:
    """Fails so many calls, then answers."""
    lock = threading.Lock()
    left = [times]

    def answer(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        with lock:
            left[0] -= 1
            fails = left[0] >= 0
        if fails:
            context.set_trailing_metadata(metadata)
            context.abort(code, "The reason.")
        return image_lengths(request, context)

    return answer


def retry_info(milliseconds: int) -> Metadata:
    info = google_rpc.RetryInfo()
    info.retry_delay.FromMilliseconds(milliseconds)
    status = google_rpc.Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="The reason.")
    status.details.add().Pack(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (grpc.StatusCode.FAILED_PRECONDITION, InvalidRequestError),
        (grpc.StatusCode.OUT_OF_RANGE, InvalidRequestError),
        (grpc.StatusCode.NOT_FOUND, ModelNotFoundError),
        (grpc.StatusCode.UNAUTHENTICATED, AccessDeniedError),
        (grpc.StatusCode.PERMISSION_DENIED, AccessDeniedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineError),
        (grpc.StatusCode.INTERNAL, ServerError),
        (grpc.StatusCode.UNKNOWN, ServerError),
        (grpc.StatusCode.DATA_LOSS, ServerError),
        (grpc.StatusCode.UNIMPLEMENTED, ServerError),
        (grpc.StatusCode.ABORTED, ServerError),
    ],
    ids=lambda value: value.name if isinstance(value, grpc.StatusCode) else "",
)
def test_what_another_attempt_cannot_cure_is_raised_at_once(
    peer: Peer, client: PredictionClient, code: grpc.StatusCode, error: type[CallError]
) -> None:
    peer.answer = failing(1, code)
    with pytest.raises(error) as caught:
        client.score_image(b"1")
    failure = caught.value
    assert type(failure) is error
    assert (failure.code, failure.details, failure.attempts) == (code, "The reason.", 1)
    assert failure.retry_after_s is None
    assert str(failure) == f"Predict at 127.0.0.1:{peer.port} failed: {code.name}: The reason."
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "metadata",
    [(("grpc-retry-pushback-ms", "1"),), retry_info(1)],
    ids=["pushback", "retry-info"],
)
def test_overload_is_retried_when_the_server_says_when(
    peer: Peer, client: PredictionClient, metadata: Metadata
) -> None:
    peer.answer = failing(2, grpc.StatusCode.RESOURCE_EXHAUSTED, metadata)
    assert client.score_image(b"123", outputs="lengths") == 3
    assert len(peer.requests) == 3


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_unavailability_is_retried(peer: Peer, client: PredictionClient, code: grpc.StatusCode) -> None:
    """CANCELLED is a gRPC server's word for it while it closes."""
    peer.answer = failing(3, code)
    assert client.score_image(b"123", outputs="lengths") == 3
    assert len(peer.requests) == 4


@pytest.mark.parametrize(
    ("code", "error"),
    [(grpc.StatusCode.UNAVAILABLE, UnavailableError), (grpc.StatusCode.CANCELLED, CancelledError)],
)
def test_retries_come_to_an_end(
    peer: Peer, client: PredictionClient, code: grpc.StatusCode, error: type[CallError]
) -> None:
    peer.answer = failing(100, code)
    with pytest.raises(error, match=rf"failed after 4 attempts: {code.name}: The reason\.") as caught:
        client.score_image(b"1")
    assert caught.value.attempts == len(peer.requests) == 4


@pytest.mark.parametrize("pushback", ["-1", "soon"])
def test_a_server_may_forbid_retries(peer: Peer, client: PredictionClient, pushback: str) -> None:
    peer.answer = failing(100, grpc.StatusCode.UNAVAILABLE, (("grpc-retry-pushback-ms", pushback),))
    with pytest.raises(UnavailableError):
        client.score_image(b"1")
    assert len(peer.requests) == 1


def test_a_wait_beyond_the_deadline_is_not_begun(peer: Peer, client: PredictionClient) -> None:
    peer.answer = failing(100, grpc.StatusCode.RESOURCE_EXHAUSTED, retry_info(3_600_000))
    with pytest.raises(OverloadedError) as caught:
        client.score_image(b"1", timeout=30)
    assert caught.value.retry_after_s == 3600
    assert len(peer.requests) == 1


def test_a_server_without_an_answer_in_time_is_a_deadline_error(peer: Peer, client: PredictionClient) -> None:
    released = threading.Event()

    def stuck(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        released.wait(60)
        return serving.PredictResponse()

    peer.answer = stuck
    try:
        with pytest.raises(DeadlineError) as caught:
            client.score_image(b"1", timeout=0.2)
    finally:
        released.set()
    assert caught.value.attempts == 1


def test_the_clients_deadline_reaches_the_server(peer: Peer) -> None:
    remaining: list[float] = []

    def note(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        remaining.append(context.time_remaining())
        return image_lengths(request, context)

    peer.answer = note
    with PredictionClient("127.0.0.1", peer.port, timeout_s=1000) as client:
        client.score_image(b"1")
        client.score_image(b"1", timeout=100)
        client.score_image(b"1", timeout=math.inf)
    by_client, by_call, endless = remaining
    # gRPC sends a deadline with two digits or so, rounded up.
    assert 200 < by_client < 1100
    assert by_call < 110
    assert endless > 1e7


def test_a_request_larger_than_the_clients_limit_is_not_sent(peer: Peer) -> None:
    with (
        PredictionClient("127.0.0.1", peer.port, max_message_bytes=1000, retry=QUICK_RETRY) as client,
        pytest.raises(MessageTooLargeError, match="larger than max") as caught,
    ):
        client.score_image(bytes(2000))
    assert caught.value.attempts == 1
    assert peer.requests == []


def test_an_answer_larger_than_the_clients_limit_is_refused_once(peer: Peer) -> None:
    def large(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        return serving.PredictResponse(outputs={"pixels": from_array(np.zeros(1000, np.float32))})

    peer.answer = large
    with (
        PredictionClient("127.0.0.1", peer.port, max_message_bytes=1000, retry=QUICK_RETRY) as client,
        pytest.raises(MessageTooLargeError, match="larger than max") as caught,
    ):
        client.score_image(b"1")
    assert caught.value.attempts == 1


@pytest.mark.parametrize(
    "words",
    [
        "Received message larger than max (4194305 vs. 4194304)",
        "SERVER: Received message larger than max (8 vs. 4)",
        "grpc: received message larger than max (8 vs. 4)",
        "gRPC message exceeds maximum size 4: 8",
        "Received message exceeds the maximum configured message size.",
    ],
    ids=["core", "core-newer", "go", "java", "dotnet"],
)
def test_a_request_larger_than_the_servers_limit_has_the_same_error(
    peer: Peer, client: PredictionClient, words: str
) -> None:
    """In the words of gRPC's implementations, which have no status for it."""

    def refuse(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)

    peer.answer = refuse
    with pytest.raises(MessageTooLargeError):
        client.score_image(b"1")
    assert len(peer.requests) == 1


def test_a_server_that_comes_up_late_is_waited_for() -> None:
    peer = Peer()
    patient = RetryPolicy(max_attempts=10_000, initial_backoff_s=0.01, max_backoff_s=0.05)
    with (
        held_ports() as (port,),
        ThreadPoolExecutor(1) as pool,
        PredictionClient("127.0.0.1", port, retry=patient) as client,
    ):
        with pytest.raises(UnavailableError):
            PredictionClient("127.0.0.1", port, retry=RetryPolicy(max_attempts=1)).score_image(b"1")
        waiting = pool.submit(client.score_image, b"123", outputs="lengths")
        server = start(peer, address=f"127.0.0.1:{port}")
        assert waiting.result(60) == 3
        server.stop(None).wait()


def test_a_server_that_restarts_is_found_again() -> None:
    peer = Peer()
    patient = RetryPolicy(max_attempts=1000, initial_backoff_s=0.01, max_backoff_s=0.05)
    with held_ports() as (port,), PredictionClient("127.0.0.1", port, retry=patient) as client:
        for _ in range(2):
            server = start(peer, address=f"127.0.0.1:{port}")
            client.score_image(b"1")
            server.stop(None).wait()
    assert len(peer.requests) == 2


def blocked_call(peer: Peer) -> tuple[Answer, Callable[[], None], threading.Event]:
    arrived, released = threading.Event(), threading.Event()

    def answer(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        arrived.set()
        released.wait(60)
        return image_lengths(request, context)

    return answer, released.set, arrived


def test_closing_ends_calls_under_way(peer: Peer, client: PredictionClient) -> None:
    peer.answer, release, arrived = blocked_call(peer)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.score_image, b"1")
        assert arrived.wait(60)
        client.close()
        try:
            with pytest.raises(ClientClosedError, match="is closed"):
                call.result(60)
        finally:
            release()


def test_closing_ends_a_wait_between_attempts(peer: Peer) -> None:
    peer.answer = failing(100, grpc.StatusCode.UNAVAILABLE, (("grpc-retry-pushback-ms", "3000000"),))
    client = PredictionClient("127.0.0.1", peer.port, timeout_s=36_000)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.score_image, b"1")
        while not peer.requests:
            assert not call.done()
        client.close()
        with pytest.raises(ClientClosedError):
            call.result(60)


def test_a_closed_client_stays_closed(peer: Peer, client: PredictionClient) -> None:
    client.close()
    client.close()
    with pytest.raises(ClientClosedError):
        client.score_image(b"1")


def test_one_client_serves_many_threads(peer: Peer, client: PredictionClient) -> None:
    def call(length: int) -> bool:
        return bool(client.score_image(bytes(length), outputs="lengths") == length)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(200)))
    assert len(peer.requests) == 200
