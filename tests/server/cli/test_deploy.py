"""``accelserve deploy`` as a process: files, one line for what cannot be, exit codes."""

from __future__ import annotations

import json
import re
import shlex
import stat
from pathlib import Path

import pytest
import yaml
from tests.server.security.conftest import Authority
from tests.server.serve_process import run

DOCS = Path(__file__).parents[3] / "docs"
SHOWN = [
    line
    for page in ("edge.md", "kubernetes.md")
    for line in re.findall(
        r"^accelserve (deploy (?:edge|kubernetes) .*)$",
        (DOCS / page).read_text(encoding="utf-8"),
        re.MULTILINE,
    )
]
KINDS = pytest.mark.parametrize("kind", ["edge", "kubernetes"])


@KINDS
def test_it_writes_a_folder_and_says_so(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "box"
    done = run("deploy", kind, "box", "--image=resnet50:3", f"--output={folder}", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["folder"] == str(folder)
    assert {Path(name) for name in said["files"]} == set(folder.iterdir())
    assert [path.name for path in folder.parent.iterdir()] == ["box"]


@KINDS
def test_once_more_changes_nothing_and_something_else_needs_a_word(kind: str, tmp_path: Path) -> None:
    command = ("deploy", kind, "box", f"--output={tmp_path / 'box'}")
    assert run(*command, "--image=resnet50:3").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "box").iterdir()}
    assert run(*command, "--image=resnet50:3").returncode == 0
    refused = run(*command, "--image=resnet50:4")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert (
        refused.stderr
        == f"accelserve: {tmp_path / 'box'} is not empty; --replace writes over what it holds\n"
    )
    assert {path: path.read_bytes() for path in (tmp_path / "box").iterdir()} == before
    assert run(*command, "--image=resnet50:4", "--replace").returncode == 0
    assert "resnet50:4" in "".join(path.read_text() for path in (tmp_path / "box").iterdir())


@KINDS
def test_what_cannot_be_leaves_nothing(kind: str, tmp_path: Path) -> None:
    done = run("deploy", kind, "Box", "--image=resnet50:3", f"--output={tmp_path / 'box'}")
    assert done.returncode == 1
    assert done.stderr.startswith("accelserve: name 'Box': expected at most 53 lower case letters")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@KINDS
def test_a_place_that_cannot_be_written_is_named(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("deploy", kind, "box", "--image=resnet50:3", f"--output={tmp_path / 'file' / 'box'}")
    assert done.returncode == 1
    assert (
        done.stderr == f"accelserve: {tmp_path / 'file'}: File exists\n" or "Not a directory" in done.stderr
    )


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with ``keys.json``, ``key.pem`` and ``certificate.pem``."""
    identity = Authority("tests").sign("server")
    assert run("keys", "add", "camera", f"--file={tmp_path}/keys.json").returncode == 0
    (tmp_path / "key.pem").write_bytes(identity.key_pem)
    (tmp_path / "certificate.pem").write_bytes(identity.pem)
    return tmp_path


def test_secrets_of_files_are_for_their_owner(secrets: Path, tmp_path: Path) -> None:
    done = run(
        "deploy", "kubernetes", "box", "--image=resnet50:3", f"--output={tmp_path / 'box'}",
        f"--auth-keys-file={tmp_path}/keys.json", f"--tls-key={tmp_path}/key.pem",
        f"--tls-certificate={tmp_path}/certificate.pem",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((tmp_path / "box" / "secrets.yaml").stat().st_mode) == 0o600
    kustomization = yaml.safe_load((tmp_path / "box" / "kustomization.yaml").read_text())
    assert "secrets.yaml" in kustomization["resources"]


def test_secrets_that_no_server_would_take_are_found_before_a_pod_does(secrets: Path) -> None:
    other = Authority("others").sign("server")
    (secrets / "other.pem").write_bytes(other.pem)
    box = ("deploy", "kubernetes", "box", "--image=resnet50:3", f"--output={secrets / 'box'}")
    for flags, said in (
        ((f"--auth-keys-file={secrets}/key.pem",), "key.pem is no keys file: JSON is malformed"),
        (
            (f"--tls-key={secrets}/key.pem", f"--tls-certificate={secrets}/other.pem"),
            "are no private key without a password and its certificate, as PEM: KEY_VALUES_MISMATCH",
        ),
        (
            (f"--tls-key={secrets}/certificate.pem", f"--tls-certificate={secrets}/key.pem"),
            "are no private key without a password and its certificate",
        ),
    ):
        done = run(*box, *flags)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert said in done.stderr
    assert not (secrets / "box").exists()


@KINDS
def test_a_folder_of_somebody_elses_is_never_replaced(kind: str, tmp_path: Path) -> None:
    command = ("deploy", kind, "box", f"--output={tmp_path / 'box'}", "--image=resnet50:3")
    assert run(*command).returncode == 0
    (tmp_path / "box" / "overlays").mkdir()
    (tmp_path / "box" / "overlays" / "mine.yaml").write_text("mine: 1\n")
    done = run(*command, "--replace", "--port=9500")
    assert done.returncode == 1
    assert (
        "holds overlays/mine.yaml, which 'accelserve deploy' did not write; name another folder"
        in done.stderr
    )
    assert (tmp_path / "box" / "overlays" / "mine.yaml").read_text() == "mine: 1\n"
    assert "9500" not in "".join(path.read_text() for path in (tmp_path / "box").glob("*.*"))
    done = run("deploy", kind, "box", "--image=resnet50:3", "--output=.", "--replace")
    assert done.returncode == 1


@KINDS
@pytest.mark.parametrize(
    ("flag", "code", "said"),
    [
        ("--no_such=1", 2, "--flag '--no_such=1': 'accelserve serve' has no such flag for a deployment."),
        ("--version", 2, "has no such flag for a deployment"),
        ("--max_images=many", 2, "Invalid value for '--max_images': 'many' is not a valid integer."),
        ("--port=9", 1, "flag '--port=9': expected --port, since the deployment sets this one"),
        ("--max-images=3", 0, ""),
        ("--enable_batching", 0, ""),
    ],
)
def test_flags_of_the_server_are_those_that_it_has(
    kind: str, flag: str, code: int, said: str, tmp_path: Path
) -> None:
    done = run("deploy", kind, "box", "--image=x", f"--output={tmp_path / 'box'}", f"--flag={flag}")
    assert (done.returncode, said in done.stderr, (tmp_path / "box").exists()) == (code, True, code == 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("edge", "box"), "Missing option '--image'"),
        (("edge", "box", "--image=x", "--mount=/a"), "--mount '/a': expected SOURCE:TARGET"),
        (("kubernetes", "box", "--image=x", "--node-selector=a"), "--node-selector 'a': expected KEY=VALUE"),
        (("kubernetes", "box", "--image=x", "--tls-key=/no/such"), "'/no/such' does not exist"),
        (("kubernetes", "box", "--image=x", "--replicas=many"), "'many' is not a valid integer"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], said: str) -> None:
    done = run("deploy", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("line", SHOWN)
def test_what_the_pages_show_works(line: str, tmp_path: Path) -> None:
    words = [word for word in shlex.split(line) if not word.startswith("--output")]
    done = run(*words, f"--output={tmp_path / 'made'}")
    assert done.returncode == 0, done.stderr
    assert len(SHOWN) == 4


def test_flags_that_the_pages_name_exist() -> None:
    pages = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("edge.md", "kubernetes.md"))
    named = set(re.findall(r"`(--[a-z][a-z-]*)", pages))
    known = "".join(run("deploy", kind, "--help").stdout for kind in ("edge", "kubernetes", "local"))
    assert named - {flag for flag in named if flag in known} == {"--sdnotify"}  # podman's
