"""Requests to a server and back; what comes is a code, and words where it is an error."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import urllib3

from accelserve.client.connection import DEFAULT_MAX_MESSAGE_BYTES, Connection, TlsOptions, connection
from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Target, TlsFiles
from accelserve.loadgen.requests import Body, path_of
from accelserve.protos.services import InferenceService, PredictionService

OK = "OK"
TIMEOUT = "TIMEOUT"
CONNECTION = "CONNECTION"
_HTTP_OK = 200
_WORDS = 300
_PIECE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a request.

    Attributes:
        code: ``OK``; else a gRPC status (``UNAVAILABLE``), an HTTP status (``503``), ``TIMEOUT`` or ``CONNECTION``.
        words: of an error, the server's own where it has some.
    """

    code: str
    words: str = ""


_ANSWERED = Outcome(code=OK)


class Sender(Protocol):
    """Any number of threads may send at once."""

    def send(self, body: Body) -> Outcome:
        """Send, and wait for the whole answer; never raises for what a server or a network does."""

    def close(self) -> None:
        """Close every connection."""


def sender_for(target: Target, connections: int) -> Sender:
    """A sender of the target's protocol.

    Args:
        target: whom to ask.
        connections: of HTTP/1.1, so many requests are in flight at most; gRPC has one connection for all.

    Raises:
        LoadError: REST without a model's name.
        OSError: a PEM file cannot be read.
        ValueError: an address or a token that nothing can carry.
    """
    return HttpSender(target, connections) if target.over_http else GrpcSender(target)


def grpc_connection(target: Target) -> Connection:
    """The target's connection, as the client makes it."""
    tls = target.tls
    options = None
    if tls is not None:
        options = TlsOptions.from_files(
            root_certificates=tls.ca,
            private_key=tls.key,
            certificate_chain=tls.certificate,
            server_name=tls.server_name or None,
        )
    return connection(
        target.address,
        None,
        use_ssl=False,
        tls=options,
        access_token=target.token,
        service_name="",
        max_message_bytes=DEFAULT_MAX_MESSAGE_BYTES,
    )


class GrpcSender:
    """Sends bytes as they are, and does not parse the answers: the client's own work shall not be measured."""

    def __init__(self, target: Target) -> None:
        link = grpc_connection(target)
        method = PredictionService.PREDICT if target.api == "tfserving" else InferenceService.MODEL_INFER
        self._metadata = link.metadata
        self._timeout = target.timeout_seconds
        self._channel = link.open()
        self._call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method.path)

    def send(self, body: Body) -> Outcome:
        """Send, and wait for the whole answer."""
        try:
            self._call(body.content, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                raise
            return Outcome(code=error.code().name, words=(error.details() or "")[:_WORDS])
        return _ANSWERED

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class HttpSender:
    """Keeps connections open, and opens one again that the server has closed."""

    def __init__(self, target: Target, connections: int) -> None:
        self._path = path_of(target)
        self._timeout = target.timeout_seconds
        self._headers = {"authorization": f"Bearer {target.token}"} if target.token else {}
        self._pool = urllib3.connection_from_url(
            target.address,
            maxsize=connections,
            timeout=urllib3.Timeout(total=target.timeout_seconds),
            retries=False,
            **tls_settings(target.address, target.tls),
        )

    def send(self, body: Body) -> Outcome:
        """Send, and wait for the whole answer."""
        end = time.monotonic() + self._timeout
        try:
            response = self._pool.urlopen(
                "POST",
                self._path,
                body=body.content,
                headers={**self._headers, **body.headers},
                preload_content=False,
            )
            content = self._received(response, end)
        except urllib3.exceptions.NewConnectionError as error:  # a TimeoutError to urllib3, whatever it was
            return Outcome(code=CONNECTION, words=str(error)[:_WORDS])
        except urllib3.exceptions.TimeoutError as error:
            return Outcome(code=TIMEOUT, words=str(error)[:_WORDS])
        except urllib3.exceptions.HTTPError as error:
            return Outcome(code=CONNECTION, words=str(error)[:_WORDS])
        if response.status == _HTTP_OK:
            return _ANSWERED
        return Outcome(code=str(response.status), words=content[:_WORDS].decode(errors="replace"))

    def _received(self, response: urllib3.BaseHTTPResponse, end: float) -> bytes:
        """The whole answer; ReadTimeoutError behind ``end``: urllib3's own timeout begins again with every piece."""
        content = bytearray()
        while piece := response.read1(_PIECE):
            content += piece
            if time.monotonic() > end:
                response.close()
                words = f"the answer was not whole within {self._timeout:g} s"
                raise urllib3.exceptions.ReadTimeoutError(self._pool, self._path, words)
        response.release_conn()
        return bytes(content)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def tls_settings(address: str, tls: TlsFiles | None) -> dict[str, Any]:
    """Arguments of a urllib3 pool; none for plain text. LoadError for a PEM file that holds no such thing."""
    if not address.startswith("https://"):
        return {}
    files = tls or TlsFiles()
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except ssl.SSLError as error:
        raise LoadError(f"{files.ca} holds no certificate in PEM: {error.reason}") from error
    try:
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except ssl.SSLError as error:
        pair = f"{files.certificate} and {files.key}"
        raise LoadError(f"{pair} are no certificate with its key in PEM: {error.reason}") from error
    name = {"server_hostname": files.server_name} if files.server_name else {}
    return {"ssl_context": context, **name}
