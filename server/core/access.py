"""Who calls, and what the caller may use: the registry checks it, so that no method of any protocol can forget to.

A call is described in a context variable for as long as it is worked on. Threads of the server itself have no call and
may do everything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


def everyone(_model: str) -> None:
    """Without a keys file every caller may use every model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a request's metadata or headers say, whatever the protocol.

    Attributes:
        request_id: the caller's own (``x-request-id``), or one that we made up.
        check_model: raises PermissionDeniedError if the caller may not use that model.
        routed_model: model that they name, for a request that names none itself; empty if they name none.
        trace_parent: W3C trace context of the caller (``traceparent``), empty if there is none.
    """

    request_id: str
    check_model: Callable[[str], None] = everyone
    routed_model: str = ""
    trace_parent: str = ""


CURRENT_CALL: ContextVar[Call | None] = ContextVar("current_call", default=None)
