"""A file that is kept is whole, or it is not there; trouble costs time, never an answer."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from accelserve.kernels import kept_files
from accelserve.kernels.kept_files import DIGEST_BYTES, keep, kept

CONTENT = bytes(range(256)) * 16


@pytest.fixture(autouse=True)
def _nobody_complained_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "_complained", threading.Lock())


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "down" / "file"
    assert kept(file) is None
    assert keep(file, CONTENT)
    assert kept(file) == CONTENT
    assert keep(file, memoryview(bytes(5)))
    assert kept(file) == bytes(5)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "size", [0, 1, DIGEST_BYTES - 1, DIGEST_BYTES, 2000, len(CONTENT) + DIGEST_BYTES - 1]
)
def test_a_shortened_file_is_not_believed(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    keep(file, CONTENT)
    os.truncate(file, size)
    assert kept(file) is None
    assert [record.getMessage() for record in caplog.records] == [f"{file} is damaged; it is made again"]


def test_a_file_with_one_wrong_bit_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    keep(file, CONTENT)
    whole = bytearray(file.read_bytes())
    whole[1000] ^= 4
    file.write_bytes(whole)
    assert kept(file) is None


def test_a_folder_that_cannot_be_written_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in the way").write_text("a file")
    folder = tmp_path / "in the way" / "cache"
    assert not keep(folder / "a", CONTENT)
    assert not keep(folder / "b", CONTENT)
    assert kept(folder / "a") is None
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("the cache cannot be used")


def test_what_a_killed_process_left_behind_is_swept_and_what_another_writes_now_is_not(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / ".partial-old", tmp_path / ".partial-new"
    for partial in (old, new):
        partial.write_bytes(CONTENT)
    os.utime(old, (0, 0))
    keep(tmp_path / "file", CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".partial-new", "file"]
