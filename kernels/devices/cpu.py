"""The CPU device: integer graphs on the processor's best instruction set."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.plan.arena import Memory
from accelserve.kernels.cpu.plan.packed_file import digest_of, mapped_block
from accelserve.kernels.cpu.plan.plan_file import CpuPlan
from accelserve.kernels.cpu.plan.verifier import verify
from accelserve.kernels.cpu.runtime import team
from accelserve.kernels.cpu.runtime.program import CpuProgram, expect_code, load_code
from accelserve.kernels.errors import DeviceError, UnsafePlanError
from accelserve.kernels.native.machine_code import KERNELS
from accelserve.kernels.native.sources import source_hash
from accelserve.kernels.program import CachedProgram, LoadOptions, Lowered

_log = logging.getLogger(__name__)


class CpuDevice:
    """The processor of this machine.

    Attributes:
        name: what ``--device`` calls it.
        isa: the instruction set that programs use.
        caches_plans: see ``CachesPlans``.
    """

    name = "cpu"
    caches_plans = True

    def __init__(self, isa_name: str | None = None) -> None:
        """Choose the instruction set, by name or the best.

        Raises:
            DeviceError: this processor cannot run the named one.
        """
        self.isa: InstructionSet = isa.choose(isa_name)

    def load(self, lowered: Lowered, options: LoadOptions) -> CpuProgram:
        """Plan, pack and compile; see ``Device.load``."""
        # The compiler and numba are imported only if there is something to compile.
        from accelserve.kernels.cpu.compiler.planning import plan_network

        KERNELS.expect(team.FUNCTIONS)
        plan, constants = plan_network(lowered, self.isa, _threads(options), options.cache)
        expect_code(plan.recipe.steps)
        verify(plan, constants.bytes)
        if options.cache is not None and options.network and plan.weights:
            plan.save(_plan_file(options.cache, self.isa, options))
        return CpuProgram(plan, self.isa, constants, options.cache)

    def load_cached(self, options: LoadOptions) -> CachedProgram | None:
        """Build a program from a cached plan; see ``CachesPlans.load_cached``."""
        if options.cache is None or not options.network:
            return None
        plan = CpuPlan.read(_plan_file(options.cache, self.isa, options))
        constants = None if plan is None else mapped_block(options.cache / plan.weights, plan.weights_bytes)
        if plan is None or constants is None:
            return None
        refusal = _refusal(plan, constants)
        if refusal:
            _log.warning("%s is made again: %s", _plan_file(options.cache, self.isa, options), refusal)
            constants.close()
            return None
        try:
            program = CpuProgram(plan, self.isa, constants, options.cache)
        except KeyError:  # a kernel's object file is gone; the caller compiles the network again
            constants.close()
            return None
        return CachedProgram(program, plan.input_quantization)


def fill_cache(lowered: Lowered, isa: InstructionSet, options: LoadOptions) -> None:
    """Plan, pack and compile for a processor that need not be this one; nothing of it runs.

    Args:
        lowered: the network.
        isa: of this kind of machine.
        options: with a cache and the network's name.

    Raises:
        DeviceError: there is no cache to fill.
    """
    from accelserve.kernels.cpu.compiler.planning import plan_network

    if options.cache is None or not options.network:
        raise DeviceError("compiling ahead needs a cache and the network's name")
    plan, constants = plan_network(lowered, isa, _threads(options), options.cache)
    verify(plan, constants.bytes)
    constants.close()
    load_code(plan.recipe.steps, isa, options.cache)
    plan.save(_plan_file(options.cache, isa, options))


def _plan_file(cache: Path, isa: InstructionSet, options: LoadOptions) -> Path:
    kind = f"{source_hash()}\n{isa.name}\n{isa.target}\n{_threads(options)}\n{options.network}"
    return cache / "plans" / f"{digest_of([kind.encode()])}.json"


def _refusal(plan: CpuPlan, constants: Memory) -> str:
    """Why a plan may not run; empty if it may."""
    try:
        verify(plan, constants.bytes)
    except UnsafePlanError as error:  # whose traceback holds on to the constants, so it ends here
        return str(error)
    return ""


def _threads(options: LoadOptions) -> int:
    return options.threads or len(os.sched_getaffinity(0))
