"""Where the time of a network goes, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.program import Device, LoadOptions, StepProfile, share_of_peak
from accelserve.models.importing import ImportOptions, import_onnx
from accelserve.models.repository import MODEL_FILE, latest_version, verify
from accelserve.models.repository.numerics import winograd_beside


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """Times of every step for one image.

    Attributes:
        device: description of the device, its instruction set and threads.
        steps: in the order they run.
        peak_macs_per_second: what the device's instruction set can multiply at most on the same threads, measured;
            None where the device cannot tell.
    """

    device: str
    steps: tuple[StepProfile, ...]
    peak_macs_per_second: float | None

    @property
    def seconds(self) -> float:
        """All steps together."""
        return sum(step.seconds for step in self.steps)

    @property
    def share_of_peak(self) -> float | None:
        """Of the steps that multiply: what they executed a second together by the peak, 0 to 1."""
        if self.peak_macs_per_second is None or not any(step.macs and step.seconds for step in self.steps):
            return None
        return share_of_peak(self.steps, self.peak_macs_per_second)

    @property
    def macs_per_second(self) -> float | None:
        """Of the steps that multiply: multiply-accumulates of the definition, whatever the algorithm; None without any."""
        multiplying = [step for step in self.steps if step.macs and step.seconds]
        if not multiplying:
            return None
        return sum(step.macs for step in multiplying) / sum(step.seconds for step in multiplying)

    def step_share_of_peak(self, step: StepProfile) -> float | None:
        """What one step executed a second by the peak; None where it multiplies nothing or the peak is unknown."""
        if self.peak_macs_per_second is None or not step.macs or not step.seconds:
            return None
        return share_of_peak([step], self.peak_macs_per_second)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; milliseconds and GMAC/s."""
        peak, rate = self.peak_macs_per_second, self.macs_per_second
        return {
            "device": self.device,
            "ms": self.seconds * 1e3,
            "peak_gmac_per_second": None if peak is None else peak / 1e9,
            "gmac_per_second": None if rate is None else rate / 1e9,
            "share_of_peak": self.share_of_peak,
            "steps": [
                {
                    "name": step.name,
                    "operator": step.operator,
                    "shape": list(step.shape),
                    "ms": step.seconds * 1e3,
                    "gmac_per_second": step.macs / step.seconds / 1e9 if step.macs and step.seconds else None,
                    "share_of_peak": self.step_share_of_peak(step),
                }
                for step in self.steps
            ],
        }


def network_file(model: Path) -> Path:
    """The ONNX file that ``model`` means: itself, a version's folder, or the latest version of a model's folder.

    A version's files are verified first.

    Raises:
        CorruptVersionError, ManifestError: the version is not what was published.
    """
    if model.is_file():
        return model
    directory = latest_version(model.resolve())
    verify(directory)
    return directory / MODEL_FILE


def profile_network(
    model: Path,
    device: Device,
    options: LoadOptions,
    runs: int,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> NetworkProfile:
    """Time every step of a network on a device, on one image of seeded noise; kernels take the same time for any image.

    Args:
        model: an ONNX file, a version's folder or a model's folder.
        device: where it shall run.
        options: threads and cache.
        runs: of which the median is taken.
        input_shapes: sizes that an ONNX file leaves open.
    """
    file = network_file(model)
    imported = import_onnx(file, ImportOptions(input_shapes=input_shapes or {}))
    program = device.load(lower(imported.graph, winograd_beside(file)), options)
    try:
        rng = np.random.default_rng(0)
        image = {
            name: rng.integers(0, 256, kind.shape).astype(kind.dtype.numpy)
            for name, kind in program.inputs.items()
        }
        steps = program.profile(image, runs)
        return NetworkProfile(program.description, tuple(steps), program.peak_macs_per_second())
    finally:
        program.close()
