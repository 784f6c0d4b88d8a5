"""What is done before and after every HTTP request: key, request id, and whether the server takes anything new at all."""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accelserve.server.auth.keyring import KeyRing
from accelserve.server.core.access import CURRENT_CALL, Call
from accelserve.server.errors import DrainingError, ServerError, UnauthenticatedError
from accelserve.server.protocols.headers import AUTHORIZATION, REQUEST_ID, TRACE_PARENT, request_id_of
from accelserve.server.rest.errors import error_response

_LOG = logging.getLogger(__name__)

# Orchestrators ask without a key.
OPEN_PATHS = frozenset({"/v2", "/v2/health/live", "/v2/health/ready"})
# What is below these is about one model and asks for it by name; everything else is about the whole server.
_MODEL_PREFIXES = ("/v1/", "/v2/")
_ADMIN_PREFIX = "/v2/repository/models/"
_BASIC = "basic "


class CallMiddleware:
    """An ASGI application around another.

    Args:
        application: what answers.
        keys: None lets everybody in.
        log_requests: one line a request.
    """

    def __init__(self, application: ASGIApp, keys: KeyRing | None, *, log_requests: bool = False) -> None:
        self._application = application
        self._keys = keys
        self._log_requests = log_requests
        self._refusing = False

    def refuse_new(self) -> None:
        """From now on, answer new requests that another server should get them; health goes on."""
        self._refusing = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = request_id_of(headers.get(REQUEST_ID))
        begin = time.perf_counter()
        code = 0

        async def answer(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                own = (REQUEST_ID.encode(), request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), own]}
            await send(message)

        token = CURRENT_CALL.set(Call(request_id=request_id))
        try:
            CURRENT_CALL.set(self._open(scope, headers, request_id))
            await self._application(scope, receive, answer)
        except ServerError as error:
            await _refuse(error, scope, receive, answer)
        finally:
            if self._log_requests:
                milliseconds = (time.perf_counter() - begin) * 1e3
                _LOG.info("%s %s %d %.1f ms", scope["method"], scope["path"], code, milliseconds)
            CURRENT_CALL.reset(token)

    def _open(self, scope: Scope, headers: Mapping[str, str], request_id: str) -> Call:
        path = scope["path"]
        traced = headers.get(TRACE_PARENT, "")
        # A browser asks with OPTIONS whether it may send a key, and cannot send one with that.
        if path in OPEN_PATHS or scope["method"] == "OPTIONS":
            return Call(request_id=request_id, trace_parent=traced)
        if self._refusing:
            raise DrainingError
        if self._keys is None:
            return Call(request_id=request_id, trace_parent=traced)
        caller = self._keys.caller(_without_basic(headers.get(AUTHORIZATION)))
        folded = path.lower()  # some paths are taken in any case
        if folded.startswith(_ADMIN_PREFIX) or not folded.startswith(_MODEL_PREFIXES):
            caller.check_admin()
        return Call(request_id=request_id, trace_parent=traced, check_model=caller.check_model)


def _without_basic(authorization: str | None) -> str | None:
    """The password of HTTP's Basic scheme, in which a browser sends what a person types; anything else as it is."""
    if authorization is None or not authorization.lower().startswith(_BASIC):
        return authorization
    try:
        decoded = base64.b64decode(authorization[len(_BASIC) :], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2]


async def _refuse(error: ServerError, scope: Scope, receive: Receive, send: Send) -> None:
    response = error_response(error)
    if isinstance(error, UnauthenticatedError):
        page = not scope["path"].lower().startswith(_MODEL_PREFIXES)
        response.headers["www-authenticate"] = 'Basic realm="accelserve"' if page else "Bearer"
    # The body was not read: what follows on this connection could not be told from it.
    response.headers["connection"] = "close"
    await response(scope, receive, send)
