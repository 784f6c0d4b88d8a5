"""``Webservice`` of a built image: a container of podman, asked, and taken down in Azure's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.client import PredictionClient
from accelserve.deployment.errors import DeployFailedError
from accelserve.deployment.webservices.webservice import Webservice
from accelserve.models.errors import StillUsedError
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
