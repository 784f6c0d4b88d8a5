"""``accelserve models`` as a person types it, on real servables; real servers hold what they have loaded."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.serve_process import SPEC, Process, publish, run, run_here, train
from tests.server.waiting import until

from accelserve.client import ModelSelection, PredictionClient
from accelserve.models.registry.in_use import in_use
from accelserve.models.repository import verify


def models(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_here("models", *arguments)


def said(*arguments: object) -> str:
    """What a command that succeeds prints, without a word on the error stream."""
    done = models(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refused(*arguments: object, code: int = 1) -> str:
    """The one line of a command that is refused."""
    done = models(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("accelserve: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("accelserve: ").rstrip()


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of version 1 of 'tiny', and what it was made of beside its repository."""
    return publish(train(tmp_path_factory.mktemp("converted"))) / "tiny" / "1"


@pytest.fixture
def repository(tmp_path: Path, converted: Path) -> Path:
    """Versions 1 and 2 of 'tiny'."""
    for version in ("1", "2"):
        shutil.copytree(converted, tmp_path / "models" / "tiny" / version)
    return tmp_path / "models"


def test_from_a_float_network_to_a_deleted_version(tmp_path: Path, converted: Path) -> None:
    here = f"--repository={tmp_path}/models"
    network = converted.parents[2] / "tiny.onnx"
    words = said("register", network, "--name=tiny-float", "--description=doors", "--tag=team=vision", here)
    assert words.startswith("registered tiny-float:1: network, 2.8 kB, ")
    assert Path(said("show", "tiny-float", "--path", here).strip()).read_bytes() == network.read_bytes()
    said("register", converted, "--name=tiny", "--property=camera=7", here)
    said("register", converted, "--name=tiny", here)
    shown = json.loads(said("show", "tiny:1", "--json", here))
    assert shown["parent"]["registered"] == "tiny-float:1"  # by the hash that 'convert' wrote down
    assert (shown["kind"], shown["properties"], sorted(shown["signatures"])) == (
        "servable", {"camera": "7"}, ["features", "serving_default"],
    )  # fmt: skip
    assert shown["files"]["model.onnx"]["sha256"] == verify(converted).files["model.onnx"].sha256
    assert said("tag", "tiny:1", "stage=test", "--remove=owner", here) == "tiny:1: tags stage=test\n"
    assert said("label", "tiny:1", "stable", here) == "tiny: stable none -> 1\n"
    assert said("promote", "tiny:latest", "stable", "--from=1", here) == "tiny: stable 1 -> 2\n"
    assert json.loads(said("promote", "tiny", "stable", "--roll-back", "--json", here)) == {
        "model": "tiny", "label": "stable", "before": 2, "after": 1,
    }  # fmt: skip
    listed = json.loads(said("list", "--tag=stage", "--json", here))
    assert [(each["name"], each["version"], each["labels"]) for each in listed] == [("tiny", 1, ["stable"])]
    table = said("list", here)
    first = [line.split()[0] for line in table.splitlines() if line.strip()]
    assert first[0] == "model"
    assert first[-3:] == ["tiny:1", "tiny:2", "tiny-float:1"]
    text = said("show", "tiny:stable", here)
    assert "parent       tiny-float:1, tiny.onnx, sha256 " in text
    assert "signature    serving_default: images string[-1] -> output_alias float32[-1, 4]" in text
    assert said("label", "tiny", "stable", "--remove", here) == "tiny: stable 1 -> none\n"
    for reference in ("tiny:1", "tiny:2", "tiny-float"):
        assert said("delete", reference, here).startswith("deleted tiny")
    assert json.loads(said("list", "--json", here)) == []


def test_a_registered_network_is_converted_by_its_name(tmp_path: Path, converted: Path) -> None:
    here = f"--repository={tmp_path}/models"
    said("register", converted.parents[2] / "tiny.onnx", "--name=tiny-float", here)
    preprocess = ("--preprocess", json.dumps(SPEC.to_json()))
    done = run("convert", "tiny-float:latest", "--name=tiny", here, *preprocess)
    assert done.returncode == 0, done.stderr
    assert json.loads(said("show", "tiny:1", "--json", here))["parent"]["registered"] == "tiny-float:1"
    for source, name, words in (
        (
            "tiny-float:2",
            "tiny",
            f"'tiny-float:2' does not exist, and {tmp_path}/models has no float network of",
        ),
        ("tiny:1", "tiny", "'tiny:1' does not exist, and"),
        (
            "tiny-float",
            "tiny-float",
            "model 'tiny-float' has versions that are float networks; take another name",
        ),
    ):
        done = run_here("convert", source, f"--name={name}", here, *preprocess)
        assert done.returncode in (1, 2)
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert len(json.loads(said("list", "--json", here))) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "cat"), "{} has no model 'cat'"),
        (("show", "tiny:9"), "{} has no version 9 of model 'tiny'"),
        (("show", "../tiny"), "'../tiny' is no model name"),
        (("show", "tiny:../1"), "'../1' is no label"),
        (("promote", "tiny:1", "stable"), "model 'tiny' has no label 'stable'"),
        (("promote", "tiny", "stable", "--roll-back"), "model 'tiny' has no label 'stable'"),
        (("label", "tiny:1", "latest"), "'latest' is no label: it is always the highest version"),
        (("label", "tiny", "stable", "--remove"), "model 'tiny' has no label 'stable'"),
        (("tag", "tiny:1", "--remove=stage"), "tiny:1 has no tag 'stage'; it has owner"),
        (("delete", "tiny"), "tiny has 2 versions, 1 to 2; say which, tiny:N"),
        (("register", "{}/tiny/1", "--name=tiny", "--version=1"), "version 'tiny:1' is in {} already"),
        (("register", "{}/tiny/1", "--name=../tiny"), "'../tiny' is no model name"),
        (("register", "{}", "--name=x"), "{} holds neither a servable (servable.json) nor a SavedModel"),
        (("pull", "tiny", "--from={}/nowhere"), "{}/nowhere has no model 'tiny'"),
        (("push", "tiny", "--to=gopher://x/y"), "gopher://x/y has a scheme that is not known"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    arguments: tuple[str, ...], sentence: str, repository: Path
) -> None:
    before = sorted(path for path in repository.rglob("*") if not path.name.startswith("."))
    given = [argument.replace("{}", str(repository)) for argument in arguments]
    assert refused(*given, f"--repository={repository}").startswith(sentence.replace("{}", str(repository)))
    kept = sorted(
        path
        for path in repository.rglob("*")
        if ".accelserve" not in path.parts and not path.name.startswith(".")
    )
    assert kept == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "tiny"), "Missing option '--repository'"),
        (("register", "nowhere", "--name=x", "--repository=x"), "'nowhere' does not exist"),
        (("tag", "tiny:1", "--repository=x"), "nothing to change"),
        (("tag", "tiny:1", "stage", "--repository=x"), "'stage' is not KEY=VALUE"),
        (("list", "--tag==x", "--repository=x"), "needs a name before '='"),
        (
            ("promote", "tiny:1", "stable", "--roll-back", "--repository=x"),
            "--roll_back takes a model's name alone",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_two(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments, code=2)


def test_a_repository_without_models_is_said(tmp_path: Path) -> None:
    done = models("list", f"--repository={tmp_path}/nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{tmp_path}/nowhere has no models\n")
    assert json.loads(said("list", "--json", f"--repository={tmp_path}/nowhere")) == []
    assert list(tmp_path.iterdir()) == []


class Fleet:
    """Server processes of the repository's model."""

    def __init__(self, repository: Path, cache: Path) -> None:
        self._repository = repository
        self._cache = cache
        self.started: list[Process] = []

    def start(self, *flags: str) -> Process:
        server = Process(
            "--port=0", "--device=reference", "--model_name=tiny", f"--model_base_path={self._repository}/tiny",
            f"--cache_dir={self._cache}", "--file_system_poll_wait_seconds=0.05", *flags,
        )  # fmt: skip
        self.started.append(server)
        assert server.port
        return server


@pytest.fixture
def fleet(repository: Path, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(repository, tmp_path / "cache")
    yield made
    for server in made.started:
        server.end()


def test_a_version_that_a_server_has_loaded_is_not_deleted(repository: Path, fleet: Fleet) -> None:
    here = f"--repository={repository}"
    server = fleet.start()
    address = f"127.0.0.1:{server.port}"
    until(lambda: [note.server for note in in_use(str(repository / "tiny"))] == [address])
    assert refused("delete", "tiny:2", here) == (
        f"version 2 of model 'tiny' is still used by the server {address}; "
        "have it serve another version first, or delete with --force"
    )
    assert said("delete", "tiny:1", here) == "deleted tiny:1\n"
    assert json.loads(said("show", "tiny:2", "--json", here))["servers"] == [f"127.0.0.1:{server.port}"]
    assert server.stop() == 0
    assert said("delete", "tiny:2", here) == "deleted tiny:2\n"


def test_a_server_that_leaves_no_note_is_asked(repository: Path, fleet: Fleet) -> None:
    here = f"--repository={repository}"
    quiet = fleet.start("--usage_notes=false")
    address = f"127.0.0.1:{quiet.port}"
    assert f"is still used by the server {address}" in refused(
        "delete", "tiny:2", f"--server={address}", here
    )
    assert said("delete", "tiny:1", f"--server={address}", here) == "deleted tiny:1\n"
    assert quiet.stop() == 0
    words = refused("delete", "tiny:2", f"--server={address}", here)
    assert words.startswith(f"could not see whether it is loaded by {address}: ")
    assert words.endswith("delete with --force in spite of that")
    forced = models("delete", "tiny:2", "--force", f"--server={address}", here)
    assert (forced.returncode, forced.stdout) == (0, "deleted tiny:2\n")
    assert forced.stderr.startswith(f"could not see whether {address} has it loaded: ")


def test_a_killed_server_is_forced_past(repository: Path, fleet: Fleet) -> None:
    server = fleet.start()
    until(lambda: bool(in_use(str(repository / "tiny"))))
    server.end()
    here = f"--repository={repository}"
    assert "is still used by the server" in refused("delete", "tiny:2", here)
    assert said("delete", "tiny:2", "--force", here) == "deleted tiny:2\n"


def test_a_running_server_follows_labels(repository: Path, fleet: Fleet) -> None:
    here = f"--repository={repository}"
    said("label", "tiny:1", "stable", here)
    server = fleet.start()
    stable = ModelSelection(name="tiny", version_label="stable")

    def answers(client: PredictionClient) -> Any:
        return client.describe_model(model=stable).version

    with PredictionClient("127.0.0.1", server.port) as client:
        assert answers(client) == 1
        said("promote", "tiny:2", "stable", here)
        until(lambda: answers(client) == 2)
        server.wait_for("unloaded tiny/1")
        said("promote", "tiny", "stable", "--roll-back", here)
        until(lambda: answers(client) == 1)
    assert server.stop() == 0


def test_a_version_is_pushed_and_pulled_between_folders(repository: Path, tmp_path: Path) -> None:
    here, there = f"--repository={repository}", tmp_path / "there"
    said("tag", "tiny:2", "stage=test", here)
    assert said("push", "tiny", f"--to={there}", here).startswith("pushed tiny:2: ")
    assert (
        said("push", "tiny", f"--to={there}", here)
        == f"{there}/tiny/2 is there already, with the same files\n"
    )
    verify(there / "tiny" / "2")
    pulled = json.loads(said("pull", "tiny:2", f"--from={there}", "--json", f"--repository={tmp_path}/third"))
    assert pulled["tags"] == {"owner": "tests", "stage": "test"}


def test_the_page_runs_as_it_stands(tmp_path: Path, converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network of the tests', and a folder where the page has a bucket."""
    trained = converted.parents[2]
    (tmp_path / "network.onnx").symlink_to(trained / "tiny.onnx")
    (tmp_path / "photographs").symlink_to(trained / "photos")
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[3] / "docs" / "registry.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert lines[0] == "export ACCELSERVE_REPOSITORY=servables"
    monkeypatch.setenv("ACCELSERVE_REPOSITORY", "servables")
    for line in lines[1:]:
        words = [word.replace("s3://models", str(tmp_path)) for word in shlex.split(line)]
        words = [json.dumps(SPEC.to_json()) if word == "open-nsfw" else word for word in words]
        done = run(*words[1:])
        assert done.returncode == 0, (line, done.stderr)
    assert verify(tmp_path / "production" / "network-int8" / "2").files
    assert verify(tmp_path / "elsewhere" / "network-int8" / "2").files
    assert [each["version"] for each in json.loads(said("list", "network-int8", "--json"))] == [2]
