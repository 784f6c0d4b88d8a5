"""docs/numerics.md names files, flags and algorithms that exist."""

from __future__ import annotations

import re
from pathlib import Path

from accelserve.models.quantize.fast import LEAST_CHANNELS, LEAST_SIDE, MOST_PICTURES
from accelserve.models.repository.numerics import WINOGRAD_FILE
from accelserve.server.cli.convert import convert

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")


def test_every_file_it_points_to_exists() -> None:
    paths = re.findall(r"`((?:kernels|tests)/[\w/]+\.py)`", PAGE)
    assert len(paths) >= 4
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_flag_of_convert_exists() -> None:
    flags = {flag for option in convert.params for flag in option.opts}
    (command,) = re.findall(r"^accelserve convert .*?[^\\]$", PAGE, re.MULTILINE | re.DOTALL)
    shown = set(re.findall(r"--[a-z-]+", command))
    assert {"--numerics", "--fast-budget"} <= shown <= flags


def test_its_limits_are_those_of_the_program() -> None:
    assert f"at least {LEAST_SIDE} rows and columns and {LEAST_CHANNELS} channels" in PAGE
    assert f"at most {MOST_PICTURES} calibration" in PAGE
    assert f"`{WINOGRAD_FILE}`" in PAGE
