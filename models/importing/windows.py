"""Sliding windows: from ONNX's auto_pad, pads and ceil_mode to explicit padding."""

from __future__ import annotations

from accelserve.kernels.ir import Padding, Pair, Window
from accelserve.models.importing.registry import Call, UnsupportedFormError


def window_of(call: Call, size: Pair, kernel: Pair) -> Window:
    """The window that a Conv or pooling node slides over an image of ``size`` (rows, columns), ceil_mode left out."""
    strides = _pair(call, "strides")
    dilations = _pair(call, "dilations")
    padding = _padding(call, size, kernel, strides, dilations)
    if min(padding) < 0:
        raise UnsupportedFormError(f"with negative pads {padding}")
    return Window(kernel=kernel, strides=strides, padding=padding, dilations=dilations)


def kernel_of(call: Call) -> Pair:
    """The attribute ``kernel_shape`` of a pooling node."""
    kernel = call.ints_attribute("kernel_shape")
    if kernel is None or len(kernel) != 2:
        raise UnsupportedFormError(f"with kernel_shape {kernel}; only two dimensions are")
    return kernel[0], kernel[1]


def ceil_padding(window: Window, size: Pair) -> Pair:
    """Rows below and columns right that make the floor formula give ceil_mode's result.

    A last window that would start beyond the image and its leading padding is dropped, as exporters' frameworks do.
    """
    extra = []
    for axis in (0, 1):
        extent = (window.kernel[axis] - 1) * window.dilations[axis] + 1
        before, after = window.padding[axis], window.padding[axis + 2]
        stride = window.strides[axis]
        count = -(-(size[axis] + before + after - extent) // stride) + 1
        if (count - 1) * stride >= size[axis] + before:
            count -= 1
        extra.append(max(0, (count - 1) * stride + extent - (size[axis] + before + after)))
    return extra[0], extra[1]


def widened(window: Window, extra: Pair) -> Window:
    """The window with ``extra`` rows below and columns right."""
    top, left, bottom, right = window.padding
    padding = (top, left, bottom + extra[0], right + extra[1])
    return Window(kernel=window.kernel, strides=window.strides, padding=padding, dilations=window.dilations)


def _pair(call: Call, name: str) -> Pair:
    values = call.ints_attribute(name) or (1, 1)
    if len(values) != 2:
        raise UnsupportedFormError(f"with {name} {values}; only two dimensions are")
    return values[0], values[1]


def _padding(call: Call, size: Pair, kernel: Pair, strides: Pair, dilations: Pair) -> Padding:
    mode = call.text_attribute("auto_pad", "NOTSET")
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        return _same(size, kernel, strides, dilations, upper=mode == "SAME_UPPER")
    pads = (0, 0, 0, 0) if mode == "VALID" else call.ints_attribute("pads") or (0, 0, 0, 0)
    if mode not in {"NOTSET", "VALID"} or len(pads) != 4:
        raise UnsupportedFormError(f"with auto_pad {mode}, pads {pads}")
    return pads[0], pads[1], pads[2], pads[3]


def _same(size: Pair, kernel: Pair, strides: Pair, dilations: Pair, *, upper: bool) -> Padding:
    before, after = [], []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        count = -(-size[axis] // strides[axis])
        total = max(0, (count - 1) * strides[axis] + extent - size[axis])
        small, large = total // 2, total - total // 2
        before.append(small if upper else large)
        after.append(large if upper else small)
    return before[0], before[1], after[0], after[1]
