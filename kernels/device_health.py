"""The health of a device that may fail while a program is on it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class DeviceState(enum.Enum):
    """UP runs; RECOVERING is restarted by the next run; DOWN waits for its next try; GONE was closed or swapped out."""

    UP = "up"
    RECOVERING = "recovering"
    DOWN = "down"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHealth:
    """What health checks and metrics report.

    Attributes:
        state: see DeviceState.
        images: answered by the device.
        fallback_images: answered by the CPU in its place.
        faults: hangs, crashes and failed restarts so far.
        restarts: successful ones.
        device_seconds: of all images, by the device's clock.
        last_error: what went wrong last, or an empty string.
    """

    state: DeviceState
    images: int = 0
    fallback_images: int = 0
    faults: int = 0
    restarts: int = 0
    device_seconds: float = 0.0
    last_error: str = ""


@runtime_checkable
class ReportsHealth(Protocol):
    """A program on such a device; programs that cannot lose their device do without."""

    @property
    def health(self) -> DeviceHealth:
        """Its health now; may be read from any thread, whatever runs."""
