#!/usr/bin/env bash
# numba 0.68.1 with numpy 2.4.6. In a jitted function a Python number widens the array that it meets, as if NEP 50 had not come:
# float32 times 0.5 is float64, twice the memory, and uint8 + 1 is int64, which does not wrap round. In numpy 2 both keep the
# array's type. So a preprocessing that is jitted for speed answers with other types, and, where numpy wrapped round, other
# values. An int to a negative power is an int for numba: 2 ** -1 is 0, without an error, where Python answers 0.5.
# Seen:
#   float32 * 0.5: numpy float32, jitted float64
#   uint8 200 + 100: numpy uint8 44, jitted int64 300
#   2 ** -1: Python 0.5, jitted 0
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install numba==0.68.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numba
import numpy as np


def halved(values: np.ndarray) -> np.ndarray:
    return values * 0.5


def brighter(values: np.ndarray) -> np.ndarray:
    return values + 100


def power(base: int, exponent: int) -> float:
    return base**exponent


floats, pixels = np.ones(1, np.float32), np.array([200], np.uint8)
half = halved(floats), numba.njit(halved)(floats)
sums = brighter(pixels), numba.njit(brighter)(pixels)
powers = power(2, -1), numba.njit(power)(2, -1)
print(f"float32 * 0.5: numpy {half[0].dtype}, jitted {half[1].dtype}")
print("uint8 200 + 100: numpy {0.dtype} {0[0]}, jitted {1.dtype} {1[0]}".format(*sums))
print("2 ** -1: Python {}, jitted {}".format(*powers))
seen = [answer.dtype for answer in half + sums] == [np.float32, np.float64, np.uint8, np.int64]
seen &= [int(answer[0]) for answer in sums] == [44, 300] and powers == (0.5, 0)
raise SystemExit(0 if seen else "numba or numpy has changed")
PYTHON
