"""A cache of files between starts: each is there whole or not at all, checked when read, and never a reason to fail.

Any number of processes may fill a cache at once. It may be emptied while they run, be full, read-only or damaged: in
every such case what it would have held is made again, and the log says so once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NoReturn

DIGEST_BYTES = 32
"""At the end of every file: SHA-256 of what is before it."""

_PARTIAL = ".partial-"
_writing = Lock()
_ABANDONED_SECONDS = 3600.0
_PROBE_BYTES = 1 << 12
_log = logging.getLogger(__name__)
_warned = Lock()
"""Taken by the first warning and never released."""


def write_cached(path: Path, content: bytes | memoryview) -> bool:
    """Write a file with its digest, so that other processes see it whole or not at all.

    Returns:
        Whether it is there now; if not, the log says why, once in a process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        _write_beside_and_rename(path, content)
    except OSError as error:
        _reaction(error)
        return False
    return True


def can_write(folder: Path) -> bool:
    """Whether files can be written to a folder now; if not, the log says why, once in a process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
    except OSError as error:
        _reaction(error)
        return False
    return True


def on_failure(reaction: Callable[[OSError], None]) -> None:
    """From now on, call ``reaction`` where a file cannot be written, instead of saying so in the log."""
    global _reaction  # noqa: PLW0603 - of the whole process, as the log is
    _reaction = reaction


def end_process(code: int) -> NoReturn:
    """End this process at once, from any thread, but not in the middle of a file."""
    with _writing:
        os._exit(code)


def read_cached(path: Path) -> bytes | None:
    """What ``write_cached`` wrote, without the digest; None if it is not there or not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if not is_sound(content):
        report_damage(path)
        return None
    return content[:-DIGEST_BYTES]


def is_sound(content: bytes | memoryview) -> bool:
    """Whether a file's bytes end in the digest of those before."""
    if len(content) < DIGEST_BYTES:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]


@cache
def default_folder() -> Path | None:
    """Where code is cached if no caller names a folder: beside the sources, else in the user's cache, else nowhere."""
    for name in (str(Path(__file__).parent / "__pycache__"), "~/.cache/accelserve"):
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home
            folder = Path(name).expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    return None


def report_damage(path: Path) -> None:
    """Say that a file is made again."""
    _log.warning("%s is damaged; it is made again", path)


def _write_beside_and_rename(path: Path, content: bytes | memoryview) -> None:
    partial = path.parent / f"{_PARTIAL}{secrets.token_hex(8)}"
    try:
        # With the permissions that the umask gives, not tempfile's 0600: a group or an image shares a cache.
        with _writing:
            with partial.open("xb") as file:
                file.write(content)
                file.write(hashlib.sha256(content).digest())
            partial.replace(path)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _warn_once(error: OSError) -> None:
    """Say that nothing can be cached; only the first time in a process, since every file would say the same."""
    level = logging.WARNING if _warned.acquire(blocking=False) else logging.DEBUG
    _log.log(level, "the cache cannot be used, so the next start takes as long as this one: %s", error)


_reaction: Callable[[OSError], None] = _warn_once


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed in the middle of ``write_cached`` left behind."""
    oldest = time.time() - _ABANDONED_SECONDS
    for partial in folder.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if partial.stat().st_mtime < oldest:
                partial.unlink()
