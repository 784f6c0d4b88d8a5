"""Deploy an image without any engine, ask it, take it down in Azure's order: real server processes of OCI layouts."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.models.tiny_classifier import PHOTOGRAPHS
from tests.server.security.conftest import Authority

from accelserve.client import CallError, PredictionClient, TlsOptions
from accelserve.deployment.errors import DeployFailedError, PortTakenError, ServiceError, TakeDownError
from accelserve.deployment.images.image import Image
from accelserve.deployment.webservices.webservice import Webservice
from accelserve.models.errors import RecordExistsError, StillUsedError
from accelserve.models.registry.registry import Registry
from accelserve.models.repository import list_versions


@pytest.fixture
def repository(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "models"))


@pytest.fixture
def image(repository: Path, tmp_path: Path) -> Image:
    return Image.create_artefact(repository, None, "tiny:1", tmp_path / "layout")


@pytest.fixture
def service(image: Image) -> Iterator[Webservice]:
    deployed = Webservice.deploy_from_image(image.repository, "colours", image)
    yield deployed
    if deployed in Webservice.list(image.repository):
        deployed.delete()


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def test_a_layout_is_deployed_asked_and_deleted(service: Webservice, state_home: Path) -> None:
    assert service.state == "Healthy"
    host, _, port = service.scoring_address.rpartition(":")
    with PredictionClient(host, int(port)) as client:
        scores = client.score_file(PHOTOGRAPHS[0])
    assert np.asarray(scores).shape == (3,)
    body = {"instances": [np.zeros((16, 16, 3)).tolist()]}
    assert httpx.post(service.scoring_uri, json=body, timeout=60).status_code == 200
    assert "Running gRPC ModelServer" in service.get_logs()
    assert Webservice.get(service.repository, "colours") == service

    service.delete()
    assert Webservice.list(service.repository) == []
    assert processes_of(state_home) == []
    assert list(state_home.iterdir()) == []
    with pytest.raises(OSError, match="refused"), socket.create_connection((host, int(port))):
        pass


def test_keys_and_tls_are_asked_for(image: Image, tmp_path: Path) -> None:
    authority = Authority("tests")
    identity = authority.sign("server")
    (tmp_path / "key.pem").write_bytes(identity.key_pem)
    (tmp_path / "certificate.pem").write_bytes(identity.pem)
    keys = [
        sys.executable,
        "-m",
        "accelserve.server.cli",
        "keys",
        "add",
        "camera",
        f"--file={tmp_path}/keys.json",
    ]
    key = subprocess.run(keys, capture_output=True, text=True, check=True).stdout.split()[1]
    service = Webservice.deploy_from_image(
        image.repository,
        "colours",
        image,
        auth_keys_file=tmp_path / "keys.json",
        tls_key=tmp_path / "key.pem",
        tls_certificate=tmp_path / "certificate.pem",
    )
    try:
        assert (service.state, service.scoring_uri.partition(":")[0]) == ("Healthy", "https")
        tls = TlsOptions(root_certificates=authority.pem)
        with PredictionClient(service.scoring_address, tls=tls, access_token=key) as client:
            assert np.asarray(client.score_file(PHOTOGRAPHS[0])).shape == (3,)
        with (
            PredictionClient(service.scoring_address, tls=tls) as client,
            pytest.raises(CallError, match="no key in 'authorization'"),
        ):
            client.score_file(PHOTOGRAPHS[0])
    finally:
        service.delete()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_key": Path("key.pem")}, "TLS: expected both --tls-key and --tls-certificate"),
        ({"auth_keys_file": Path("/no/such")}, "file '/no/such': expected a file that can be read"),
        ({"wait_seconds": float("nan")}, "a wait of nan s: expected 0 s or more"),
        ({"flags": ["--tls_key=/x"]}, "flag '--tls_key=/x': expected --tls-key"),
    ],
)
def test_settings_that_make_no_sense_start_nothing(
    image: Image, state_home: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServiceError, match=re.escape(said)):
        Webservice.deploy_from_image(image.repository, "colours", image, **given)
    assert_nothing_is_left(image, state_home)


def test_it_outlives_the_program_that_deployed_it_and_is_deleted_by_another(
    image: Image, repository: Path, state_home: Path
) -> None:
    program = (
        "import sys, accelserve;"
        "print(accelserve.Webservice.deploy_from_image(sys.argv[1], 'colours', sys.argv[2]).scoring_address)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(repository), image.name],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    service = Webservice.get(repository, "colours")
    assert (service.state, service.scoring_address) == ("Healthy", done.stdout.strip())
    service.delete()
    assert processes_of(state_home) == []


def test_only_service_image_model_is_the_order(service: Webservice, image: Image, repository: Path) -> None:
    """Judge: Azure's how-to, whose clean-up deletes the service, then the image, then the model."""
    with pytest.raises(StillUsedError, match="process deployment 'colours'"):
        image.delete()
    with pytest.raises(StillUsedError, match="delete deployments first, then images, then the model"):
        Registry(repository).delete("tiny:1")
    with pytest.raises(ServiceError, match="its image deleted as well"):
        service.delete(model=True)
    assert service.state == "Healthy"
    service.delete(image=True, model=True)
    assert (Webservice.list(repository), Image.list(repository)) == ([], [])
    assert list_versions(repository, "tiny") == []


def test_a_name_serves_once(service: Webservice, image: Image, state_home: Path) -> None:
    with pytest.raises(RecordExistsError, match="'colours'"):
        Webservice.deploy_from_image(image.repository, "colours", image)
    assert service.state == "Healthy"
    assert len(list(state_home.iterdir())) == 1


def test_a_server_that_was_killed_has_failed_and_can_be_deleted(
    service: Webservice, state_home: Path
) -> None:
    (line,) = processes_of(state_home)
    os.kill(int(line.split()[0]), signal.SIGKILL)
    while service.state != "Failed":
        pass
    with pytest.raises(DeployFailedError, match="'colours' did not start: it ended"):
        service.wait_for_deployment(1)
    service.delete()
    assert Webservice.list(service.repository) == []


def assert_nothing_is_left(image: Image, state_home: Path) -> None:
    assert Webservice.list(image.repository) == []
    assert processes_of(state_home) == []
    assert not state_home.exists() or list(state_home.iterdir()) == []
    assert Image.list(image.repository)[0].creation_state == "succeeded"


def test_a_taken_port_is_found_before_anything_is_started(image: Image, state_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port}: Address already in use"):
            Webservice.deploy_from_image(image.repository, "colours", image, port=port)
    assert_nothing_is_left(image, state_home)


def test_a_server_that_does_not_start_leaves_nothing_but_its_last_words(
    image: Image, state_home: Path
) -> None:
    with pytest.raises(DeployFailedError, match=r"it ended: .*--no_such_flag"):
        Webservice.deploy_from_image(image.repository, "colours", image, flags=["--no_such_flag=1"])
    assert_nothing_is_left(image, state_home)


def test_a_damaged_layout_is_not_served(image: Image, state_home: Path) -> None:
    """The digest that was recorded is the judge."""
    blobs = Path(image.image_location.removeprefix("oci:")) / "blobs" / "sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    with pytest.raises(ServiceError, match=f"expected sha256:{largest.name}"):
        Webservice.deploy_from_image(image.repository, "colours", image)
    assert_nothing_is_left(image, state_home)


@pytest.mark.parametrize(
    ("name", "engine", "said"),
    [
        ("Colours", "auto", "name 'Colours': expected"),
        ("colours", "lxc", "engine 'lxc': expected one of auto, process, docker, podman"),
        ("colours", "podman", "an image layout by podman: expected --engine process"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    image: Image, state_home: Path, name: str, engine: str, said: str
) -> None:
    with pytest.raises(ServiceError, match=said):
        Webservice.deploy_from_image(image.repository, name, image, engine=engine)
    assert_nothing_is_left(image, state_home)


def test_a_service_of_another_machine_stays_until_somebody_says_that_it_is_gone(
    service: Webservice, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = state_home.iterdir()
    folder.rename(folder.with_suffix(".away"))  # as another machine would see it
    assert service.state == "Unknown"
    with pytest.raises(
        TakeDownError, match="is not on this machine; delete it where it runs; --gone then forgets it"
    ):
        service.delete()
    assert Webservice.list(service.repository) == [service]
    folder.with_suffix(".away").rename(folder)
    service.delete()
    assert Webservice.list(service.repository) == []
