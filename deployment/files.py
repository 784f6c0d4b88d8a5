"""Rendered files, written as a whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accelserve.deployment.errors import OutputError


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file to write.

    Attributes:
        text: its content.
        secret: nobody but its owner may read it.
    """

    text: str
    secret: bool = False


Rendered = Mapping[str, RenderedFile]
"""Path within the folder -> file."""

_OURS = b"written by 'accelserve deploy "
"""In the first line of every rendered file."""
_LINE_BYTES = 300


def write_rendered(rendered: Rendered, folder: Path, *, replace: bool = False) -> None:
    """Write a folder of files.

    Args:
        rendered: what.
        folder: is made; one that is there must hold the very same, or be empty, or be replaced.
        replace: whether it may be, if all that it holds was rendered before.

    Raises:
        OutputError: it holds something else, or cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; name a folder")
        if folder.is_dir() and any(folder.iterdir()):
            if _holds(folder, rendered):
                return
            _refuse_others(folder)
            if not replace:
                raise OutputError(f"{folder} is not empty; --replace writes over what it holds")
        if folder.exists() and folder.samefile(Path.cwd()):
            raise OutputError(f"{folder} is the folder that this runs in; name another one")
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _fill(unfinished, rendered)
            _put(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: {error.strerror or error}") from error


def _holds(folder: Path, rendered: Rendered) -> bool:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return there == set(rendered) and all(
        (folder / name).read_bytes() == each.text.encode() for name, each in rendered.items()
    )


def _refuse_others(folder: Path) -> None:
    """OutputError if the folder holds anything that was not rendered: it is never ours to remove."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_file():
            with path.open("rb") as stream:
                if _OURS in stream.readline(_LINE_BYTES).lower():
                    continue
        raise OutputError(
            f"{folder} is not empty and holds {path.relative_to(folder)}, which 'accelserve deploy' did not write; "
            "name another folder"
        )


def _fill(folder: Path, rendered: Rendered) -> None:
    folder.chmod(0o755)
    for name, each in rendered.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600 if each.secret else 0o644)
        path.write_text(each.text, encoding="utf-8")


def _put(unfinished: Path, folder: Path) -> None:
    """In its place by renames: whoever looks finds the old folder or the new one."""
    if not folder.exists():
        unfinished.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        folder.rename(old / "old")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(old, ignore_errors=True)
