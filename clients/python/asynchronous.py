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
from accelserve.client.connection import DEFAULT_MAX_MESSAGE_BYTES, TlsOptions, connection
from accelserve.client.description import (
    SIGNATURE_FIELD,
    ModelDescription,
    VersionStatus,
    model_description,
    version_statuses,
)
from accelserve.client.errors import ClientClosedError
from accelserve.client.prediction import (
    ModelSelection,
    RawTensor,
    Scores,
    arrays_request,
    images_request,
    scores,
    tensors_request,
    without_batch,
)
from accelserve.client.retry import OUT_OF_TIME, CallBudget, RetryPolicy, failure_of
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService, UnaryMethod

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


class AsyncPredictionClient:
    """`PredictionClient` for asyncio: the same arguments, methods, results and errors, but the methods are coroutines.

    Made and used inside one running event loop. Calls may run at the same time, over one connection. In a process that
    was forked from one with such a client, calls go over threads of gRPC's instead.
    """

    def __init__(
        self,
        address: str,
        port: int | None = None,
        use_ssl: bool = False,
        access_token: str = "",
        service_name: str = "",
        *,
        model: ModelSelection | None = None,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        tls: TlsOptions | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    ) -> None:
        self._connection = connection(
            address,
            port,
            use_ssl=use_ssl,
            tls=tls,
            access_token=access_token,
            service_name=service_name,
            max_message_bytes=max_message_bytes,
        )
        self._model = model if model is not None else ModelSelection()
        self._timeout_s = timeout_s
        self._retry = retry if retry is not None else RetryPolicy()
        self._closed = asyncio.Event()
        self._channel = AsyncioChannel(self._connection)

    @property
    def model(self) -> ModelSelection:
        """Which model answers when a call does not say."""
        return self._model

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
        selected = self._model if model is None else model
        request = images_request(images, input_name=input_name, model=selected, outputs=outputs)
        return await self._scores(request, outputs, timeout)

    async def score_numpy_arrays(
        self,
        input_map: Mapping[str, npt.ArrayLike],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_numpy_arrays`."""
        selected = self._model if model is None else model
        return await self._scores(
            arrays_request(input_map, model=selected, outputs=outputs), outputs, timeout
        )

    async def score_tensors(
        self,
        input_map: Mapping[str, RawTensor],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """See `PredictionClient.score_tensors`."""
        selected = self._model if model is None else model
        return await self._scores(
            tensors_request(input_map, model=selected, outputs=outputs), outputs, timeout
        )

    async def predict(
        self, request: serving.PredictRequest, timeout: float | None = None
    ) -> serving.PredictResponse:
        """See `PredictionClient.predict`."""
        return await self._call(PredictionService.PREDICT, request, timeout)

    async def describe_model(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> ModelDescription:
        """See `PredictionClient.describe_model`."""
        spec = (self._model if model is None else model).spec()
        request = serving.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])
        return model_description(await self._call(PredictionService.GET_MODEL_METADATA, request, timeout))

    async def model_status(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> tuple[VersionStatus, ...]:
        """See `PredictionClient.model_status`."""
        spec = (self._model if model is None else model).spec()
        request = serving.GetModelStatusRequest(model_spec=spec)
        return version_statuses(await self._call(ModelService.GET_MODEL_STATUS, request, timeout))

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

    async def _scores(
        self, request: serving.PredictRequest, outputs: str | Sequence[str] | None, timeout: float | None
    ) -> Scores:
        response = await self.predict(request, timeout)
        return scores(response, outputs, limit_bytes=self._connection.max_message_bytes)

    async def _call(
        self, method: UnaryMethod[RequestT, ResponseT], request: RequestT, timeout: float | None
    ) -> ResponseT:
        budget = CallBudget(policy=self._retry, timeout_s=self._timeout_s if timeout is None else timeout)
        target = self._connection.target
        while True:
            try:
                self._check_open()
                return await self._channel.call(method, request, budget.begin_attempt())
            except (grpc.RpcError, TimeoutError) as error:
                self._check_open()
                failure = OUT_OF_TIME if isinstance(error, TimeoutError) else failure_of(error)
                wait_s = budget.wait_s(failure)
                if wait_s is None:
                    raise budget.error(failure, method=method.path, target=target) from error
            except asyncio.CancelledError:
                # A closed channel cancels its calls; a caller who cancels has not closed the client.
                self._check_open()
                raise
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), wait_s)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ClientClosedError(f"The client of {self._connection.target} is closed.")
