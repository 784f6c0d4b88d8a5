"""What can go wrong in the kernels, as nouns with fields.

KernelError
├── GraphError                 a graph that breaks a rule of the intermediate representation
│   ├── ShapeMismatchError     operands whose shapes or dtypes do not fit an operator
│   └── UnsupportedNodesError  operators that no kernel implements, every one named
├── PlanError                  a graph that cannot be compiled for a device
│   ├── PassError              a compiler pass that failed or broke what it promises
│   └── UnsafePlanError        a plan that is not proved to stay inside its memory
├── DeviceError                a device that failed, is missing or is in use
└── image and detection errors, in the preprocess and postprocess rooms

No transport codes here: only the server's protocols map errors to statuses.
"""

from __future__ import annotations

from collections.abc import Sequence


class KernelError(Exception):
    """Base of every error that the kernels raise on purpose."""


class GraphError(KernelError):
    """A graph, or a node of it, breaks a rule of the intermediate representation."""


class ShapeMismatchError(GraphError):
    """Operands do not fit an operator.

    Attributes:
        op: the operator's name.
        reason: got, expected and the next step, as a sentence.
    """

    def __init__(self, op: str, reason: str) -> None:
        self.op = op
        self.reason = reason
        super().__init__(f"{op}: {reason}")


class UnsupportedNodesError(GraphError):
    """Some nodes have operators that no kernel implements.

    Attributes:
        nodes: ``(node name, operator)`` of every such node.
    """

    def __init__(self, nodes: Sequence[tuple[str, str]]) -> None:
        self.nodes = tuple(nodes)
        listed = ", ".join(f"{name or '(unnamed)'} ({op})" for name, op in self.nodes)
        super().__init__(f"no kernel implements {len(self.nodes)} node(s) of this network: {listed}")


class PlanError(KernelError):
    """A lowered graph cannot be compiled for a device."""


class PassError(PlanError):
    """A pass of the compiler failed, does not come to an end, or broke a condition that it promises to keep.

    Attributes:
        name: the pass.
        reason: what went wrong, as a sentence.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"the compiler's pass '{name}' is at fault: {reason}; please report this network")


class UnsafePlanError(PlanError):
    """It is not proved that a plan reads only what was written and stays inside its memory, so it is not run.

    Attributes:
        place: the step or output.
        reason: what it would do.
    """

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"the plan of this network is refused: {place} {reason}; please report this network")


class DeviceError(KernelError):
    """A device failed, is missing, or is held by another model."""
