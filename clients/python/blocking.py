"""The client for ordinary code: every call waits for its answer."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
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
    without_batch,
)
from accelserve.client.retry import CallBudget, RetryPolicy, failure_of
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService, UnaryMethod

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


class PredictionClient:
    """Scores images and tensors on a server that speaks TensorFlow Serving's gRPC API.

    Takes the arguments and has the methods of the Azure SDK's `azureml.accel.PredictionClient`. One client may be used
    by any number of threads; it keeps one connection, which it opens at the first call and opens again when it is lost.

    Args:
        address: host name, IP address, HOST:PORT, or unix:PATH.
        port: None takes the one in `address`, or 443 with TLS and 80 without.
        use_ssl: encrypt, and check the server's certificate.
        access_token: key, sent as `authorization: Bearer KEY`; empty sends none.
        service_name: sent as `x-ms-aml-grpc-service-route: /api/v1/service/NAME`; empty sends none.
        model: which model, version and signature answers, unless a call says otherwise.
        timeout_s: seconds for a call with all its attempts, unless a call says otherwise.
        retry: when and how often a failed call is sent again.
        tls: certificates; implies `use_ssl`.
        max_message_bytes: largest request, largest response and largest array in one.

    Raises:
        ValueError: an argument is out of its range.

    Every method that calls the server raises a `ClientError` (the tree is in `accelserve.client.errors`) when it gets
    no result, and a ValueError when its arguments make no request.
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
        self._closed = threading.Event()
        self._channel = self._connection.open()

    @property
    def model(self) -> ModelSelection:
        """Which model answers when a call does not say."""
        return self._model

    def score_file(
        self,
        path: str | Path,
        input_name: str = "images",
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores an image file. See `score_image`.

        Raises:
            OSError: the file cannot be read.
        """
        return self.score_image(Path(path).read_bytes(), input_name, outputs, timeout, model=model)

    def score_image(
        self,
        image: bytes,
        input_name: str = "images",
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores an encoded image (JPEG, PNG, GIF, BMP, WebP).

        Args:
            image: the bytes of the file.
            input_name: of the model.
            outputs: names of the outputs that are wanted; None is all.
            timeout: seconds for the call with all its attempts.
            model: instead of the client's own selection.

        Returns:
            The output, without the batch dimension, if `outputs` is a name or the model has only one; otherwise a dict
            of all outputs, each without the batch dimension.
        """
        return without_batch(self.score_images([image], input_name, outputs, timeout, model=model))

    def score_images(
        self,
        images: Sequence[bytes],
        input_name: str = "images",
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores encoded images in one request; the first dimension of every output is the image.

        See `score_image` for the arguments.
        """
        selected = self._model if model is None else model
        request = images_request(images, input_name=input_name, model=selected, outputs=outputs)
        return self._scores(request, outputs, timeout)

    def score_numpy_arrays(
        self,
        input_map: Mapping[str, npt.ArrayLike],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores arrays, by input name. The batch dimension stays. See `score_image` for the rest."""
        selected = self._model if model is None else model
        return self._scores(arrays_request(input_map, model=selected, outputs=outputs), outputs, timeout)

    def score_tensors(
        self,
        input_map: Mapping[str, RawTensor],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores (data, shape, TensorFlow dtype), by input name. The batch dimension stays. See `score_image`."""
        selected = self._model if model is None else model
        return self._scores(tensors_request(input_map, model=selected, outputs=outputs), outputs, timeout)

    def predict(
        self, request: serving.PredictRequest, timeout: float | None = None
    ) -> serving.PredictResponse:
        """Sends a request as it is; for everything that the methods above do not do."""
        return self._call(PredictionService.PREDICT, request, timeout)

    def describe_model(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> ModelDescription:
        """What a model takes and gives."""
        spec = (self._model if model is None else model).spec()
        request = serving.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])
        return model_description(self._call(PredictionService.GET_MODEL_METADATA, request, timeout))

    def model_status(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> tuple[VersionStatus, ...]:
        """How the versions of a model are doing, newest first; of one version if the selection names it."""
        spec = (self._model if model is None else model).spec()
        request = serving.GetModelStatusRequest(model_spec=spec)
        return version_statuses(self._call(ModelService.GET_MODEL_STATUS, request, timeout))

    def close(self) -> None:
        """Closes the connection. Calls that are under way fail with ClientClosedError. May be called again."""
        self._closed.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _scores(
        self, request: serving.PredictRequest, outputs: str | Sequence[str] | None, timeout: float | None
    ) -> Scores:
        response = self.predict(request, timeout)
        return scores(response, outputs, limit_bytes=self._connection.max_message_bytes)

    def _call(
        self, method: UnaryMethod[RequestT, ResponseT], request: RequestT, timeout: float | None
    ) -> ResponseT:
        budget = CallBudget(policy=self._retry, timeout_s=self._timeout_s if timeout is None else timeout)
        target = self._connection.target
        stub = method.stub(self._channel)
        while True:
            try:
                return stub(request, timeout=budget.begin_attempt(), metadata=self._connection.metadata)
            except (grpc.RpcError, ValueError) as error:
                if self._closed.is_set():
                    raise ClientClosedError(f"The client of {target} is closed.") from error
                if not isinstance(error, grpc.RpcError):
                    # gRPC raises ValueError for a closed channel, and this one is not.
                    raise
                failure = failure_of(error)
                wait_s = budget.wait_s(failure)
                if wait_s is None:
                    raise budget.error(failure, method=method.path, target=target) from error
            self._closed.wait(wait_s)
