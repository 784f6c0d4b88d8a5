"""Logging of commands: one line a record, to standard error."""

from __future__ import annotations

import logging
import sys

_FORMAT = "%(asctime)s.%(msecs)03d %(levelname).1s %(message)s"


def log_to_stderr(level: str = "info") -> None:
    """Send every record of at least ``level`` to standard error."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format=_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", force=True
    )
    # Its start and stop are told by our own lines.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
