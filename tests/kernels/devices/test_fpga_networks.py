"""The five networks on a photograph: the engine's bytes are the reference's and the CPU's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.networks import SMALL, network
from tests.kernels.devices.opencl_devices import opencl_parameters

Answered = tuple[Lowered, Mapping[str, Array], Mapping[str, Array]]


@cache
def answered(name: str, *, full_size: bool) -> Answered:
    """A network, a photograph, and what the reference says of it."""
    lowered, feeds = network(name, {} if full_size else SMALL[name])
    return lowered, feeds, evaluate(lowered.graph, feeds)


def assert_engine_agrees(number: str, options: FpgaOptions, cache_folder: Path, case: Answered) -> None:
    lowered, feeds, expected = case
    program = FpgaDevice(number, options).load(lowered, LoadOptions(threads=2, cache=cache_folder))
    try:
        results = program.run(feeds)
        assert isinstance(program, FpgaProgram)
        assert program.health.images == 1, program.health.last_error
    finally:
        program.close()
    for output, wanted in expected.items():
        assert_same(results[output], wanted, output)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_variant_is_bit_exact(
    name: str, number: str, options: FpgaOptions, compiled_code: Path
) -> None:
    assert_engine_agrees(number, options, compiled_code, answered(name, full_size=False))


@pytest.mark.parametrize("with_channels", list(opencl_parameters(channels=True)))
@pytest.mark.parametrize("name", SMALL)
def test_a_small_variant_is_bit_exact_through_channels(
    name: str, with_channels: str, options: FpgaOptions, compiled_code: Path
) -> None:
    channels = replace(options, path=EnginePath.CHANNELS)
    assert_engine_agrees(with_channels, channels, compiled_code, answered(name, full_size=False))


def assert_full_size_agrees(name: str, number: str, options: FpgaOptions, compiled_code: Path) -> None:
    lowered, feeds, expected = answered(name, full_size=True)
    program = CpuDevice().load(lowered, LoadOptions(threads=2))
    for output, array in program.run(feeds).items():
        assert_same(array, expected[output], f"{output} on the CPU")
    program.close()
    assert_engine_agrees(number, options, compiled_code, (lowered, feeds, expected))


@pytest.mark.parametrize("accelerator", list(opencl_parameters(channels=True)))
def test_resnet50_is_bit_exact_at_full_size(
    accelerator: str, options: FpgaOptions, compiled_code: Path
) -> None:
    assert_full_size_agrees("resnet50", accelerator, options, compiled_code)


@pytest.mark.slow
@pytest.mark.parametrize("accelerator", list(opencl_parameters(channels=True)))
@pytest.mark.parametrize("name", ["resnet152", "densenet121", "vgg16", "ssd_vgg"])
def test_the_others_are_bit_exact_at_full_size(
    name: str, accelerator: str, options: FpgaOptions, compiled_code: Path
) -> None:
    assert_full_size_agrees(name, accelerator, options, compiled_code)
