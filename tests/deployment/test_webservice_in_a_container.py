"""``Webservice`` of a built image: a container of podman, asked, and taken down in Azure's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.client import CallError, PredictionClient
from accelserve.deployment.errors import DeployFailedError, EngineFailedError
from accelserve.deployment.webservices.webservice import Webservice
from accelserve.models.errors import StillUsedError
from tests.deployment.access import write_access
from tests.deployment.conftest import BuiltImage, podman

pytestmark = pytest.mark.containers


def containers() -> list[str]:
    return podman("ps", "--all", "--format", "{{.Names}}").split()


def test_an_image_is_deployed_asked_and_deleted(
    built_image: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    service = Webservice.deploy_from_image(built_image.image.repository, "squeeze", built_image.image)
    try:
        assert (service.state, service.record.kind) == ("Healthy", "container")
        assert containers() == ["squeeze"]
        podman("healthcheck", "run", "squeeze")  # at the port that it was given
        photograph = min(built_image.photographs.glob("*.jpg"))
        host, _, port = service.scoring_address.rpartition(":")
        with PredictionClient(host, int(port)) as client:
            assert client.score_file(photograph) is not None
        assert "Running gRPC ModelServer" in service.get_logs()
        with pytest.raises(StillUsedError, match="container deployment 'squeeze'"):
            built_image.image.delete()
    finally:
        service.delete()
    assert containers() == []
    assert Webservice.list(built_image.repository) == []


def test_a_container_speaks_tls_and_checks_keys_and_its_health_check_says_so(
    built_image: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    access = write_access(tmp_path)
    service = Webservice.deploy_from_image(
        built_image.image.repository,
        "squeeze",
        built_image.image,
        auth_keys_file=access.keys_file,
        tls_key=access.tls_key,
        tls_certificate=access.tls_certificate,
    )
    try:
        assert (service.state, service.scoring_uri.partition(":")[0]) == ("Healthy", "https")
        podman("healthcheck", "run", "squeeze")
        photograph = min(built_image.photographs.glob("*.jpg"))
        with PredictionClient(service.scoring_address, tls=access.tls, access_token=access.key) as client:
            assert client.score_file(photograph) is not None
        with (
            PredictionClient(service.scoring_address, tls=access.tls) as client,
            pytest.raises(CallError, match="no key in 'authorization'"),
        ):
            client.score_file(photograph)
    finally:
        service.delete()
    assert containers() == []


def test_a_container_that_somebody_else_made_stays(
    built_image: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    podman("create", "--name", "squeeze", built_image.reference)
    try:
        with pytest.raises(EngineFailedError, match=r"starting 'squeeze' by podman failed: .* in use"):
            Webservice.deploy_from_image(built_image.image.repository, "squeeze", built_image.image)
        assert containers() == ["squeeze"]
        assert Webservice.list(built_image.repository) == []
    finally:
        podman("rm", "squeeze")


def test_a_container_that_does_not_start_leaves_nothing(
    built_image: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(DeployFailedError, match="no_such_flag"):
        Webservice.deploy_from_image(
            built_image.image.repository, "squeeze", built_image.image, flags=["--no_such_flag"]
        )
    assert containers() == []
    assert Webservice.list(built_image.repository) == []
