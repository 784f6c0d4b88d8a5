"""float32 operators that look along the last axis or along channels: softmax, L2 and local response normalization.

Sums have a fixed order, so that results are the same bytes as the reference's on every processor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.elementary import exponential, power
from accelserve.kernels.cpu.compiler.frames import rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, float_bits, lowers
from accelserve.kernels.cpu.compiler.ops.floating import elements_step
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.records import floats as f
from accelserve.kernels.ir import L2Normalize, LocalResponseNorm, Node, Softmax
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import as_float, f32_at, field
from accelserve.kernels.reference.elementary import exponent_steps
from accelserve.kernels.reference.probabilities import SUM_LANES


@step
def softmax(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the vectors along the axis; ``INNER`` elements lie between a vector's neighbours."""
    channels, inner = field(record, f.CHANNELS), field(record, f.INNER)
    vectors = field(record, f.COUNT) // channels
    first, last = rows_of_item(item, field(record, f.ITEMS), vectors)
    for vector in range(first, last):
        offset = (vector // inner * channels * inner + vector % inner) * 4
        span = (channels - 1) * inner + 1
        x = f32_at(field(record, f.SOURCE) + offset, span)
        y = f32_at(field(record, f.TARGET) + offset, span)
        greatest = x[0]
        for c in range(1, channels):
            greatest = max(greatest, x[c * inner])
        total = np.float64(0)
        for c in range(channels):
            power = exponential(x[c * inner] - greatest)
            y[c * inner] = power
            total += np.float64(power)
        divisor = np.float32(total)
        for c in range(channels):
            y[c * inner] /= divisor


@step
def l2_normalize(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the vectors along the last axis."""
    channels = field(record, f.CHANNELS)
    epsilon = as_float(field(record, f.EPSILON))
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.COUNT) // channels)
    for vector in range(first, last):
        x = f32_at(field(record, f.SOURCE) + vector * channels * 4, channels)
        y = f32_at(field(record, f.TARGET) + vector * channels * 4, channels)
        divisor = max(np.float32(np.sqrt(sum_of_squares(x, channels))), epsilon)
        for c in range(channels):
            y[c] = x[c] / divisor


@inlined
def sum_of_squares(x: NDArray[np.float32], channels: int) -> np.float64:
    """In float64, lane by lane, then over the lanes; see ``reference.operators``."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float64(0)
    whole = channels // SUM_LANES * SUM_LANES
    for c in range(0, whole, SUM_LANES):
        s0 += np.float64(x[c]) * np.float64(x[c])
        s1 += np.float64(x[c + 1]) * np.float64(x[c + 1])
        s2 += np.float64(x[c + 2]) * np.float64(x[c + 2])
        s3 += np.float64(x[c + 3]) * np.float64(x[c + 3])
        s4 += np.float64(x[c + 4]) * np.float64(x[c + 4])
        s5 += np.float64(x[c + 5]) * np.float64(x[c + 5])
        s6 += np.float64(x[c + 6]) * np.float64(x[c + 6])
        s7 += np.float64(x[c + 7]) * np.float64(x[c + 7])
    rest = channels - whole
    s0 += np.float64(x[whole]) * np.float64(x[whole]) if rest > 0 else 0.0
    s1 += np.float64(x[whole + 1]) * np.float64(x[whole + 1]) if rest > 1 else 0.0
    s2 += np.float64(x[whole + 2]) * np.float64(x[whole + 2]) if rest > 2 else 0.0
    s3 += np.float64(x[whole + 3]) * np.float64(x[whole + 3]) if rest > 3 else 0.0
    s4 += np.float64(x[whole + 4]) * np.float64(x[whole + 4]) if rest > 4 else 0.0
    s5 += np.float64(x[whole + 5]) * np.float64(x[whole + 5]) if rest > 5 else 0.0
    s6 += np.float64(x[whole + 6]) * np.float64(x[whole + 6]) if rest > 6 else 0.0
    return ((((((s0 + s1) + s2) + s3) + s4) + s5) + s6) + s7


@step
def local_response(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the vectors along the last axis, each element over its neighbours."""
    channels, size = field(record, f.CHANNELS), field(record, f.SIZE)
    alpha, beta = as_float(field(record, f.ALPHA)), field(record, f.BETA)
    bias = as_float(field(record, f.BIAS))
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.COUNT) // channels)
    before, after = (size - 1) // 2, size // 2
    for vector in range(first, last):
        x = f32_at(field(record, f.SOURCE) + vector * channels * 4, channels)
        y = f32_at(field(record, f.TARGET) + vector * channels * 4, channels)
        for c in range(channels):
            total = np.float32(0)
            for n in range(max(0, c - before), min(channels, c + after + 1)):
                total += x[n] * x[n]
            y[c] = x[c] / power(bias + alpha * total, beta)


def _channels_last(node: Node, context: Context) -> tuple[int, int]:
    kind = context.type_of(node.output)
    return kind.shape[-1], kind.elements // kind.shape[-1]


@lowers(Softmax)
def lower_softmax(node: Node, op: Softmax, context: Context) -> Sequence[Step]:
    """One step."""
    kind = context.type_of(node.output)
    channels = kind.shape[op.axis]
    inner = int(np.prod(kind.shape[op.axis + 1 :], dtype=np.int64))
    fields: dict[int, Field] = {f.CHANNELS: channels, f.INNER: inner}
    return elements_step(node, context, softmax, fields, kind.elements // channels)


@lowers(L2Normalize)
def lower_l2(node: Node, op: L2Normalize, context: Context) -> Sequence[Step]:
    """One step."""
    channels, vectors = _channels_last(node, context)
    fields: dict[int, Field] = {f.CHANNELS: channels, f.EPSILON: float_bits(op.epsilon)}
    return elements_step(node, context, l2_normalize, fields, vectors)


@lowers(LocalResponseNorm)
def lower_local_response(node: Node, op: LocalResponseNorm, context: Context) -> Sequence[Step]:
    """One step."""
    channels, vectors = _channels_last(node, context)
    fields: dict[int, Field] = {
        f.CHANNELS: channels,
        f.SIZE: op.size,
        f.ALPHA: float_bits(op.alpha / op.size),
        f.BETA: exponent_steps(op.beta),
        f.BIAS: float_bits(op.bias),
    }
    return elements_step(node, context, local_response, fields, vectors)
