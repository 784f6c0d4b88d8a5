"""What a stage of loading is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.servable import ImageServable

Load = Callable[[], ImageServable]


@dataclass(frozen=True, slots=True)
class Version:
    """What is loaded: a version and its folder."""

    servable_id: ServableId
    path: Path


class Stage(Protocol):
    """Stands around the stages within, as a middleware stands around an application. Called from several threads."""

    def __call__(self, version: Version, load: Load, /) -> ImageServable:
        """Call ``load`` once, do the stage's own work before or after it, and return what it returned.

        Raises:
            Exception: the version cannot be served; what was loaded is closed by the pipeline.
        """
