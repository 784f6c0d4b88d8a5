"""From a lowered graph to a plan for this processor, with its constants packed and its kernels compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from accelserve.kernels.compiler.driver import run_pass
from accelserve.kernels.compiler.passes.stack_inner_batches import stack_inner_batches
from accelserve.kernels.compiler.plan import plan
from accelserve.kernels.cpu.compiler.blocks import Blocks
from accelserve.kernels.cpu.compiler.lowering import Context, CpuLayoutRules, Step
from accelserve.kernels.cpu.compiler.ops import LOWERINGS
from accelserve.kernels.cpu.compiler.pack import Packer
from accelserve.kernels.cpu.compiler.recipe import recipe
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.plan.arena import Memory
from accelserve.kernels.cpu.plan.packed_file import digest_of
from accelserve.kernels.cpu.plan.plan_file import CpuPlan
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Graph
from accelserve.kernels.native.sources import source_hash
from accelserve.kernels.program import Lowered


def plan_network(
    lowered: Lowered, isa: InstructionSet, threads: int, cache: Path | None
) -> tuple[CpuPlan, Memory]:
    """Lay out, pack and compile.

    Args:
        lowered: the network.
        isa: what to compile for.
        threads: workers of one image.
        cache: folder for packed constants and machine code; None caches nothing.

    Returns:
        The plan and its packed constants, mapped from the cache if they are there.

    Raises:
        UnsupportedNodesError: operators are lacking; all of them are named.
    """
    graph = run_pass(lowered.graph, stack_inner_batches)
    lacking = [(node.name, node.op.label) for node in graph if type(node.op) not in LOWERINGS]
    if lacking:
        raise UnsupportedNodesError(lacking)
    rules = CpuLayoutRules()
    planned_graph = plan(graph, rules)
    context = Context(
        plan=planned_graph,
        blocks=Blocks(planned_graph, rules),
        packer=Packer(),
        isa=isa,
        threads=threads,
        cache=cache,
    )
    made = recipe(context, _steps(context))
    weights = f"weights/{_digest_of_weights(context)}.bin" if cache is not None else ""
    constants = context.packer.block(None if cache is None else cache / weights)
    planned = context.plan.graph
    result = CpuPlan(
        threads=threads,
        inputs=dict(planned.inputs),
        outputs={public: planned.type_of(value) for public, value in planned.outputs.items()},
        input_quantization=dict(lowered.input_quantization),
        arena_bytes=context.plan.arena_bytes,
        scratch_bytes=context.scratch_bytes,
        weights=weights,
        weights_bytes=context.packer.size_bytes,
        recipe=made,
    )
    return result, constants


def _steps(context: Context) -> list[Step]:
    steps: list[Step] = []
    lacking: list[tuple[str, str]] = []
    for node in context.plan.graph:
        try:
            steps.extend(LOWERINGS[type(node.op)].lower(node, node.op, context))
        except UnsupportedNodesError as error:
            lacking.extend(error.nodes)
    if lacking:
        raise UnsupportedNodesError(lacking)
    return steps


def _digest_of_weights(context: Context) -> str:
    """Of all that packed constants depend on; workers are part of it, since they may decide how a layer is computed."""
    graph: Graph = context.plan.graph
    structure = repr([(node.op, node.inputs, node.output) for node in graph]).encode()
    placements = repr(sorted(context.plan.placements.items())).encode()
    kind = f"{source_hash()} {context.isa.name} {context.isa.target} {context.threads}".encode()
    constants = [np.asarray(graph.constants[name]) for name in sorted(graph.constants)]
    return digest_of([kind, structure, placements, *constants])
