"""``accelserve deploy`` with a repository that records: run here, list, take down in order; each as a process."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.server.serve_process import publish, run, run_here, train
from tests.server.waiting import until_or_ended

from accelserve.deployment.images.image import Image
from accelserve.models.registry.records import ImageRecord, Records

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
def built(repository: Path) -> Records:
    """The same image as if docker had built it, which is what a box or a cluster can run."""
    records = Records(str(repository))
    fields = {"model": "tiny", "version": 1, "state": "succeeded", "location": "docker"}
    records.add_image(ImageRecord(name="box", tag="1", **fields))  # type: ignore[arg-type]
    return records


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
    assert run_here("healthcheck", f"--address={service['address']}").returncode == 0
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
    deploy: Deploy, built: Records, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # neither an engine nor kubectl is at hand
    deploy(kind, "box", "--image=box:1")
    (found,) = deploy("list")
    assert (found["kind"], found["state"], found["image"]) == (kind, "Unknown", "box:1")
    assert found["files"] == str(tmp_path / kind)
    deploy(kind, "box", "--image=box:1")  # once more changes nothing
    assert "--gone then forgets it" in deploy(kind, "box", "--delete", code=1)
    other = "edge" if kind == "kubernetes" else "kubernetes"
    assert f"is of kind {kind}" in deploy(other, "box", "--delete", code=2)
    with pytest.raises(Exception, match="delete deployments first, then the image"):
        Image.get(built.repository, "box:1").delete()
    assert deploy(kind, "box", "--delete", "--gone") == {"deleted": [f"{kind} deployment 'box'"]}
    assert built.deployments() == []


def test_a_digest_pins_an_image_that_is_recorded_by_its_tag(
    deploy: Deploy, built: Records, tmp_path: Path
) -> None:
    pinned = f"box:1@sha256:{'0' * 64}"
    deploy("edge", "box", f"--image={pinned}")
    assert pinned in (tmp_path / "edge" / "compose.yaml").read_text()
    assert [each.image for each in built.deployments()] == ["box:1"]
    assert "image 'box:1@sha256:0'" in deploy("edge", "other", "--image=box:1@sha256:0", code=1)


@pytest.mark.parametrize("kind", ["edge", "kubernetes"])
def test_what_nobody_could_run_is_not_written(
    deploy: Deploy, built: Records, tmp_path: Path, kind: str
) -> None:
    assert "holds a model without a server: expected one that an engine built" in deploy(
        kind, "box", "--image=tiny:1", code=1
    )
    fpga = ("--device=fpga", "--device-resource=a/b") if kind == "kubernetes" else ("--device=fpga",)
    assert "--device fpga: expected cpu, which 'box:1' was built for" in deploy(
        kind, "box", "--image=box:1", *fpga, code=1
    )
    built.change_image("box", "1", state="failed")
    assert "image 'box:1', which is failed" in deploy(kind, "box", "--image=box:1", code=1)
    assert (deploy("list"), (tmp_path / kind).exists()) == ([], False)


def test_the_repository_is_taken_from_the_environment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/azure.md says of every command; one that records may be told not to."""
    monkeypatch.setenv("ACCELSERVE_REPOSITORY", str(repository))
    assert run_here("deploy", "list", "--json").stdout == "[]\n"
    written = ("deploy", "edge", "box", "--image=elsewhere:1", f"--output={tmp_path / 'box'}")
    refused = run(*written)
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "has no image 'elsewhere:1'; there are tiny:1; --repository= records nothing\n"
    )
    assert run(*written, "--repository=").returncode == 0


def test_told_to_end_it_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    """By SIGTERM, as CI's runners do."""
    words = ["deploy", "local", "colours", "--image=tiny:1", f"--repository={repository}", "--wait=60"]
    deploying = subprocess.Popen(
        [sys.executable, "-m", "accelserve.server.cli", *words], stderr=subprocess.PIPE
    )
    records, services = Records(str(repository)), tmp_path / "state" / "accelserve" / "services"
    until_or_ended(lambda: bool(records.deployments()) and any(services.glob("*/service.json")), deploying)
    deploying.send_signal(signal.SIGTERM)
    assert deploying.wait(240) == 143
    assert deploying.stderr is not None
    assert deploying.stderr.read() == b""
    deploying.stderr.close()
    assert (records.deployments(), list(services.iterdir())) == ([], [])


@pytest.mark.parametrize("kind", ["local", "edge", "kubernetes"])
def test_an_image_that_nobody_has_leaves_nothing(deploy: Deploy, tmp_path: Path, kind: str) -> None:
    assert "tiny:9" in deploy(kind, "box", "--image=tiny:9", code=1)
    assert deploy("list") == []
    assert not (tmp_path / kind).exists()


def test_files_that_cannot_be_written_are_not_recorded(
    deploy: Deploy, built: Records, tmp_path: Path
) -> None:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "mine").write_text("")
    assert "is not empty" in deploy("edge", "box", "--image=box:1", code=1)
    assert built.deployments() == []
    assert deploy("list") == []
