"""Downloads over real sockets: whole, cut, resumed, wrong, refused."""

import fcntl
import hashlib
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelserve.models.architectures import architectures
from accelserve.models.errors import PullError, UnknownArchitectureError
from accelserve.models.weights.download import DownloadOptions, download
from accelserve.models.weights.published import published_names, pull
from tests.models.weights.file_server import FileServer, self_signed, serve_file
from tests.ports import held_ports

CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_file(FileServer(CONTENT)) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / f"net-{SHA256}.pth"


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def test_a_file_arrives_whole(server: FileServer, target: Path) -> None:
    assert download(f"{server.url}/x", target, SHA256) == target
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()


def test_a_file_that_is_there_is_not_fetched_again(server: FileServer, target: Path) -> None:
    for _ in range(2):
        download(f"{server.url}/x", target, SHA256)
    assert len(server.ranges) == 1


def test_a_damaged_file_in_the_cache_is_fetched_again(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT


def test_https_is_verified(tmp_path: Path, target: Path) -> None:
    serving, trusting = self_signed(tmp_path)
    with serve_file(FileServer(CONTENT), serving) as running:
        download(f"{running.url}/x", target, SHA256, DownloadOptions(tls=trusting))
        assert target.read_bytes() == CONTENT
        target.unlink()
        with pytest.raises(PullError, match="certificate verify failed"):
            download(f"{running.url}/x", target, SHA256)


def test_a_redirect_out_of_https_is_refused(tmp_path: Path, server: FileServer, target: Path) -> None:
    serving, trusting = self_signed(tmp_path)
    with (
        serve_file(FileServer(CONTENT, redirect=f"{server.url}/x"), serving) as running,
        pytest.raises(PullError, match="not encrypted"),
    ):
        download(f"{running.url}/x", target, SHA256, DownloadOptions(tls=trusting))
    assert server.ranges == []


def test_a_cut_connection_is_taken_up_where_it_broke(server: FileServer, target: Path) -> None:
    server.cut_after = [1_000_000, 500_000]
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_the_next_call_goes_on_from_what_the_last_one_got(server: FileServer, target: Path) -> None:
    server.cut_after = [700_000, 0, 0]
    with pytest.raises(PullError, match=r"at 700000 bytes; run the command again"):
        download(f"{server.url}/x", target, SHA256, DownloadOptions(attempts=2))
    assert part_of(target).stat().st_size == 700_000
    assert not target.exists()
    server.cut_after = []
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=700000-"


def test_a_server_without_ranges_starts_over(server: FileServer, target: Path) -> None:
    server.knows_ranges = False
    server.cut_after = [1_000_000]
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT


def test_a_complete_part_only_needs_its_name(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_part_of_something_else_starts_over(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(b"x" * 1000)
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing_behind(server: FileServer, target: Path) -> None:
    with pytest.raises(PullError, match=r"its SHA-256 is .*, expected 00000000"):
        download(f"{server.url}/x", target, "00000000")
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_told_with_its_code(server: FileServer, target: Path, status: int) -> None:
    server.status = status
    with pytest.raises(PullError, match=f"the server answered {status}"):
        download(f"{server.url}/x", target, SHA256)
    assert len(server.ranges) == 1


def test_too_little_room_on_the_disk_is_found_before_anything_is_written(
    server: FileServer, target: Path
) -> None:
    server.claimed_length = 10**17
    with pytest.raises(PullError, match=r"needs 10{17} bytes, but .* has \d+; make room"):
        download(f"{server.url}/x", target, SHA256)
    assert part_of(target).stat().st_size == 0


def test_a_write_that_fails_keeps_what_arrived(server: FileServer, target: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limit[1]))  # as a disk that fills up while writing
    try:
        with pytest.raises(PullError, match=r"cannot be written to .*: File too large"):
            download(f"{server.url}/x", target, SHA256)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert 0 < part_of(target).stat().st_size <= 1_000_000
    download(f"{server.url}/x", target, SHA256)
    assert target.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PullError, match="cannot be written to"):
        download(f"{server.url}/x", tmp_path / "file" / "net.pth", SHA256)


def test_offline_is_one_line_with_a_way_out(target: Path) -> None:
    with held_ports() as (port,), pytest.raises(PullError) as caught:
        download(f"http://127.0.0.1:{port}/x", target, SHA256)
    message = str(caught.value)
    assert "\n" not in message
    assert f"cannot be reached (Connection refused); without a network, put the file at {target}" in message


def test_two_processes_do_not_write_one_file(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    with part_of(target).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PullError, match="another process"):
            download(f"{server.url}/x", target, SHA256)
    assert server.ranges == []


def test_progress_counts_up_to_the_size_of_the_file(server: FileServer, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    server.cut_after = [1_000_000]
    options = DownloadOptions(progress=lambda done, total: seen.append((done, total)))
    download(f"{server.url}/x", target, SHA256, options)
    assert {total for _, total in seen} == {len(CONTENT)}
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert counts[-1] == len(CONTENT)


def test_other_schemes_are_not_fetched(target: Path) -> None:
    with pytest.raises(PullError, match="only https and http"):
        download(f"file://{__file__}", target, SHA256)


def test_pull_verifies_a_mirror_by_the_hash_in_the_published_name(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="expected 11ad3fa6"):
        pull("resnet50", tmp_path, mirror=server.url)


def test_pull_knows_which_networks_have_weights(tmp_path: Path) -> None:
    assert {"resnet50", "resnet152", "densenet121", "vgg16", "ssd300_vgg16"} <= set(published_names())
    with pytest.raises(PullError, match="no published weights"):
        pull("ssd_vgg", tmp_path)
    with pytest.raises(UnknownArchitectureError):
        pull("resnet51", tmp_path)


@pytest.mark.parametrize("name", published_names())
def test_every_published_address_is_encrypted_and_carries_a_hash(name: str) -> None:
    published = architectures()[name].published
    assert published is not None
    assert published.url.startswith("https://")
    stem = published.url.rsplit("/", 1)[-1].removesuffix(".pth")
    assert len(bytes.fromhex(stem.rsplit("-", 1)[-1])) == 4
