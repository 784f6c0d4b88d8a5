"""Weights that were published for the built-in architectures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from accelserve.models.architectures import Architecture, PublishedWeights, architecture, architectures
from accelserve.models.errors import ModelFileError, PullError
from accelserve.models.weights.download import DownloadOptions, download


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
    if not published.sha256:
        raise PullError(published.url, "has no hash in its name to verify it with")
    file = published.file_name
    url = f"{mirror.rstrip('/')}/{file}" if mirror else published.url
    return download(url, cache / file, published.sha256, options)


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that was recognized.

    Attributes:
        architecture: the network it belongs to.
        weights: which of its published weights it is.
    """

    architecture: Architecture
    weights: PublishedWeights


def identify(path: Path) -> PublishedFile | None:
    """Which published file this is, by the SHA-256 of its content, whatever it is called; None if it is none of them.

    Raises:
        ModelFileError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(str(path), error.strerror or str(error)) from error
    for described in architectures().values():
        for weights in described.published_files:
            if weights.sha256 and digest.startswith(weights.sha256):
                return PublishedFile(described, weights)
    return None
