"""What is asked of a container engine for a service, and what is never taken down.

Engines are scripts here; real containers are in ``test_webservice_in_a_container.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from accelserve.deployment.errors import DeployFailedError, EngineFailedError, ServiceError, TakeDownError
from accelserve.deployment.images.image import Image
from accelserve.deployment.webservices.state import ServiceState, write_state
from accelserve.deployment.webservices.webservice import Webservice
from accelserve.models.registry.records import DeploymentRecord, ImageRecord, Records

Install = Callable[[str, str], Path]

# As docker says it; podman's words differ in the case of the first letter.
NONE = "Error response from daemon: No such container: camera"
ALIVE = """case "$1 $2" in
"info --format") echo 4;;
"container inspect") {inspect};;
"run --detach") {run};;
esac"""


def script(inspect: str = f"echo '{NONE}' >&2; exit 1", run: str = "echo 1f") -> str:
    return ALIVE.format(inspect=inspect, run=run)


@pytest.fixture
def image(published: Path, tmp_path: Path) -> Callable[..., Image]:
    """Records an image that podman has."""

    def recorded(device: str = "cpu") -> Image:
        record = ImageRecord(
            name="tiny",
            tag="1",
            model="tiny",
            version=1,
            device=device,
            state="succeeded",
            location="podman",
        )
        repository = str(tmp_path / "models")
        shutil.copytree(published, repository, dirs_exist_ok=True)
        Records(repository).add_image(record, replace=True)
        return Image(repository, record)

    return recorded


def deploy(image: Image, **files: Path) -> Webservice:
    return Webservice.deploy_from_image(
        image.repository,
        "camera",
        image,
        wait_seconds=0.2,
        auth_keys_file=files.get("keys.json"),
        tls_key=files.get("key.pem"),
        tls_certificate=files.get("certificate.pem"),
    )


def test_a_container_of_that_name_that_is_not_ours_stays(
    engine: Install, image: Callable[..., Image], state_home: Path
) -> None:
    """Two repositories may have a service of one name, and so may other people."""
    calls = engine(
        "podman", script(inspect="echo '<no value> true'", run="echo 'name is in use' >&2; exit 125")
    )
    made = image()
    with pytest.raises(EngineFailedError, match="starting 'camera' by podman failed: name is in use"):
        deploy(made)
    assert not [line for line in calls.read_text().splitlines() if line.startswith(("stop", "rm"))]
    assert (Webservice.list(made.repository), list(state_home.iterdir())) == ([], [])


def test_ours_is_stopped_and_removed_when_it_does_not_answer(
    engine: Install, image: Callable[..., Image], state_home: Path
) -> None:
    # The service's folder is the container's owner.
    calls = engine("podman", script(inspect=f"cd {state_home}; echo camera-* true"))
    with pytest.raises(DeployFailedError, match="does not answer within"):
        deploy(image())
    words = [line.split()[0] for line in calls.read_text().splitlines()]
    assert words[-2:] == ["stop", "rm"]


def test_a_container_gets_its_files_its_label_and_a_health_check_at_its_own_port(
    engine: Install, image: Callable[..., Image], tmp_path: Path
) -> None:
    calls = engine("podman", script())
    files = {name: tmp_path / name for name in ("keys.json", "key.pem", "certificate.pem")}
    for path in files.values():
        path.write_text("")
    for given, address in (({}, "127.0.0.1:"), (files, "unix:/tmp/accelserve.sock")):
        with pytest.raises(DeployFailedError):
            deploy(image(), **given)
        run = [line for line in calls.read_text().splitlines() if line.startswith("run ")][-1]
        assert f"--env=ACCELSERVE_HEALTHCHECK_ADDRESS={address}" in run
        assert "--label=accelserve.service=camera-" in run
    assert f"--volume={tmp_path}/key.pem:/etc/accelserve/tls/tls.key:ro,z" in run
    assert "--tls_certificate=/etc/accelserve/tls/tls.crt" in run
    assert "--auth_keys_file=/etc/accelserve/keys/keys.json" in run
    assert "--grpc_socket_path=/tmp/accelserve.sock" in run


def test_an_fpga_is_not_promised_to_a_container_that_would_not_get_it(
    engine: Install, image: Callable[..., Image]
) -> None:
    engine("podman", script())
    with pytest.raises(ServiceError, match="for an FPGA by podman: expected 'accelserve deploy edge"):
        deploy(image(device="fpga"))


def test_an_engine_that_does_not_answer_is_no_reason_to_take_a_container_for_gone(
    engine: Install, image: Callable[..., Image], state_home: Path
) -> None:
    made = image()
    folder = state_home / "camera-1"
    folder.mkdir(parents=True)
    state = ServiceState(runner="podman", model="tiny", grpc_port=1, rest_port=2, container="camera")
    write_state(folder, state)
    record = DeploymentRecord(
        name="camera", kind="container", model="tiny", version=1, image="tiny:1", files=str(folder)
    )
    Records(made.repository).add_deployment(record)
    service = Webservice.get(made.repository, "camera")
    assert service.state == "Unknown"  # there is no podman at all
    engine("podman", "echo 'cannot reach its storage' >&2; exit 125")
    assert service.state == "Unknown"
    with pytest.raises(
        EngineFailedError, match="looking for 'camera' by podman failed: cannot reach its storage"
    ):
        service.delete()
    assert (Webservice.list(made.repository), folder.exists()) == ([service], True)
    engine("podman", script())
    assert service.state == "Failed"
    service.delete()
    assert (Webservice.list(made.repository), folder.exists()) == ([], False)


def test_only_the_box_container_that_was_rendered_is_taken_down(
    engine: Install, image: Callable[..., Image]
) -> None:
    made = image()
    record = DeploymentRecord(
        name="camera", kind="edge", model="tiny", version=1, image="tiny:1", files="/made"
    )
    Records(made.repository).add_deployment(record)
    service = Webservice.get(made.repository, "camera")
    engine("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    calls = engine("podman", script(inspect="echo ' true'"))
    with pytest.raises(TakeDownError, match=r"no engine of this machine has its container; .*Docker daemon"):
        service.delete()
    assert "rm --force" not in calls.read_text()
    engine("podman", script(inspect="echo 'camera false'"))
    service.delete()
    assert calls.read_text().splitlines()[-1] == "rm --force camera"
