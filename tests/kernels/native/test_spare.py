"""What a process may still take, by the files of the control groups that it is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accelserve.kernels.native import spare


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control group at the root, as a container sees its own."""
    monkeypatch.setattr(spare, "_GROUPS", tmp_path)
    return tmp_path


def test_processors_are_those_of_the_affinity_without_a_quota(group: Path) -> None:
    assert spare.processors() == len(os.sched_getaffinity(0))
    (group / "cpu.max").write_text("max 100000\n")
    assert spare.processors() == len(os.sched_getaffinity(0))


def test_a_quota_is_less_than_a_processor(group: Path) -> None:
    (group / "cpu.max").write_text("50000 100000\n")
    assert spare.processors() == 0.5


def test_memory_is_what_the_group_has_left_and_files_that_it_can_give_up(group: Path) -> None:
    unlimited = spare.memory_bytes()
    assert unlimited is not None
    (group / "memory.current").write_text("900000\n")
    (group / "memory.stat").write_text("anon 500000\ninactive_file 300000\nactive_file 100000\n")
    (group / "memory.max").write_text("1000000\n")
    assert spare.memory_bytes() == 400_000
    (group / "memory.max").write_text("max\n")
    assert (spare.memory_bytes() or 0) > 400_000
