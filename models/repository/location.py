"""Which repositories and base paths are remote."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

# A letter, then at least one more character: C:\models is a folder.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = "file"

# Scheme -> extra that brings its package.
EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}


def is_remote(base_path: str) -> bool:
    """Whether a base path names something other than a local folder."""
    match = _SCHEME.match(base_path)
    return match is not None and match[1].lower() != _LOCAL


def local_path(base_path: str) -> Path:
    """A local base path, also of a ``file://`` URI, as a path."""
    if base_path.lower().startswith(f"{_LOCAL}://"):
        return Path(unquote(urlsplit(base_path).path))
    return Path(base_path)


def folder_of(cache: Path, uri: str) -> Path:
    """Where the versions of a remote base path are kept: readable, and different for different ones."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", uri.partition("://")[2]).strip("-.")[-64:]
    digest = hashlib.sha256(uri.rstrip("/").encode()).hexdigest()[:16]
    return cache / f"{readable}-{digest}"
