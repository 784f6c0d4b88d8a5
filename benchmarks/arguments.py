"""Types of command line arguments that several benchmarks have."""

from __future__ import annotations

import argparse
import math

from accelserve.kernels.cpu.isa import choose
from accelserve.kernels.errors import DeviceError


def instruction_set(text: str) -> str:
    """One that this processor has; argparse.ArgumentTypeError for others."""
    try:
        return choose(text).name
    except DeviceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> float:
    """A finite number above 0; argparse.ArgumentTypeError for others."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got '{text}'")
    return number


def count(text: str) -> int:
    """A whole number from 1 on; argparse.ArgumentTypeError for others."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got '{text}'")
    return int(text)
