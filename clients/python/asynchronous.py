"""The client for asyncio: every call is a coroutine."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
import numpy.typing as npt
from google.protobuf.message import Message

from accelserve.client.asyncio_channel import AsyncioChannel
from accelserve.client.base import BaseClient, Exchange
from accelserve.client.description import ModelDescription, VersionStatus
from accelserve.client.prediction import ModelSelection, RawTensor, Scores, without_batch
from accelserve.client.retry import OUT_OF_TIME, failure_of
from accelserve.protos import tensorflow_serving as serving

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
ResultT = TypeVar("ResultT")


class AsyncPredictionClient(BaseClient):
    """`PredictionClient` for asyncio: the same arguments, methods, results and errors, but the methods are coroutines.

    Made and used inside one running event loop. Calls may run at the same time, over one connection. In a process that
    was forked from one with such a client, calls go over threads of gRPC's instead.
    """

    def _open(self) -> None:
        self._closed = asyncio.Event()
        self._channel = AsyncioChannel(self._connection)

    async def score_file(
        self,
        path: str | Path,
        input_name: str = "images",
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_file`. The file is read in a thread."""
        image = await asyncio.to_thread(Path(path).read_bytes)
        return await self.score_image(image, input_name, outputs, timeout, model=model)

    async def score_image(
        self,
        image: bytes,
        input_name: str = "images",
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_image`."""
        return without_batch(await self.score_images([image], input_name, outputs, timeout, model=model))

    async def score_images(
        self,
        images: Sequence[bytes],
        input_name: str = "images",
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_images`."""
        return await self._send(self._images(images, input_name, outputs, model), timeout)

    async def score_numpy_arrays(
        self,
        input_map: Mapping[str, npt.ArrayLike],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_numpy_arrays`."""
        return await self._send(self._arrays(input_map, outputs, model), timeout)

    async def score_tensors(
        self,
        input_map: Mapping[str, RawTensor],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_tensors`."""
        return await self._send(self._tensors(input_map, outputs, model), timeout)

    async def predict(
        self, request: serving.PredictRequest, timeout: float | None = None
    ) -> serving.PredictResponse:
        """See `PredictionClient.predict`."""
        return await self._send(self._prediction(request), timeout)

    async def describe_model(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> ModelDescription:
        """See `PredictionClient.describe_model`."""
        return await self._send(self._description(model), timeout)

    async def model_status(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> tuple[VersionStatus, ...]:
        """See `PredictionClient.model_status`."""
        return await self._send(self._status(model), timeout)

    async def close(self) -> None:
        """Closes the connection. Calls that are under way fail with ClientClosedError. May be called again."""
        self._closed.set()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, exchange: Exchange[RequestT, ResponseT, ResultT], timeout: float | None) -> ResultT:
        return exchange.read(await self._response(exchange, timeout))

    async def _response(
        self, exchange: Exchange[RequestT, ResponseT, ResultT], timeout: float | None
    ) -> ResponseT:
        budget = self._budget(timeout)
        while True:
            try:
                self._check_open()
                return await self._channel.call(exchange.method, exchange.request, budget.begin_attempt())
            except (grpc.RpcError, TimeoutError) as error:
                self._check_open()
                failure = OUT_OF_TIME if isinstance(error, TimeoutError) else failure_of(error)
                wait_s = self._wait_s(budget, failure, exchange.method.path, error)
            except asyncio.CancelledError:
                # A closed channel cancels its calls; a caller who cancels has not closed the client.
                self._check_open()
                raise
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), wait_s)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise self._closed_error()
