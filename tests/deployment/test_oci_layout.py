"""Judges: the image specification 1.0, read here; skopeo and umoci, which copy and unpack it in ``make test-image``."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from accelserve.deployment.errors import OutputError
from accelserve.deployment.images.image import Image
from accelserve.models.errors import RecordExistsError
from accelserve.models.registry.records import Records
from tests.deployment.servables import published


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    published(tmp_path / "models")
    return tmp_path / "models"


def blob(layout: Path, described: dict[str, Any]) -> Path:
    """Its file, whose size and hash are as described."""
    algorithm, _, digest = described["digest"].partition(":")
    path: Path = layout / "blobs" / algorithm / digest
    data = path.read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, described["size"])
    return path


def test_every_part_is_what_its_description_says(repository: Path, tmp_path: Path) -> None:
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "layout")
    layout = tmp_path / "layout"
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "1"
    assert entry["digest"] == made.record.digest
    manifest = json.loads(blob(layout, entry).read_bytes())
    config = json.loads(blob(layout, manifest["config"]).read_bytes())
    (layer,) = manifest["layers"]
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert config["created"] == "2026-01-02T03:04:05Z"
    sizes = [each["size"] for each in (entry, manifest["config"], layer)]
    assert made.record.size_bytes == sum(sizes)
    with tarfile.open(blob(layout, layer)) as tar:
        names = tar.getnames()
        model = tar.extractfile("models/cats/1/model.onnx")
        assert model is not None
        assert model.read() == b"a network"
        assert {(each.uid, each.gid, each.mtime) for each in tar.getmembers()} == {(0, 0, 0)}
    files = ["models/cats/1/model.onnx", "models/cats/1/servable.json"]
    assert names == ["models", "models/cats", "models/cats/1", *files]
    digest = hashlib.sha256(b"a network").hexdigest()
    assert config["config"]["Labels"]["accelserve.model.sha256.model.onnx"] == digest


def test_the_same_files_give_the_same_digest_and_others_another(repository: Path, tmp_path: Path) -> None:
    first = Image.create_artefact(repository, "cats:a", "cats:1", tmp_path / "first")
    for path in (repository / "cats" / "1").iterdir():
        os.utime(path, (0, 0))
        path.chmod(0o600)
    second = Image.create_artefact(repository, "dogs:b", "cats:1", tmp_path / "second")
    assert first.record.digest == second.record.digest
    published(repository, content=b"another network")
    assert (
        Image.create_artefact(repository, None, "cats:2", tmp_path / "third").record.digest
        != first.record.digest
    )


def test_a_folder_that_holds_something_is_refused_and_nothing_is_left(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        Image.create_artefact(repository, None, "cats:1", tmp_path / "taken")
    with pytest.raises(OutputError):
        Image.create_artefact(repository, None, "cats:1", tmp_path / "taken" / "file" / "below")
    assert Image.list(repository) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "taken"]


def test_a_name_that_is_recorded_is_refused_unless_it_is_replaced(repository: Path, tmp_path: Path) -> None:
    Image.create_artefact(repository, None, "cats:1", tmp_path / "first")
    with pytest.raises(RecordExistsError):
        Image.create_artefact(repository, None, "cats:1", tmp_path / "second")
    assert not (tmp_path / "second").exists()
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "second", replace=True)
    assert Image.get(repository, "cats:1") == made


def test_a_layout_is_replaced_in_its_place_and_nothing_else_is(repository: Path, tmp_path: Path) -> None:
    published(repository, content=b"another network")
    first = Image.create_artefact(repository, "cats:x", "cats:1", tmp_path / "layout")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("")
    with pytest.raises(OutputError, match="other exists already and is not empty"):
        Image.create_artefact(repository, "cats:x", "cats:2", tmp_path / "other", replace=True)
    assert Image.list(repository) == [first]  # and not a word of the failure
    second = Image.create_artefact(repository, "cats:x", "cats:2", tmp_path / "layout", replace=True)
    assert (second.record.version, second.record.digest != first.record.digest) == (2, True)
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    assert index["manifests"][0]["digest"] == second.record.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "models", "other"]


def test_a_deletion_that_was_killed_is_finished_by_the_next(repository: Path, tmp_path: Path) -> None:
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "layout")
    Records(str(repository)).change_image("cats", "1", state="deleting")  # is what it leaves
    Image.get(repository, made.name).delete()
    assert (Image.list(repository), (tmp_path / "layout").exists()) == ([], False)


def test_deleting_removes_the_layout_that_was_written_and_no_other(repository: Path, tmp_path: Path) -> None:
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "layout")
    index = (tmp_path / "layout" / "index.json").read_bytes()
    (tmp_path / "layout" / "index.json").write_text("{}")
    with pytest.raises(OutputError, match="is not the layout that was written there"):
        made.delete()
    assert Image.list(repository) == [made]
    (tmp_path / "layout" / "index.json").write_bytes(index)
    made.delete()
    assert not (tmp_path / "layout").exists()
    assert Image.list(repository) == []


@pytest.mark.containers
def test_skopeo_and_umoci_accept_it(repository: Path, tmp_path: Path) -> None:
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "layout")
    seen = subprocess.run(["skopeo", "inspect", f"oci:{tmp_path}/layout:1"], capture_output=True, check=True)
    assert json.loads(seen.stdout)["Digest"] == made.record.digest
    copy = ["skopeo", "copy", f"oci:{tmp_path}/layout:1", f"oci-archive:{tmp_path}/copy.tar"]
    subprocess.run(copy, capture_output=True, check=True)
    unpack = ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1", str(tmp_path / "bundle")]
    subprocess.run(unpack, capture_output=True, check=True)
    unpacked = tmp_path / "bundle" / "rootfs" / "models" / "cats" / "1" / "model.onnx"
    assert unpacked.read_bytes() == b"a network"
