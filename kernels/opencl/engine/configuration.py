"""The build-time constants of the engine: what a bitstream is made for, and what a model must fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from accelserve.kernels.errors import PlanError

BURST_BYTES = 64
"""The width at which a board's memory controller is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfiguration:
    """Sizes of the PE array and of the on-chip buffers.

    Attributes:
        vec: input channels multiplied in one cycle.
        lane: output channels made in one cycle.
        px: output pixels that share one fetch of weights.
        weight_depth: taps (of vec x lane weights) in each of the two on-chip weight banks.
        strip_vectors: vectors (of vec channels) in the on-chip strip of activations.
        pixel_channel_depth, sum_channel_depth, weight_channel_depth: entries of the channels between the kernels.
    """

    vec: int = 16
    lane: int = 32
    px: int = 1
    weight_depth: int = 640
    strip_vectors: int = 65536
    pixel_channel_depth: int = 512
    sum_channel_depth: int = 64
    weight_channel_depth: int = 640

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise PlanError(f"engine constant '{name}' must be 1 or more, got {value}")
        for name in ("vec", "lane"):
            value = getattr(self, name)
            if value & (value - 1) or value > 128:
                raise PlanError(
                    f"engine constant '{name}' must be a power of two up to 128, since it is a memory word's "
                    f"width; got {value}"
                )

    @property
    def weight_block_bytes(self) -> int:
        """Bytes of one tap's weights."""
        return self.vec * self.lane

    @property
    def block_parameters(self) -> int:
        """Words of parameters for one block of output channels: biases, scales, first input vector, padding."""
        return 2 * self.lane + 4

    @property
    def burst_vectors(self) -> int:
        """Vectors that one read of external memory fetches."""
        return max(1, BURST_BYTES // self.vec)

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of the full array in one cycle."""
        return self.vec * self.lane * self.px

    def definitions(self) -> dict[str, int]:
        """The constants as the OpenCL source names them."""
        return {
            **{name.upper(): value for name, value in asdict(self).items()},
            "BLOCK_PARAMETERS": self.block_parameters,
            "BURST_VECTORS": self.burst_vectors,
        }


EMULATION = EngineConfiguration(
    lane=16,
    strip_vectors=16384,
    pixel_channel_depth=65536,
    sum_channel_depth=4096,
    weight_channel_depth=4096,
)
"""For devices that are a CPU underneath: a strip that fits a thread's stack, and channels deep enough that each
kernel of the chain can finish a piece of a layer before the next one starts."""
