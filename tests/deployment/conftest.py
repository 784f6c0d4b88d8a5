"""An image of the checkout's own wheel, built for real: what the tests marked ``containers`` run. See ``make test-image``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from accelserve.deployment.images.configuration import ImageConfiguration
from accelserve.deployment.images.image import Image
from accelserve.kernels.cpu.isa import available
from tests.ports import held_ports
from tests.server.serve_process import Process

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "containers"
BASE_ARCHIVE = FOLDER / "python-slim.tar"
BASE = "localhost/python-slim:bookworm"
MODEL = "squeezenet"
NAME = "localhost/accelserve-test/squeezenet:1"

# Raised limits, networks of their own and systemd are not to be had in every container that tests run in.
_CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE = f"""
[storage]
driver = "overlay"
graphroot = "{FOLDER}/storage"
runroot = "{FOLDER}/run"
"""


@dataclass(frozen=True)
class BuiltImage:
    """The image, and what it was built of.

    Attributes:
        image: as the repository records it.
        repository: with the model, version 1 of ``squeezenet``.
        photographs: a folder of four.
    """

    image: Image
    repository: Path
    photographs: Path

    @property
    def reference(self) -> str:
        """Name and tag."""
        return self.image.name

    def command(self, *options: str) -> list[str]:
        """What runs a container of it; flags of ``serve`` may follow. The network is the host's."""
        return ["podman", "run", "--rm", "--read-only", "--read-only-tmpfs=false", *options, self.reference]


def podman(*arguments: str) -> str:
    """What podman prints; fails with what it says."""
    return _output(["podman", *arguments])


def accelserve(*arguments: str) -> str:
    """What the command prints; fails with what it says."""
    return _output([sys.executable, "-m", "accelserve.server.cli", *arguments])


def _output(command: Sequence[str]) -> str:
    # Without a timeout of its own: what compiles or unpacks takes minutes on a machine that others use.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Installs an engine of a name that runs a script and records how it is called; the PATH has no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, script: str) -> Path:
        calls = tmp_path / f"{name}.calls"
        path = folder / name
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >>{calls}\n{script}\n")
        path.chmod(0o755)
        return calls

    return install


@pytest.fixture(scope="session")
def container_settings() -> Iterator[None]:
    """Podman with a storage of its own below .cache, for this process and those that it starts."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, text in (("CONTAINERS_CONF", _CONTAINERS), ("CONTAINERS_STORAGE_CONF", _STORAGE)):
            path = FOLDER / f"{name.lower()}.toml"
            path.write_text(text)
            patch.setenv(name, str(path))
        patch.setenv("BUILDAH_ISOLATION", "chroot")
        yield


@pytest.fixture(scope="session")
def base_image(container_settings: None) -> str:
    """An image with Python, made of Debian's packages: no registry is needed."""
    exists = subprocess.run(["podman", "image", "exists", BASE], check=False).returncode == 0
    if not exists:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        podman("import", "--change", f"ENV {path}", str(BASE_ARCHIVE), BASE)
    return BASE


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with version 1 of SqueezeNet, and photographs beside it."""
    folder = tmp_path_factory.mktemp("repository")
    for command in (
        ("sample", "model", f"--output={folder}/squeezenet.onnx"),
        ("sample", "photographs", f"--output={folder}/photographs"),
        ("convert", f"{folder}/squeezenet.onnx", f"--name={MODEL}", f"--repository={folder}/models"),
    ):
        accelserve(*command)
    return folder / "models"


@pytest.fixture(scope="session")
def built_image(base_image: str, repository: Path) -> Iterator[BuiltImage]:
    """The image, by podman, with kernels for the instruction sets of this processor."""
    configuration = ImageConfiguration(
        base=base_image,
        instruction_sets=[each.name for each in available() if each.features],
        threads=sorted({1, 2, len(os.sched_getaffinity(0))}),
    )
    made = Image.create(repository, NAME, f"{MODEL}:1", configuration, engine="podman", replace=True)
    yield BuiltImage(made, repository, repository.parent / "photographs")
    made.delete()
    podman("image", "prune", "--force")  # layers that were kept for a next build


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """``free_port()``: one that nobody else gets by chance before the test ends."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(held_ports())[0]


@pytest.fixture
def start(built_image: BuiltImage) -> Iterator[Callable[..., Process]]:
    """Starts a container with options of podman, and flags of serve in ``flags``; ends it after the test."""
    started: list[Process] = []

    def launch(*options: str, flags: tuple[str, ...] = ("--port=0",)) -> Process:
        started.append(Process(*flags, command=built_image.command(*options)))
        return started[-1]

    yield launch
    for each in started:
        if each.process.poll() is None:
            each.stop()
        each.end()
