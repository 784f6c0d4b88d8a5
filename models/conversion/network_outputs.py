"""Whether the answers of a network to a batch can be told apart by image."""

from __future__ import annotations

from accelserve.kernels.ir import TensorType
from accelserve.kernels.ir.batch import Batch, BatchAxis, Mixed, batch_axes
from accelserve.models.errors import ConversionError
from accelserve.models.importing import ImportedModel

_ADVICE = (
    "Export the network with the batch kept (in PyTorch flatten(1) or reshape(x.shape[0], ...) instead of squeeze() or "
    "view(-1, ...))"
)


def check_outputs(imported: ImportedModel) -> None:
    """Every output has the batch as its first axis, and no image's answer follows from another's.

    A file that is fixed at one image means nothing for several: they are computed one by one, and stand side by side along
    the first axis of the answer, whatever it was.

    Raises:
        ConversionError: an output has no such axis, or mixes images.
    """
    graph = imported.graph
    axes = batch_axes(graph)
    for name, value in graph.outputs.items():
        kind, batch = graph.type_of(value), axes[value]
        if kind.shape[:1] != (1,):
            raise ConversionError(
                f"output '{name}' is {kind} for one image; its first axis must be the batch, or the answers to several "
                f"images could not be told apart. {_ADVICE}"
            )
        if imported.of_batches:
            _check_batch(name, kind, batch)


def _check_batch(name: str, kind: TensorType, batch: Batch) -> None:
    match batch:
        case Mixed(node, operator):
            raise ConversionError(
                f"output '{name}' mixes the images of a batch: '{node}' ({operator}) computes across the axis that counts "
                "them, so that an answer would depend on who else asks"
            )
        case BatchAxis(axis, 1, 1) if axis != 0:
            raise ConversionError(
                f"output '{name}' is {kind} for one image and counts the images of a batch along axis {axis}; the first "
                f"axis must be the batch. {_ADVICE}"
            )
