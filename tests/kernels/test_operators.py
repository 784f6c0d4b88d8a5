"""What an operator of the intermediate representation has to have, for every class there is: nothing can be forgotten."""

from __future__ import annotations

import inspect

import pytest

from accelserve.kernels import ir
from accelserve.kernels.cpu.compiler.ops import LOWERINGS as ON_CPU
from accelserve.kernels.ir import OnIntegers, Op, float_ops
from accelserve.kernels.ir.batch import RULES
from accelserve.kernels.opencl.compiler.layers import LOWERINGS as ON_ENGINE
from accelserve.kernels.opencl.compiler.partition import partition
from accelserve.kernels.reference import evaluator  # noqa: F401 - loads every file of evaluators
from accelserve.kernels.reference.operators import EVALUATORS
from accelserve.models.importing import onnx_emitters  # noqa: F401 - registers them
from accelserve.models.importing.onnx_writer import EMITTERS
from tests.kernels.devices.conformance_cases import joined_cases
from tests.kernels.ir.operator_classes import operator_classes

CLASSES = sorted(operator_classes(), key=lambda each: each.__name__)
IN_WINOGRAD_GRAPHS = {ir.QWinogradConv2d}
"""Whose conformance tests have graphs of their own (``winograd_graphs``)."""


@pytest.fixture(scope="module")
def cases() -> ir.Graph:
    return joined_cases()[0]


def is_float(op: type[Op]) -> bool:
    return op.__module__ == float_ops.__name__


@pytest.mark.parametrize("op", CLASSES)
def test_an_operator_is_public_and_says_what_it_computes(op: type[Op]) -> None:
    assert op.__name__ in ir.__all__
    assert op.__doc__
    assert not op.__doc__.startswith(f"{op.__name__}(")  # what a dataclass without a docstring gets


@pytest.mark.parametrize("op", CLASSES)
def test_the_reference_computes_every_operator(op: type[Op]) -> None:
    assert op in EVALUATORS


@pytest.mark.parametrize("op", CLASSES)
def test_the_processor_runs_every_operator(op: type[Op]) -> None:
    assert op in ON_CPU


@pytest.mark.parametrize("op", [each for each in CLASSES if is_float(each)])
def test_a_float_operator_can_be_written_and_says_how_it_goes_with_batches_and_integers(op: type[Op]) -> None:
    assert op in EMITTERS
    assert any(each in RULES for each in op.__mro__)
    assert isinstance(op.on_integers, OnIntegers)
    # A Clip can only be absorbed by what requantizes its result.
    assert not op.absorbs_clip or op.on_integers is OnIntegers.REQUANTIZED


@pytest.mark.parametrize("op", [each for each in CLASSES if not is_float(each)])
def test_an_integer_operator_is_held_to_the_reference_on_every_device(op: type[Op], cases: ir.Graph) -> None:
    assert op in IN_WINOGRAD_GRAPHS or any(isinstance(node.op, op) for node in cases)


def test_the_engine_leaves_to_the_host_what_it_does_not_run(cases: ir.Graph) -> None:
    """The host is the processor, which runs everything."""
    segments = partition(cases)
    ran = {type(node.op) for segment in segments if segment.on_device for node in segment.graph}
    assert ran <= set(ON_ENGINE)
    left = {type(node.op) for segment in segments if not segment.on_device for node in segment.graph}
    assert {type(node.op) for node in cases} - set(ON_ENGINE) <= left


@pytest.mark.parametrize("op", CLASSES)
def test_parameters_are_positions_behind_the_first_operand(op: type[Op]) -> None:
    assert all(position >= 1 for position in op.parameters)
    assert list(op.parameters) == sorted(set(op.parameters))


@pytest.mark.parametrize("lowering", [each.lower for each in dict.fromkeys(ON_CPU.values())])
def test_a_lowering_on_the_processor_takes_its_operator(lowering: object) -> None:
    assert list(inspect.signature(lowering).parameters)[:3] == ["node", "op", "context"]  # type: ignore[arg-type]
