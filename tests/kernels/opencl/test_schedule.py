"""Strips that fit the chip, pieces that fit the channels, and words where nothing fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelserve.kernels.errors import PlanError
from accelserve.kernels.opencl.compiler.compile import compile_segment
from accelserve.kernels.opencl.engine.configuration import EMULATION, EngineConfiguration
from accelserve.kernels.opencl.engine.source import EnginePath
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


def layer(rows: int = 20, columns: int = 20, channels: int = 64, outputs: int = 40) -> IntegerGraphBuilder:
    g = IntegerGraphBuilder(0)
    g.conv(g.input(rows, columns, channels), outputs, 3, padding=1)
    return g


def test_a_board_gets_one_descriptor_a_layer() -> None:
    graph = layer().graph(y="QConv2d0:0")
    program = compile_segment(graph, EngineConfiguration(), EnginePath.CHANNELS, in_turn=False).program
    assert len(program) == 1
    assert program[0]["strip_rows"] == 20


def test_a_strip_has_as_many_rows_as_fit() -> None:
    graph = layer().graph(y="QConv2d0:0")
    small = EngineConfiguration(strip_vectors=20 * 4 * 7)
    program = compile_segment(graph, small, EnginePath.CHANNELS, in_turn=False).program
    assert program[0]["strip_rows"] == 5, "five rows of results read seven of the image"


def test_pieces_cover_every_block_and_row_once() -> None:
    graph = layer().graph(y="QConv2d0:0")
    shallow = replace(EMULATION, pixel_channel_depth=36 * 20 * 3)
    program = compile_segment(graph, shallow, EnginePath.CHANNELS, in_turn=True).program
    covered = [
        (block, row)
        for piece in program
        for block in range(piece["blocks_begin"], piece["blocks_end"])
        for row in range(piece["rows_begin"], piece["rows_end"])
    ]
    assert sorted(covered) == [(block, row) for block in range(3) for row in range(20)]
    for piece in program:
        pixels = (piece["rows_end"] - piece["rows_begin"]) * 20
        assert pixels * 36 <= shallow.pixel_channel_depth


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"strip_vectors": 100}, "strip_vectors=100"), ({"pixel_channel_depth": 100}, "pixel_channel_depth")],
)
def test_a_layer_that_does_not_fit_is_named(changes: dict[str, int], words: str) -> None:
    graph = layer().graph(y="QConv2d0:0")
    with pytest.raises(PlanError, match=words) as refused:
        compile_segment(graph, replace(EMULATION, **changes), EnginePath.CHANNELS, in_turn=True)
    assert "QConv2d0" in str(refused.value)


@pytest.mark.parametrize("changes", [{"vec": 0}, {"vec": 12}, {"lane": 256}, {"px": -1}])
def test_constants_that_make_no_engine_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(PlanError, match="engine constant"):
        EngineConfiguration(**changes)
