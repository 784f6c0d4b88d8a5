"""The softmax of every device: one definition of ``exp``, silent at the ends of float32."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from accelserve.kernels.reference.probabilities import exponential, softmax

LARGEST = float(np.finfo(np.float32).max)


def test_exponential_is_within_two_units_in_the_last_place() -> None:
    x = np.linspace(-87.3, 0, 100_001, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))
    assert np.all(np.abs(exponential(x) - exact) <= 2 * np.spacing(exact.astype(np.float32)))


@pytest.mark.parametrize("x", [-87.7, -90.0, -91.0, -1e4, -1e8, -1e30, -LARGEST, -np.inf])
def test_exponential_vanishes_below_the_least_normal_exponent(x: float) -> None:
    assert exponential(np.array([x], np.float32)).tobytes() == np.zeros(1, np.float32).tobytes()


@pytest.mark.parametrize("low", [-1e3, -1e8, -1e30, -LARGEST, -np.inf])
@pytest.mark.parametrize("high", [0.0, 1e8, LARGEST])
def test_logits_that_are_far_apart_leave_one_class(low: float, high: float) -> None:
    assert softmax(np.array([[low, high, low]], np.float32)).tolist() == [[0.0, 1.0, 0.0]]


def test_the_rooms_softmax_is_a_function_whatever_was_imported_before() -> None:
    program = (
        "import accelserve.kernels.devices.reference, accelserve.kernels.devices.cpu\n"
        "import accelserve.kernels.reference.probabilities\n"
        "from accelserve.kernels.postprocess import softmax\n"
        "assert callable(softmax), softmax\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=240)
