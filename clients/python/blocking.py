"""The client for ordinary code: every call waits for its answer."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
import numpy.typing as npt
from google.protobuf.message import Message

from accelserve.client.base import BaseClient, Exchange
from accelserve.client.description import ModelDescription, VersionStatus
from accelserve.client.prediction import ModelSelection, RawTensor, Scores, without_batch
from accelserve.client.retry import failure_of
from accelserve.protos import tensorflow_serving as serving

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
ResultT = TypeVar("ResultT")


class PredictionClient(BaseClient):
    """Scores images and tensors on a server that speaks TensorFlow Serving's gRPC API.

    Takes the arguments and has the methods of the Azure SDK's `azureml.accel.PredictionClient`. One client may be used
    by any number of threads; it keeps one connection to each server, which it opens at the first call and opens again when
    it is lost.

    Args:
        address: host name, IP address, HOST:PORT, or unix:PATH. Several, in a sequence or separated by commas, or
            dns:///NAME:PORT for all IP addresses of a name, are asked in turn; see docs/client.md.
        port: of addresses that have none; None is 443 with TLS and 80 without.
        use_ssl: encrypt, and check the server's certificate.
        access_token: key, sent as `authorization: Bearer KEY`; empty sends none.
        service_name: sent as `x-ms-aml-grpc-service-route: /api/v1/service/NAME`; empty sends none.
        model: which model, version and signature answers, unless a call says otherwise.
        timeout_s: seconds for a call with all its attempts, unless a call says otherwise.
        retry: when and how often a failed call is sent again.
        tls: certificates; implies `use_ssl`.
        max_message_bytes: largest request, largest response and largest array in one.
        watch_health: where several servers are asked, leave out those whose grpc.health.v1 does not say SERVING.

    Raises:
        ValueError: an argument is out of its range.
        OSError: a host name among several addresses cannot be resolved.

    Every method that calls the server raises a `ClientError` (the tree is in `accelserve.client.errors`) when it gets
    no result, and a ValueError when its arguments make no request.
    """

    def _open(self) -> None:
        self._closed = threading.Event()
        self._channel = self._connection.open()

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
        return self._send(self._images(images, input_name, outputs, model), timeout)

    def score_numpy_arrays(
        self,
        input_map: Mapping[str, npt.ArrayLike],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores arrays, by input name. The batch dimension stays. See `score_image` for the rest."""
        return self._send(self._arrays(input_map, outputs, model), timeout)

    def score_tensors(
        self,
        input_map: Mapping[str, RawTensor],
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        *,
        model: ModelSelection | None = None,
    ) -> Scores:
        """Scores (data, shape, TensorFlow dtype), by input name. The batch dimension stays. See `score_image`."""
        return self._send(self._tensors(input_map, outputs, model), timeout)

    def predict(
        self, request: serving.PredictRequest, timeout: float | None = None
    ) -> serving.PredictResponse:
        """Sends a request as it is; for everything that the methods above do not do."""
        return self._send(self._prediction(request), timeout)

    def describe_model(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> ModelDescription:
        """What a model takes and gives."""
        return self._send(self._description(model), timeout)

    def model_status(
        self, timeout: float | None = None, *, model: ModelSelection | None = None
    ) -> tuple[VersionStatus, ...]:
        """How the versions of a model are doing, newest first; of one version if the selection names it."""
        return self._send(self._status(model), timeout)

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

    def _send(self, exchange: Exchange[RequestT, ResponseT, ResultT], timeout: float | None) -> ResultT:
        return exchange.read(self._response(exchange, timeout))

    def _response(self, exchange: Exchange[RequestT, ResponseT, ResultT], timeout: float | None) -> ResponseT:
        budget = self._budget(timeout)
        stub = exchange.method.stub(self._channel)
        while True:
            try:
                return stub(
                    exchange.request, timeout=budget.begin_attempt(), metadata=self._connection.metadata
                )
            except (grpc.RpcError, ValueError) as error:
                if self._closed.is_set():
                    raise self._closed_error() from error
                if not isinstance(error, grpc.RpcError):
                    # gRPC raises ValueError for a closed channel, and this one is not.
                    raise
                wait_s = self._wait_s(budget, failure_of(error), exchange.method.path, error)
            self._closed.wait(wait_s)
