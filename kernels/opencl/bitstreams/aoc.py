"""Bitstreams for boards: the offline compiler's exact command line, and the manifest of what it made."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import interface_version
from accelserve.kernels.opencl.engine.manifest import Manifest, digest, write_manifest
from accelserve.kernels.opencl.engine.source import EnginePath, render
from accelserve.kernels.opencl.errors import BuildError, CompilerMissingError

COMPILER = "aoc"
SOURCE_NAME = "engine.cl"
BITSTREAM_NAME = "engine.aocx"
_LOG_BYTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardBuild:
    """A bitstream to be built; hours of work for the compiler.

    Attributes:
        board: name of a board in the installed board package, ``package:board`` where several are installed.
        configuration: the engine's constants.
        folder: gets the source, the compiler's reports, the bitstream and the manifest.
        seed: of place and route; another seed may reach another clock.
        reports_only: stop after the reports on area and loops, which take minutes.
    """

    board: str
    configuration: EngineConfiguration
    folder: Path
    seed: int = 1
    reports_only: bool = False

    def command(self) -> tuple[str, ...]:
        """The command line, to be run in ``folder``.

        No option relaxes float arithmetic: the result must be the CPU's, bit for bit.
        """
        stage = ("-rtl",) if self.reports_only else ()
        return (
            COMPILER,
            *stage,
            "-v",
            "-report",
            f"-board={self.board}",
            f"-seed={self.seed}",
            SOURCE_NAME,
            "-o",
            "engine.aocr" if self.reports_only else BITSTREAM_NAME,
        )

    def write_source(self) -> Path:
        """Render the source that the command compiles."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source = self.folder / SOURCE_NAME
        source.write_text(render(self.configuration, EnginePath.CHANNELS), encoding="utf-8")
        return source


def build_for_board(build: BoardBuild) -> Manifest | None:
    """Run the compiler and write the manifest; None if only reports were asked for.

    Raises:
        CompilerMissingError: there is no ``aoc`` on the PATH; the source is written all the same.
        BuildError: it failed; its last words are in the error.
    """
    build.write_source()
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise CompilerMissingError(build.command(), build.folder)
    ran = subprocess.run(  # noqa: S603 - the user's own compiler, by name
        [compiler, *build.command()[1:]], cwd=build.folder, capture_output=True, check=False
    )
    if ran.returncode != 0:
        raise BuildError((ran.stdout + ran.stderr)[-_LOG_BYTES:].decode(errors="replace").strip())
    if build.reports_only:
        return None
    version = subprocess.run(  # noqa: S603 - as above
        [compiler, "-version"], capture_output=True, check=False
    ).stdout.decode(errors="replace")
    manifest = Manifest(
        file=BITSTREAM_NAME,
        sha256=digest((build.folder / BITSTREAM_NAME).read_bytes()),
        part=build.board,
        emulated=False,
        interface=interface_version(),
        path=EnginePath.CHANNELS,
        configuration=build.configuration,
        built_with=" ".join(version.split()),
    )
    write_manifest(build.folder, manifest)
    return manifest
