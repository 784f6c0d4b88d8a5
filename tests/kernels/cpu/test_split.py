"""How a convolution's work is cut into items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.kernels.cpu.compiler.convolution.split import UNEVEN, even_chunk


def shares(units: int, chunk: int, workers: int) -> list[int]:
    """Units of the items that each worker begins with, as the team cuts them (``runtime.team_code``)."""
    sizes = [min(chunk, units - first) for first in range(0, units, chunk)]
    bounds = [len(sizes) * worker // workers for worker in range(workers + 1)]
    return [sum(sizes[bounds[k] : bounds[k + 1]]) for k in range(workers)]


@pytest.mark.parametrize(
    ("units", "items", "chunk", "even"),
    [(73, 8, 9, [36, 37]), (35, 8, 3, [18, 17]), (64, 8, 8, [32, 32]), (157, 8, 20, [80, 77])],
)
def test_workers_begin_with_even_shares(units: int, items: int, chunk: int, even: list[int]) -> None:
    """73 tiles of SSD's 19x19 map would be 40 and 33 in eight items, 35 panels of its scores 15 and 20 in seven."""
    assert even_chunk(units, items, workers=2) == chunk
    assert shares(units, chunk, workers=2) == even


@given(units=st.integers(1, 3000), items=st.integers(1, 32), workers=st.integers(1, 8))
def test_chunks_are_as_many_as_asked_or_more_only_if_that_is_more_even(
    units: int, items: int, workers: int
) -> None:
    chunk, plain = even_chunk(units, items, workers), -(-units // items)
    assert 1 <= chunk <= plain
    greatest, greatest_of_plain = (max(shares(units, each, workers)) for each in (chunk, plain))
    assert greatest <= greatest_of_plain or greatest * workers <= UNEVEN * units
