"""The CPU device: integer graphs on the processor's best instruction set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from accelserve.kernels.compiler.plan import plan
from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.jit import source_hash
from accelserve.kernels.cpu.lowering import Context, CpuLayoutRules, Step
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.ops import LOWERINGS
from accelserve.kernels.cpu.pack import Packer, digest_of
from accelserve.kernels.cpu.program import CpuProgram, recipe
from accelserve.kernels.devices.base import LoadOptions, Lowered
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Graph


class CpuDevice:
    """The processor of this machine.

    Attributes:
        name: what ``--device`` calls it.
        isa: the instruction set that programs use.
    """

    name = "cpu"

    def __init__(self, isa_name: str | None = None) -> None:
        """Choose the instruction set, by name or the best.

        Raises:
            DeviceError: this processor cannot run the named one.
        """
        self.isa: InstructionSet = isa.choose(isa_name)

    def load(self, lowered: Lowered, options: LoadOptions) -> CpuProgram:
        """Plan, pack and compile; see ``Device.load``."""
        graph = lowered.graph
        lacking = [(node.name, node.op.label) for node in graph if type(node.op) not in LOWERINGS]
        if lacking:
            raise UnsupportedNodesError(lacking)
        context = Context(
            plan=plan(graph, CpuLayoutRules()),
            packer=Packer(),
            isa=self.isa,
            threads=options.threads or len(os.sched_getaffinity(0)),
            cache=options.cache,
        )
        made = recipe(context, _steps(context))
        constants = context.packer.block(_weights_file(context, options.cache))
        return CpuProgram(context, made, constants)


def _steps(context: Context) -> list[Step]:
    steps: list[Step] = []
    lacking: list[tuple[str, str]] = []
    for node in context.plan.graph:
        try:
            steps.extend(LOWERINGS[type(node.op)].lower(node, context))
        except UnsupportedNodesError as error:
            lacking.extend(error.nodes)
    if lacking:
        raise UnsupportedNodesError(lacking)
    return steps


def _weights_file(context: Context, cache: Path | None) -> Path | None:
    """Where the packed constants of this graph, for this instruction set, are kept."""
    if cache is None:
        return None
    graph: Graph = context.plan.graph
    structure = repr([(node.op, node.inputs, node.output) for node in graph]).encode()
    placements = repr(sorted(context.plan.placements.items())).encode()
    kind = f"{source_hash()} {context.isa.name}".encode()
    constants = [np.asarray(graph.constants[name]) for name in sorted(graph.constants)]
    return cache / "weights" / f"{digest_of([kind, structure, placements, *constants])}.bin"
