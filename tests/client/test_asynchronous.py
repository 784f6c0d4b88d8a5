"""The asyncio client: the same results, errors, retries and end as the other one."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

from accelserve.client import (
    AsyncPredictionClient,
    ClientClosedError,
    DeadlineError,
    InvalidRequestError,
    ModelSelection,
    UnavailableError,
    UnexpectedResponseError,
)
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import UnaryMethod

from .peer import QUICK_RETRY, Peer, image_lengths


def client_of(peer: Peer) -> AsyncPredictionClient:
    return AsyncPredictionClient("127.0.0.1", peer.port, retry=QUICK_RETRY, timeout_s=60)


def test_every_way_to_score(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"12345")

    async def scenario() -> None:
        async with client_of(peer) as client:
            assert client.model == ModelSelection()
            assert await client.score_file(tmp_path / "photo.jpg", outputs="lengths") == 5
            assert list(await client.score_image(b"12")) == ["doubled", "lengths"]
            batch = await client.score_images([b"1", b"22"], outputs="doubled")
            np.testing.assert_array_equal(batch, [[2], [4]])
            images = np.array([b"1", b"22"], dtype=object)
            np.testing.assert_array_equal(
                await client.score_numpy_arrays({"images": images}, "doubled"), [[2], [4]]
            )
            raw = {"images": ([b"1", b"22"], [2], int(tf.DT_STRING))}
            np.testing.assert_array_equal(await client.score_tensors(raw, "doubled"), [[2], [4]])
            response = await client.predict(peer.requests[0])
            assert set(response.outputs) == {"lengths"}

    asyncio.run(scenario())


def test_calls_run_at_the_same_time(peer: Peer) -> None:
    # Every answer waits for all eight calls: one after the other they would never end.
    together = threading.Barrier(8)

    def answer(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        together.wait(60)
        return image_lengths(request, context)

    peer.answer = answer

    async def scenario() -> None:
        async with client_of(peer) as client:
            calls = [client.score_image(bytes(length), outputs="lengths") for length in range(8)]
            assert [float(np.asarray(result).item()) for result in await asyncio.gather(*calls)] == list(
                range(8)
            )

    asyncio.run(scenario())


def test_unavailability_is_retried_and_mistakes_are_not(peer: Peer) -> None:
    codes = iter([grpc.StatusCode.UNAVAILABLE] * 2)

    def answer(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        code = next(codes, None)
        if code is not None:
            context.abort(code, "The reason.")
        return image_lengths(request, context)

    async def scenario() -> None:
        async with client_of(peer) as client:
            peer.answer = answer
            assert await client.score_image(b"123", outputs="lengths") == 3
            assert len(peer.requests) == 3
            peer.answer = lambda request, context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Bad.")
            with pytest.raises(InvalidRequestError, match=r"Bad\."):
                await client.score_image(b"1")
            assert len(peer.requests) == 4
            peer.answer = lambda request, context: context.abort(grpc.StatusCode.UNAVAILABLE, "Gone.")
            with pytest.raises(UnavailableError, match="4 attempts"):
                await client.score_image(b"1")

    asyncio.run(scenario())


def test_models_are_described(peer: Peer) -> None:
    peer.status_answer.model_version_status.add(version=1, state=serving.ModelVersionStatus.AVAILABLE)

    async def scenario() -> None:
        async with client_of(peer) as client:
            (status,) = await client.model_status()
            assert (status.version, status.state) == (1, "AVAILABLE")
            with pytest.raises(UnexpectedResponseError):
                await client.describe_model()

    asyncio.run(scenario())


def test_closing_ends_calls_under_way(peer: Peer) -> None:
    arrived, released = threading.Event(), threading.Event()

    def answer(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        arrived.set()
        released.wait(60)
        return image_lengths(request, context)

    peer.answer = answer

    async def scenario() -> None:
        client = client_of(peer)
        call = asyncio.create_task(client.score_image(b"1"))
        assert await asyncio.to_thread(arrived.wait, 60)
        await client.close()
        with pytest.raises(ClientClosedError):
            await call
        with pytest.raises(ClientClosedError):
            await client.score_image(b"1")

    try:
        asyncio.run(scenario())
    finally:
        released.set()


def test_a_caller_may_cancel(peer: Peer) -> None:
    arrived, released = threading.Event(), threading.Event()

    def answer(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
        context.add_callback(released.set)
        arrived.set()
        assert released.wait(60)
        return image_lengths(request, context)

    peer.answer = answer

    async def scenario() -> None:
        async with client_of(peer) as client:
            call = asyncio.create_task(client.score_image(b"1"))
            assert await asyncio.to_thread(arrived.wait, 60)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            # The server hears of it: that is what ends its wait.
            assert await asyncio.to_thread(released.wait, 60)

    asyncio.run(scenario())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_beside_an_open_client_is_answered(peer: Peer) -> None:
    """grpc.aio itself never answers there (grpcio 1.85.1), and its deadlines do not end a call either."""
    program = Path(__file__).with_name("fork_with_asyncio.py")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = subprocess.run(
            [sys.executable, program, str(peer.port), str(silent.getsockname()[1])],
            check=True,
            capture_output=True,
            text=True,
            timeout=240,
        )
    said: dict[str, object] = {}
    for line in result.stdout.splitlines():
        said |= json.loads(line)
    assert said.pop("silent server") in ("DeadlineError", "UnavailableError")
    assert said == {
        "parent": "2",
        "new client": "2",
        "inherited client": "2",
        "many calls": ["2"] * 20,
        "cancelled call": "cancelled",
        "parent, after": "2",
    }


def test_a_call_that_grpc_forgets_ends_in_time(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where other code used grpc.aio before the fork, of which the client knows nothing."""

    async def forgotten(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(UnaryMethod, "aio_stub", lambda *_: forgotten)

    async def scenario() -> None:
        async with client_of(peer) as client:
            with pytest.raises(DeadlineError):
                await client.score_image(b"1", timeout=0.05)

    asyncio.run(scenario())
