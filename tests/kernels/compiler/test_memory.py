"""The arena: buffers alive together never overlap, others share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from accelserve.kernels.compiler.memory import ALIGNMENT_BYTES, Lifetime, assign_offsets


@st.composite
def lifetimes(draw: st.DrawFn) -> Lifetime:
    first = draw(st.integers(-1, 20))
    return Lifetime(size_bytes=draw(st.integers(1, 5000)), first=first, last=first + draw(st.integers(0, 9)))


@given(st.lists(lifetimes(), max_size=25))
def test_buffers_alive_together_do_not_overlap(buffers: list[Lifetime]) -> None:
    offsets, total = assign_offsets(buffers)
    for i, a in enumerate(buffers):
        assert offsets[i] % ALIGNMENT_BYTES == 0
        assert offsets[i] + a.size_bytes <= total
        for j, b in enumerate(buffers[:i]):
            apart = offsets[i] + a.size_bytes <= offsets[j] or offsets[j] + b.size_bytes <= offsets[i]
            assert apart or not a.meets(b)


def test_a_chain_needs_room_for_two() -> None:
    chain = [Lifetime(size_bytes=1024, first=i, last=i + 1) for i in range(10)]
    assert assign_offsets(chain)[1] == 2048


def test_no_buffers_need_no_arena() -> None:
    assert assign_offsets([]) == ((), 0)
