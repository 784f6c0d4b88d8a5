"""The offline compiler's command line, and what is written around a run of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.kernels.opencl.bitstreams.aoc import BoardBuild, build_for_board
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.manifest import read_bitstream
from accelserve.kernels.opencl.engine.source import KERNELS, EnginePath
from accelserve.kernels.opencl.errors import BuildError, CompilerMissingError

COMPILER = """#!/bin/sh
# Stands where the vendor's compiler would: checks that it is given our source, writes a file of the wanted name.
if [ "$1" = "-version" ]; then echo "Offline Compiler, Version 99.1"; exit 0; fi
echo "$@" > arguments
grep -q "__kernel void write_results" engine.cl || exit 3
if [ "$FAIL" ]; then echo "Error: does not fit" >&2; exit 1; fi
for last; do :; done
echo bitstream > "$last"
"""


@pytest.fixture
def job(tmp_path: Path) -> BoardBuild:
    return BoardBuild(
        board="a10_ref:a10gx",
        configuration=EngineConfiguration(lane=16, px=8),
        folder=tmp_path / "engine",
        seed=7,
    )


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "aoc").write_text(COMPILER)
    (folder / "aoc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_command_line(job: BoardBuild) -> None:
    assert " ".join(job.command()) == "aoc -v -report -board=a10_ref:a10gx -seed=7 engine.cl -o engine.aocx"
    assert not any(word.startswith("-ffp") or "fast" in word for word in job.command())


def test_without_the_compiler_the_error_says_what_to_run_and_the_source_is_there(
    job: BoardBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilerMissingError, match="aoc -v -report -board=a10_ref:a10gx"):
        build_for_board(job)
    source = (job.folder / "engine.cl").read_text()
    assert "#define PX 8" in source
    assert all(f"__kernel void {name}" in source for name in KERNELS[EnginePath.CHANNELS])


@pytest.mark.usefixtures("compiler")
def test_a_build_writes_a_manifest_that_verifies(job: BoardBuild) -> None:
    manifest = build_for_board(job)
    assert manifest is not None
    bitstream = read_bitstream(job.folder)
    assert bitstream.manifest == manifest
    assert (manifest.part, manifest.emulated, manifest.configuration.px) == ("a10_ref:a10gx", False, 8)
    assert manifest.built_with == "Offline Compiler, Version 99.1"
    assert (job.folder / "arguments").read_text().split() == list(job.command()[1:])


@pytest.mark.usefixtures("compiler")
def test_a_failed_build_leaves_no_manifest(job: BoardBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(BuildError, match="does not fit"):
        build_for_board(job)
    assert not (job.folder / "manifest.json").exists()
