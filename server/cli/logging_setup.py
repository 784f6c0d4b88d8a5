"""Logging of commands: one line a record, to standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

_FORMAT = "%(asctime)s.%(msecs)03d %(levelname).1s %(message)s"


def log_to_stderr(level: str = "info", *, as_json: bool = False) -> None:
    """Send every record of at least ``level`` to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextLines(_FORMAT, "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its start and stop are told by our own lines.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _request_id() -> str:
    """Of the request that this thread works for; empty outside of one."""
    from accelserve.server.core.access import CURRENT_CALL

    call = CURRENT_CALL.get()
    return "" if call is None else call.request_id


class TextLines(logging.Formatter):
    """For people; the request's id stands at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a trace if there is one."""
        request_id = _request_id()
        text = super().format(record)
        return f"{text} [{request_id}]" if request_id else text


class JsonLines(logging.Formatter):
    """For machines: one JSON object a line, whatever the message holds."""

    def format(self, record: logging.LogRecord) -> str:
        """``time`` (UTC), ``level``, ``logger``, ``message``; ``request_id`` and ``trace`` where there are such."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = _request_id()
        if request_id:
            line["request_id"] = request_id
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
