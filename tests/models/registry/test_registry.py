"""Register, find, tag, label, copy and delete versions on a local disk; real files, and writers in processes."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.models.errors import (
    CorruptVersionError,
    ManifestError,
    ModelError,
    ModelNameError,
    ModelNotFoundError,
    RecordExistsError,
    RecordNotFoundError,
    RegistryError,
    StillUsedError,
)
from accelserve.models.registry.clock import after
from accelserve.models.registry.in_use import InUse, Note
from accelserve.models.registry.records import DeploymentRecord, ImageRecord
from accelserve.models.registry.registry import Registry
from accelserve.models.registry.versions import servables_of
from accelserve.models.repository import MANIFEST_FILE, verify
from tests.models.repository.test_store import published

FLOAT = b"a float network" * 1000


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "repository")


@pytest.fixture
def servable(tmp_path: Path) -> Path:
    """Version 1 of 'net' in another repository, with a file of recorded requests."""
    folder = published(tmp_path / "elsewhere")
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"requests")
    return folder


@pytest.fixture
def network(tmp_path: Path) -> Path:
    (tmp_path / "net.onnx").write_bytes(FLOAT)
    return tmp_path / "net.onnx"


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_servable_is_registered_under_a_name_of_ones_own(registry: Registry, servable: Path) -> None:
    found = registry.register(
        servable, "door", description="which door", tags={"stage": "test"}, properties={"camera": "7"}
    )
    folder = Path(found.location)
    assert folder == Path(registry.repository) / "door" / "1"
    manifest = verify(folder)
    assert (manifest.name, manifest.version, manifest.files) == ("door", 1, verify(servable).files)
    assert (folder / "assets.extra" / "tf_serving_warmup_requests").read_bytes() == b"requests"
    assert found == registry.show("door") == registry.show("door:1") == registry.show("door:latest")
    assert (found.kind, found.description, found.properties) == ("servable", "which door", {"camera": "7"})
    assert found.tags == {"team": "vision", "stage": "test"}  # the manifest's own, and those that were given
    assert found.size_bytes == 7000
    assert registry.register(servable.parent, "door").version == 2  # a model's folder: its latest version


def test_a_float_network_is_registered_where_no_server_looks(registry: Registry, network: Path) -> None:
    found = registry.register(network, "float-net")
    assert (found.kind, found.version, list(found.files)) == ("network", 1, ["net.onnx"])
    assert found.files["net.onnx"].sha256 == hashlib.sha256(FLOAT).hexdigest()
    assert servables_of(registry.repository).names() == []
    assert [each.reference for each in registry.find()] == ["float-net:1"]
    with pytest.raises(RegistryError, match="float-net is a float network, which no server serves"):
        registry.label("float-net:1", "stable")


def test_a_saved_model_is_registered_with_all_its_files(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    found = registry.register(folder, "float-net")
    assert list(found.files) == ["saved/saved_model.pb", "saved/variables/variables.index"]
    assert (Path(found.location) / "saved" / "variables" / "variables.index").read_bytes() == b"index"


def test_a_servable_knows_the_registered_network_that_it_came_from(
    registry: Registry, tmp_path: Path
) -> None:
    """By the hash that the converter wrote down: the test's manifests say 64 zeros, which no file has."""
    published(Path(registry.repository))
    assert registry.show("net").parent is not None
    assert registry.show("net").parent.registered is None  # type: ignore[union-attr]
    found = registry.register(tmp_path / "repository" / "net", "child", parent="float-net:3")
    assert found.parent is not None
    assert found.parent.registered == "float-net:3"


def test_what_convert_publishes_is_registered(registry: Registry) -> None:
    published(Path(registry.repository))
    found = registry.show("net")
    assert (found.tags, found.description, found.created) == ({"team": "vision"}, "", "2026-01-01T00:00:00Z")
    changed = registry.tag("net", add={"stage": "test"}, remove=["team"], description="doors")
    assert (changed.tags, changed.description) == ({"stage": "test"}, "doors")
    assert verify(Path(found.location)).tags == {"team": "vision"}


def test_properties_do_not_change_and_missing_tags_are_named(registry: Registry) -> None:
    published(Path(registry.repository))
    registry.tag("net", add_properties={"camera": "7"})
    registry.tag("net", add_properties={"camera": "7", "site": "north"})
    with pytest.raises(RegistryError, match="property 'camera' of net:1 is '7' and does not change; tags do"):
        registry.tag("net", add={"stage": "test"}, add_properties={"camera": "8"})
    with pytest.raises(RegistryError, match="net:1 has no tag 'stage'; it has team"):
        registry.tag("net", remove=["stage"])
    assert registry.show("net").properties == {"camera": "7", "site": "north"}


def test_a_record_of_other_files_says_nothing(registry: Registry, servable: Path) -> None:
    """A version that was removed by hand, and another one published under its number."""
    registry.register(servable, "net", tags={"stage": "production"})
    folder = Path(registry.repository) / "net" / "1"
    (folder / "model.onnx").unlink()
    folder.rename(folder.with_name(".away"))
    other = published(Path(registry.repository))
    assert other == folder
    assert registry.show("net").tags == {
        "stage": "production",
        "team": "vision",
    }  # the same files, the same record
    manifest = other / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"bytes": 7000', '"bytes": 7001'))
    assert registry.show("net").tags == {"team": "vision"}


def test_versions_are_found_by_tags_and_properties(registry: Registry, servable: Path) -> None:
    for number in (1, 2, 3):
        registry.register(servable, "net", tags={"odd": str(number % 2)}, properties={"n": str(number)})
    registry.register(servable, "other")

    def found(**wanted: object) -> list[str]:
        return [each.reference for each in registry.find(**wanted)]  # type: ignore[arg-type]

    assert found() == ["net:1", "net:2", "net:3", "other:1"]
    assert found(latest=True) == ["net:3", "other:1"]
    assert found(tags={"odd": "1"}) == ["net:1", "net:3"]
    assert found(tags={"odd": None}, properties={"n": "2"}) == ["net:2"]
    assert found(name="other") == ["other:1"]
    with pytest.raises(ModelNotFoundError, match="has no model 'nobody'"):
        found(name="nobody")


def test_a_broken_manifest_is_left_out_of_a_list_with_a_sentence(registry: Registry, servable: Path) -> None:
    registry.register(servable, "net")
    broken = Path(registry.register(servable, "net").location)
    (broken / MANIFEST_FILE).write_text("{")
    said: list[str] = []
    assert [each.reference for each in registry.find(unreadable=said.append)] == ["net:1"]
    assert len(said) == 1
    assert said[0].startswith(f"{broken} is left out: servable.json")
    with pytest.raises(ManifestError):
        registry.find()


def test_registering_twice_or_under_the_other_kind_is_refused(
    registry: Registry, servable: Path, network: Path
) -> None:
    registry.register(servable, "net", version=5)
    with pytest.raises(RecordExistsError, match=r"version 'net:5' is in .*repository already"):
        registry.register(servable, "net", version=5)
    with pytest.raises(
        RecordExistsError, match="model 'net' has versions that are servables; take another name"
    ):
        registry.register(network, "net")
    registry.register(network, "float-net")
    with pytest.raises(RecordExistsError, match="has versions that are float networks"):
        registry.register(servable, "float-net")
    assert [each.reference for each in registry.find()] == ["float-net:1", "net:5"]


@pytest.mark.parametrize(
    "name", ["", "..", "../net", "a/b", ".net", "-net", "a b", "a:b", "ä", "x" * 129, "a\0"]
)
def test_names_that_no_repository_holds_are_refused(name: str, registry: Registry, servable: Path) -> None:
    with pytest.raises(ModelNameError, match="is no model name"):
        registry.register(servable, name)
    with pytest.raises(ModelError):
        registry.show(name)
    assert not Path(registry.repository).exists()


@pytest.mark.parametrize(
    "which", ["", "a b", "..", "-1", "1.5", "9999999999999999999", "9" * 5000, "../1", "ä", "1a", "²"]
)
def test_versions_and_labels_that_are_none_are_refused(
    which: str, registry: Registry, servable: Path
) -> None:
    registry.register(servable, "net")
    with pytest.raises(ModelError, match=r"is no (label|version)"):
        registry.show(f"net:{which}")


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**20])
def test_numbers_that_no_version_has_leave_nothing(number: int, registry: Registry, servable: Path) -> None:
    with pytest.raises(ModelNameError, match="is no version: a whole number of 1 or more, less than 2"):
        registry.register(servable, "net", version=number)
    assert not Path(registry.repository).exists()
    registry.register(servable, "net", version=2**63 - 1)
    assert registry.show("net:latest").version == 2**63 - 1


@given(reference=st.text(max_size=40))
def test_no_reference_reaches_outside(reference: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Something that could be reached is beside the repository."""
    root = tmp_path_factory.getbasetemp() / "references"
    if not root.exists():
        published(root / "outside")
        published(root / "repository")
    registry = Registry(root / "repository")
    try:
        assert registry.show(reference).reference == "net:1"
    except ModelError:
        return
    assert reference.partition(":")[0] == "net"


def test_what_is_not_there_is_said(registry: Registry, servable: Path) -> None:
    registry.register(servable, "net")
    registry.label("net:1", "stable")
    with pytest.raises(ModelNotFoundError, match="has no version 2 of model 'net'"):
        registry.show("net:2")
    with pytest.raises(RecordNotFoundError, match="model 'net' has no label 'canary'; there are stable"):
        registry.show("net:canary")
    with pytest.raises(ModelNotFoundError, match="has no model 'cat'"):
        registry.delete("cat:1")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("x"), "is of no known kind; expected .onnx"),
        (lambda path: path.mkdir(), r"holds neither a servable \(servable.json\) nor a SavedModel"),
        (lambda path: None, "there is no such file or folder"),
    ],
)
def test_what_is_no_network_is_not_registered(
    make: Callable[[Path], object], words: str, registry: Registry, tmp_path: Path
) -> None:
    make(tmp_path / "thing")
    with pytest.raises(RegistryError, match=words):
        registry.register(tmp_path / "thing", "net")
    assert not Path(registry.repository).exists()


def test_an_altered_servable_is_not_registered(registry: Registry, servable: Path) -> None:
    (servable / "model.onnx").write_bytes(b"network" * 999 + b"altered")
    with pytest.raises(CorruptVersionError, match="has SHA-256"):
        registry.register(servable, "net")
    assert not Path(registry.repository).exists()


def test_a_label_names_a_version_until_it_is_promoted(registry: Registry, servable: Path) -> None:
    for _ in range(2):
        registry.register(servable, "net")
    assert registry.label("net:1", "stable") == (None, 1)
    registry.label("net:latest", "canary")
    assert registry.show("net:stable").version == 1
    assert registry.promote("net:canary", "stable") == (1, 2)
    assert registry.show("net:2").labels == ("canary", "stable")
    assert registry.roll_back("net", "stable") == (2, 1)
    with pytest.raises(ModelNotFoundError, match="has no version 3"):
        registry.promote("net:3", "stable")
    registry.delete("net:canary", force=True)
    with pytest.raises(ModelNotFoundError, match="has no version 2"):
        registry.roll_back("net", "stable")
    assert registry.show("net").labels == ("stable",)


def test_what_is_used_is_not_deleted(registry: Registry, servable: Path) -> None:
    for _ in range(2):
        registry.register(servable, "net")
    image = ImageRecord(name="net", tag="1", model="net", version=1)
    registry.records.add_image(image)
    registry.records.add_deployment(
        DeploymentRecord(name="door", kind="edge", model="net", version=1, image="net:1")
    )
    with pytest.raises(RegistryError, match="net has 2 versions, 1 to 2; say which, net:N"):
        registry.delete("net")
    for words, undo in (
        (
            "by edge deployment 'door'; delete deployments first",
            lambda: registry.records.delete_deployment("door"),
        ),
        ("by image 'net:1'; delete images first", lambda: registry.records.delete_image("net", "1")),
    ):
        with pytest.raises(StillUsedError, match=words):
            registry.delete("net:1", force=True)
        undo()  # type: ignore[no-untyped-call]
    registry.label("net:1", "stable")
    with pytest.raises(StillUsedError, match="by label 'stable'; promote another version"):
        registry.delete("net:1")
    note = Note(str(Path(registry.repository) / "net"), "server")
    note.write(InUse(server="box:8500", process=1, model="net", versions=(1,), since="", expires=""))
    assert registry.show("net:1").servers == ("box:8500",)
    with pytest.raises(StillUsedError, match="by the server box:8500; have it serve another version first"):
        registry.delete("net:1")
    with pytest.raises(StillUsedError, match="the server box:8500, the server other:1"):
        registry.delete("net:1", loaded_by=["other:1"])
    assert registry.show("net:1").labels == ("stable",)
    registry.records.add_image(image)  # nothing of the refusals stayed behind
    registry.records.delete_image("net", "1")
    assert registry.delete("net:1", force=True).version == 1
    assert [each.reference for each in registry.find()] == ["net:2"]
    assert registry.show("net").labels == ()


def test_a_version_that_is_being_deleted_gets_no_users(registry: Registry, servable: Path) -> None:
    """Whoever deletes marks first and looks then: who comes in between sees the mark."""
    for _ in range(2):
        registry.register(servable, "net")
    registry.label("net:2", "stable")
    delete, refusals = registry.records.refuse_used, []

    def meanwhile(model: str, version: int) -> None:
        for attempt in (
            lambda: registry.promote("net:1", "stable"),
            lambda: registry.label("net:1", "canary"),
            lambda: registry.records.add_image(ImageRecord(name="net", tag="1", model="net", version=1)),
        ):
            with pytest.raises(ModelNotFoundError, match="has no version 1 of model 'net'") as refused:
                attempt()
            refusals.append(refused.value)
        delete(model, version)

    registry.records.refuse_used = meanwhile  # type: ignore[method-assign]
    registry.delete("net:1")
    assert len(refusals) == 3
    assert registry.show("net").labels == ("stable",)
    assert registry.records.images() == []


def test_a_note_that_expired_holds_nothing(registry: Registry, servable: Path) -> None:
    registry.register(servable, "net")
    note = InUse(server="box:8500", process=1, model="net", versions=(1,), since="", expires=after(-1))
    file = Path(registry.repository) / "net" / ".accelserve" / "in-use" / "dead.json"
    file.parent.mkdir()
    import msgspec

    file.write_bytes(msgspec.json.encode(note))
    assert registry.delete("net:1").servers == ()


def test_a_version_is_copied_to_another_repository_as_it_is(
    registry: Registry, servable: Path, network: Path, tmp_path: Path
) -> None:
    other = Registry(tmp_path / "other")
    registry.register(servable, "net", version=7, description="doors", tags={"a": "b"}, properties={"c": "d"})
    registry.label("net:7", "stable")
    registry.register(network, "float-net")
    found, copied = registry.copy_to(other, "net:stable")
    assert copied
    assert (found.reference, found.description, found.tags["a"], found.properties, found.labels) == (
        "net:7", "doors", "b", {"c": "d"}, (),
    )  # fmt: skip
    assert files_below(Path(found.location)) == files_below(servable)
    assert registry.copy_to(other, "net:7") == (found, False)
    assert registry.copy_to(other, "float-net")[0].files == registry.show("float-net").files
    changed = Path(registry.show("net:7").location)
    (changed / "model.onnx").write_bytes(b"cut")
    other.delete("net:7")
    with pytest.raises(CorruptVersionError, match="it has 3 bytes with SHA-256"):
        registry.copy_to(other, "net:7")
    assert not (tmp_path / "other" / "net" / "7").exists()
    with pytest.raises(CorruptVersionError, match="it has 3 bytes with SHA-256"):
        registry.copy_to(Registry(tmp_path / "third"), "net:7")
    assert not (tmp_path / "third").exists()


def test_other_files_under_the_same_number_are_not_replaced(
    registry: Registry, servable: Path, tmp_path: Path
) -> None:
    registry.register(servable, "net")
    other = Registry(tmp_path / "other")
    manifest = servable / MANIFEST_FILE
    (servable / "model.onnx").write_bytes(b"other")
    sha256 = hashlib.sha256(b"other").hexdigest()
    old = hashlib.sha256(b"network" * 1000).hexdigest()
    manifest.write_text(manifest.read_text().replace(old, sha256).replace('"bytes": 7000', '"bytes": 5'))
    other.register(servable, "net")
    with pytest.raises(RecordExistsError, match=r"version 'net:1' is in .*other already, with other files"):
        registry.copy_to(other, "net:1")


def test_a_manifest_that_names_files_outside_is_not_followed(
    registry: Registry, servable: Path, tmp_path: Path
) -> None:
    registry.register(servable, "net")
    manifest = Path(registry.show("net").location) / MANIFEST_FILE
    (Path(registry.repository) / "net" / "secret").write_bytes(b"network" * 1000)
    manifest.write_text(manifest.read_text().replace('"model.onnx"', '"../secret"'))
    with pytest.raises(
        CorruptVersionError, match=r"names '\.\./secret', which is outside the version's folder"
    ):
        registry.copy_to(Registry(tmp_path / "other"), "net:1")
    assert not (tmp_path / "other").exists()


REGISTER = """
import sys
from pathlib import Path
from accelserve.models.registry.registry import Registry
for _ in range(5):
    print(Registry(sys.argv[1]).register(Path(sys.argv[2]), "net").version)
"""


def test_writers_at_once_get_numbers_of_their_own(registry: Registry, servable: Path) -> None:
    command = [sys.executable, "-c", REGISTER, registry.repository, str(servable)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    numbers = [int(line) for writer in writers for line in writer.communicate(timeout=240)[0].splitlines()]
    assert sorted(numbers) == list(range(1, 11))
    assert [each.version for each in registry.find("net")] == list(range(1, 11))
    for each in registry.find("net"):
        verify(Path(each.location))


KILLED = """
import os, signal, sys
from pathlib import Path
from accelserve.models.registry.registry import Registry
Registry(sys.argv[1]).register(
    Path(sys.argv[2]), "net", progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL)
)
"""


def test_a_writer_that_is_killed_leaves_no_version(registry: Registry, servable: Path) -> None:
    command = [sys.executable, "-c", KILLED, registry.repository, str(servable)]
    assert subprocess.run(command, timeout=240, check=False).returncode == -signal.SIGKILL
    assert registry.find() == []
    assert registry.register(servable, "net").version == 1
    assert not list((Path(registry.repository) / "net").glob(".unfinished*"))
