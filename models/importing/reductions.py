"""Which axes a reduction runs over: an attribute in older operator sets, an operand in newer ones."""

from __future__ import annotations

from accelserve.models.importing.registry import Call, UnsupportedFormError

REDUCTION = "axes keepdims noop_with_empty_axes"
"""The attributes of ONNX's reductions."""


def reduced_axes(call: Call, rank: int) -> tuple[int, ...]:
    """The axes of the node's operand, of ``rank``, that are reduced, each once.

    An absent or empty list means all of them, and with ``noop_with_empty_axes`` none.

    Raises:
        UnsupportedFormError: an axis is repeated or not there.
    """
    given = call.ints_operand_or_attribute("axes", 1) or ()
    if not given:
        return () if call.int_attribute("noop_with_empty_axes", 0) else tuple(range(rank))
    axes = tuple(call.axis(axis, rank) for axis in given)
    if len(set(axes)) != len(axes):
        raise UnsupportedFormError(f"over axes {list(given)}, which repeat one")
    return axes
