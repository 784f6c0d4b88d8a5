"""The engine on a device: resident segments, two images in flight, one launch per image.

Runs in the device's own process (see ``worker``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from accelserve.kernels.opencl.engine.segment import CompiledSegment
from accelserve.kernels.opencl.engine.source import KERNELS, EnginePath
from accelserve.kernels.opencl.errors import DeviceMemoryError
from accelserve.kernels.opencl.runtime.exchange import SLOTS

_NO_MEMORY = frozenset(
    (
        cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE,
        cl.status_code.OUT_OF_RESOURCES,
        cl.status_code.OUT_OF_HOST_MEMORY,
        cl.status_code.INVALID_BUFFER_SIZE,
    )
)

HostBytes = Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Flight:
    """An image on its way.

    Attributes:
        launches: events of the kernels.
        downloads: events of the results' copies.
    """

    launches: tuple[cl.Event, ...]
    downloads: tuple[cl.Event, ...]

    def wait(self) -> float:
        """Wait until the results are on the host; the seconds the kernels took by the device's clock."""
        cl.wait_for_events(list(self.downloads or self.launches))
        begin = min(event.profile.start for event in self.launches)
        end = max(event.profile.end for event in self.launches)
        return float(end - begin) * 1e-9


class Resident:
    """A segment whose weights are on the device.

    The kernels of the channel path run at once on a board, each in its own queue. A device that is a CPU underneath
    runs them one after another, piece by piece (``in_turn``): blocked channels would only spin there.
    """

    def __init__(
        self,
        context: cl.Context,
        program: cl.Program,
        segment: CompiledSegment,
        path: EnginePath,
        *,
        in_turn: bool,
    ) -> None:
        self._segment = segment
        self._in_turn = in_turn and path is EnginePath.CHANNELS
        _check_memory(context.devices[0], segment)
        profiling = cl.command_queue_properties.PROFILING_ENABLE
        try:
            self._allocate(context, segment)
        except cl.Error as error:
            if error.code not in _NO_MEMORY:
                raise
            raise DeviceMemoryError(segment.memory_bytes, int(context.devices[0].global_mem_size)) from error
        self._transfers = cl.CommandQueue(context, properties=profiling)
        names = KERNELS[path]
        shared = cl.CommandQueue(context, properties=profiling)
        self._queues = {
            name: shared if self._in_turn else cl.CommandQueue(context, properties=profiling)
            for name in names
        }
        self._kernels = {name: cl.Kernel(program, name) for name in names}

    def _allocate(self, context: cl.Context, segment: CompiledSegment) -> None:
        flags = cl.mem_flags
        read_only = flags.READ_ONLY | flags.COPY_HOST_PTR
        self._weights = cl.Buffer(context, read_only, hostbuf=segment.weights)
        self._parameters = cl.Buffer(context, read_only, hostbuf=segment.parameters)
        self._program = cl.Buffer(context, read_only, hostbuf=segment.program)
        self._arenas = [cl.Buffer(context, flags.READ_WRITE, segment.arena_bytes) for _ in range(SLOTS)]

    def submit(self, slot: int, inputs: HostBytes, outputs: HostBytes) -> Flight:
        """Start one image; returns at once.

        Args:
            slot: 0 or 1; its flight before must have been waited for.
            inputs: input value -> its stored bytes, border included; read until the flight ends.
            outputs: output value -> where its span of bytes goes.
        """
        arena = self._arenas[slot]
        uploads = [
            cl.enqueue_copy(self._transfers, arena, inputs[p.value], dst_offset=p.offset, is_blocking=False)
            for p in self._segment.inputs
        ]
        self._transfers.flush()
        launches = self._launch(slot, 0, len(self._segment.program), uploads)
        downloads = tuple(
            cl.enqueue_copy(
                self._transfers,
                outputs[p.value],
                arena,
                src_offset=p.offset,
                is_blocking=False,
                wait_for=launches,
            )
            for p in self._segment.outputs
        )
        self._transfers.flush()
        return Flight(tuple(launches), downloads)

    def profile(self, runs: int) -> list[tuple[float, ...]]:
        """Seconds of every layer by the device's clock, for each of ``runs`` runs on the bytes now in slot 0."""
        return [
            tuple(self._timed(layer.first, layer.last) for layer in self._segment.layers) for _ in range(runs)
        ]

    def _timed(self, first: int, last: int) -> float:
        launches = self._launch(0, first, last, [])
        return Flight(tuple(launches), ()).wait()

    def _launch(self, slot: int, first: int, last: int, after: Sequence[cl.Event]) -> list[cl.Event]:
        if not self._in_turn:
            return self._launch_range(slot, first, last, after)
        events: list[cl.Event] = []
        for piece in range(first, last):
            events += self._launch_range(slot, piece, piece + 1, after)
        return events

    def _launch_range(self, slot: int, first: int, last: int, after: Sequence[cl.Event]) -> list[cl.Event]:
        events = []
        for name, kernel in self._kernels.items():
            kernel.set_args(*self._arguments(name, slot), np.int32(first), np.int32(last))
            queue = self._queues[name]
            events.append(cl.enqueue_nd_range_kernel(queue, kernel, (1,), (1,), wait_for=list(after)))
            if not self._in_turn:
                queue.flush()
        return events

    def _arguments(self, kernel: str, slot: int) -> tuple[cl.Buffer, ...]:
        arena = self._arenas[slot]
        buffers: dict[str, tuple[cl.Buffer, ...]] = {
            "run_layers": (self._program, self._weights, self._parameters, arena),
            "read_weights": (self._program, self._weights),
            "read_activations": (self._program, self._parameters, arena),
            "multiply_accumulate": (self._program, self._parameters),
            "write_results": (self._program, self._parameters, arena),
        }
        return buffers[kernel]

    def release(self) -> None:
        """Give the buffers back."""
        for buffer in (self._weights, self._parameters, self._program, *self._arenas):
            buffer.release()


def _check_memory(device: cl.Device, segment: CompiledSegment) -> None:
    largest = max(segment.weights.nbytes, segment.arena_bytes)
    if segment.memory_bytes > device.global_mem_size:
        raise DeviceMemoryError(segment.memory_bytes, int(device.global_mem_size))
    if largest > device.max_mem_alloc_size:
        raise DeviceMemoryError(largest, int(device.max_mem_alloc_size))
