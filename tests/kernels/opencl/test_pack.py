"""Packed weights, multiplied as the PE array does, give the convolution's sums."""

from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels.opencl.compiler.pack import pack_convolution
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration


@pytest.mark.parametrize(
    ("outputs", "channels", "groups"),
    [(1, 1, 1), (16, 16, 1), (20, 13, 1), (24, 24, 24), (27, 9, 9), (48, 24, 6), (36, 60, 3), (33, 66, 33)],
)
@pytest.mark.parametrize(("vec", "lane"), [(8, 8), (16, 32), (4, 64)])
def test_one_pixel_through_the_array(outputs: int, channels: int, groups: int, vec: int, lane: int) -> None:
    rng = np.random.default_rng(outputs)
    weights = rng.integers(-127, 128, (outputs, 2, 3, channels // groups)).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, outputs).astype(np.int32)
    scale = rng.random(outputs).astype(np.float32)
    configuration = EngineConfiguration(vec=vec, lane=lane)
    packed = pack_convolution(weights, bias, scale, groups, configuration)

    pixels = rng.integers(0, 256, (2, 3, channels + 4 * vec)).astype(
        np.int64
    )  # what lies behind must not count
    sums = np.zeros(packed.weights.shape[0] * lane, np.int64)
    for block, taps in enumerate(packed.weights):
        parameters = packed.parameters[block]
        start = int(parameters[2 * lane]) * vec
        run = pixels[:, :, start : start + packed.vectors * vec].reshape(-1, vec)
        sums[block * lane : (block + 1) * lane] = parameters[:lane]
        sums[block * lane : (block + 1) * lane] += np.einsum("tv,tvl->l", run, taps.astype(np.int64))

    per_group = channels // groups
    for k in range(outputs):
        first = k // (outputs // groups) * per_group
        exact = (pixels[:, :, first : first + per_group] * weights[k].astype(np.int64)).sum() + bias[k]
        assert sums[k] == exact, f"output {k}"
    stored = packed.parameters[:, lane : 2 * lane].reshape(-1).view(np.float32)
    assert np.array_equal(stored[:outputs], scale)


def test_no_block_reads_past_the_pixel() -> None:
    weights = np.ones((70, 3, 3, 1), np.int8)
    packed = pack_convolution(
        weights, np.zeros(70, np.int32), np.ones(70, np.float32), 70, EngineConfiguration()
    )
    starts = packed.parameters[:, 64]
    assert (starts + packed.vectors <= 5).all(), "70 channels are five vectors of sixteen"


def test_depthwise_reads_only_its_own_channels() -> None:
    weights = np.ones((128, 3, 3, 1), np.int8)
    packed = pack_convolution(
        weights, np.zeros(128, np.int32), np.ones(128, np.float32), 128, EngineConfiguration()
    )
    assert packed.vectors == 2, "32 outputs need 32 inputs, not all 128"
