"""A network without weights: its graph, the parameters that the graph takes, and what it can answer with."""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from accelserve.kernels.ir import Array, Graph, TensorType
from accelserve.models.errors import UnknownOutputError, WeightMismatchError
from accelserve.models.importing.onnx_exporter import ExportOptions, onnx_model

Shape: TypeAlias = tuple[int, ...]
Weights: TypeAlias = Mapping[str, NDArray[np.generic]]

IMAGES = "images"


class Role(enum.Enum):
    """What a parameter does; it decides how random weights draw it."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM_SCALE = "scale of a normalization"
    NORM_SHIFT = "shift of a normalization"
    RUNNING_MEAN = "mean that a batch normalization subtracts"
    RUNNING_VARIANCE = "variance that a batch normalization divides by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A weight tensor, under the name and in the shape that a PyTorch ``state_dict`` has.

    Attributes:
        shape: shape in the checkpoint.
        role: what it does.
        stored_shape: shape of the graph's operand.
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

    def stored(self, array: NDArray[np.generic]) -> Array:
        """The checkpoint's array as the graph takes it, float32: [K, C, R, S] becomes [K, R, S, C]."""
        floats = array.astype(np.float32, copy=False)
        return floats.transpose(0, 2, 3, 1) if len(self.shape) == 4 else floats.reshape(self.stored_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A network without weights.

    Attributes:
        name: the architecture's name.
        graph: float32; its inputs are ``images`` [1, rows, columns, channels] and every parameter.
        parameters: ``state_dict`` name -> parameter, in the order of the layers.
    """

    name: str
    graph: Graph
    parameters: Mapping[str, Parameter]

    @property
    def images(self) -> TensorType:
        """Type of its input, [1, rows, columns, channels]."""
        return self.graph.inputs[IMAGES]

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """Public name -> type for one image: what the ONNX file answers with."""
        return {public: self.graph.type_of(value) for public, value in self.graph.outputs.items()}

    @property
    def trained_parameters(self) -> int:
        """Number of trained weights, as published tables count them."""
        return sum(math.prod(p.shape) for p in self.parameters.values() if p.trained)

    def select(self, outputs: Collection[str]) -> Blueprint:
        """The same network with only these outputs and what they need.

        Raises:
            UnknownOutputError: if it has no such output.
        """
        unknown = [name for name in outputs if name not in self.graph.outputs]
        if unknown:
            raise UnknownOutputError(self.name, unknown, tuple(self.graph.outputs))
        chosen = {name: self.graph.outputs[name] for name in outputs}
        graph = replace(self.graph, outputs=chosen, _types={}).with_nodes(self.graph.nodes)
        read = {name for node in graph for name in node.inputs}
        inputs = {name: kind for name, kind in graph.inputs.items() if name == IMAGES or name in read}
        parameters = {name: p for name, p in self.parameters.items() if name in read}
        return replace(self, graph=replace(graph, inputs=inputs, _types={}), parameters=parameters)

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

    def filled(self, weights: Weights) -> Graph:
        """The graph with weights for constants.

        Args:
            weights: ``state_dict`` name -> array of any float dtype, one for every parameter and no others.

        Raises:
            WeightMismatchError: if a weight is missing, unexpected or of another shape.
        """
        self.check(weights)
        constants = {name: parameter.stored(weights[name]) for name, parameter in self.parameters.items()}
        return replace(self.graph, inputs={IMAGES: self.images}, constants=constants, _types={})

    def to_onnx(self, weights: Weights) -> ModelProto:
        """The network with weights, as a float32 ONNX model (NCHW, batch ``N``); the rest as of ``filled``."""
        return onnx_model(_with_public_names(self.filled(weights)), ExportOptions(name=self.name))


def _with_public_names(graph: Graph) -> Graph:
    """What the graph answers with is named so inside, too; images keep theirs, for the file holds them as NCHW."""
    public = {v: name for name, v in graph.outputs.items() if len(graph.type_of(v).shape) != 4}
    nodes = tuple(
        replace(
            node,
            inputs=tuple(public.get(value, value) for value in node.inputs),
            output=public.get(node.output, node.output),
        )
        for node in graph
    )
    outputs = {name: public.get(value, value) for name, value in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs, _types={})
