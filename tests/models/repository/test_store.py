from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from accelserve.models.errors import (
    CorruptVersionError,
    ManifestError,
    ModelNameError,
    ModelNotFoundError,
    RepositoryError,
)
from accelserve.models.repository import (
    MANIFEST_FILE,
    MODEL_FILE,
    Manifest,
    Provenance,
    Signature,
    TensorSpec,
    decode_manifest,
    delete_model,
    delete_version,
    encode_manifest,
    list_models,
    list_versions,
    publish,
    verify,
    version_directory,
    versions_among,
)


def manifest(version: int, name: str = "net") -> Manifest:
    images = TensorSpec(name="images:0", dtype="string", shape=(-1,))
    scores = TensorSpec(name="scores:0", dtype="float32", shape=(-1, 10))
    return Manifest(
        name=name,
        version=version,
        signatures={
            "serving_default": Signature(inputs={"images": images}, outputs={"output_alias": scores})
        },
        provenance=Provenance(
            source="net.onnx", source_sha256="0" * 64, tool="test", created="2026-01-01T00:00:00Z", opset=17
        ),
        files={},
        tags={"team": "vision"},
    )


def published(repository: Path, version: int | None = None) -> Path:
    return publish(repository, manifest, {MODEL_FILE: b"network" * 1000}, name="net", version=version)


def test_versions_are_numbered_from_one(tmp_path: Path) -> None:
    assert [published(tmp_path).name for _ in range(3)] == ["1", "2", "3"]
    assert list_versions(tmp_path, "net") == [1, 2, 3]
    assert list_models(tmp_path) == ["net"]
    assert version_directory(tmp_path, "net").name == "3"


def test_a_python_package_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    with pytest.raises(
        RepositoryError, match=r"is the folder of a Python package \(it has an __init__\.py\)"
    ):
        published(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["__init__.py"]


def test_a_published_version_verifies_and_reads_back(tmp_path: Path) -> None:
    directory = published(tmp_path)
    found = verify(directory)
    assert found.tags == {"team": "vision"}
    assert found.files[MODEL_FILE].bytes == 7000
    assert decode_manifest(encode_manifest(found)) == found


def test_publishers_that_race_get_versions_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: published(tmp_path), range(16)))
    assert sorted(int(folder.name) for folder in folders) == list(range(1, 17))
    assert all(verify(folder) for folder in folders)


def test_an_existing_version_is_never_replaced(tmp_path: Path) -> None:
    published(tmp_path, 7)
    with pytest.raises(RepositoryError, match="exists already"):
        published(tmp_path, 7)


def test_a_publisher_killed_half_way_leaves_no_version(tmp_path: Path) -> None:
    """A publisher stops itself by SIGKILL after the model file is written, before the rename."""
    script = f"""
import os, signal
from pathlib import Path
from accelserve.models.repository import publish, store
from tests.models.repository.test_store import manifest
store.sync_directory = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
publish(Path({str(tmp_path)!r}), manifest, {{"model.onnx": b"x" * 100}}, name="net")
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL
    assert list_versions(tmp_path, "net") == []
    assert list_models(tmp_path) == []
    assert len(list((tmp_path / "net").glob(".unfinished-*"))) == 1
    assert published(tmp_path).name == "1"
    assert not list((tmp_path / "net").glob(".unfinished-*"))


def refused(_version: int) -> Manifest:
    raise ManifestError("servable.json", "is refused")


def test_a_publication_that_fails_leaves_no_folder_that_it_made(tmp_path: Path) -> None:
    repository = tmp_path / "new" / "repository"
    with pytest.raises(ManifestError):
        publish(repository, refused, {MODEL_FILE: b"network"}, name="net")
    assert list(tmp_path.iterdir()) == []
    published(repository)
    with pytest.raises(ManifestError):
        publish(repository, refused, {MODEL_FILE: b"network"}, name="net")
    assert list_versions(repository, "net") == [1]
    (repository / "mine").mkdir()
    with pytest.raises(ManifestError):
        publish(repository, refused, {MODEL_FILE: b"network"}, name="mine")
    assert (repository / "mine").is_dir()


def test_publishers_beside_one_that_fails_publish_all_the_same(tmp_path: Path) -> None:
    """The folder goes when the first one fails; the second one waits for its lock then, or has just made the folder."""
    repository = tmp_path / "repository"

    def attempt(number: int) -> Path | None:
        if number % 4:
            with pytest.raises(ManifestError):
                publish(repository, refused, {MODEL_FILE: b"network"}, name="net")
            return None
        return published(repository)

    for _ in range(10):
        with ThreadPoolExecutor(8) as pool:
            folders = [folder for folder in pool.map(attempt, range(16)) if folder]
        assert sorted(int(folder.name) for folder in folders) == [1, 2, 3, 4]
        assert all(verify(folder) for folder in folders)
        shutil.rmtree(repository)


@pytest.mark.parametrize("damage", ["cut", "altered", "removed"])
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, damage: str) -> None:
    model = published(tmp_path) / MODEL_FILE
    if damage == "removed":
        model.unlink()
    else:
        model.write_bytes(model.read_bytes()[:-1] + (b"?" if damage == "altered" else b""))
    reason = {"cut": "has 6999 bytes", "altered": "has SHA-256", "removed": "cannot be read"}[damage]
    with pytest.raises(CorruptVersionError, match=f"{MODEL_FILE} {reason}"):
        verify(model.parent)


def test_a_half_copied_version_is_refused(tmp_path: Path) -> None:
    directory = published(tmp_path)
    (directory / MANIFEST_FILE).unlink()
    with pytest.raises(CorruptVersionError, match=r"servable\.json cannot be read"):
        verify(directory)


def test_a_version_that_is_copied_or_renamed_is_of_its_new_number(tmp_path: Path) -> None:
    """TensorFlow Serving's users roll back so: it knows a version by its folder's name alone."""
    directory = published(tmp_path)
    copied = Path(shutil.copytree(directory, directory.with_name("8")))
    moved = directory.rename(directory.with_name("0000009"))
    assert (verify(copied).version, verify(moved).version) == (8, 9)
    assert list_versions(tmp_path, moved.parent.name) == [8, 9]
    assert version_directory(tmp_path, moved.parent.name) == moved


def test_names_that_are_no_int64_are_no_versions(tmp_path: Path) -> None:
    """TensorFlow Serving's ``strings::safe_strto64`` does not take them either."""
    model = published(tmp_path).parent
    for name in ("99999999999999999999", "9223372036854775808", "٣", "1e3", "-2", "9223372036854775807"):
        (model / name).mkdir()
    assert list_versions(tmp_path, model.name) == [1, 9223372036854775807]


def test_folders_that_mean_the_same_version_are_known() -> None:
    assert versions_among(["00123", "123", "7", "notes"]) == {123: ["123", "00123"], 7: ["7"]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"color": "red"}, "the file"),
        ({"version": "one"}, "version"),
        ({"format": 99}, "format"),
        ({"signatures": {}}, "signatures"),
        ({"labels": [1]}, r"labels\[0\]"),
        ({"provenance": {}}, "provenance"),
    ],
)
def test_a_manifest_that_breaks_its_schema_names_the_field(change: dict[str, object], field: str) -> None:
    data = json.loads(encode_manifest(manifest(1))) | change
    with pytest.raises(ManifestError, match=f"^servable.json, {field}: "):
        decode_manifest(json.dumps(data).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"null"])
def test_a_manifest_that_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        decode_manifest(data)


def test_a_manifest_cannot_name_files_outside_its_folder(tmp_path: Path) -> None:
    directory = published(tmp_path)
    data = json.loads((directory / MANIFEST_FILE).read_bytes())
    data["files"]["../../secret"] = data["files"].pop(MODEL_FILE)
    (directory / MANIFEST_FILE).write_text(json.dumps(data))
    with pytest.raises(CorruptVersionError, match="outside the version's folder"):
        verify(directory)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b", "x" * 129, "-flag", "nul\0"])
def test_names_that_a_folder_cannot_bear_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNameError):
        publish(tmp_path, manifest, {}, name=name)


def test_deleting_a_version_leaves_the_others(tmp_path: Path) -> None:
    for _ in range(2):
        published(tmp_path)
    delete_version(tmp_path, "net", 1)
    assert list_versions(tmp_path, "net") == [2]
    with pytest.raises(ModelNotFoundError, match="version 1 of model 'net'"):
        delete_version(tmp_path, "net", 1)
    delete_model(tmp_path, "net")
    assert list_models(tmp_path) == []
    assert not (tmp_path / "net").exists()


def test_a_full_or_read_only_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("a file where the folder should be")
    with pytest.raises(RepositoryError, match="cannot publish to"):
        published(tmp_path)
