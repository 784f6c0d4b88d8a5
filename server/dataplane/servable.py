"""What the data plane asks of a loaded network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.device_health import DeviceHealth
from accelserve.kernels.preprocess import DecodedBatch, StageClock

Array = NDArray[np.generic]


class TensorSpec(Protocol):
    """Type of one input or output."""

    @property
    def name(self) -> str:
        """The tensor's own name, ``images:0`` for example; requests may use it instead of the alias."""

    @property
    def dtype(self) -> str:
        """Name in numpy, or ``string`` for encoded pictures."""

    @property
    def shape(self) -> tuple[int, ...]:
        """-1 stands for any size."""


class Signature(Protocol):
    """One way to call a network."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """Alias -> type."""

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """Alias -> type."""

    @property
    def method_name(self) -> str:
        """TensorFlow Serving's, ``tensorflow/serving/predict``."""


class ImageServable(Protocol):
    """One loaded version of an image network. Thread-safe. ``accelserve.models.serving.servable.Servable`` is one."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Key -> signature; ``serving_default`` is among them."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the classes, in order; may be empty."""

    @property
    def description(self) -> str:
        """Device, instruction set, threads: ``cpu avx512vnni, 2 threads``."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of weights and of the arena."""

    @property
    def health(self) -> DeviceHealth | None:
        """How the device fares; None for one that is not lost unless the process is.

        A version whose device is down still serves: something else answers in its place, and metrics say so.
        """

    @property
    def side_by_side(self) -> int | None:
        """Images of a batch that the device works on at once, each by a worker of its own.

        None if it gains by every further image of a batch.
        """

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one picture as the network sees it."""

    def decode(self, images: Sequence[bytes], clock: StageClock | None = None) -> DecodedBatch[np.generic]:
        """Encoded pictures to one batch [N, H, W, C] in the dtype that ``run`` takes, with the errors of the bad ones.

        The clock, if there is one, is told how long decoding and the rest took.
        """

    def quantize(self, tensor: NDArray[np.float32]) -> Array:
        """float32 [N, H, W, C], preprocessed by the caller, to what ``run`` takes."""

    def run(self, batch: Array) -> dict[str, Array]:
        """[N, H, W, C] to every output of the network, batch first. Releases the GIL."""

    def respond(
        self, signature: str, results: Mapping[str, Array], wanted: Sequence[str]
    ) -> dict[str, Array]:
        """The wanted outputs of a signature, by alias, from what ``run`` gave."""

    def warm_up(self) -> None:
        """Send some pictures through every step, so that the first request is as fast as the rest."""

    def close(self) -> None:
        """Give memory and the device back."""


def computed_by(servable: ImageServable) -> str:
    """What computes, without how: ``cpu amx`` of ``cpu amx, 2 threads``."""
    return servable.description.partition(",")[0]
