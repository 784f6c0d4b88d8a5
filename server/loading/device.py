"""Makes servables of the models room from version folders."""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.preprocess import ImageLimits
from accelserve.kernels.program import LoadOptions
from accelserve.models.serving.compile_apart import CompilingApart
from accelserve.models.serving.servable import Servable
from accelserve.server.config import DeviceConfig, RequestLimits
from accelserve.server.core.servable import ServableId
from accelserve.server.errors import LoadError

_LOG = logging.getLogger(__name__)
_PROGRESS_SECONDS = 1.0


class ServableLoader:
    """Loads onto one device.

    Args:
        device: which.
        limits: of one picture.
        cores: that decode; None takes every core that this process may run on.
    """

    def __init__(self, device: DeviceConfig, limits: RequestLimits, cores: int | None = None) -> None:
        """Open the device; DeviceError if there is none of that name."""
        self._name = device.name
        self._device = open_device(device.name)
        self._options = LoadOptions(threads=device.threads, cache=device.cache)
        self._limits = ImageLimits(max_pixels=limits.max_pixels)
        self._apart = CompilingApart()
        self._decoders = _decoders(cores or len(os.sched_getaffinity(0)))

    def load(self, servable_id: ServableId, path: Path) -> Servable:
        """Verify and compile; raises as ``Servable.load`` does."""
        servable = Servable.load(
            path,
            device=self._device,
            options=replace(self._options, model=str(servable_id)),
            limits=self._limits,
            executor=self._decoders,
            prepare=self._compile_apart,
        )
        _LOG.info(
            "%s: %s, %.1f MB, signatures %s",
            servable_id,
            servable.description,
            servable.memory_bytes / 1e6,
            ", ".join(servable.signatures),
        )
        return servable

    def stop(self) -> None:
        """Have loads that compile fail; the server ends."""
        self._apart.stop()

    def _compile_apart(self, path: Path, options: LoadOptions) -> None:
        """Compile in a process of its own: this one keeps its memory small and its interpreter to the requests."""
        began = said = time.perf_counter()
        _LOG.info("%s: compiling for %s, once", options.model, self._name)

        def progress(functions: int) -> None:
            nonlocal said
            now = time.perf_counter()
            if now - said >= _PROGRESS_SECONDS:
                said = now
                _LOG.info("%s: compiling, %d functions in %.0f s", options.model, functions, now - began)

        if self._apart.compile(path, self._name, options, progress):
            _LOG.info("%s: compiled in %.1f s", options.model, time.perf_counter() - began)
        elif self._apart.stopped:
            raise LoadError(f"{options.model} is not compiled any more: the server ends")


def _decoders(cores: int) -> Executor | None:
    """Helpers of the thread that decodes a batch; none where there is one core only."""
    return ThreadPoolExecutor(cores - 1, "decode") if cores > 1 else None
