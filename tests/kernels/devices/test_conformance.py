"""Every device computes every operator to the reference's very bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from accelserve.kernels.ir import Array
from accelserve.kernels.program import Device, LoadOptions, Lowered, Program
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.case_registry import CASES
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.conformance_cases import joined_cases

GRAPH, FEEDS, OUTPUTS = joined_cases()
Results = Mapping[str, Array]


@pytest.fixture(scope="module")
def expected() -> Results:
    return evaluate(GRAPH, FEEDS)


@pytest.fixture(scope="module")
def loaded(device: Device, compiled_code: Path) -> Iterator[Program]:
    program = device.load(Lowered(GRAPH, {}), LoadOptions(threads=2, cache=compiled_code))
    yield program
    program.close()


@pytest.fixture(scope="module")
def computed(loaded: Program) -> Results:
    return loaded.run(FEEDS)


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_bit_exact(case: str, computed: Results, expected: Results) -> None:
    for output in OUTPUTS[case]:
        assert_same(computed[output], expected[output], output)


def test_a_batch_is_its_images_one_by_one(loaded: Program) -> None:
    generator = np.random.default_rng(5)
    batch = {
        name: generator.integers(0, 256, (3, *kind.shape[1:])).astype(np.uint8)
        for name, kind in loaded.inputs.items()
    }
    together = loaded.run(batch)
    for i in range(3):
        wanted = evaluate(GRAPH, {name: array[i : i + 1] for name, array in batch.items()})
        for output, array in wanted.items():
            assert_same(together[output][i : i + 1], array, f"image {i} of {output}")
