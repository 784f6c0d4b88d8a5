"""numba's cache files may be damaged or gone: what they held is compiled again."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from pathlib import Path
from typing import Any

import numba
import pytest

from accelserve.kernels import kept_files

SOURCE = """
from accelserve.kernels.preprocess.jit import compiled

@compiled
def twice(x):
    return 2 * x
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with a compiled function, whose machine code is kept in ``cache`` beside it."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_files, "_complained", threading.Lock())
    file = tmp_path / "module.py"
    file.write_text(SOURCE)
    return file


def twice(source: Path) -> Any:
    """The function as a process that starts anew gets it."""
    spec = importlib.util.spec_from_file_location("module_of_this_test", source)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.twice


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("suffix", ["nbi", "nbc"], ids=["index", "machine-code"])
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["emptied", "halved"])
def test_damaged_files_are_made_again(
    source: Path, suffix: str, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    assert twice(source)(3) == 6
    (file,) = (source.parent / "cache").rglob(f"*.{suffix}")
    os.truncate(file, int(file.stat().st_size * share))
    assert twice(source)(3) == 6
    (line,) = warnings_of(caplog)
    assert "is damaged" in line
    again = twice(source)
    assert again(3) == 6
    assert sum(again.stats.cache_hits.values()) == 1
    assert warnings_of(caplog) == [line]


def test_a_source_that_is_replaced_while_it_is_imported_costs_the_cache_only(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.write_text("import pathlib\npathlib.Path(__file__).unlink()\n" + SOURCE)
    assert twice(source)(3) == 6
    (line,) = warnings_of(caplog)
    assert line.startswith("the cache cannot be used")


def test_a_folder_that_goes_away_costs_the_cache_only(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    function = twice(source)
    cache = source.parent / "cache"
    for folder in cache.iterdir():
        folder.rmdir()
    cache.rmdir()
    cache.write_text("in the way")
    assert function(3) == 6
    (line,) = warnings_of(caplog)
    assert line.startswith("the cache cannot be used")
