"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

# A first example compiles kernels, and machines are shared: elapsed time says nothing about correctness.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
