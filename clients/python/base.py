"""What both clients have in common: everything but the sending."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy.typing as npt
from google.protobuf.message import Message

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
)
from accelserve.client.retry import CallBudget, Failure, RetryPolicy
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService, UnaryMethod

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Exchange(Generic[RequestT, ResponseT, ResultT]):
    """One call, whoever sends it.

    Attributes:
        method: of the server.
        request: what is sent.
        read: what the caller gets of the response.
    """

    method: UnaryMethod[RequestT, ResponseT]
    request: RequestT
    read: Callable[[ResponseT], ResultT]


class BaseClient(ABC):
    """Takes a client's arguments and makes its requests; a subclass sends them."""

    def __init__(
        self,
        address: str | Sequence[str],
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
        watch_health: bool = True,
    ) -> None:
        self._connection = connection(
            address,
            port,
            use_ssl=use_ssl,
            tls=tls,
            access_token=access_token,
            service_name=service_name,
            max_message_bytes=max_message_bytes,
            watch_health=watch_health,
        )
        self._model = model if model is not None else ModelSelection()
        self._timeout_s = timeout_s
        self._retry = retry if retry is not None else RetryPolicy()
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Open the channel that ``self._connection`` describes; it connects at the first call."""

    @property
    def model(self) -> ModelSelection:
        """Which model answers when a call does not say."""
        return self._model

    def _images(
        self,
        images: Sequence[bytes],
        input_name: str,
        outputs: str | Sequence[str] | None,
        model: ModelSelection | None,
    ) -> Exchange[serving.PredictRequest, serving.PredictResponse, Scores]:
        request = images_request(images, input_name=input_name, model=self._selected(model), outputs=outputs)
        return self._scoring(request, outputs)

    def _arrays(
        self,
        arrays: Mapping[str, npt.ArrayLike],
        outputs: str | Sequence[str] | None,
        model: ModelSelection | None,
    ) -> Exchange[serving.PredictRequest, serving.PredictResponse, Scores]:
        return self._scoring(arrays_request(arrays, model=self._selected(model), outputs=outputs), outputs)

    def _tensors(
        self,
        tensors: Mapping[str, RawTensor],
        outputs: str | Sequence[str] | None,
        model: ModelSelection | None,
    ) -> Exchange[serving.PredictRequest, serving.PredictResponse, Scores]:
        return self._scoring(tensors_request(tensors, model=self._selected(model), outputs=outputs), outputs)

    def _scoring(
        self, request: serving.PredictRequest, outputs: str | Sequence[str] | None
    ) -> Exchange[serving.PredictRequest, serving.PredictResponse, Scores]:
        limit = self._connection.max_message_bytes
        return Exchange(
            PredictionService.PREDICT, request, lambda response: scores(response, outputs, limit_bytes=limit)
        )

    def _prediction(
        self, request: serving.PredictRequest
    ) -> Exchange[serving.PredictRequest, serving.PredictResponse, serving.PredictResponse]:
        return Exchange(PredictionService.PREDICT, request, lambda response: response)

    def _description(
        self, model: ModelSelection | None
    ) -> Exchange[serving.GetModelMetadataRequest, serving.GetModelMetadataResponse, ModelDescription]:
        request = serving.GetModelMetadataRequest(
            model_spec=self._selected(model).spec(), metadata_field=[SIGNATURE_FIELD]
        )
        return Exchange(PredictionService.GET_MODEL_METADATA, request, model_description)

    def _status(
        self, model: ModelSelection | None
    ) -> Exchange[serving.GetModelStatusRequest, serving.GetModelStatusResponse, tuple[VersionStatus, ...]]:
        request = serving.GetModelStatusRequest(model_spec=self._selected(model).spec())
        return Exchange(ModelService.GET_MODEL_STATUS, request, version_statuses)

    def _selected(self, model: ModelSelection | None) -> ModelSelection:
        return self._model if model is None else model

    def _budget(self, timeout: float | None) -> CallBudget:
        return CallBudget(policy=self._retry, timeout_s=self._timeout_s if timeout is None else timeout)

    def _wait_s(self, budget: CallBudget, failure: Failure, method: str, error: Exception) -> float:
        """Seconds until the next attempt; raises the caller's exception, from ``error``, if there is none."""
        wait_s = budget.wait_s(failure)
        if wait_s is None:
            raise budget.error(failure, method=method, target=self._connection.target) from error
        return wait_s

    def _closed_error(self) -> ClientClosedError:
        return ClientClosedError(f"The client of {self._connection.target} is closed.")
