"""Tables fit 80 columns where there is no terminal, and lose nothing."""

from __future__ import annotations

import pytest

from accelserve.server.cli.tables import print_rows


def test_a_wide_table_is_folded_and_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"layer3/block{i}/conv2d/with/a/rather/long/name/BiasAdd/quantized" for i in range(3)]
    rows = [
        (name, "1x56x56x256", "conv2d_qu8_qc8w, Winograd F(4,3)", "0.123", "1234", "97%") for name in names
    ]
    print_rows(["layer", "shape", "runs as"], ["ms", "GMAC/s", "of peak"], rows)
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in printed
    column = slice(0, lines[1].index("shape"))
    assert "".join(line[column].strip() for line in lines[3:]) == "".join(names)


def test_what_others_wrote_gives_a_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    """A tag or a description of a shared repository could move the cursor or change the terminal's title."""
    print_rows(
        ["tags"],
        [],
        [
            [
                "a=\x1b]0;title\x07\nb",
            ],
            ["ünï ☃"],
        ],
    )
    printed = capsys.readouterr().out
    assert "a=\\x1b]0;title\\x07\\nb" in printed
    assert "ünï ☃" in printed
    assert all(each.isprintable() or each == "\n" for each in printed)
