"""The engine's OpenCL source, put together for one configuration: one text for board and emulator."""

from __future__ import annotations

import enum
from importlib.resources import files

from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import c_declarations


class EnginePath(enum.Enum):
    """How the engine is laid out on the device; both compute the same bytes.

    FUSED is one kernel; CHANNELS is four, linked by channels.
    """

    FUSED = "fused"
    CHANNELS = "channels"


KERNELS = {
    EnginePath.FUSED: ("run_layers",),
    EnginePath.CHANNELS: ("read_weights", "read_activations", "multiply_accumulate", "write_results"),
}


def render(configuration: EngineConfiguration, path: EnginePath) -> str:
    """OpenCL C of the engine, with its constants and the descriptor in front."""
    constants = "\n".join(f"#define {name} {value}" for name, value in configuration.definitions().items())
    parts = ("arithmetic.cl", "vector_unit.cl", f"{path.value}.cl")
    folder = files("accelserve.kernels.opencl.engine") / "cl"
    bodies = [(folder / part).read_text(encoding="utf-8") for part in parts]
    return "\n".join([constants, c_declarations(), *bodies])
