"""Runs in the build of an image, by the image's own packages: a model's compiled kernels for several kinds of processors.

``python -m accelserve.deployment.images.compile_kernels CACHE ISAS THREADS KEEP DIRECTORY``; ISAS and THREADS are
comma-separated, ISAS may be empty for every usual one; KEEP is ``all``, or ``code`` for an image whose model is mounted.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from accelserve.deployment.images.labels import sha256_of
from accelserve.models.serving.compile_ahead import compile_ahead, instruction_sets


def main(cache: str, isas: str, threads: str, keep: str, directory: str) -> None:
    """Fill the image's cache; what fails is raised."""
    folder = Path(cache)
    sets = instruction_sets([name for name in isas.split(",") if name])

    def done(count: int, total: int) -> None:
        sys.stdout.write(f"compiled for {count} of {total} instruction sets\n")
        sys.stdout.flush()

    compile_ahead([Path(directory)], folder, sets, [int(each) for each in threads.split(",")], done)
    if keep == "code":
        for packed in ("plans", "weights"):
            shutil.rmtree(folder / packed, ignore_errors=True)
    else:
        share_equal_files(folder / "weights")
    open_to_all(folder)


def share_equal_files(folder: Path) -> None:
    """Make files of equal content one file of several names: packed weights of different numbers of workers mostly are."""
    first: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        same = first.setdefault(sha256_of(path), path)
        if same != path:
            path.unlink()
            os.link(same, path)


def open_to_all(folder: Path) -> None:
    """Let every user read it, whatever the build's umask."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    main(*sys.argv[1:])
