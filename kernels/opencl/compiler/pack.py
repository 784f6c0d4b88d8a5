"""Weights and parameters in the order in which the engine consumes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration


@dataclass(frozen=True, slots=True)
class PackedConvolution:
    """One convolution's weights as the PE array takes them.

    Attributes:
        weights: int8 [blocks, taps, vec, lane]; taps run over rows, columns, then vectors of channels.
        parameters: int32 [blocks, 2 * lane + 4]: biases, the bits of the float32 scales, the first input vector.
        vectors: vectors of input channels that one block reads at each cell of the window.
    """

    weights: NDArray[np.int8]
    parameters: NDArray[np.int32]
    vectors: int


def pack_convolution(
    weights: Array, bias: Array, scale: Array, groups: int, configuration: EngineConfiguration
) -> PackedConvolution:
    """Pad and reorder one convolution.

    A block of ``lane`` output channels of a grouped convolution needs only the input channels of its own groups; it
    reads the few vectors that hold them, against a block-diagonal matrix of weights. So depthwise and grouped
    convolutions need no engine of their own, and a dense one is the case of a single group.

    Args:
        weights: int8 [K, R, S, C / groups].
        bias: int32 [K].
        scale: float32 [K].
        groups: divides K and C.
        configuration: gives vec and lane.
    """
    vec, lane = configuration.vec, configuration.lane
    k, _, _, per_group = weights.shape
    blocks, pixel_vectors = math.ceil(k / lane), math.ceil(per_group * groups / vec)
    starts, vectors = _input_windows(k, per_group, groups, vec, lane)
    starts = np.minimum(starts, pixel_vectors - vectors)
    dense = _dense_blocks(weights, groups, starts * vec, vectors * vec, blocks, lane)
    _, _, r, s, _ = dense.shape
    taps = dense.reshape(blocks, lane, r, s, vectors, vec).transpose(0, 2, 3, 4, 5, 1)
    return PackedConvolution(
        np.ascontiguousarray(taps).reshape(blocks, r * s * vectors, vec, lane),
        _parameters(bias, scale, starts, configuration),
        vectors,
    )


def _input_windows(k: int, per_group: int, groups: int, vec: int, lane: int) -> tuple[NDArray[np.int64], int]:
    """First input vector of each block of outputs, and how many vectors the widest block reads."""
    per_group_outputs = k // groups
    first = np.arange(0, k, lane)
    last = np.minimum(first + lane, k) - 1
    begin = first // per_group_outputs * per_group // vec
    end = -(-((last // per_group_outputs + 1) * per_group) // vec)
    return begin, int((end - begin).max())


def _dense_blocks(
    weights: Array, groups: int, begin: NDArray[np.int64], width: int, blocks: int, lane: int
) -> NDArray[np.int8]:
    """int8 [blocks, lane, R, S, width]: every output's weights at their place among its block's input channels."""
    k, r, s, per_group = weights.shape
    dense = np.zeros((blocks * lane, r, s, width), np.int8)
    if groups == 1:
        dense[:k, :, :, :per_group] = weights
    else:
        for output in range(k):
            channel = output // (k // groups) * per_group - int(begin[output // lane])
            dense[output, :, :, channel : channel + per_group] = weights[output]
    return dense.reshape(blocks, lane, r, s, width)


def _parameters(
    bias: Array, scale: Array, starts: NDArray[np.int64], configuration: EngineConfiguration
) -> NDArray[np.int32]:
    lane, blocks = configuration.lane, len(starts)
    parameters = np.zeros((blocks, configuration.block_parameters), np.int32)
    padding = blocks * lane - len(bias)
    parameters[:, :lane] = np.pad(bias, (0, padding)).reshape(blocks, lane)
    scales = np.pad(scale, (0, padding)).astype(np.float32)
    parameters[:, lane : 2 * lane] = scales.view(np.int32).reshape(blocks, lane)
    parameters[:, 2 * lane] = starts
    return parameters
