"""Batch normalization behind integer weights disappears into the layer; where it would lose something, it stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from accelserve.kernels import ir
from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Graph
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.kernels.reference.operators import EVALUATORS
from tests.kernels.compiler.network_builder import NetworkBuilder

Floats = NDArray[np.float32]
OUTPUTS = 8
STEP = 0.05


def network(mul: Floats, add: Floats, *, read_twice: bool = False) -> Graph:
    """Convolution, affine and ReLU between quantized activations."""
    net = NetworkBuilder((1, 6, 6, 4))
    convolved = net.conv(net.quantize("images", 0.02, 120), OUTPUTS, 4)
    normalized = net.add(ir.ChannelAffine(), convolved, net.constant(mul), net.constant(add))
    outputs = {"y": net.quantize(net.add(ir.Clip(), normalized), STEP, 0)}
    return net.graph(**outputs, **({"z": convolved} if read_twice else {}))


def answers(graph: Graph) -> tuple[ir.Array, ir.Array]:
    """Of the graph as it stands, and lowered, for the same image."""
    lowered = lower(graph)
    image = np.random.default_rng(3).normal(0, 1, (1, 6, 6, 4)).astype(np.float32)
    params = lowered.input_quantization["images"]
    operands = [image, np.array(params.scale, np.float32), np.array(params.zero_point, np.uint8)]
    stored = EVALUATORS[ir.Quantize](ir.Quantize(), operands)
    return evaluate(graph, {"images": image})["y"], evaluate(lowered.graph, {"images": stored})["y"]


def labels(graph: Graph) -> list[str]:
    return [node.op.label for node in lower(graph).graph]


random = np.random.default_rng(0)
SHIFT = random.normal(0, 1, OUTPUTS).astype(np.float32)
SCALES = {
    "positive": random.uniform(0.5, 2, OUTPUTS),
    "of both signs": random.normal(0, 1, OUTPUTS),
    "some zero": np.array([0, 1, -1, 0, 2, 0.5, 1, 0]),
}


@pytest.mark.parametrize("kind", SCALES)
def test_it_disappears_and_the_result_stays_within_a_step(kind: str) -> None:
    graph = network(SCALES[kind].astype(np.float32), SHIFT)
    assert labels(graph) == ["QConv2d", "Dequantize"]
    expected, found = answers(graph)
    assert expected.max() > 20 * STEP
    assert np.abs(found - expected).max() <= 1.01 * STEP


def test_what_something_else_reads_keeps_its_affine() -> None:
    graph = network(SCALES["positive"].astype(np.float32), SHIFT, read_twice=True)
    assert "ChannelAffine" in labels(graph)


def test_a_shift_too_large_for_the_accumulator_keeps_its_affine() -> None:
    graph = network(np.full(OUTPUTS, 1e-6, np.float32), np.full(OUTPUTS, 5.0, np.float32))
    assert "ChannelAffine" in labels(graph)
    expected, found = answers(graph)
    np.testing.assert_allclose(found, expected, atol=1.01 * STEP)
