"""The files in which measurements are kept: JSON that begins with when and on what was measured."""

from __future__ import annotations

import datetime as dt
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
"""The folder of the figures that the README quotes."""


def heading() -> dict[str, Any]:
    """When and on what is measured, the first entries of every file."""
    return {"date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "machine": machine()}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {"cpu": model, "system": platform.platform(), "python": platform.python_version()}


def read(path: Path) -> dict[str, Any]:
    """A file of ours with figures of networks; SystemExit in words if it cannot be read or is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        sys.exit(f"{path} cannot be read: {error.strerror}")
    except ValueError as error:  # neither UTF-8 nor JSON
        sys.exit(f"{path} is no results file: {error}")
    if not (isinstance(found, dict) and isinstance(found.get("networks"), dict)):
        sys.exit(f"{path} is no results file: it has no networks")
    return found


def write(results: Mapping[str, Any], path: Path) -> None:
    """Write the file, and its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
