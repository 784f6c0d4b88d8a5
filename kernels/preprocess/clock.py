"""How the time of preprocessing divides between decoding and the rest."""

from __future__ import annotations

from threading import Lock


class StageClock:
    """Sums seconds of work over pictures; thread-safe.

    Attributes:
        decode_seconds: files to pixels.
        transform_seconds: resizing, cropping, normalizing and quantizing.
    """

    def __init__(self) -> None:
        self.decode_seconds = 0.0
        self.transform_seconds = 0.0
        self._lock = Lock()

    def add(self, decode_seconds: float, transform_seconds: float) -> None:
        """One more picture."""
        with self._lock:
            self.decode_seconds += decode_seconds
            self.transform_seconds += transform_seconds

    @property
    def decode_share(self) -> float:
        """Of the work so far, 0 to 1; 1 if nothing was told."""
        whole = self.decode_seconds + self.transform_seconds
        return self.decode_seconds / whole if whole else 1.0
