"""What a gRPC call's path and metadata say, before its message is looked at: who calls, which model, under which id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from accelserve.protos.services import HealthService, InferenceService, ModelService
from accelserve.server.auth.keyring import KeyRing
from accelserve.server.core.access import Call, everyone
from accelserve.server.errors import DrainingError
from accelserve.server.protocols.headers import AUTHORIZATION, REQUEST_ID, TRACE_PARENT, request_id_of

# The Azure service's own routing header: /api/v1/service/NAME
ROUTE = "x-ms-aml-grpc-service-route"
_ROUTE_PATTERN = re.compile(r"/api/v1/service/([^/]+)/?")

# Orchestrators ask without a key.
OPEN_METHODS = frozenset(
    {
        f"/{HealthService.NAME}/Check",
        f"/{HealthService.NAME}/List",
        f"/{HealthService.NAME}/Watch",
        InferenceService.SERVER_LIVE.path,
        InferenceService.SERVER_READY.path,
    }
)
ADMIN_METHODS = frozenset(
    {
        ModelService.HANDLE_RELOAD_CONFIG_REQUEST.path,
        InferenceService.REPOSITORY_MODEL_LOAD.path,
        InferenceService.REPOSITORY_MODEL_UNLOAD.path,
    }
)


class CallOpener:
    """Lets calls in, or not. Thread-safe.

    Args:
        keys: None lets everybody in.
    """

    def __init__(self, keys: KeyRing | None) -> None:
        self._keys = keys
        self._refusing = False

    def refuse_new(self) -> None:
        """From now on, answer new calls that another server should get them; health goes on."""
        self._refusing = True

    def open(self, path: str, metadata: Iterable[tuple[str, str | bytes]]) -> Call:
        """The call, to be set as ``CURRENT_CALL`` while it is worked on.

        Args:
            path: ``/package.Service/Method``.
            metadata: that the caller sent.

        Raises:
            DrainingError: nothing new is taken.
            UnauthenticatedError: no key, or a wrong one.
            PermissionDeniedError: the method is an administrator's and the key is not.
        """
        texts = {key: value for key, value in metadata if isinstance(value, str)}
        if path not in OPEN_METHODS:
            if self._refusing:
                raise DrainingError
            if self._keys is not None:
                caller = self._keys.caller(texts.get(AUTHORIZATION))
                if path in ADMIN_METHODS:
                    caller.check_admin()
                return _described(texts, caller.check_model)
        return _described(texts)


def routed_model_of(route: str | None) -> str:
    """NAME of ``/api/v1/service/NAME``; empty for anything else."""
    match = _ROUTE_PATTERN.fullmatch(route or "")
    return match[1] if match else ""


def _described(metadata: Mapping[str, str], check_model: Callable[[str], None] = everyone) -> Call:
    route = metadata.get(ROUTE)
    return Call(
        request_id=request_id_of(metadata.get(REQUEST_ID)),
        check_model=check_model,
        routed_model=routed_model_of(route) if route else "",
        trace_parent=metadata.get(TRACE_PARENT, ""),
    )
