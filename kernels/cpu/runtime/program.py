"""A network compiled for this processor: its steps, its memory, its workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.plan.arena import Memory
from accelserve.kernels.cpu.plan.plan_file import CpuPlan
from accelserve.kernels.cpu.plan.steps import (
    OVERREAD_BYTES,
    Address,
    Code,
    Patch,
    Recipe,
    Step,
)
from accelserve.kernels.cpu.plan.weight_streams import ahead_tables
from accelserve.kernels.cpu.records import batch
from accelserve.kernels.cpu.records.declaration import RECORD_WORDS
from accelserve.kernels.cpu.runtime import team
from accelserve.kernels.cpu.runtime.team_size import TeamSize
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array, TensorType
from accelserve.kernels.native.machine_code import KERNELS
from accelserve.kernels.program import StepProfile, checked_batch


class Workspace:
    """An arena with the records that point into it: what one image at a time needs."""

    def __init__(self, plan: CpuPlan, code: Mapping[str, int], constants: int) -> None:
        """Take the memory and fill the records.

        Args:
            plan: whose steps.
            code: symbol or name -> address, of every function and kernel that the steps name.
            constants: address of the packed constants.
        """
        steps = plan.recipe.steps
        self.memory = Memory.private(plan.arena_bytes + plan.scratch_bytes + 4 * OVERREAD_BYTES)
        bases = {
            "arena": self.memory.address + OVERREAD_BYTES,
            "scratch": self.memory.address + plan.arena_bytes + 3 * OVERREAD_BYTES,
            "constants": constants,
        }
        self.records = np.zeros((len(steps), RECORD_WORDS), np.int64)
        self.table = np.zeros((len(steps), 3), np.int64)
        for index, each in enumerate(steps):
            for position, value in each.fields.items():
                match value:
                    case Address(space, offset, _):
                        self.records[index, position] = bases[space] + offset
                    case Code(name):
                        self.records[index, position] = code[name]
                    case _:
                        self.records[index, position] = value
            record = self.records.ctypes.data + index * RECORD_WORDS * 8
            self.table[index] = code[each.function.symbol], each.items, record

    def field_address(self, patch: Patch) -> int:
        """Address of a record's field."""
        return int(self.records.ctypes.data) + (patch.step * RECORD_WORDS + patch.field) * 8


class _AheadTables:
    """The tables of weights to ask for early, of all steps; all workspaces share them."""

    def __init__(self, steps: Sequence[Step], workers: int, constants: int) -> None:
        self._steps = steps
        self._tables = ahead_tables([each.reads for each in steps], workers)
        for table in self._tables:
            table[:, 0] += constants

    def enter(self, records: NDArray[np.int64]) -> None:
        """Set the fields of a workspace's records: the address of a step's table, and of its last row."""
        for step, table, record in zip(self._steps, self._tables, records, strict=True):
            if step.reads is not None:
                address = table.ctypes.data
                record[step.reads.table : step.reads.table + 2] = address, address + table[:-1].nbytes


def code_of(steps: Sequence[Step], isa: InstructionSet, cache: Path | None) -> dict[str, int]:
    """Symbol or name -> address of the machine code of every function and kernel that the steps name.

    Raises:
        KeyError: a kernel is neither loaded nor in the cache.
    """
    found: dict[str, int] = {}
    for each in steps:
        if each.function.symbol not in found:
            found[each.function.symbol] = each.function.address(cache)
        for value in each.fields.values():
            if isinstance(value, Code) and value.name not in found:
                address = KERNELS.known(value.name, isa.target, cache)
                if address is None:
                    raise KeyError(value.name)
                found[value.name] = address
    return found


def expect_code(steps: Sequence[Step]) -> None:
    """Say what ``code_of`` is going to ask for, so that two processes can compile it."""
    KERNELS.expect(list({each.function.symbol: each.function for each in steps}.values()))


def load_code(steps: Sequence[Step], isa: InstructionSet, cache: Path | None) -> None:
    """Compile, or read from the cache, all that a program of these steps runs; KeyError as ``code_of`` says."""
    code_of(steps, isa, cache)
    for each in team.FUNCTIONS:
        each.address(cache)


class CpuProgram:
    """See ``Program``. One workspace a worker; a single image is shared by all workers in the first workspace.

    Attributes:
        description: ``cpu avx512vnni, 2 threads``.
    """

    def __init__(self, plan: CpuPlan, isa: InstructionSet, constants: Memory, cache: Path | None) -> None:
        """Take memory and workers.

        Args:
            plan: what to run.
            isa: the plan's instruction set.
            constants: the plan's packed constants; the program closes them.
            cache: folder for machine code.

        Raises:
            KeyError: a kernel of the plan is neither loaded nor in the cache.
        """
        self._plan, self._isa, self._cache = plan, isa, cache
        self._recipe = plan.recipe
        code = code_of(plan.recipe.steps, isa, cache)
        self._constants = constants
        self._lock = threading.Lock()
        self._closed = False
        self._workspaces = [Workspace(plan, code, constants.address) for _ in range(plan.threads)]
        self._ahead = _AheadTables(plan.recipe.steps, plan.threads, constants.address)
        for workspace in self._workspaces:
            self._ahead.enter(workspace.records)
        self._batch = _BatchJob(self._workspaces, plan.recipe, team.RUN_IMAGE.address(cache))
        # A program that is dropped without ``close`` leaves its memory to its workers, which end and release it.
        keeps = (self._workspaces, self._ahead, self._batch, constants)
        self._team = team.Team(plan.threads, cache, keeps)
        self._team_size = TeamSize(plan.threads)
        threads = f"{plan.threads} thread{'s' if plan.threads > 1 else ''}"
        self.description = f"cpu {isa.name}, {threads}"

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each input, for one image."""
        return self._plan.inputs

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each output, for one image."""
        return self._plan.outputs

    @property
    def memory_bytes(self) -> int:
        """Bytes of the packed constants and of one workspace's arena."""
        return self._plan.weights_bytes + self._plan.arena_bytes

    @property
    def side_by_side(self) -> int:
        """Images that it works on at once, one a worker; see ``WorksSideBySide``."""
        return self._team.size

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Results for a batch; see ``Program.run``.

        As many images as there are workers run side by side, one each; what is left over is shared, image by image.
        """
        count = checked_batch(self.inputs, inputs)
        feeds = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        results = {
            name: np.empty((count, *kind.shape[1:]), kind.dtype.numpy) for name, kind in self.outputs.items()
        }
        with self._lock:
            self._require_open()
            workers = self._team.size
            alone = count - count % workers if workers > 1 else count
            if alone > 1:
                self._batch.fill(feeds, results, alone)
                self._team.run(self._batch.table.ctypes.data, 1)
            else:
                alone = 0
            for image in range(alone, count):
                self._patch(feeds, results, image)
                self._share_image()
        return results

    def _share_image(self) -> None:
        """Run the image in the first workspace by as many workers as are good for it now."""
        began = time.perf_counter()
        steps, workers = len(self._recipe.steps), self._team_size.now
        self._team.run(self._workspaces[0].table.ctypes.data, steps, workers=workers)
        self._team_size.took(time.perf_counter() - began)

    def profile(self, inputs: Mapping[str, Array], runs: int) -> Sequence[StepProfile]:
        """Median time of every step over ``runs`` runs of the first image."""
        checked_batch(self.inputs, inputs)
        feeds = {name: np.ascontiguousarray(array[:1]) for name, array in inputs.items()}
        results = {name: np.empty(kind.shape, kind.dtype.numpy) for name, kind in self.outputs.items()}
        steps = self._recipe.steps
        clocks = np.zeros((runs, len(steps), self._team.size, 2), np.int64)
        # Workers of its own, which have ended before the clocks that they write to are gone.
        with self._lock, closing(team.Team(self._team.size, self._cache)) as workers:
            self._require_open()
            self._patch(feeds, results, 0)
            for each in clocks:
                workers.run(self._workspaces[0].table.ctypes.data, len(steps), int(each.ctypes.data))
        seconds = _elapsed(clocks)
        return [
            StepProfile(each.name, each.operator, each.shape, each.macs, float(elapsed), each.executed_macs)
            for each, elapsed in zip(steps, seconds, strict=True)
        ]

    def peak_macs_per_second(self) -> float:
        """What the multiply instructions of this program's instruction set allow on its workers; measured now, in some 30 ms."""
        from accelserve.kernels.cpu.runtime.peak import measured_peak

        with self._lock:
            self._require_open()
            return measured_peak(self._isa, self._team.size, self._cache)

    def close(self) -> None:
        """Join the workers and release the memory."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._team.close()
            for workspace in self._workspaces:
                workspace.memory.close()
            self._constants.close()

    def _require_open(self) -> None:
        if self._closed:
            raise DeviceError("this program is closed; load the model again")

    def _patch(self, feeds: Mapping[str, Array], results: Mapping[str, Array], image: int) -> None:
        records = self._workspaces[0].records
        for arrays, patches in ((feeds, self._recipe.reads), (results, self._recipe.writes)):
            for patch in patches:
                array = arrays[patch.name]
                records[patch.step, patch.field] = array.ctypes.data + image * array.strides[0]


class _BatchJob:
    """A table of one step whose items are images."""

    def __init__(self, workspaces: Sequence[Workspace], made: Recipe, function: int) -> None:
        self._patches = [*made.reads, *made.writes]
        self._tables = np.array([workspace.table.ctypes.data for workspace in workspaces], np.int64)
        self._fields = np.array(
            [[workspace.field_address(p) for p in self._patches] for workspace in workspaces], np.int64
        )
        self._images: NDArray[np.int64] = np.zeros((len(self._patches), 2), np.int64)
        self._record = np.zeros(RECORD_WORDS, np.int64)
        self._record[batch.WORKSPACE_TABLES] = self._tables.ctypes.data
        self._record[batch.WORKSPACE_STEPS] = len(made.steps)
        self._record[batch.PATCHES] = len(self._patches)
        self._record[batch.PATCH_LIST] = self._images.ctypes.data
        self._record[batch.WORKSPACE_PATCHES] = self._fields.ctypes.data
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
