"""The one way in which results are compared."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.ir import Array


def assert_same(got: Array, wanted: Array, what: str) -> None:
    assert got.dtype == wanted.dtype, what
    assert got.shape == wanted.shape, what
    differing = np.argwhere(got != wanted)
    first = tuple(differing[0]) if len(differing) else ()
    assert not len(differing), (
        f"{what}: {len(differing)} of {got.size} differ, first {first}: {got[first]} is not {wanted[first]}"
    )
