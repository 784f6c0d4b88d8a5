"""Weights that were published for the built-in architectures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from accelserve.models.architectures import architecture, architectures
from accelserve.models.errors import PullError
from accelserve.models.weights.download import DownloadOptions, download

_HASH_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.\w+$")


def published_names() -> tuple[str, ...]:
    """Architectures that have published weights."""
    return tuple(name for name, a in architectures().items() if a.published)


def pull(
    name: str, cache: Path, *, mirror: str | None = None, options: DownloadOptions | None = None
) -> Path:
    """The published weights of an architecture, downloaded into ``cache`` unless they are there already.

    The file is verified against the hash in its name, whatever server it came from.

    Args:
        name: the architecture.
        cache: folder for the files.
        mirror: address of a folder that has the same files; the publisher's if None.
        options: of the download.

    Raises:
        UnknownArchitectureError: if no architecture has the name.
        PullError: if it has no published weights, or as ``download`` says.
    """
    published = architecture(name).published
    if published is None:
        raise PullError(name, f"has no published weights; there are some for {', '.join(published_names())}")
    file = urlsplit(published.url).path.rsplit("/", 1)[-1]
    found = _HASH_IN_NAME.search(file)
    if found is None:
        raise PullError(published.url, "has no hash in its name to verify it with")
    url = f"{mirror.rstrip('/')}/{file}" if mirror else published.url
    return download(url, cache / file, found[1], options)
