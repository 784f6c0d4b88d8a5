"""One hash of everything that compiled code depends on: the sources, and the compilers' versions."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

KERNELS_FOLDER = Path(__file__).parents[1]
"""Whose sources compiled code may be made from."""


def source_hash() -> str:
    """16 hexadecimal digits over the compilers' versions and every source of ``kernels``.

    numba keys code by the file a function stands in, not by what that file imports, so a changed constant elsewhere
    would load stale machine code; a name that holds this hash is never stale. Nothing outside ``kernels`` is
    imported there, and no list says which of its rooms hold compiled code, or what such code is made from.
    """
    return hash_of_sources(KERNELS_FOLDER)


@cache
def hash_of_sources(*places: Path) -> str:
    """16 hexadecimal digits over the compilers' versions and Python sources: files, and all of folders.

    Read once in a process, which goes on running the sources that it imported.
    """
    # Versions are read from the packages' metadata: what is compiled already runs without importing numba.
    digest = hashlib.sha256(f"{version('numba')} {version('llvmlite')}".encode())
    for place in places:
        for source in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(str(source.relative_to(place.parent)).encode())
            with suppress(FileNotFoundError):  # replaced while we look: another name is all that follows
                digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
