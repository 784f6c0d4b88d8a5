"""Judges: the image specification 1.0, read here; skopeo and umoci, which copy and unpack it in ``make test-image``."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from accelserve.deployment.errors import OutputError
from accelserve.deployment.images.image import Image
from accelserve.deployment.images.names import model_version
from accelserve.deployment.webservices.model_files import unpack_model
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


def test_what_a_version_has_beside_its_manifest_goes_along(repository: Path, tmp_path: Path) -> None:
    """Requests to warm up with, and batching parameters: a server of the image would miss them."""
    extras = ("assets.extra/tf_serving_warmup_requests", "batching_params.pbtxt")
    (repository / "cats" / "1" / "assets.extra").mkdir()
    for name in extras:
        (repository / "cats" / "1" / name).write_text(name)
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "layout")
    folder = unpack_model(made.record, str(repository), tmp_path / "service") / "1"
    assert {name: (folder / name).read_text() for name in extras} == {name: name for name in extras}
    assert model_version(str(repository), "cats:1").files.keys() >= set(extras)


def test_no_entry_of_a_layer_reaches_outside(repository: Path, tmp_path: Path) -> None:
    """A layout that somebody else wrote, with digests that are right: judged by what lies beside the service's folder."""
    made = Image.create_artefact(repository, None, "cats:1", tmp_path / "layout")
    digest = write_layer(
        tmp_path / "layout",
        {
            "models/cats/1/../../../../out": b"",
            "/out": b"",
            "models/cats/1/deeper/file": b"in",
            "../out": b"",
        },
        {"models/cats/1/link": "../../../../out"},
        made.record.digest,
    )
    Records(str(repository)).change_image("cats", "1", digest=digest)
    record = Image.get(repository, "cats:1").record
    service = tmp_path / "folder" / "service"
    unpack_model(record, str(repository), service)
    found = {path.relative_to(service).as_posix() for path in service.rglob("*") if not path.is_dir()}
    assert found == {f"models/cats/1/{name}" for name in ("deeper/file", "model.onnx", "servable.json")}
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["service"]


def write_layer(layout: Path, files: dict[str, bytes], links: dict[str, str], digest: str) -> str:
    """Put one more layer into a layout; the digest of the manifest that has it."""
    blobs = layout / "blobs" / "sha256"

    def blob(content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return f"sha256:{name}"

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    manifest = json.loads((blobs / digest.removeprefix("sha256:")).read_bytes())
    manifest["layers"].append({"digest": blob(stream.getvalue())})
    return blob(json.dumps(manifest).encode())


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
