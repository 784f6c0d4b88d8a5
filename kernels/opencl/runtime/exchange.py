"""Tensors shared by the server's process and the device's: anonymous memory, two slots per segment.

The memory has no name, so nothing is left behind when either side dies. Pages are locked where the limits allow it,
so that a board's DMA engine can reach them; every tensor starts at a page.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.engine.segment import (
    Border,
    CompiledSegment,
    Port,
    bordered_shape,
    channels_of,
)

SLOTS = 2
"""Images in flight: while one computes, the next one's input goes up and the last one's results come down."""

_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Slot:
    """The shared bytes of one image of one segment, by value name."""

    inputs: dict[str, _Bytes]
    outputs: dict[str, _Bytes]


class Exchange:
    """A mapping of the shared memory; both processes make one from the same segments and file descriptor."""

    def __init__(self, segments: Sequence[CompiledSegment], descriptor: int) -> None:
        size = exchange_bytes(segments)
        self._map = mmap.mmap(descriptor, size)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self.pinned = _lock_pages(self._bytes)
        offset = 0
        slots: list[tuple[Slot, ...]] = []
        for segment in segments:
            pair = []
            for _ in range(SLOTS):
                inputs, offset = self._carve(segment.inputs, offset)
                outputs, offset = self._carve(segment.outputs, offset)
                pair.append(Slot(inputs, outputs))
            slots.append(tuple(pair))
        self.slots = tuple(slots)

    def _carve(self, ports: Sequence[Port], offset: int) -> tuple[dict[str, _Bytes], int]:
        carved = {}
        for port in ports:
            carved[port.value] = self._bytes[offset : offset + port.span_bytes]
            offset += _whole_pages(port.span_bytes)
        return carved, offset


def exchange_bytes(segments: Sequence[CompiledSegment]) -> int:
    """Size of the shared memory for these segments."""
    ports = (port for segment in segments for port in (*segment.inputs, *segment.outputs))
    return max(SLOTS * sum(_whole_pages(port.span_bytes) for port in ports), mmap.PAGESIZE)


def open_exchange(segments: Sequence[CompiledSegment]) -> int:
    """A file descriptor of new anonymous memory that a child may inherit."""
    descriptor = os.memfd_create("accelserve-tensors")
    os.ftruncate(descriptor, exchange_bytes(segments))
    return descriptor


def fill_borders(port: Port, stored: _Bytes) -> None:
    """Write the border's zero points once; ``put`` only writes what they surround."""
    if port.border != Border():
        stored[:] = port.border.value


def put(port: Port, stored: _Bytes, image: Array) -> None:
    """Store one image (of the port's type) in the bytes the device reads."""
    border = port.border
    target = stored.view(port.kind.dtype.numpy).reshape(bordered_shape(port.kind.shape, border))
    if border == Border():
        target[...] = image
        return
    _, height, width, _ = port.kind.shape
    target[:, border.top : border.top + height, border.left : border.left + width] = image


def take(port: Port, stored: _Bytes) -> Array:
    """A fresh array of the port's type from the bytes the device wrote."""
    width = channels_of(port.kind) * port.kind.dtype.size_bytes
    pixels = port.kind.size_bytes // width
    rows = np.lib.stride_tricks.as_strided(stored, (pixels, width), (port.step, 1), writeable=False)
    return rows.copy().reshape(-1).view(port.kind.dtype.numpy).reshape(port.kind.shape)


def _whole_pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _lock_pages(memory: _Bytes) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlock(ctypes.c_void_p(memory.ctypes.data), ctypes.c_size_t(memory.nbytes)) == 0)
