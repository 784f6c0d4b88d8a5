"""Packed constants: weights in the order in which a kernel reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.plan.arena import Memory
from accelserve.kernels.cpu.plan.packed_file import mapped_block
from accelserve.kernels.file_cache import write_cached
from accelserve.kernels.ir import Array

_ALIGNMENT = 64
_SLACK_BYTES = 4096  # kernels may prefetch past the end


class Packer:
    """Collects arrays for one block of memory; each is made only if the cached file lacks the block."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, int, Callable[[], Array]]] = []
        self._size = 0

    def reserve(self, size_bytes: int, make: Callable[[], Array]) -> int:
        """Take the next place in the block; its offset in bytes."""
        offset = self._size
        self._parts.append((offset, size_bytes, make))
        self._size = -(-(offset + size_bytes) // _ALIGNMENT) * _ALIGNMENT
        return offset

    @property
    def size_bytes(self) -> int:
        """Of the block."""
        return self._size + _SLACK_BYTES

    def block(self, file: Path | None) -> Memory:
        """The block in memory: mapped from ``file``, which is written first if need be; or private memory.

        A file that is damaged is written again; one that cannot be written or read leaves private memory.
        """
        size = self.size_bytes
        found = None if file is None else mapped_block(file, size)
        if found is not None:
            return found
        memory = Memory.private(size)
        self._fill(memory.bytes)
        written = (
            mapped_block(file, size) if file is not None and write_cached(file, memory.bytes.data) else None
        )
        if written is None:
            return memory
        memory.close()
        return written

    def _fill(self, image: NDArray[np.uint8]) -> None:
        for offset, size, make in self._parts:
            array = np.ascontiguousarray(make())
            if array.nbytes != size:
                raise AssertionError(f"a packed array has {array.nbytes} bytes, {size} were reserved")
            image[offset : offset + size] = array.reshape(-1).view(np.uint8)


@dataclass(frozen=True, slots=True)
class PanelLayout:
    """How the output channels of a group are cut into panels.

    Attributes:
        channels: of the group.
        full: output channels of a full panel.
        lanes: of a vector; the last panel is padded to a multiple of it.
    """

    channels: int
    full: int
    lanes: int

    @property
    def panels(self) -> int:
        """Panels of a group, the last one perhaps narrower."""
        return -(-self.channels // self.full)

    @property
    def last(self) -> int:
        """Output channels of the last panel."""
        return self.channels - (self.panels - 1) * self.full

    def padded(self, panel: int) -> int:
        """Output channels of a panel with its padding."""
        width = self.full if panel < self.panels - 1 else self.last
        return -(-width // self.lanes) * self.lanes


def pack_weights(
    weights: NDArray[np.int8],
    groups: int,
    segments: int,
    layout: PanelLayout,
    isa: InstructionSet,
    unroll: int,
) -> NDArray[np.generic]:
    """Weights [K, R, S, C/groups] as [group][panel][segment][dot product][channel][group's bytes].

    Args:
        weights: of all groups.
        groups: of the convolution.
        layout: of a group's output channels.
        isa: decides the width of a weight and of a dot product.
        segments: R, if a row of the window is one run of input bytes, or R * S.
        unroll: a segment is padded to so many dot products with zeros.
    """
    dtype = np.dtype(np.int8 if isa.weight_bits == 8 else np.int16)
    rows = weights.reshape(groups, layout.channels, segments, -1)
    length = rows.shape[3]
    step = isa.group * unroll
    padded_length = -(-length // step) * step
    parts = []
    for group in range(groups):
        for panel in range(layout.panels):
            part = rows[group, panel * layout.full : (panel + 1) * layout.full]
            whole = np.zeros((layout.padded(panel), segments, padded_length), dtype)
            whole[: part.shape[0], :, :length] = part
            cut = whole.reshape(layout.padded(panel), segments, padded_length // isa.group, isa.group)
            parts.append(np.ascontiguousarray(cut.transpose(1, 2, 0, 3)).reshape(-1))
    return np.concatenate(parts)


def pack_parameters(
    bias: NDArray[np.int32], scale: NDArray[np.float32], groups: int, layout: PanelLayout
) -> NDArray[np.int32]:
    """int32 bias and the bits of the float32 scale, padded, panel by panel; every panel takes a full panel's bytes."""
    result = np.zeros((groups, layout.panels, 2 * layout.padded(0)), np.int32)
    for group in range(groups):
        for panel in range(layout.panels):
            first = group * layout.channels + panel * layout.full
            width = layout.full if panel < layout.panels - 1 else layout.last
            padded = layout.padded(panel)
            result[group, panel, :width] = bias[first : first + width]
            result[group, panel, padded : padded + width] = scale[first : first + width].view(np.int32)
    return result.reshape(-1)


__all__ = ["Packer", "PanelLayout", "pack_parameters", "pack_weights"]
