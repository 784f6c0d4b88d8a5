"""Kernel names follow their grammar, both ways."""

from __future__ import annotations

import itertools

import pytest

from accelserve.kernels.cpu.microkernels.elements import ElementKernelName, parse_element_kernel
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName, ResultKind, parse
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS

KINDS = [ResultKind(False)]
KINDS += [
    ResultKind(True, *parts)
    for parts in itertools.product((False, True), repeat=5)
    if parts[1] or not parts[4]  # no residual, no zero point of one
]


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("unroll", [1, 4])
def test_a_name_parses_to_what_made_it(isa: InstructionSet, kind: ResultKind, unroll: int) -> None:
    name = KernelName(
        op="conv2d",
        result=kind,
        rows=isa.rows,
        channels=isa.channels,
        group=isa.group,
        isa=isa.name,
        unroll=unroll,
        tiles=3 - (unroll > 1),
        prefetch=kind.residual,
    )
    assert parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["conv2d", "conv2d_qu8_qc8w_qu8resmid_7x64c4__avx2", "conv2d_qu8_qc8w_qu8_7x64__avx2", ""]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a kernel name"):
        parse(text)


@pytest.mark.parametrize("op", ["affine", "norm", "add", "maxpool", "avgpool"])
@pytest.mark.parametrize("wide", [False, True])
def test_an_element_kernels_name_parses_to_what_made_it(op: str, wide: bool) -> None:
    name = ElementKernelName(op=op, channels=17, isa="avx2", wide=wide)
    assert parse_element_kernel(str(name)) == name
    with pytest.raises(ValueError, match="is not a kernel name"):
        parse_element_kernel(f"{name} ")
