"""The stages of loading, in one list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from accelserve.server.config import ServerConfig
from accelserve.server.core.servable import Loader, ServableId
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.loading.batching_parameters import BatchingParameters
from accelserve.server.loading.recorded_requests import RecordedRequests
from accelserve.server.loading.stages import Load, Stage, Version
from accelserve.server.scheduler.parameters import BatchingTable

Announce = Callable[[str, ImageServable], None]
"""Told the model's name and the servable of every version that loaded, on the loading thread."""


def loading_stages(config: ServerConfig, batching: BatchingTable, announce: Announce) -> list[Stage]:
    """What stands around the device's loader, outermost first: work after loading is done from the last to the first."""
    stages: list[Stage] = [Announcement(announce)]
    if config.batching.per_model:
        stages.append(BatchingParameters(batching))
    if config.loading.warm_up:
        stages.append(RecordedRequests(config.loading.warm_up_iterations, config.batching.max_batch_images))
        stages.append(warm_up)
    return stages


class LoadingPipeline:
    """A loader behind which every version has been through all stages.

    Args:
        loader: loads onto the device.
        stages: outermost first.
    """

    def __init__(self, loader: Loader[ImageServable], stages: Sequence[Stage]) -> None:
        self._loader = loader
        self._stages = stages

    def load(self, servable_id: ServableId, path: Path) -> ImageServable:
        """Load; raises what the loader or a stage raises, and then keeps nothing loaded."""
        loaded: list[ImageServable] = []

        def onto_device() -> ImageServable:
            loaded.append(self._loader.load(servable_id, path))
            return loaded[0]

        load: Load = onto_device
        for stage in reversed(self._stages):
            load = partial(stage, Version(servable_id, path), load)
        try:
            return load()
        except BaseException:
            for servable in loaded:
                servable.close()
            raise


class Announcement:
    """Tells of every version that loaded, before it is available: its series are on the page before anybody asks it."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce

    def __call__(self, version: Version, load: Load) -> ImageServable:
        """Load and announce."""
        servable = load()
        self._announce(version.servable_id.name, servable)
        return servable


def warm_up(_version: Version, load: Load) -> ImageServable:
    """Load, and send some pictures through every step, so that the first request is as fast as the rest."""
    servable = load()
    servable.warm_up()
    return servable
