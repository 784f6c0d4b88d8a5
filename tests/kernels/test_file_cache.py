"""A file that is kept is whole, or it is not there; trouble costs time, never an answer."""

from __future__ import annotations

import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from accelserve.kernels import file_cache
from accelserve.kernels.file_cache import DIGEST_BYTES, can_write, read_cached, write_cached

CONTENT = bytes(range(256)) * 16


@pytest.fixture(autouse=True)
def _nobody_was_warned_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_cache, "_warned", threading.Lock())


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "down" / "file"
    assert read_cached(file) is None
    assert write_cached(file, CONTENT)
    assert read_cached(file) == CONTENT
    assert write_cached(file, memoryview(bytes(5)))
    assert read_cached(file) == bytes(5)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "size", [0, 1, DIGEST_BYTES - 1, DIGEST_BYTES, 2000, len(CONTENT) + DIGEST_BYTES - 1]
)
def test_a_shortened_file_is_not_believed(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    write_cached(file, CONTENT)
    os.truncate(file, size)
    assert read_cached(file) is None
    assert [record.getMessage() for record in caplog.records] == [f"{file} is damaged; it is made again"]


def test_a_file_with_one_wrong_bit_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_cached(file, CONTENT)
    whole = bytearray(file.read_bytes())
    whole[1000] ^= 4
    file.write_bytes(whole)
    assert read_cached(file) is None


def test_a_folder_that_cannot_be_written_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in the way").write_text("a file")
    folder = tmp_path / "in the way" / "cache"
    assert not write_cached(folder / "a", CONTENT)
    assert not write_cached(folder / "b", CONTENT)
    assert read_cached(folder / "a") is None
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("the cache cannot be used")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_the_umask_says_who_may_read_a_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_cached(tmp_path / "file", CONTENT)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_whether_anything_can_be_kept_is_found_out_beforehand(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert can_write(tmp_path / "new" / "cache")
    assert list((tmp_path / "new" / "cache").iterdir()) == []
    (tmp_path / "file").touch()
    assert not can_write(tmp_path / "file" / "cache")
    assert not write_cached(tmp_path / "file" / "cache" / "a", CONTENT)
    assert (
        sum(
            "cannot be used" in record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.WARNING
        )
        == 1
    )


def test_what_a_killed_process_left_behind_is_swept_and_what_another_writes_now_is_not(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / ".partial-old", tmp_path / ".partial-new"
    for partial in (old, new):
        partial.write_bytes(CONTENT)
    os.utime(old, (0, 0))
    write_cached(tmp_path / "file", CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".partial-new", "file"]


def test_what_ends_the_process_in_the_middle_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_content: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("accelserve.kernels.file_cache.hashlib.sha256", ended)
        with pytest.raises(KeyboardInterrupt):
            write_cached(tmp_path / "file", CONTENT)
    assert list(tmp_path.iterdir()) == []
