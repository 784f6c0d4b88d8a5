"""Layers whose input is copied before they run give the reference's bytes, and are those that should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.kernels.cpu.isa import available
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Graph
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

MATRIX = [each.name for each in available() if each.matrix]
needs_matrix = pytest.mark.skipif(not MATRIX, reason="this processor has no matrix tiles")


def layer(
    size: tuple[int, int], channels: int, outputs: int, kernel: int, stride: int, padding: int
) -> Graph:
    g = IntegerGraphBuilder(size[0] * 31 + channels)
    return g.graph(y=g.conv(g.input(*size, channels), outputs, kernel, stride=stride, padding=padding))


def steps_of(graph: Graph, cache: Path, threads: int = 2) -> list[str]:
    """Names of the steps, after the program has been compared with the reference on extreme and ordinary bytes."""
    program = CpuDevice(MATRIX[0]).load(Lowered(graph, {}), LoadOptions(threads=threads, cache=cache))
    ((name, kind),) = graph.inputs.items()
    rng = np.random.default_rng(7)
    for image in (
        rng.integers(0, 256, kind.shape),
        np.full(kind.shape, 255),
        rng.choice([0, 255], kind.shape),
    ):
        feed = {name: image.astype(np.uint8)}
        assert_same(program.run(feed)["y"], evaluate(graph, feed)["y"], f"{threads} threads")
    names = [each.name for each in program.profile({name: np.zeros(kind.shape, np.uint8)}, 1)]
    program.close()
    return names


@needs_matrix
def test_a_7x7_window_on_rgb_is_stacked_by_three_rows(code_cache: Path) -> None:
    assert any(name.endswith(" rows") for name in steps_of(layer((56, 56), 3, 64, 7, 2, 3), code_cache))


@needs_matrix
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_small_image_under_a_window_that_moves_by_two_is_cut_into_planes(
    code_cache: Path, kernel: int
) -> None:
    names = steps_of(layer((14, 14), 128, 64, kernel, 2, kernel // 2), code_cache)
    assert any(name.endswith(" planes") for name in names)


@needs_matrix
def test_an_image_that_fills_its_tiles_anyway_is_not_copied(code_cache: Path) -> None:
    names = steps_of(layer((32, 32), 64, 64, 3, 2, 1), code_cache)
    assert not any(name.endswith(" planes") for name in names)


@needs_matrix
@given(
    height=st.integers(7, 40),
    width=st.integers(7, 40),
    channels=st.sampled_from([1, 3, 4, 64, 128]),
    outputs=st.sampled_from([16, 40, 64, 100]),
    kernel=st.sampled_from([1, 2, 3, 5, 7]),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    threads=st.integers(1, 2),
)
def test_any_layer_gives_the_references_bytes(
    code_cache: Path,
    height: int,
    width: int,
    channels: int,
    outputs: int,
    kernel: int,
    stride: int,
    padding: int,
    threads: int,
) -> None:
    graph = layer((height, width), channels, outputs, kernel, stride, min(padding, kernel - 1))
    steps_of(graph, code_cache, threads)
