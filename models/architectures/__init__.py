"""Networks that are built by name: one file each, a function that writes its layers down.

``architecture("resnet50").blueprint()`` is the network without weights, a ``kernels.ir`` graph that takes them as inputs;
``random_weights`` or a checkpoint (``models.weights``) fills it, and ``Blueprint.to_onnx`` exports it like any graph.
"""

from accelserve.models.architectures.architecture import Architecture, ClassifierWeight, PublishedWeights
from accelserve.models.architectures.blueprint import Blueprint, Parameter, Role
from accelserve.models.architectures.initialization import random_weights
from accelserve.models.architectures.network import Network, Value
from accelserve.models.architectures.registry import architecture, architectures

__all__ = [
    "Architecture",
    "Blueprint",
    "ClassifierWeight",
    "Network",
    "Parameter",
    "PublishedWeights",
    "Role",
    "Value",
    "architecture",
    "architectures",
    "random_weights",
]
