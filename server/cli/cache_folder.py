"""The folder that commands share for packed weights and compiled code."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(given: Path | None) -> Path | None:
    """The folder given (none for ``none``), or the user's own cache folder, or none where that cannot be written."""
    if given is not None:
        return None if str(given) == "none" else given
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(home) / "accelserve"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
