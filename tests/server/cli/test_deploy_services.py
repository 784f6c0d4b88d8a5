"""``accelserve deploy`` with a repository that records: run here, list, take down in order; each as a process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.server.serve_process import publish, run, train

from accelserve.deployment.images.image import Image
from accelserve.models.registry.records import Records

Deploy = Callable[..., Any]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(train(tmp_path_factory.mktemp("trained")))


@pytest.fixture
def repository(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With version 1 of ``tiny``, and an image layout of it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    copied = Path(shutil.copytree(published, tmp_path / "models"))
    Image.create_artefact(copied, None, "tiny:1", tmp_path / "layout")
    return copied


@pytest.fixture
def deploy(repository: Path, tmp_path: Path) -> Deploy:
    def call(kind: str, *words: str, code: int = 0) -> Any:
        output = () if kind in ("local", "list") or "--delete" in words else (f"--output={tmp_path / kind}",)
        done = run("deploy", kind, *words, f"--repository={repository}", *output, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    return call


def test_an_image_is_run_listed_and_deleted_in_order(
    deploy: Deploy, repository: Path, tmp_path: Path
) -> None:
    service = deploy("local", "colours", "--image=tiny:1")
    assert (service["state"], service["kind"]) == ("Healthy", "process")
    assert deploy("list") == [service]
    assert run("healthcheck", f"--address={service['address']}").returncode == 0
    assert "is held" not in deploy("local", "colours", "--image=tiny:1", code=1)
    assert "needs --delete" in deploy("local", "colours", "--image=tiny:1", "--with-model", code=2)
    assert "service, image, model" in deploy("local", "colours", "--delete", "--with-model", code=1)
    assert deploy("list") == [service]
    gone = deploy("local", "colours", "--delete", "--with-image", "--with-model")
    assert gone == {"deleted": ["process deployment 'colours'", "image 'tiny:1'", "model 'tiny:1'"]}
    assert deploy("list") == []
    assert not (tmp_path / "layout").exists()
    assert not (repository / "tiny" / "1").exists()
    assert "no deployment 'colours'" in deploy("local", "colours", "--delete", code=1)


@pytest.mark.parametrize("kind", ["edge", "kubernetes"])
def test_what_is_written_for_elsewhere_is_recorded_and_keeps_its_image(
    deploy: Deploy, repository: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # neither an engine nor kubectl is at hand
    deploy(kind, "box", "--image=tiny:1")
    (found,) = deploy("list")
    assert (found["kind"], found["state"], found["image"]) == (kind, "Unknown", "tiny:1")
    assert found["files"] == str(tmp_path / kind)
    deploy(kind, "box", "--image=tiny:1")  # once more changes nothing
    assert "--gone then forgets it" in deploy(kind, "box", "--delete", code=1)
    other = "edge" if kind == "kubernetes" else "kubernetes"
    assert f"is of kind {kind}" in deploy(other, "box", "--delete", code=2)
    with pytest.raises(Exception, match="delete deployments first, then the image"):
        Image.get(repository, "tiny:1").delete()
    deploy(kind, "box", "--delete", "--gone", "--with-image")
    assert Records(str(repository)).images() == []


@pytest.mark.parametrize("kind", ["local", "edge", "kubernetes"])
def test_an_image_that_nobody_has_leaves_nothing(deploy: Deploy, tmp_path: Path, kind: str) -> None:
    assert "tiny:9" in deploy(kind, "box", "--image=tiny:9", code=1)
    assert deploy("list") == []
    assert not (tmp_path / kind).exists()


def test_files_that_cannot_be_written_are_not_recorded(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "mine").write_text("")
    assert "is not empty" in deploy("edge", "box", "--image=tiny:1", code=1)
    assert deploy("list") == []
