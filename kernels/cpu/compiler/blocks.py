"""The blocks of a plan: what each address may reach, and whose bytes it is meant to find there."""

from __future__ import annotations

from accelserve.kernels.compiler.layout import LayoutRules
from accelserve.kernels.compiler.plan import ExecutionPlan
from accelserve.kernels.cpu.plan.steps import Address, Block


class Blocks:
    """Collects the blocks of one plan; those of values follow from where the layout put them.

    Attributes:
        all: every block so far.
    """

    def __init__(self, plan: ExecutionPlan, rules: LayoutRules) -> None:
        self.all = [
            Block("arena", offset, size) for offset, size in zip(plan.offsets, plan.buffer_bytes, strict=True)
        ]
        self._of = {value: placement.buffer for value, placement in plan.placements.items()}
        for node in plan.graph:
            for operand in rules.takes_over(node):
                if _same_place(plan, node.inputs[operand], node.output):
                    self._of[node.output] = self._add(*self.all[plan.placements[node.output].buffer])

    def of(self, value: str) -> int:
        """Index of the block in which a value lives."""
        return self._of[value]

    def start(self, space: str, offset: int, size_bytes: int) -> Address:
        """The first byte of a new block."""
        return Address(space, offset, self._add(space, offset, size_bytes))

    def _add(self, space: str, offset: int, size_bytes: int) -> int:
        self.all.append(Block(space, offset, size_bytes))
        return len(self.all) - 1


def _same_place(plan: ExecutionPlan, operand: str, result: str) -> bool:
    """Whether a result is written over an operand."""
    one, other = plan.placements.get(operand), plan.placements[result]
    return one is not None and (one.buffer, one.origin) == (other.buffer, other.origin)


__all__ = ["Blocks"]
