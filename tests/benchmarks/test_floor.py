"""What the performance page says about the floor: beside other text, with a verdict, and nothing lost between the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import floor_page
from benchmarks.floor import COMPUTE_PART, PARTS, UNACCOUNTED, judged
from benchmarks.page_sections import END, begin_of


def network(outside_us: float) -> dict[str, Any]:
    """As measured, if every request took so long outside compute, in equal parts, and the floor 2 ms."""
    parts = {name: outside_us / (len(PARTS) - 1) for name in PARTS if name != COMPUTE_PART}
    request = parts | {COMPUTE_PART: 5000.0, UNACCOUNTED: 0.0, "whole": outside_us + 5000.0}
    return judged([request] * 8, [outside_us + 5000.0] * 8, [1200.0] * 8, [800.0] * 8)


def page_of(folder: Path, **networks: dict[str, Any]) -> str:
    page = folder / "performance.md"
    page.write_text(f"before\n{begin_of(floor_page.MODULE)}\nold\n{END}\nbetween\n{END}\n", "utf-8")
    measured = {
        "date": "2026-01-01T00:00:00+00:00",
        "machine": {"cpu": "a processor", "system": "Linux", "python": "3.11"},
        "isa": "avx2",
        "cores": 2,
        "load_average": 0.1,
        "goal": 1.3,
        "networks": networks,
    }
    (folder / "floor-avx2.json").write_text(json.dumps(measured), "utf-8")
    floor_page.rewrite(page, folder)
    return page.read_text("utf-8")


def test_a_missed_goal_is_told_with_what_it_is_missed_by(tmp_path: Path) -> None:
    text = page_of(tmp_path, slow=network(3000.0), quick=network(2400.0))
    assert "slow: 1.50 times the floor, 0.40 ms more than the goal of 1.3; above the floor: " in text
    assert "quick: 1.20 times the floor; the goal is 1.3." in text


def test_text_beside_the_tables_stays(tmp_path: Path) -> None:
    text = page_of(tmp_path, quick=network(2400.0))
    assert text.startswith(f"before\n{begin_of(floor_page.MODULE)}\n\n### ")
    assert text.endswith(f"{END}\nbetween\n{END}\n")
    assert "old" not in text


def test_what_is_above_the_floor_and_the_floor_are_the_whole_time_outside_compute() -> None:
    above = floor_page.above_the_floor(network(3000.0))
    assert sum(above.values()) + 2000.0 == pytest.approx(3000.0)


def test_a_page_without_a_place_for_the_tables_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("nothing", "utf-8")
    with pytest.raises(SystemExit, match=r"benchmarks\.floor"):
        floor_page.rewrite(page, tmp_path)
    assert page.read_text("utf-8") == "nothing"
