"""Where this user's caches are: compiled code, packed weights, versions of remote models, downloads."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from accelserve.server.errors import ConfigurationError

_LOG = logging.getLogger(__name__)


def user_cache() -> Path:
    """``$XDG_CACHE_HOME/accelserve``, or in ``~/.cache``; ConfigurationError where the user has no home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path("~/.cache").expanduser()) / "accelserve"
    except RuntimeError as error:  # neither HOME nor an entry in the list of users, as in many containers
        raise ConfigurationError(
            "this user has no home folder, and HOME and XDG_CACHE_HOME are not set"
        ) from error


def cache_folder(given: Path | None) -> Path | None:
    """The folder given (``none`` is none), or the user's own, or none, with a warning, where that cannot be written."""
    if given is not None:
        return None if str(given) == "none" else given
    try:
        folder = user_cache()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
        reason = f"{folder} cannot be written"
    except OSError as error:
        reason = f"{folder}: {error.strerror}"
    except ConfigurationError as error:
        reason = str(error)
    _LOG.warning("every start compiles the models again, since %s; name a folder with --cache_dir", reason)
    return None
