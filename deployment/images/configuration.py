"""How an image is to be made."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelserve.deployment.errors import DeploymentError
from accelserve.deployment.images.names import base_image

DEVICES = ("cpu", "fpga")
EXTRAS = ("s3", "gcs", "azure", "otel")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9._/-]*[a-z0-9])?")
_MOST_THREADS = 1024


def default_base() -> str:
    """The common image of the Python that runs here, since its wheels are gathered."""
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfiguration:
    """See each attribute.

    Attributes:
        device: that the server runs on, ``cpu`` or ``fpga``.
        base: image with a ``python3``, of the version that runs here.
        bake_model: whether the model is in the image; if not, its repository is mounted at ``/models``.
        instruction_sets: that kernels are compiled for, by their names; empty for every usual one of this kind of machine.
        threads: numbers of workers that plans are made for; another number makes its plan at every start.
        extras: of accelserve, beside ``server``: ``s3``, ``gcs``, ``azure``, ``otel``.
        wheel: of accelserve; None takes what is installed here.
        wheels: folder of all wheels, gathered before; None gathers them by pip.
        labels: of the image, beside those that say what is in it.

    Raises:
        DeploymentError: one of them makes no sense.
        ImageNameError: the base is no image's name.
    """

    device: str = "cpu"
    base: str = field(default_factory=default_base)
    bake_model: bool = True
    instruction_sets: Sequence[str] = ()
    threads: Sequence[int] = (1, 2, 4, 8)
    extras: Sequence[str] = ()
    wheel: Path | None = None
    wheels: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise DeploymentError(f"device '{self.device}': expected one of {', '.join(DEVICES)}")
        base_image(self.base)
        if not self.threads or not all(1 <= each <= _MOST_THREADS for each in self.threads):
            raise DeploymentError(
                f"threads {list(self.threads)}: expected whole numbers of 1 to {_MOST_THREADS}"
            )
        unknown = [each for each in self.extras if each not in EXTRAS]
        if unknown:
            raise DeploymentError(f"extra '{unknown[0]}': expected one of {', '.join(EXTRAS)}")
        for name, value in self.labels.items():
            if not _LABEL.fullmatch(name) or not value.isprintable():
                raise DeploymentError(
                    f"label '{name}': expected lower case letters, digits, '.', '_', '-', '/', and a value of one line"
                )
