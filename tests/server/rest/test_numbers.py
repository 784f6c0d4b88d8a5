"""Numbers in JSON, as few digits as TensorFlow Serving writes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.server.rest.numbers import encode, plain, shortest


def as_tensorflow_serving(value: np.float32) -> float:
    """Six significant digits where they bring the float32 back, else nine."""
    short = float(f"{value:.6g}")
    return short if np.float32(short) == value else float(f"{value:.9g}")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float_comes_back(value: float) -> None:
    (written,) = shortest(np.array([value], np.float32)).tolist()
    assert np.float32(written) == np.float32(value)
    assert np.signbit(written) == np.signbit(np.float32(value))


@given(st.floats(2**-30, 2**30, width=32) | st.floats(-(2**30), -(2**-30), width=32))
def test_the_digits_are_tensorflow_servings(value: float) -> None:
    (written,) = shortest(np.array([value], np.float32)).tolist()
    assert written == as_tensorflow_serving(np.float32(value))


@pytest.mark.parametrize(
    ("value", "text"), [(0.2, "0.2"), (0.1234567, "0.123456702"), (200.0, "200.0"), (0.0, "0.0")]
)
def test_no_noise(value: float, text: str) -> None:
    assert encode(plain(np.array([value], np.float32))).decode() == f"[{text}]"


def test_numbers_that_json_lacks() -> None:
    content = plain(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32))
    assert encode(content) == b"[NaN,Infinity,-Infinity,0.5]"
    assert json.loads(encode({"a": content, "b": None, "c": "ä"}))["c"] == "ä"
