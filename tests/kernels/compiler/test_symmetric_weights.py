"""Weights in every form that quantizers store them in: which run as integers, and that all mean the same.

The judge is the float graph, where a Dequantize is what ONNX says it is.
"""

from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.compiler.network_builder import NetworkBuilder

OUTPUTS, CHANNELS = 8, 4
PER_CHANNEL = np.linspace(0.004, 0.01, OUTPUTS).astype(np.float32)
SCALAR = np.array(0.01, np.float32)


def network(
    weights: Array, scale: Array, zero_point: Array, axis: int = 0, *, quantized: bool = True, groups: int = 1
) -> Graph:
    """A padded convolution by the stored weights [K, R, S, C]; its activation is quantized or not."""
    net = NetworkBuilder((1, 6, 7, CHANNELS))
    x = net.quantize("images", 0.02, 120) if quantized else "images"
    stored = net.add(
        ir.Dequantize(axis), net.constant(weights), net.constant(scale), net.constant(zero_point)
    )
    half = weights.shape[1] // 2
    window = ir.Window(kernel=weights.shape[1:3], padding=(half,) * 4)
    bias = net.constant(np.linspace(-1, 1, weights.shape[0]).astype(np.float32))
    y = net.add(ir.Conv2d(window, groups), x, stored, bias)
    return net.graph(y=net.quantize(y, 0.1, 128) if quantized else y)


def codes(dtype: str, *shape: int) -> Array:
    limits = np.iinfo(dtype)
    return np.random.default_rng(0).integers(limits.min, limits.max + 1, shape).astype(dtype)


def operators(lowered: Lowered) -> list[str]:
    return [node.op.label for node in lowered.graph]


def assert_right_on_both_devices(graph: Graph, within: float) -> list[str]:
    """The CPU's bytes are the reference's, which are the float graph's but for ``within``; gives the operators."""
    lowered = lower(graph)
    image = np.random.default_rng(1).uniform(-2.2, 2.5, (1, 6, 7, CHANNELS)).astype(np.float32)
    wanted = evaluate(graph, {"images": image})["y"]
    params = lowered.input_quantization.get("images")
    if params is not None:
        steps = np.rint(image / np.float32(params.scale)) + params.zero_point
        image = np.clip(steps, 0, 255).astype(np.uint8)
    found = evaluate(lowered.graph, {"images": image})["y"]
    program = CpuDevice().load(lowered, LoadOptions(threads=1))
    computed = program.run({"images": image})["y"]
    program.close()
    np.testing.assert_array_equal(computed, found)
    assert np.abs(found - wanted).max() <= within
    return operators(lowered)


WITHIN_INT8 = {
    "uint8 around 128": (codes("uint8", OUTPUTS, 3, 3, CHANNELS), SCALAR, np.array(128, np.uint8)),
    "uint8, a narrow range around 90": (
        codes("uint8", OUTPUTS, 3, 3, CHANNELS) // 2 + 20, SCALAR, np.array(90, np.uint8),
    ),
    "uint8, a zero point per channel": (
        codes("uint8", OUTPUTS, 3, 3, CHANNELS) // 2 + 60, PER_CHANNEL, np.arange(100, 108).astype(np.uint8),
    ),
    "int8, zero point 5": (codes("int8", OUTPUTS, 3, 3, CHANNELS) // 2, PER_CHANNEL, np.full(OUTPUTS, 5, np.int8)),
}  # fmt: skip

BEYOND_INT8 = {
    "uint8, zero point 117": (codes("uint8", OUTPUTS, 3, 3, CHANNELS), SCALAR, np.array(117, np.uint8)),
    "uint8, zero point 0": (codes("uint8", OUTPUTS, 3, 3, CHANNELS), SCALAR, np.array(0, np.uint8)),
    "uint8, a zero point per channel": (
        codes("uint8", OUTPUTS, 3, 3, CHANNELS), PER_CHANNEL, np.arange(120, 128).astype(np.uint8),
    ),
    "int8, zero point -40": (codes("int8", OUTPUTS, 3, 3, CHANNELS), SCALAR, np.array(-40, np.int8)),
}  # fmt: skip


@pytest.mark.parametrize("form", WITHIN_INT8)
def test_weights_within_int8_of_their_zero_point_run_as_one_integer_layer(form: str) -> None:
    found = assert_right_on_both_devices(network(*WITHIN_INT8[form]), 0.11)
    assert found == ["QConv2d", "Dequantize"]


@pytest.mark.parametrize("form", BEYOND_INT8)
def test_weights_of_nine_bits_run_as_integers_on_repeated_channels(form: str) -> None:
    found = assert_right_on_both_devices(network(*BEYOND_INT8[form]), 0.11)
    assert found == ["Concat", "QConv2d", "Dequantize"]


def test_nine_bits_of_a_dense_layer_do_too() -> None:
    net = NetworkBuilder((1, 20))
    x = net.quantize("images", 0.02, 120)
    constants = (codes("uint8", 6, 20), SCALAR, np.array(99, np.uint8))
    weights = net.add(ir.Dequantize(), *(net.constant(array) for array in constants))
    graph = net.graph(y=net.quantize(net.add(ir.Dense(), x, weights), 0.3, 128))
    lowered = lower(graph)
    assert "QConv2d" in operators(lowered)
    image = np.random.default_rng(1).integers(0, 256, (1, 20)).astype(np.uint8)
    real = (image.astype(np.float32) - 120) * np.float32(0.02)
    wanted = evaluate(graph, {"images": real})["y"]
    assert np.abs(evaluate(lowered.graph, {"images": image})["y"] - wanted).max() <= 0.31


def test_weights_that_no_integer_layer_takes_run_in_float32() -> None:
    """A scale for each input channel; nine bits in groups; quantized weights alone."""
    by_input = network(
        codes("int8", OUTPUTS, 3, 3, CHANNELS), PER_CHANNEL[:CHANNELS], np.zeros(CHANNELS, np.int8), 3
    )
    grouped = network(codes("uint8", OUTPUTS, 3, 3, 1), SCALAR, np.array(117, np.uint8), groups=CHANNELS)
    alone = network(
        codes("int8", OUTPUTS, 3, 3, CHANNELS), PER_CHANNEL, np.zeros(OUTPUTS, np.int8), quantized=False
    )
    for graph, within in ((by_input, 0.11), (grouped, 0.11), (alone, 0.0)):
        found = assert_right_on_both_devices(graph, within)
        assert "Conv2d" in found
        assert "QConv2d" not in found


def test_what_is_computed_of_constants_alone_is_not_left_to_the_device() -> None:
    alone = network(
        codes("int8", OUTPUTS, 3, 3, CHANNELS), PER_CHANNEL, np.zeros(OUTPUTS, np.int8), quantized=False
    )
    assert operators(lower(alone)) == ["Conv2d"]
