#!/usr/bin/env bash
# numba 0.68.1 with numpy 2.4.6. np.sum and np.mean of a float32 array inside a jitted function add one value after the other
# in float32, where numpy adds pairwise: the error grows with the number of values, and from 2^24 values of about the same size
# on nothing is added any more. A function that was right in Python is wrong once it is jitted, without fastmath, and its
# documentation lists both functions as supported. Arrays of float64 or integers are summed in 64 bits.
# Seen, of 2^25 values 0.1:
#   numpy: mean 0.1, sum 3355444
#   jitted: mean 0.0625, sum 2097152
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install numba==0.68.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numba
import numpy as np


def mean_and_sum(values: np.ndarray) -> tuple[float, float]:
    return np.mean(values), np.sum(values)


values = np.full(2**25, 0.1, np.float32)
by_numpy, jitted = mean_and_sum(values), numba.njit(mean_and_sum)(values)
for name, (mean, total) in (("numpy", by_numpy), ("jitted", jitted)):
    print(f"{name}: mean {mean:.5g}, sum {total:.0f}")
raise SystemExit(0 if abs(by_numpy[0] - 0.1) < 1e-6 and jitted == (0.0625, 2097152) else "numba or numpy has changed")
PYTHON
