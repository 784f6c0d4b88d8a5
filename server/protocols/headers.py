"""Names that mean the same among gRPC's metadata and HTTP's headers."""

from __future__ import annotations

import os
import re

AUTHORIZATION = "authorization"
REQUEST_ID = "x-request-id"
TRACE_PARENT = "traceparent"
RETRY_AFTER = "grpc-retry-pushback-ms"
"""In how many milliseconds a caller may try again (gRFC A6), which gRPC's clients obey by themselves."""
_REQUEST_ID_PATTERN = re.compile(r"[\x21-\x7e]{1,128}")


def request_id_of(given: str | None) -> str:
    """The caller's id if it may stand in a log as it is, else a new one."""
    return given if given and _REQUEST_ID_PATTERN.fullmatch(given) else os.urandom(8).hex()
