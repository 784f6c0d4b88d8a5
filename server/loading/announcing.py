"""Puts a version's series on the page before anybody asks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from accelserve.server.core.servable import Loader, ServableId
from accelserve.server.dataplane.servable import ImageServable


class AnnouncingLoader:
    """A loader that tells of every version that loaded, before it is available.

    Args:
        inner: what loads.
        announce: told the model's name and the servable, on the loading thread.
    """

    def __init__(self, inner: Loader[ImageServable], announce: Callable[[str, ImageServable], None]) -> None:
        self._inner = inner
        self._announce = announce

    def load(self, servable_id: ServableId, path: Path) -> ImageServable:
        """Load and announce; raises as ``inner`` does."""
        servable = self._inner.load(servable_id, path)
        self._announce(servable_id.name, servable)
        return servable
