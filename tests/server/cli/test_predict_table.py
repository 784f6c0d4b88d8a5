"""The table of ``accelserve predict``, which the C# client's sample prints too: both are held to one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelserve.server.cli.answers import print_table

DATA = Path(__file__).parents[2] / "data" / "predict_table"


def test_eighty_columns_hold_every_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = json.loads((DATA / "rows.json").read_text(encoding="utf-8"))
    print_table([tuple(row) for row in rows])
    assert capsys.readouterr().out == (DATA / "table.txt").read_text(encoding="utf-8")
