"""A network's plan for this processor, as data: what a program is built from, and how it is cached between starts.

Everything that takes time or a network's weights to find out is in it: with the plan, the packed constants and the
machine code at hand, a network runs without its ONNX file, our compiler, or numba.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelserve.kernels.cpu.plan.steps import Address, Block, Code, Field, Patch, Recipe, Step
from accelserve.kernels.cpu.plan.weight_streams import WeightReads
from accelserve.kernels.file_cache import read_cached, write_cached
from accelserve.kernels.ir import DType, QuantParams, TensorType
from accelserve.kernels.native.compiled import Compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuPlan:
    """See the module.

    Attributes:
        threads: workers of one image.
        inputs, outputs: name -> type, for one image.
        input_quantization: as ``Lowered`` has it.
        arena_bytes, scratch_bytes: of a workspace.
        weights: file name of the packed constants in the cache; empty if they are not cached.
        weights_bytes: of the packed constants.
        recipe: the steps.
    """

    threads: int
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    input_quantization: Mapping[str, QuantParams]
    arena_bytes: int
    scratch_bytes: int
    weights: str
    weights_bytes: int
    recipe: Recipe

    def save(self, path: Path) -> None:
        """Write it to the cache; a failure is logged, once in a process."""
        document = {
            "threads": self.threads,
            "inputs": _types_to_json(self.inputs),
            "outputs": _types_to_json(self.outputs),
            "input_quantization": {name: asdict(each) for name, each in self.input_quantization.items()},
            "arena_bytes": self.arena_bytes,
            "scratch_bytes": self.scratch_bytes,
            "weights": self.weights,
            "weights_bytes": self.weights_bytes,
            "steps": [_step_to_json(each) for each in self.recipe.steps],
            "blocks": self.recipe.blocks,
            "reads": self.recipe.reads,
            "writes": self.recipe.writes,
        }
        write_cached(path, json.dumps(document).encode())

    @classmethod
    def read(cls, path: Path) -> CpuPlan | None:
        """What ``save`` wrote; None if it is not there, or damaged."""
        content = read_cached(path)
        if content is None:
            return None
        document = json.loads(content)
        return cls(
            threads=document["threads"],
            inputs=_types_of(document["inputs"]),
            outputs=_types_of(document["outputs"]),
            input_quantization={
                name: QuantParams(**each) for name, each in document["input_quantization"].items()
            },
            arena_bytes=document["arena_bytes"],
            scratch_bytes=document["scratch_bytes"],
            weights=document["weights"],
            weights_bytes=document["weights_bytes"],
            recipe=Recipe(
                [_step_of(each) for each in document["steps"]],
                [Block(*each) for each in document["blocks"]],
                [Patch(*each) for each in document["reads"]],
                [Patch(*each) for each in document["writes"]],
            ),
        )


def _types_to_json(types: Mapping[str, TensorType]) -> dict[str, Any]:
    return {name: [kind.shape, kind.dtype.value] for name, kind in types.items()}


def _types_of(document: Mapping[str, Any]) -> dict[str, TensorType]:
    return {name: TensorType(tuple(shape), DType(dtype)) for name, (shape, dtype) in document.items()}


def _step_to_json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "operator": step.operator,
        "function": [step.function.module, step.function.name, step.function.arguments],
        "fields": {str(position): _field_to_json(value) for position, value in step.fields.items()},
        "items": step.items,
        "shape": step.shape,
        "macs": step.macs,
        "executed_macs": step.executed_macs,
        "weight_reads": None if step.reads is None else asdict(step.reads),
    }


def _step_of(document: Mapping[str, Any]) -> Step:
    return Step(
        name=document["name"],
        operator=document["operator"],
        function=Compiled(*document["function"]),
        fields={int(position): _field_of(value) for position, value in document["fields"].items()},
        items=document["items"],
        shape=tuple(document["shape"]),
        macs=document["macs"],
        executed_macs=document["executed_macs"],
        reads=None if document["weight_reads"] is None else WeightReads(**document["weight_reads"]),
    )


def _field_to_json(value: Field) -> object:
    match value:
        case Address(space, offset, block):
            return [space, offset, block]
        case Code(name):
            return name
        case _:
            return int(value)  # some are numpy's


def _field_of(value: Any) -> Field:
    match value:
        case [space, offset, block]:
            return Address(space, offset, block)
        case str():
            return Code(value)
        case _:
            return int(value)
