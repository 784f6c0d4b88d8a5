"""Remote repositories: versions come whole and verified, or not at all, and what serves goes on serving."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accelserve.models.repository.location import folder_of, is_remote, local_path
from accelserve.protos import tensorflow_serving as serving
from accelserve.server.config import LoadingConfig, model_at
from accelserve.server.config_files.models import models_of
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.errors import ConfigurationError, LoadError
from accelserve.server.loading.recorded_requests import WARM_UP_FILE
from accelserve.server.version_policy import Latest, Specific

ServeRemote = Callable[..., SimpleNamespace]


def kept(server: SimpleNamespace) -> set[str]:
    (folder,) = server.cache.iterdir()
    return {child.name for child in folder.iterdir()}


def test_versions_come_and_go_with_the_store(bucket: Any, serve_remote: ServeRemote) -> None:
    bucket.upload(1, "1.0")
    server = serve_remote(bucket.uri)
    assert server.gain() == 1.0
    bucket.upload(2, "2.0")
    server.look()
    assert server.gain() == 2.0
    server.look()
    assert kept(server) == {"2"}  # what is not wanted takes no room
    bucket.delete("2")
    server.look()
    assert server.gain() == 1.0


def test_a_version_that_is_uploaded_again_is_fetched_again(bucket: Any, serve_remote: ServeRemote) -> None:
    bucket.upload(1, "oh")
    with pytest.raises(LoadError, match=r"gain\.txt holds 'oh'"):
        serve_remote(bucket.uri)
    bucket.upload(1, "3.0")
    assert serve_remote(bucket.uri).gain() == 3.0


def test_policies_choose_what_is_fetched(bucket: Any, serve_remote: ServeRemote) -> None:
    for version in range(1, 6):
        bucket.upload(version, f"{version}.0")
    assert serve_remote(bucket.uri, policy=Specific(frozenset({2, 3}))).gain() == 3.0
    server = serve_remote(bucket.uri, policy=Latest(2))
    server.look()
    assert kept(server) == {"4", "5"}


HALF = {
    "no-manifest": (["gain.txt"], "has no servable.json yet; upload it last"),
    "no-weights": (["servable.json"], "gain.txt is not there yet, and servable.json lists it"),
}


@pytest.mark.parametrize(("uploaded", "words"), HALF.values(), ids=HALF.keys())
def test_half_an_upload_is_never_served(
    bucket: Any, serve_remote: ServeRemote, caplog: pytest.LogCaptureFixture, uploaded: list[str], words: str
) -> None:
    bucket.upload(1, "1.0")
    server = serve_remote(bucket.uri)
    second = bucket.build(2, "2.0")
    bucket.put(second, *uploaded)
    for _ in range(3):
        server.look()
        assert server.gain() == 1.0
    (line,) = [record.getMessage() for record in caplog.records if words in record.getMessage()]
    assert line in str(server.mirror.fault("colour"))
    assert kept(server) == {"1"}
    bucket.put(second)
    server.look()
    assert server.gain() == 2.0
    assert server.mirror.fault("colour") is None


@pytest.mark.parametrize("altered", [b"2.1", b"2.0 and more", b""], ids=["content", "longer", "empty"])
def test_what_does_not_fit_its_checksum_is_never_served(
    bucket: Any, serve_remote: ServeRemote, altered: bytes
) -> None:
    bucket.upload(1, "1.0")
    server = serve_remote(bucket.uri)
    bucket.upload(2, "2.0")
    bucket.write("2/gain.txt", altered)
    server.look()
    assert server.gain() == 1.0
    assert "servable.json says 3 bytes with" in str(server.mirror.fault("colour"))


def test_a_version_that_was_copied_to_another_number_is_of_that_number(
    bucket: Any, serve_remote: ServeRemote
) -> None:
    for version, gain in ((1, "1.0"), (2, "2.0")):
        bucket.upload(version, gain)
    old = bucket.build(1, "1.0")
    for file in old.iterdir():
        bucket.write(f"3/{file.name}", file.read_bytes())
    server = serve_remote(bucket.uri)
    assert [str(each) for each in server.server.registry.available()] == ["colour/3"]
    assert server.gain() == 1.0


@pytest.mark.parametrize(("uploaded", "words"), HALF.values(), ids=HALF.keys())
def test_a_start_beside_half_an_upload_serves_the_newest_whole_version(
    bucket: Any, serve_remote: ServeRemote, uploaded: list[str], words: str
) -> None:
    for version in (1, 2):
        bucket.upload(version, f"{version}.0")
    third = bucket.build(3, "3.0")
    bucket.put(third, *uploaded)
    server = serve_remote(bucket.uri)
    assert server.gain() == 2.0
    assert words in str(server.mirror.fault("colour"))
    bucket.put(third)
    server.look()
    server.look()
    assert server.gain() == 3.0
    assert kept(server) == {"3"}


def test_a_start_beside_a_whole_upload_that_does_not_load_serves_the_one_before(
    bucket: Any, serve_remote: ServeRemote
) -> None:
    bucket.upload(1, "1.0")
    bucket.upload(2, "oh")
    server = serve_remote(bucket.uri)
    assert server.gain() == 1.0
    server.look()
    assert kept(server) == {"1", "2"}  # a restart finds it, too


def test_what_is_no_folder_of_a_version_is_ignored(bucket: Any, serve_remote: ServeRemote) -> None:
    bucket.upload(1, "1.0")
    bucket.write("7", b"a key that is a plain file")
    bucket.write("99999999999999999999/servable.json", b"{}")
    server = serve_remote(bucket.uri)
    assert server.gain() == 1.0
    assert server.mirror.fault("colour") is None


def test_a_store_that_is_away_changes_nothing(
    bucket: Any, serve_remote: ServeRemote, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.upload(1, "1.0")
    server = serve_remote(bucket.uri)

    def away(*_: object, **__: object) -> None:
        raise TimeoutError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket.store), "ls", away)
        for _ in range(3):
            server.look()
        assert server.gain() == 1.0
        # And what was kept before is served after a restart.
        assert serve_remote(bucket.uri).gain() == 1.0
    lines = [
        record for record in caplog.records if "cannot be listed: TimeoutError: no answer" in record.message
    ]
    assert len(lines) == 2  # one a server
    server.look()
    assert server.mirror.fault("colour") is None


def test_the_warm_up_file_comes_along(bucket: Any, serve_remote: ServeRemote) -> None:
    bucket.upload(1, "1.0")
    bucket.write(f"1/{WARM_UP_FILE}", b"no records at all")
    with pytest.raises(LoadError, match="Please verify your warmup data is in TFRecord format"):
        serve_remote(bucket.uri)


def test_nothing_there_says_so(bucket: Any, serve_remote: ServeRemote) -> None:
    with pytest.raises(LoadError, match=f"{bucket.uri} cannot be listed: FileNotFoundError"):
        serve_remote(bucket.uri)


def test_a_package_that_is_missing_is_named(serve_remote: ServeRemote) -> None:
    with pytest.raises(LoadError, match=r"gs://b/m needs a package .* pip install 'accelserve\[gcs\]'"):
        serve_remote("gs://b/m")


def test_an_unknown_scheme(serve_remote: ServeRemote) -> None:
    with pytest.raises(LoadError, match="nosuch://b/m has a scheme that is not known"):
        serve_remote("nosuch://b/m")


def test_without_a_folder_there_are_no_remote_models(colour_loader: Callable[..., Any]) -> None:
    registry: ModelRegistry[Any] = ModelRegistry(colour_loader(), LoadingConfig(poll_seconds=0))
    with pytest.raises(ConfigurationError, match="s3://b/m needs a folder to be kept in; set --cache_dir"):
        registry.start([model_at("m", "s3://b/m")])
    registry.close()


def test_base_paths() -> None:
    assert [is_remote(text) for text in ("s3://a/b", "gs://a", "/a", "a", "file:///a", "c://a")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert local_path("file:///a%20b") == Path("/a b")
    assert (
        folder_of(Path("/c"), "s3://a/b/")
        == folder_of(Path("/c"), "s3://a/b")
        != folder_of(Path("/c"), "s3://a-b")
    )
    entry = serving.ModelConfig(name="m", base_path="s3://a/b")
    config = serving.ModelServerConfig(model_config_list=serving.ModelConfigList(config=[entry]))
    assert models_of(config)[0].origin == "s3://a/b"


FULL = """
import sys
from pathlib import Path
from accelserve.server.errors import LoadError
from accelserve.server.remote.download import download_version
from accelserve.models.repository.object_store import store_of
import resource, signal
kept, uri = Path(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
store, root = store_of(uri)
try:
    download_version(store, root + "/1", kept, 1)
except LoadError as error:
    print(error)
print(sorted(path.name for path in kept.iterdir()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
download_version(store, root + "/1", kept, 1)
print(sorted(path.name for path in kept.iterdir()))
"""


def test_a_file_system_that_refuses_leaves_nothing_behind_and_is_tried_again(
    bucket: Any, tmp_path: Path
) -> None:
    """The kernel itself refuses: the process may write no file larger than 1000 bytes, for a while."""
    folder = bucket.build(1, "1.0" * 1000)
    uri = f"local://{folder.parent}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "kept"), uri],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    fault, between, after = done.stdout.splitlines()
    assert fault == f"cannot keep {folder} in {tmp_path}/kept: File too large; free some space"
    assert (between, after) == ("[]", "['1']")


def test_too_little_room_is_noticed_before_anything_is_written(
    bucket: Any, serve_remote: ServeRemote
) -> None:
    bucket.upload(1, "1.0")
    server = serve_remote(bucket.uri)
    second = bucket.build(2, "2.0")
    manifest = (second / "servable.json").read_bytes().replace(b'"bytes": 3', b'"bytes": 1000000000000000')
    bucket.write("2/servable.json", manifest)
    bucket.put(second, "gain.txt")
    server.look()
    assert server.gain() == 1.0
    assert "it has 1000000000000000 bytes and" in str(server.mirror.fault("colour"))
    assert kept(server) == {"1"}
