"""Documents on a local disk: whole, conditional, and safe against other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.models.errors import ChangedMeanwhileError, ReadOnlyError, RegistryError
from accelserve.models.registry.documents import Documents, documents_at
from accelserve.models.repository import list_models
from accelserve.server.core.source import versions_under


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int


COUNTS = msgspec.json.Decoder(Count)


def counts(folder: Path) -> Documents[Count]:
    return Documents(documents_at(str(folder)), COUNTS, "counts/")


def test_a_document_reads_back_and_its_etag_follows_its_content(tmp_path: Path) -> None:
    documents = counts(tmp_path)
    assert documents.get("a") is None
    first = documents.put("a", Count(1), expecting=None)
    assert documents.get("a") == (Count(1), first)
    second = documents.put("a", Count(2), expecting=first)
    assert second != first
    assert documents.get("a") == (Count(2), second)


def test_a_writer_that_read_something_else_is_refused(tmp_path: Path) -> None:
    documents = counts(tmp_path)
    first = documents.put("a", Count(1), expecting=None)
    with pytest.raises(ChangedMeanwhileError, match="somebody else changed counts/a meanwhile"):
        documents.put("a", Count(2), expecting=None)
    documents.put("a", Count(2), expecting=first)
    for attempt in (
        lambda: documents.put("a", Count(3), expecting=first),
        lambda: documents.delete("a", expecting=first),
        lambda: documents.put("b", Count(3), expecting=first),
    ):
        with pytest.raises(ChangedMeanwhileError):
            attempt()
    assert documents.all() == {"a": Count(2)}


def test_documents_are_listed_by_folder_and_leave_nothing_when_deleted(tmp_path: Path) -> None:
    documents = counts(tmp_path)
    for key in ("web/v1", "web/v2", "web2/v1", "other"):
        documents.put(key, Count(1), expecting=None)
    assert documents.keys() == ["other", "web/v1", "web/v2", "web2/v1"]
    assert documents.keys("web/") == ["web/v1", "web/v2"]
    assert documents.keys("nothing/") == []
    assert [documents.delete("web2/v1"), documents.delete("web2/v1")] == [True, False]
    assert not (tmp_path / ".accelserve" / "counts" / "web2").exists()


def test_who_renews_a_document_does_not_bring_back_a_folder_that_was_deleted(tmp_path: Path) -> None:
    documents = counts(tmp_path / "net")
    with pytest.raises(FileNotFoundError):
        documents.renew("server", Count(1))
    assert documents.delete("server") is False
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "net").mkdir()
    documents.renew("server", Count(1))
    documents.renew("server", Count(2))
    assert documents.all() == {"server": Count(2)}
    (tmp_path / "net").rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        documents.renew("server", Count(3))
    assert documents.delete("server") is False
    assert [path.name for path in tmp_path.iterdir()] == ["away"]


def test_neither_servers_nor_lists_take_documents_for_models_or_versions(tmp_path: Path) -> None:
    Documents(documents_at(str(tmp_path)), COUNTS, "1/").put("2", Count(1), expecting=None)
    Documents(documents_at(str(tmp_path / "net")), COUNTS, "1/").put("2", Count(1), expecting=None)
    assert list_models(tmp_path) == []
    assert versions_under(tmp_path / "net") == {}


@pytest.mark.parametrize(
    "key", ["../a", "a/../b", "/a", "a/", "", ".", "..", "a//b", "a\0", "a b", ".lock", "ä"]
)
def test_a_key_that_leaves_the_folder_is_refused(key: str, tmp_path: Path) -> None:
    documents = counts(tmp_path)
    for attempt in (
        lambda: documents.get(key),
        lambda: documents.put(key, Count(1), expecting=None),
        lambda: documents.renew(key, Count(1)),
        lambda: documents.delete(key),
    ):
        with pytest.raises(RegistryError, match="is no key of a document"):
            attempt()
    assert list(tmp_path.iterdir()) == []


@given(key=st.text(max_size=20))
def test_no_key_reaches_outside(key: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    documents = counts(outside / "repository")
    try:
        documents.put(key, Count(1), expecting=None)
    except RegistryError:
        assert list(outside.iterdir()) == []
        return
    assert [path.name for path in outside.iterdir()] == ["repository"]
    assert documents.all() == {key: Count(1)}


@pytest.mark.parametrize("content", ["", "{", '{"number": "one"}', '{"number": 1, "more": 2}', "[]"])
def test_a_document_that_breaks_its_schema_says_where_it_is(content: str, tmp_path: Path) -> None:
    file = tmp_path / ".accelserve" / "counts" / "a.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(RegistryError, match=rf"{file} cannot be read: "):
        counts(tmp_path).get("a")


COUNT_UP = """
import sys
from pathlib import Path
import msgspec
from accelserve.models.registry.documents import Documents, documents_at

class Count(msgspec.Struct):
    number: int

documents = Documents(documents_at(sys.argv[1]), msgspec.json.Decoder(Count), "counts/")
for _ in range(50):
    documents.change("a", lambda there: Count((there.number if there else 0) + 1))
"""


def test_processes_that_count_at_once_lose_no_count(tmp_path: Path) -> None:
    counting = [subprocess.Popen([sys.executable, "-c", COUNT_UP, str(tmp_path)]) for _ in range(3)]
    assert [each.wait(240) for each in counting] == [0, 0, 0]
    assert counts(tmp_path).all() == {"a": Count(150)}
    assert [path.name for path in (tmp_path / ".accelserve" / "counts").iterdir()] == ["a.json"]


READ_ONLY = """
import os, sys
from accelserve.models.errors import ReadOnlyError
from accelserve.models.registry.documents import documents_at
os.setuid(65534)
try:
    documents_at(sys.argv[1]).overwrite("a", b"{}")
except ReadOnlyError as error:
    print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not write")
def test_who_may_not_write_is_told_where(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o555)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout == f"{tmp_path}/.accelserve may not be written: Permission denied\n", done.stderr


def test_a_store_without_conditions_is_read_and_not_written() -> None:
    with pytest.raises(ReadOnlyError, match="memory:// stores are read only; s3:// and folders are written"):
        documents_at("memory://models").put("a", b"{}", expecting=None)
    assert documents_at("memory://models").get("a") is None
    assert documents_at("memory://models").list() == []
