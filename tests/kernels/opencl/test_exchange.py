"""Images go into shared bytes and results come out, whatever lies between their pixels."""

from __future__ import annotations

import os

import numpy as np

from accelserve.kernels.ir import DType, TensorType
from accelserve.kernels.opencl.compiler.compile import compile_segment
from accelserve.kernels.opencl.engine.configuration import EMULATION
from accelserve.kernels.opencl.engine.segment import Border, Port
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.runtime.exchange import Exchange, fill_borders, open_exchange, put, take
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


def test_a_border_is_written_once_and_survives_images() -> None:
    kind = TensorType((1, 2, 3, 2), DType.U8)
    port = Port("x", kind, 0, 2, 5 * 6 * 2, Border(1, 1, 2, 2, 7))
    stored = np.zeros(port.span_bytes, np.uint8)
    fill_borders(port, stored)
    image = np.arange(12, dtype=np.uint8).reshape(kind.shape)
    for shift in (100, 0):
        put(port, stored, image + np.uint8(shift))
    wanted = np.pad(image, ((0, 0), (1, 2), (1, 2), (0, 0)), constant_values=7)
    assert np.array_equal(stored.reshape(wanted.shape), wanted)


def test_pixels_are_picked_out_of_a_concatenation() -> None:
    whole = np.arange(4 * 10, dtype=np.uint8)
    port = Port("part", TensorType((1, 2, 2, 3), DType.U8), 0, 10, 33, Border())
    assert np.array_equal(take(port, whole[:33]).reshape(4, 3), whole.reshape(4, 10)[:, :3])


def test_both_sides_see_the_same_bytes_in_their_own_places() -> None:
    g = IntegerGraphBuilder(0)
    graph = g.graph(y=g.conv(g.input(5, 5, 8), 6), z=g.conv(g.input(4, 4, 8), 6, float_result=True))
    segment = compile_segment(graph, EMULATION, EnginePath.FUSED, in_turn=True)
    descriptor = open_exchange([segment])
    ours, theirs = Exchange([segment], descriptor), Exchange([segment], descriptor)
    os.close(descriptor)
    arrays = [a for slot in ours.slots[0] for a in (*slot.inputs.values(), *slot.outputs.values())]
    seen = [a for slot in theirs.slots[0] for a in (*slot.inputs.values(), *slot.outputs.values())]
    for number, array in enumerate(arrays):
        array[:] = number
    assert all((array == number).all() for number, array in enumerate(seen))
    assert len(arrays) == 8
