"""Times of the engine's layers by the device's own clock, beside the host's."""

from __future__ import annotations

from pathlib import Path

from accelserve.kernels import ir
from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.program import LoadOptions, Lowered
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.opencl_devices import images


def test_every_layer_has_its_time_and_work(program: FpgaProgram) -> None:
    steps = program.profile(images(1), 3)
    assert [step.operator for step in steps] == ["QConv2d engine", "QAveragePool engine", "QConv2d engine"]
    assert [step.macs for step in steps] == [8 * 8 * 12 * 27, 0, 120]
    assert [step.shape for step in steps] == [(1, 8, 8, 12), (1, 1, 1, 12), (1, 1, 1, 10)]
    assert all(step.seconds > 0 for step in steps)


def test_float_operators_are_timed_where_they_run(
    number: str, options: FpgaOptions, compiled_code: Path
) -> None:
    g = IntegerGraphBuilder(0)
    logits = g.conv(g.input(1, 1, 16), 10, float_result=True)
    graph = g.graph(scores=g.add(ir.Softmax(3), logits))
    program = FpgaDevice(number, options).load(
        Lowered(graph, {}), LoadOptions(threads=1, cache=compiled_code)
    )
    steps = program.profile(g.feeds, 1)
    program.close()
    assert steps[0].operator == "QConv2d engine"
    assert any("Softmax" in step.name for step in steps[1:])


def test_the_devices_seconds_are_counted(program: FpgaProgram) -> None:
    program.run(images(5))
    assert program.health.images == 5
    assert program.health.device_seconds > 0
