"""The registry in S3: conditional writes, copies that appear at once, labels that servers follow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.models.repository.test_store import published
from tests.server.serve_process import Process, run
from tests.server.waiting import until

from accelserve.client import ModelSelection, PredictionClient
from accelserve.models.errors import (
    ChangedMeanwhileError,
    CorruptVersionError,
    RecordExistsError,
    RegistryError,
    StillUsedError,
)
from accelserve.models.registry.documents import Documents, documents_at
from accelserve.models.registry.labels import Labels
from accelserve.models.registry.records import DeploymentRecord, ImageRecord
from accelserve.models.registry.registry import Registry
from accelserve.models.registry.version_records import VersionRecord, records_in
from accelserve.models.repository import MANIFEST_FILE, verify

s3fs = pytest.importorskip("s3fs", reason="these tests have an environment of their own: make test-s3")
pytestmark = pytest.mark.usefixtures("environment")


class Count(msgspec.Struct, frozen=True):
    number: int


COUNTS = msgspec.json.Decoder(Count)


@pytest.fixture
def local(tmp_path: Path) -> Registry:
    """Versions 1 and 2 of 'net', and a float network, on the local disk."""
    registry = Registry(tmp_path / "local")
    for _ in range(2):
        published(tmp_path / "local")
    (tmp_path / "net.onnx").write_bytes(b"float" * 1000)
    registry.register(tmp_path / "net.onnx", "float-net")
    return registry


def objects(uri: str) -> list[str]:
    root = uri.removeprefix("s3://")
    found: list[str] = s3fs.S3FileSystem(use_listings_cache=False).find(root)
    return sorted(path.removeprefix(f"{root}/") for path in found)


def test_documents_are_written_under_conditions(uri: str) -> None:
    documents = Documents(documents_at(uri), COUNTS, "counts/")
    assert documents.get("a") is None
    first = documents.put("a", Count(1), expecting=None)
    assert documents.get("a") == (Count(1), first)
    second = documents.put("a", Count(2), expecting=first)
    for attempt in (
        lambda: documents.put("a", Count(3), expecting=None),
        lambda: documents.put("a", Count(3), expecting=first),
        lambda: documents.put("b", Count(3), expecting=first),
        lambda: documents.delete("a", expecting=first),
    ):
        with pytest.raises(ChangedMeanwhileError):
            attempt()
    assert documents.get("a") == (Count(2), second)
    documents.renew("web/b", Count(5))
    assert documents.all() == {"a": Count(2), "web/b": Count(5)}
    assert documents.keys("web/") == ["web/b"]
    assert [documents.delete("a", expecting=second), documents.delete("a")] == [True, False]
    assert objects(uri) == [".accelserve/counts/web/b.json"]


COUNT_UP = """
import sys
import msgspec
from accelserve.models.registry.documents import Documents, documents_at

class Count(msgspec.Struct):
    number: int

documents = Documents(documents_at(sys.argv[1]), msgspec.json.Decoder(Count), "counts/")
for _ in range(20):
    documents.change("a", lambda there: Count((there.number if there else 0) + 1))
"""


def test_processes_that_count_at_once_lose_no_count(uri: str) -> None:
    counting = [subprocess.Popen([sys.executable, "-c", COUNT_UP, uri]) for _ in range(2)]
    assert [each.wait(240) for each in counting] == [0, 0]
    assert Documents(documents_at(uri), COUNTS, "counts/").all() == {"a": Count(40)}


def test_a_version_goes_up_and_comes_back_the_same(local: Registry, uri: str, tmp_path: Path) -> None:
    remote = Registry(uri)
    local.tag("net:2", add={"stage": "test"}, description="doors")
    found, copied = local.copy_to(remote, "net:2")
    assert copied
    assert (found.reference, found.tags, found.description, found.location) == (
        "net:2", {"team": "vision", "stage": "test"}, "doors", f"{uri}/net/2",
    )  # fmt: skip
    assert local.copy_to(remote, "net:2") == (found, False)
    local.copy_to(remote, "float-net")
    assert [each.reference for each in remote.find()] == ["float-net:1", "net:2"]
    back = Registry(tmp_path / "back")
    verify(Path(remote.copy_to(back, "net")[0].location))
    assert back.show("net").tags == found.tags
    assert remote.copy_to(back, "float-net")[0].files == local.show("float-net").files


def test_the_manifest_is_the_last_to_appear(local: Registry, uri: str) -> None:
    """While the files are on their way nobody sees a version, and nobody else gets its number."""
    remote = Registry(uri)
    seen: list[list[str]] = []

    def look(_done: int, _total: int) -> None:
        seen.append([each.reference for each in Registry(uri).find()])
        with pytest.raises(RecordExistsError, match="version 'net:1' is being added by somebody else"):
            local.copy_to(Registry(uri), "net:1")

    local.copy_to(remote, "net:1", progress=look)
    assert seen == [[]]
    assert [each.reference for each in remote.find()] == ["net:1"]


def test_a_copy_that_fails_leaves_nothing(local: Registry, uri: str) -> None:
    model = Path(local.show("net:1").location) / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + b"!")
    with pytest.raises(CorruptVersionError, match="it has 7000 bytes with SHA-256"):
        local.copy_to(Registry(uri), "net:1")
    assert objects(uri) == []
    model.write_bytes(content)
    assert local.copy_to(Registry(uri), "net:1")[1]


KILLED = """
import os, signal, sys
from accelserve.models.registry.registry import Registry
Registry(sys.argv[1]).copy_to(
    Registry(sys.argv[2]), "net:1", progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL)
)
"""


def test_the_number_of_a_writer_that_was_killed_is_free_after_a_while(local: Registry, uri: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, local.repository, uri], timeout=240, check=False)
    assert done.returncode == -9
    remote = Registry(uri)
    assert remote.find() == []
    with pytest.raises(
        RecordExistsError, match="is being added by somebody else, or was until ten minutes ago"
    ):
        local.copy_to(remote, "net:1")
    assert remote.register(Path(local.show("net:1").location), "net").version == 2
    claim = records_in(f"{uri}/net").get("1")
    assert claim is not None
    expired = msgspec.structs.replace(claim.document, expires="2026-01-01T00:00:00Z")
    assert isinstance(expired, VersionRecord)
    records_in(f"{uri}/net").renew("1", expired)
    assert local.copy_to(remote, "net:1")[1]


REGISTER = """
import sys
from pathlib import Path
from accelserve.models.registry.registry import Registry
for _ in range(3):
    print(Registry(sys.argv[1]).register(Path(sys.argv[2]), "net").version)
"""


def test_writers_at_once_get_numbers_of_their_own(local: Registry, uri: str) -> None:
    command = [sys.executable, "-c", REGISTER, uri, local.show("net:1").location]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    numbers = [int(line) for writer in writers for line in writer.communicate(timeout=240)[0].splitlines()]
    assert sorted(numbers) == list(range(1, 7))
    assert [each.version for each in Registry(uri).find("net")] == list(range(1, 7))


def test_what_is_used_is_not_deleted_and_nothing_stays_behind(local: Registry, uri: str) -> None:
    remote = Registry(uri)
    local.copy_to(remote, "net:1")
    remote.records.add_image(ImageRecord(name="net", tag="1", model="net", version=1))
    remote.records.add_deployment(
        DeploymentRecord(name="door", kind="kubernetes", model="net", version=1, image="net:1")
    )
    with pytest.raises(StillUsedError, match="by kubernetes deployment 'door'"):
        remote.records.delete_image("net", "1")
    remote.records.delete_deployment("door")
    remote.records.delete_image("net", "1")
    remote.label("net:1", "stable")
    with pytest.raises(StillUsedError, match="by label 'stable'"):
        remote.delete("net:1")
    remote.unlabel("net", "stable")
    remote.delete("net:1")
    assert objects(uri) == ["net/.accelserve/labels.json"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "Unable to locate credentials"),
    ],
)
def test_a_store_that_cannot_be_reached_is_one_line(
    settings: dict[str, str | None], words: str, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))  # no credentials of this machine's own
    for arguments in (("list",), ("show", "net"), ("label", "net:1", "stable")):
        done = run("models", *arguments, f"--repository={uri}")
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_bucket_that_does_not_exist_is_named(local: Registry) -> None:
    with pytest.raises(
        RegistryError, match=r"s3://nobody-made-this/m.* cannot be written: The specified bucket"
    ):
        local.copy_to(Registry("s3://nobody-made-this/m"), "net:1")


def test_servers_follow_labels_in_the_store_and_hold_what_they_serve(
    servers: list[Process], uri: str, registry: Registry
) -> None:
    remote = Registry(uri)
    stable = ModelSelection(name="tiny", version_label="stable")
    clients = [PredictionClient("127.0.0.1", server.port) for server in servers]

    def meant() -> list[int]:
        return [client.describe_model(model=stable).version for client in clients]

    assert meant() == [1, 1, 1]
    until(lambda: len(remote.show("tiny:1").servers) == 3)
    with pytest.raises(StillUsedError, match=r"by the server 127\.0\.0\.1:"):
        remote.delete("tiny:1", force=False)
    registry.copy_to(remote, "tiny:2")
    for server in servers:
        server.wait_for("version 2 is in")
    assert meant() == [1, 1, 1]
    assert remote.promote("tiny:2", "stable") == (1, 2)
    until(lambda: meant() == [2, 2, 2])
    for server in servers:
        server.wait_for("unloaded tiny/1")
    assert Labels("tiny", f"{uri}/tiny").roll_back("stable") == (2, 1)
    until(lambda: meant() == [1, 1, 1])
    for client in clients:
        client.close()
    assert [server.stop() for server in servers] == [0, 0, 0]
    assert remote.show("tiny:1").servers == ()
    assert MANIFEST_FILE in {path.rpartition("/")[2] for path in objects(uri)}
