"""What was rendered for an edge box, run for real: the unit's own commands, and two containers that share a device."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from accelserve.client import PredictionClient, RetryPolicy
from accelserve.deployment.edge.compose import compose_file
from accelserve.deployment.edge.configuration import EdgeConfiguration, Mount
from accelserve.deployment.edge.unit import systemd_unit
from accelserve.deployment.service import USER, Service
from accelserve.deployment.webservices import runners
from tests.deployment.access import write_access
from tests.deployment.conftest import BuiltImage, podman
from tests.models.tiny_classifier import PHOTOGRAPHS, publish_tiny_classifier
from tests.server.cli.test_service_manager import Manager
from tests.server.serve_process import PATIENCE

pytestmark = pytest.mark.containers

# PoCL as its package has it: the driver, and its libraries in the folder next to the driver's.
_PACKAGES = Path(sysconfig.get_path("purelib"))
_DRIVERS = "/opt/pocl/pyopencl/.libs"
POCL = (
    Mount(str(_PACKAGES / "pyopencl" / ".libs"), _DRIVERS),
    Mount(str(_PACKAGES / "pocl_binary_distribution"), "/opt/pocl/pocl_binary_distribution"),
)

# It links what it compiled, for which the image has nothing: the tools of this Debian, which is the image's.
LINKER = (
    Mount("/usr/lib/gcc", "/usr/lib/gcc"),
    Mount("/usr/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"),
    Mount(str(Path(shutil.which("ld") or "/usr/bin/ld").resolve()), "/usr/bin/ld"),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, ``first`` and ``second``, of the same weights, where another user may read them."""
    folder = tmp_path_factory.mktemp("models")
    publish_tiny_classifier(folder, "first")
    publish_tiny_classifier(folder, "second")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    return folder / "models"


def commands(configuration: EdgeConfiguration) -> dict[str, list[str]]:
    """``ExecStart`` and the like of the unit, as systemd would run them."""
    podman_here = shutil.which("podman")
    assert podman_here is not None
    text = systemd_unit(configuration, podman_here).replace("\\\n", " ")
    return {
        name: shlex.split(command) for name, command in re.findall(r"^(Exec\w+)=(.*)$", text, re.MULTILINE)
    }


class Unit:
    """Does what systemd does with a unit."""

    def __init__(self, configuration: EdgeConfiguration, *, keep: bool = False) -> None:
        """``keep`` the container when it ends, so that its last words can be read."""
        self.name = configuration.service.name
        self._port = configuration.service.grpc_port
        self._commands = commands(configuration)
        if keep:
            self._commands["ExecStart"].remove("--rm")

    def run(self, name: str, **environment: str) -> None:
        done = subprocess.run(
            self._commands[name], env={**os.environ, **environment}, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def log(self) -> str:
        done = subprocess.run(
            ["podman", "logs", self.name], capture_output=True, text=True, timeout=240, check=False
        )
        return done.stdout + done.stderr

    def wait_for(self, words: str) -> None:
        runs = True
        while words not in (said := self.log()):
            assert runs, said
            runs = self.runs()  # before the next look: the last words of one that ended count

    def runs(self) -> bool:
        return podman("ps", "--quiet", "--filter", f"name={self.name}") != ""

    def answer(self) -> bytes:
        self.wait_for("Running gRPC ModelServer")
        with PredictionClient("127.0.0.1", self._port) as client:
            return np.asarray(client.score_file(PHOTOGRAPHS[0], timeout=PATIENCE)).tobytes()


@pytest.fixture
def units() -> Iterator[list[Unit]]:
    """Those of a test, ended after it."""
    started: list[Unit] = []
    yield started
    for unit in started:
        print(unit.log())  # a test that failed shows it
        unit.run("ExecStopPost")


def test_the_unit_tells_systemd_when_the_container_is_ready_and_alive(
    built_image: BuiltImage, socket_folder: Path, units: list[Unit], free_port: Callable[[], int]
) -> None:
    """Of the other messages, conmon hands on what its version lets through; see docs/edge.md."""
    service = Service(
        name="accelserve-unit", image=built_image.reference, grpc_port=free_port(), rest_port=free_port()
    )
    unit = Unit(EdgeConfiguration(service=service))
    units.append(unit)
    manager = Manager(socket_folder / "notify")
    unit.run("ExecStart", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="4000000")
    assert manager.until("READY")
    assert "loaded squeezenet/1" in unit.log()
    assert manager.until("WATCHDOG")
    unit.run("ExecReload")
    assert manager.until("READY")
    unit.run("ExecStop")
    assert not unit.runs()
    manager.close()


def compose(folder: Path, *words: str) -> None:
    """What podman-compose does with the folder's file."""
    command = [sys.executable, "-m", "podman_compose", "--file", str(folder / "compose.yaml"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_runs_with_keys_and_tls_and_is_taken_down(
    built_image: BuiltImage, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """By podman-compose, on the host's network: it makes none of its own where these tests run."""
    access = write_access(tmp_path)
    configuration = EdgeConfiguration(
        service=Service(
            name="accelserve-compose",
            image=built_image.reference,
            grpc_port=free_port(),
            rest_port=free_port(),
        ),
        keys_file=str(access.keys_file),
        tls_key=str(access.tls_key),
        tls_certificate=str(access.tls_certificate),
    )
    document = yaml.safe_load(compose_file(configuration))
    (service,) = document["services"].values()
    del service["ports"]
    service["network_mode"] = "host"
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(document))
    compose(tmp_path, "--in-pod=false", "up", "--detach")
    try:
        address = f"127.0.0.1:{configuration.service.grpc_port}"
        patient = RetryPolicy(max_attempts=1000, max_backoff_s=0.5)
        with PredictionClient(address, tls=access.tls, access_token=access.key, retry=patient) as client:
            assert client.score_file(PHOTOGRAPHS[0], timeout=PATIENCE) is not None
        podman("healthcheck", "run", "accelserve-compose")
        refused = subprocess.run(
            ["podman", "exec", "accelserve-compose", "touch", "/opt/x"], capture_output=True, check=False
        )
        assert refused.returncode != 0  # the file system is read-only
        end = runners.stop_container("podman", "accelserve-compose", "accelserve-compose", 40)
        assert end  # as 'deploy edge --delete' does
        assert "accelserve-compose" not in podman("ps", "--all", "--format", "{{.Names}}")
    finally:
        compose(tmp_path, "down")


@pytest.fixture
def start(
    built_image: BuiltImage, models: Path, tmp_path: Path, units: list[Unit], free_port: Callable[[], int]
) -> Callable[[str, str], Unit]:
    """``start(model, others)``: a container of the model on the one device of the box, by its unit."""
    leases, vendors = tmp_path / "leases", tmp_path / "vendors"
    leases.mkdir()
    leases.chmod(0o770)
    os.chown(leases, USER, USER)
    vendors.mkdir()
    (driver,) = (_PACKAGES / "pyopencl" / ".libs").glob("libpocl*.so")
    (vendors / "pocl.icd").write_text(f"{_DRIVERS}/{driver.name}\n")

    environment = {
        "OCL_ICD_VENDORS": "/etc/OpenCL/vendors",
        "POCL_CACHE_DIR": "/tmp",  # noqa: S108 - inside
    }

    def launch(model: str, others: str) -> Unit:
        service = Service(
            name=f"accelserve-{model}",
            image=built_image.reference,
            device="fpga",
            device_options="0",
            others=others,
            lease_folder=str(leases),
            models_folder=str(models),
            grpc_port=free_port(),
            rest_port=free_port(),
            environment=environment,
            flags=(f"--model_name={model}",),
        )
        mounts = (*POCL, *LINKER, Mount(str(vendors), "/etc/OpenCL/vendors"))
        unit = Unit(EdgeConfiguration(service=service, mounts=mounts), keep=True)
        units.append(unit)
        unit.run("ExecStart")
        return unit

    return launch


HELD = "held by first/1 (process "


def test_the_second_container_is_refused_with_the_name_of_the_holder(
    start: Callable[[str, str], Unit],
) -> None:
    first = start("first", "refuse")
    assert first.answer()
    assert "first/1: fpga " in first.log()
    second = start("second", "refuse")
    while second.runs():
        pass
    assert HELD in second.log()
    assert first.answer()


def test_the_second_container_goes_to_the_cpu_and_gives_the_same_bytes(
    start: Callable[[str, str], Unit],
) -> None:
    first = start("first", "refuse")
    right = first.answer()
    second = start("second", "cpu")
    assert second.answer() == right
    assert "second/1 runs on the CPU" in second.log()
    assert HELD in second.log()


def test_the_next_model_is_the_next_image(start: Callable[[str, str], Unit]) -> None:
    """It waits until the one before is stopped."""
    first = start("first", "refuse")
    right = first.answer()
    second = start("second", "queue")
    second.wait_for("second/1 waits for fpga:0")
    assert HELD in second.log()
    first.run("ExecStop")
    assert second.answer() == right
    assert "runs on the CPU" not in second.log()
