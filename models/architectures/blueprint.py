"""A network without weights: its nodes, the parameters they need, and what it can answer with."""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from accelserve.models.errors import UnknownOutputError, WeightMismatchError

OPSET = 17
IR_VERSION = 8  # what came with opset 17; older readers still take it
BATCH = "N"

Shape: TypeAlias = tuple[int, ...]
Weights: TypeAlias = Mapping[str, NDArray[np.generic]]


class Role(enum.Enum):
    """What a parameter does; it decides how random weights draw it."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM_SCALE = "scale of a normalisation"
    NORM_SHIFT = "shift of a normalisation"
    RUNNING_MEAN = "mean that a batch normalisation subtracts"
    RUNNING_VARIANCE = "variance that a batch normalisation divides by"


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor between nodes.

    Attributes:
        name: its name in the ONNX graph.
        shape: without the batch: (channels, rows, columns), or whatever a head reshapes to.
    """

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A weight tensor, under the name and in the shape that a PyTorch ``state_dict`` has.

    Attributes:
        shape: shape in the checkpoint.
        role: what it does.
        stored_shape: shape of the ONNX initializer, the same elements in the same order.
        value: what it starts from when weights are random; None draws it by its role.
    """

    shape: Shape
    role: Role
    stored_shape: Shape
    value: float | None = None

    @property
    def trained(self) -> bool:
        """Whether frameworks count it as a parameter; running statistics are buffers."""
        return self.role not in {Role.RUNNING_MEAN, Role.RUNNING_VARIANCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A network without weights.

    Attributes:
        name: the architecture's name.
        images: its input, ``[N, channels, rows, columns]`` float32.
        nodes: ONNX nodes in an order that respects data flow.
        parameters: ``state_dict`` name -> parameter, in the order of the nodes.
        outputs: public name -> value; what the ONNX file answers with.
    """

    name: str
    images: Value
    nodes: tuple[NodeProto, ...]
    parameters: Mapping[str, Parameter]
    outputs: Mapping[str, Value]

    @property
    def trained_parameters(self) -> int:
        """Number of trained weights, as published tables count them."""
        return sum(math.prod(p.shape) for p in self.parameters.values() if p.trained)

    def select(self, outputs: Collection[str]) -> Blueprint:
        """The same network with only these outputs and what they need.

        Raises:
            UnknownOutputError: if it has no such output.
        """
        unknown = [name for name in outputs if name not in self.outputs]
        if unknown:
            raise UnknownOutputError(self.name, unknown, tuple(self.outputs))
        chosen = {name: self.outputs[name] for name in outputs}
        nodes = _live(self.nodes, {value.name for value in chosen.values()})
        read = {name for node in nodes for name in node.input}
        parameters = {name: p for name, p in self.parameters.items() if name in read}
        return replace(self, nodes=nodes, outputs=chosen, parameters=parameters)

    def check(self, weights: Weights) -> None:
        """Raise WeightMismatchError unless ``weights`` has exactly this network's parameters, each in its shape."""
        missing = [name for name in self.parameters if name not in weights]
        unexpected = [name for name in weights if name not in self.parameters]
        misshapen = {
            name: (tuple(weights[name].shape), parameter.shape)
            for name, parameter in self.parameters.items()
            if name in weights and tuple(weights[name].shape) != parameter.shape
        }
        if missing or unexpected or misshapen:
            raise WeightMismatchError(self.name, missing=missing, unexpected=unexpected, misshapen=misshapen)

    def to_onnx(self, weights: Weights) -> ModelProto:
        """The network with weights, as a float32 ONNX model (NCHW, batch ``N``).

        Args:
            weights: ``state_dict`` name -> array of any float dtype, one for every parameter and no others.

        Raises:
            WeightMismatchError: if a weight is missing, unexpected or of another shape.
        """
        self.check(weights)
        public = {value.name: name for name, value in self.outputs.items()}
        graph = helper.make_graph(
            [_renamed(node, public) for node in self.nodes],
            self.name,
            [_declare(self.images.name, self.images.shape)],
            [_declare(name, value.shape) for name, value in self.outputs.items()],
            [self._initializer(name, p, weights[name]) for name, p in self.parameters.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="accelserve"
        )
        model.ir_version = IR_VERSION
        return model

    @staticmethod
    def _initializer(name: str, parameter: Parameter, array: NDArray[np.generic]) -> TensorProto:
        stored = np.ascontiguousarray(array, dtype=np.float32).reshape(parameter.stored_shape)
        return numpy_helper.from_array(stored, name)


def _declare(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape])


def _live(nodes: Iterable[NodeProto], needed: set[str]) -> tuple[NodeProto, ...]:
    kept = []
    for node in reversed(tuple(nodes)):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return tuple(reversed(kept))


def _renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy
