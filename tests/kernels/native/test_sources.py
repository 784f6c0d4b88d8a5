"""Names of cached code: an edit in any room that holds compiled code gives other names, so nothing stale is loaded."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from accelserve.kernels.native import sources
from accelserve.kernels.native.machine_code import host_target, object_path

COMPILES = re.compile(r"^\s*(from|import) (numba|llvmlite|accelserve\.kernels\.native\.jit)\b", re.MULTILINE)
EXAMPLES = {
    path.relative_to(sources.KERNELS_FOLDER).parts[0]: path.relative_to(sources.KERNELS_FOLDER)
    for path in sorted(sources.KERNELS_FOLDER.rglob("*.py"))
    if COMPILES.search(path.read_text())
}
"""Room -> one of its files that is compiled, or compiles."""


def object_name() -> str:
    sources.hash_of_sources.cache_clear()  # a process reads its sources once
    return object_path("a_function", host_target(), Path()).name


def test_the_rooms_that_hold_compiled_code_are_found() -> None:
    assert {"cpu", "native", "postprocess", "preprocess"} <= EXAMPLES.keys()


@pytest.mark.parametrize("room", EXAMPLES)
def test_an_edit_renames_every_object_file(
    room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "kernels"
    shutil.copytree(sources.KERNELS_FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sources, "KERNELS_FOLDER", copy)
    before = object_name()
    assert object_name() == before
    with (copy / EXAMPLES[room]).open("a") as file:
        file.write("# another line\n")
    assert object_name() != before
    sources.hash_of_sources.cache_clear()
