"""Settings of every test."""

from __future__ import annotations

import os

from hypothesis import settings

# Every test that compiles has the compiler's passes prove what they promise, also in the processes that it starts.
os.environ.setdefault("ACCELSERVE_CHECK_PASSES", "1")

# A first example compiles kernels, and machines are shared: elapsed time says nothing about correctness.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
