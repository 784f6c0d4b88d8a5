"""A network compiled for this processor: its steps, its memory, its workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu import team
from accelserve.kernels.cpu.arena import Memory
from accelserve.kernels.cpu.lowering import RECORD_FIELDS, Address, Context, Step
from accelserve.kernels.cpu.ops.movement import SOURCE, TARGET, copy_step, dense_strides, strides_of
from accelserve.kernels.cpu.peak import measured_peak
from accelserve.kernels.cpu.weight_streams import ahead_tables
from accelserve.kernels.devices.base import StepProfile
from accelserve.kernels.devices.feeds import checked_batch
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array, Node, Reshape, TensorType

_OVERREAD_BYTES = 1 << 16
"""Kernels may read so far past a buffer; the pages are never written, so they cost nothing."""


class Patch(NamedTuple):
    """A record's field that holds the address of an image's input or output.

    Attributes:
        step: index of the step.
        field: position in its record.
        name: of the input or output.
    """

    step: int
    field: int
    name: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a program needs that does not depend on where memory lies.

    Attributes:
        steps: copies of inputs, the nodes' steps, copies of outputs.
        reads: where inputs' addresses go.
        writes: where outputs' addresses go.
    """

    steps: Sequence[Step]
    reads: Sequence[Patch]
    writes: Sequence[Patch]


def recipe(context: Context, node_steps: Sequence[Step]) -> Recipe:
    """Put copies between the caller's dense arrays and the arena around the nodes' steps."""
    graph = context.plan.graph
    steps: list[Step] = []
    reads, writes = [], []
    for name in graph.inputs:
        place = context.placement(name)
        reads.append(Patch(len(steps), SOURCE, name))
        steps.append(_outside_copy(context, name, place.type, inwards=True))
    steps.extend(node_steps)
    for public, value in graph.outputs.items():
        writes.append(Patch(len(steps), TARGET, public))
        steps.append(_outside_copy(context, value, context.type_of(value), inwards=False))
    return Recipe(steps, reads, writes)


def _outside_copy(context: Context, value: str, kind: TensorType, *, inwards: bool) -> Step:
    place, size = context.placement(value), kind.dtype.size_bytes
    outside, inside = dense_strides(kind.shape, size), strides_of(place)
    node = Node(f"{value} {'in' if inwards else 'out'}", Reshape(kind.shape), (value,), value)
    if inwards:
        framed = place if len(kind.shape) == 4 else None
        return copy_step(
            node,
            context,
            shape=kind.shape,
            source=0,
            source_strides=outside,
            target=context.address(value),
            target_strides=inside,
            frame=framed,
            size=size,
        )
    return copy_step(
        node,
        context,
        shape=kind.shape,
        source=context.address(value),
        source_strides=inside,
        target=0,
        target_strides=outside,
        frame=None,
        size=size,
    )


class Lane:
    """An arena with the records that point into it: what one image at a time needs."""

    def __init__(
        self,
        steps: Sequence[Step],
        addresses: Sequence[int],
        arena_bytes: int,
        scratch_bytes: int,
        constants: int,
    ) -> None:
        self.memory = Memory.private(arena_bytes + scratch_bytes + 2 * _OVERREAD_BYTES)
        bases = {
            "arena": self.memory.address + _OVERREAD_BYTES // 2,
            "scratch": self.memory.address + arena_bytes + _OVERREAD_BYTES,
            "constants": constants,
        }
        self.records = np.zeros((len(steps), RECORD_FIELDS), np.int64)
        self.table = np.zeros((len(steps), 3), np.int64)
        for index, each in enumerate(steps):
            for position, value in each.fields.items():
                self.records[index, position] = (
                    bases[value.space] + value.offset if isinstance(value, Address) else value
                )
            record = self.records.ctypes.data + index * RECORD_FIELDS * 8
            self.table[index] = addresses[index], each.items, record

    def field_address(self, patch: Patch) -> int:
        """Address of a record's field."""
        return int(self.records.ctypes.data) + (patch.step * RECORD_FIELDS + patch.field) * 8


class _AheadTables:
    """The tables of weights to ask for early, of all steps; all lanes share them."""

    def __init__(self, steps: Sequence[Step], workers: int, constants: int) -> None:
        self._steps = steps
        self._tables = ahead_tables([each.reads for each in steps], workers)
        for table in self._tables:
            table[:, 0] += constants

    def enter(self, records: NDArray[np.int64]) -> None:
        """Set the fields of a lane's records: the address of a step's table, and of its last row."""
        for step, table, record in zip(self._steps, self._tables, records, strict=True):
            if step.reads is not None:
                address = table.ctypes.data
                record[step.reads.table : step.reads.table + 2] = address, address + table[:-1].nbytes


class CpuProgram:
    """See ``Program``. One lane a worker; a single image is shared by all workers in the first lane."""

    def __init__(self, context: Context, made: Recipe, constants: Memory) -> None:
        # Nothing of the context is kept: its graph holds the weights a second time.
        graph = context.plan.graph
        self._inputs = dict(graph.inputs)
        self._outputs = {public: graph.type_of(value) for public, value in graph.outputs.items()}
        self._isa, self._cache = context.isa, context.cache
        self._arena_bytes = context.plan.arena_bytes
        self._recipe = made
        self._constants = constants
        self._lock = threading.Lock()
        self._closed = False
        functions = [each.function.address(context.cache) for each in made.steps]
        self._ahead = _AheadTables(made.steps, context.threads, constants.address)
        self._lanes = [
            Lane(made.steps, functions, context.plan.arena_bytes, context.scratch_bytes, constants.address)
            for _ in range(context.threads)
        ]
        for lane in self._lanes:
            self._ahead.enter(lane.records)
        self._team = team.Team(context.threads, context.cache)
        self._batch = _BatchJob(self._lanes, made, team.run_image.address(context.cache))

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each input, for one image."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each output, for one image."""
        return self._outputs

    @property
    def description(self) -> str:
        """``cpu avx512vnni, 2 threads``."""
        threads = self._team.size
        return f"cpu {self._isa.name}, {threads} thread{'s' if threads > 1 else ''}"

    @property
    def memory_bytes(self) -> int:
        """Bytes of the packed constants and of one lane's arena."""
        return self._constants.size_bytes + self._arena_bytes

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Results for a batch; see ``Program.run``.

        As many images as there are workers run side by side, one each; what is left over is shared, image by image.
        """
        count = checked_batch(self.inputs, inputs)
        feeds = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        results = {
            name: np.empty((count, *kind.shape[1:]), kind.dtype.numpy) for name, kind in self.outputs.items()
        }
        with self._in_use():
            workers = self._team.size
            alone = count - count % workers if workers > 1 else count
            if alone > 1:
                self._batch.fill(feeds, results, alone)
                self._team.run(self._batch.table.ctypes.data, 1)
            else:
                alone = 0
            for image in range(alone, count):
                self._patch(feeds, results, image)
                self._team.run(self._lanes[0].table.ctypes.data, len(self._recipe.steps))
        return results

    def profile(self, inputs: Mapping[str, Array], runs: int) -> Sequence[StepProfile]:
        """Median time of every step over ``runs`` runs of the first image."""
        checked_batch(self.inputs, inputs)
        feeds = {name: np.ascontiguousarray(array[:1]) for name, array in inputs.items()}
        results = {name: np.empty(kind.shape, kind.dtype.numpy) for name, kind in self.outputs.items()}
        steps = self._recipe.steps
        clocks = np.zeros((runs, len(steps), self._team.size, 2), np.int64)
        with self._in_use():
            self._patch(feeds, results, 0)
            for each in clocks:
                self._team.run(self._lanes[0].table.ctypes.data, len(steps), int(each.ctypes.data))
        seconds = _elapsed(clocks)
        return [
            StepProfile(each.name, each.operator, each.shape, each.macs, float(elapsed))
            for each, elapsed in zip(steps, seconds, strict=True)
        ]

    def peak_macs_per_second(self) -> float:
        """What this program's instruction set can multiply at most on its workers; measured now, in some 30 ms."""
        with self._in_use():
            return measured_peak(self._isa, self._team, self._cache)

    def close(self) -> None:
        """Join the workers and give the memory back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._team.close()
            for lane in self._lanes:
                lane.memory.close()
            self._constants.close()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise DeviceError("this program is closed; load the model again")
            yield

    def _patch(self, feeds: Mapping[str, Array], results: Mapping[str, Array], image: int) -> None:
        records = self._lanes[0].records
        for arrays, patches in ((feeds, self._recipe.reads), (results, self._recipe.writes)):
            for patch in patches:
                array = arrays[patch.name]
                records[patch.step, patch.field] = array.ctypes.data + image * array.strides[0]


class _BatchJob:
    """A table of one step whose items are images."""

    def __init__(self, lanes: Sequence[Lane], made: Recipe, function: int) -> None:
        self._patches = [*made.reads, *made.writes]
        self._tables = np.array([lane.table.ctypes.data for lane in lanes], np.int64)
        self._fields = np.array([[lane.field_address(p) for p in self._patches] for lane in lanes], np.int64)
        self._images: NDArray[np.int64] = np.zeros((len(self._patches), 2), np.int64)
        self._record = np.zeros(RECORD_FIELDS, np.int64)
        self._record[team.LANE_TABLES] = self._tables.ctypes.data
        self._record[team.LANE_STEPS] = len(made.steps)
        self._record[team.PATCHES] = len(self._patches)
        self._record[team.PATCH_LIST] = self._images.ctypes.data
        self._record[team.LANE_PATCHES] = self._fields.ctypes.data
        self.table = np.array([[function, 0, self._record.ctypes.data]], np.int64)

    def fill(self, feeds: Mapping[str, Array], results: Mapping[str, Array], images: int) -> None:
        """Set the addresses of a batch."""
        arrays = {**{("in", k): v for k, v in feeds.items()}, **{("out", k): v for k, v in results.items()}}
        reads = len(feeds)
        for index, patch in enumerate(self._patches):
            array = arrays["in" if index < reads else "out", patch.name]
            self._images[index] = array.ctypes.data, array.strides[0]
        self.table[0, 1] = images


def _elapsed(clocks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Seconds of every step: median over runs of last end less first start of the workers that ran an item."""
    worked = clocks[..., 1] > 0
    start = np.where(worked, clocks[..., 0], np.iinfo(np.int64).max).min(axis=2)
    end = np.where(worked, clocks[..., 1], 0).max(axis=2)
    return np.asarray(np.median(end - start, axis=0) * 1e-9)
