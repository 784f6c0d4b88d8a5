"""What is written for a build, and the command that writes it. The wheels are small ones: nothing is gathered from an index."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from accelserve.deployment.errors import (
    DeploymentError,
    EngineFailedError,
    NoEngineError,
    OutputError,
    PackagesError,
)
from accelserve.deployment.images.compile_kernels import share_equal_files
from accelserve.deployment.images.configuration import ImageConfiguration, default_base
from accelserve.deployment.images.context import BuildContext
from accelserve.deployment.images.image import Image
from accelserve.deployment.images.names import model_version
from tests.deployment.servables import published
from tests.server.serve_process import run


def wheel(folder: Path, name: str, version: str, metadata: str = "") -> None:
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
        archive.writestr(f"{name}-{version}.dist-info/METADATA", text)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "accelserve", "0.1.0", "License-Expression: Apache-2.0\n")
    wheel(folder, "numpy", "2.0.0", "License: BSD\n")
    wheel(folder, "pip", "26.0")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    published(tmp_path / "models")
    return tmp_path / "models"


def written(repository: Path, folder: Path, configuration: ImageConfiguration) -> list[str]:
    """The Dockerfile's instructions, each on one line."""
    model = model_version(str(repository), "cats:1")
    BuildContext(image="cats:1", model=model, configuration=configuration).write(folder)
    text = (folder / "Dockerfile").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_no_step_and_no_start_needs_a_shell_and_the_last_stage_runs_nothing(
    repository: Path, wheels: Path, tmp_path: Path
) -> None:
    lines = written(
        repository, tmp_path / "context", ImageConfiguration(wheels=wheels, base="python:3.11-slim")
    )
    commands = [line for line in lines if line.split()[0] in ("RUN", "ENTRYPOINT", "CMD")]
    assert all(isinstance(json.loads(line.partition(" ")[2]), list) for line in commands)
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert not [line for line in last if line.startswith("RUN")]
    assert "USER 10001:10001" in last
    assert last[-1] == 'ENTRYPOINT ["/opt/accelserve/bin/accelserve", "serve"]'
    assert lines[0] == "ARG BASE_IMAGE=python:3.11-slim"
    assert 'CMD ["/opt/accelserve/bin/accelserve", "healthcheck"]' in last[-2]


def test_everything_that_is_copied_is_there_and_everybody_can_read_it(
    repository: Path, wheels: Path, tmp_path: Path
) -> None:
    (repository / "cats" / "1" / "model.onnx").chmod(0o600)
    context = tmp_path / "context"
    lines = written(repository, context, ImageConfiguration(wheels=wheels))
    sources = [line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert all((context / source).exists() for source in sources)
    assert {path.stat().st_mode & 0o777 for path in context.rglob("*") if path.is_file()} == {0o644}
    assert (context / "models/cats/1/model.onnx").read_bytes() == b"a network"
    assert sorted(path.name for path in (context / "wheels").iterdir()) == [
        "accelserve-0.1.0-py3-none-any.whl",
        "numpy-2.0.0-py3-none-any.whl",
    ]


def test_a_mounted_model_is_in_no_layer_of_the_image(repository: Path, wheels: Path, tmp_path: Path) -> None:
    configuration = ImageConfiguration(wheels=wheels, bake_model=False)
    lines = written(repository, tmp_path / "context", configuration)
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert not [line for line in last if line.startswith("COPY models")]
    assert 'VOLUME ["/models"]' in last
    (bake,) = [line for line in lines if "compile_kernels" in line]
    assert json.loads(bake.partition(" ")[2])[-2] == "code"
    bill = json.loads((tmp_path / "context" / "sbom.cdx.json").read_bytes())
    assert "machine-learning-model" not in {each["type"] for each in bill["components"]}


def test_labels_are_quoted_as_a_dockerfile_reads_them(repository: Path, wheels: Path, tmp_path: Path) -> None:
    configuration = ImageConfiguration(wheels=wheels, labels={"team": 'a "$HOME" \\ b'})
    lines = written(repository, tmp_path / "context", configuration)
    (labels,) = [line for line in lines if line.startswith("LABEL")]
    assert labels.endswith('"team"="a \\"\\$HOME\\" \\\\ b"')


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "gpu"},
        {"threads": ()},
        {"threads": (0,)},
        {"extras": ("tensorflow",)},
        {"labels": {"Team": "a"}},
        {"labels": {"team": "a\nUSER root"}},
        {"base": "python 3"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(DeploymentError):
        ImageConfiguration(**settings)  # type: ignore[arg-type]


def test_the_base_is_the_common_image_of_this_python() -> None:
    assert default_base() == f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def test_the_bill_of_materials_names_every_wheel_and_file_by_its_hash(
    repository: Path, wheels: Path, tmp_path: Path
) -> None:
    written(repository, tmp_path / "context", ImageConfiguration(wheels=wheels))
    written(repository, tmp_path / "again", ImageConfiguration(wheels=wheels))
    text = (tmp_path / "context" / "sbom.cdx.json").read_bytes()
    assert text == (tmp_path / "again" / "sbom.cdx.json").read_bytes()
    parts = {each["bom-ref"]: each for each in json.loads(text)["components"]}
    assert set(parts) == {"base", "pkg:pypi/accelserve@0.1.0", "pkg:pypi/numpy@2.0.0", "model:cats@1"}
    content = hashlib.sha256((wheels / "numpy-2.0.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert parts["pkg:pypi/numpy@2.0.0"]["hashes"] == [{"alg": "SHA-256", "content": content}]
    assert parts["pkg:pypi/accelserve@0.1.0"]["licenses"] == [{"expression": "Apache-2.0"}]
    files = {each["name"]: each["hashes"][0]["content"] for each in parts["model:cats@1"]["components"]}
    assert files["model.onnx"] == hashlib.sha256(b"a network").hexdigest()


@pytest.mark.parametrize("missing", ["accelserve", "pip"])
def test_wheels_without_ours_or_pip_are_refused(
    missing: str, repository: Path, wheels: Path, tmp_path: Path
) -> None:
    for path in wheels.glob(f"{missing}-*"):
        path.unlink()
    with pytest.raises(PackagesError, match=f"has no wheel of {missing}"):
        written(repository, tmp_path / "context", ImageConfiguration(wheels=wheels))


def test_what_is_no_wheel_is_refused(repository: Path, wheels: Path, tmp_path: Path) -> None:
    (wheels / "numpy-2.0.0-py3-none-any.whl").write_bytes(b"nothing of the kind")
    with pytest.raises(PackagesError, match=r"numpy-2\.0\.0-py3-none-any\.whl is no wheel"):
        written(repository, tmp_path / "context", ImageConfiguration(wheels=wheels))


def test_without_an_engine_the_context_is_written_and_the_next_step_is_one_line(
    repository: Path, wheels: Path, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    command = ("image", "build", "--model=cats:1", f"--repository={repository}", f"--wheels={wheels}")
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "accelserve.server.cli", *command, f"--context={context}"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == (
        "accelserve: no container engine is in reach, docker, podman or buildah: "
        f"run where there is one: docker build --tag cats:1 {context}\n"
    )
    assert (context / "Dockerfile").exists()
    assert Image.list(repository) == []


def test_without_an_engine_and_a_context_nothing_is_written(
    repository: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NoEngineError, match="--output oci:DIR"):
        Image.create(repository, None, "cats:1", ImageConfiguration(wheels=wheels))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_context_that_is_taken_is_refused(
    repository: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputError, match="is not empty"):
        Image.create(repository, None, ["cats:1"], ImageConfiguration(wheels=wheels), context=repository)


def test_equal_files_become_one_of_several_names(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name).write_bytes(content)
    share_equal_files(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b"2", "c": b"1"}
    assert (tmp_path / "a").samefile(tmp_path / "c")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("build", "--model=dogs"), 1, "has no model 'dogs'"),
        (("build", "--model=cats", "--name=Cats"), 1, "'Cats' is no image name"),
        (("build", "--model=cats", "--name=cats:-"), 1, "has no tag '-'"),
        (("build", "--model=cats", "--output=tar:x"), 2, "'tar:x' is not oci:DIR"),
        (
            ("build", "--model=cats", "--output=oci:x", "--isa=avx2"),
            2,
            "--isa is of an image that an engine builds",
        ),
        (("build", "--model=cats", "--label=x"), 2, "'x' is not KEY=VALUE"),
        (("show", "cats:1"), 1, "has no image 'cats:1'"),
        (("delete", "cats:1"), 1, "has no image 'cats:1'"),
        (("show", "../cats"), 1, "is no image name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], code: int, says: str, repository: Path
) -> None:
    done = run("image", *arguments, f"--repository={repository}")
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (repository / ".accelserve" / "images").exists()


def test_an_artefact_is_built_listed_shown_and_deleted(repository: Path, tmp_path: Path) -> None:
    where = f"--repository={repository}"
    done = run("image", "build", "--model=cats:1", where, f"--output=oci:{tmp_path}/layout", "--json")
    built = json.loads(done.stdout)
    assert (built["name"], built["tag"], built["state"]) == ("cats", "1", "succeeded")
    assert json.loads(run("image", "list", where, "--json").stdout) == [built]
    assert json.loads(run("image", "show", "cats:1", where, "--json").stdout) == built
    assert f"digest      {built['digest']}\n" in run("image", "show", "cats:1", where).stdout
    assert run("image", "delete", "cats:1", where).stdout == "deleted cats:1\n"
    assert run("image", "list", where, "--json").stdout == "[]\n"


def test_flags_that_the_page_names_exist() -> None:
    text = (Path(__file__).parents[2] / "docs" / "containers.md").read_text(encoding="utf-8")
    named = set(re.findall(r"accelserve image[^`\n]*?(--[a-z]+)|`(--[a-z][a-z_]*)", text))
    commands = [("image", each) for each in ("build", "list", "show", "delete")]
    known = "".join(run(*command, "--help").stdout for command in (*commands, ("serve",)))
    assert {a or b for a, b in named} <= set(re.findall(r"--[a-z_]+", known))


def builds(line: str, document: str) -> str:
    """A docker that says a line when it builds, and shows what it has in JSON."""
    return f"case $1 in build) echo {line};; image) echo '{document}';; esac"


def test_a_replacement_that_fails_leaves_the_record_and_the_log_of_the_image_that_is_still_there(
    repository: Path, wheels: Path, engine: Callable[[str, str], Path]
) -> None:
    """The engine moves a name to a new image when that is finished, not before."""
    published(repository, content=b"another network")
    settings = ImageConfiguration(wheels=wheels)
    engine("docker", builds("first", '[{"Id": "sha256:1f", "Size": 7}]'))
    first = Image.create(repository, "cats:x", "cats:1", settings, replace=True)
    log = first.image_build_log
    assert "first" in log
    engine("docker", 'test "$1" != build || { echo no space left; exit 125; }')
    with pytest.raises(EngineFailedError, match=r"no space left; the log is .*/replacing/x\.log") as failed:
        Image.create(repository, "cats:x", "cats:2", settings, replace=True)
    assert Image.list(repository) == [first]
    assert first.image_build_log == log
    assert Path(failed.value.log).read_text() == "no space left\n"
    with pytest.raises(PackagesError):
        Image.create(repository, "cats:x", "cats:2", ImageConfiguration(wheels=repository), replace=True)
    assert Image.list(repository) == [first]
    engine("docker", builds("second", '[{"Id": "sha256:2f", "Size": 8}]'))
    second = Image.create(repository, "cats:x", "cats:2", settings, replace=True)
    assert (second.creation_state, second.record.version, second.record.digest) == (
        "succeeded",
        2,
        "sha256:2f",
    )
    assert "second" in second.image_build_log
    assert not Path(failed.value.log).exists()


@pytest.mark.parametrize("answer", ["", "no json", "[]"], ids=["nothing", "no-json", "no-image"])
def test_a_replacement_that_took_the_name_and_cannot_be_inspected_is_recorded_as_failed(
    repository: Path, wheels: Path, engine: Callable[[str, str], Path], answer: str
) -> None:
    """What the record said is of an image that no name leads to any more."""
    published(repository, content=b"another network")
    settings = ImageConfiguration(wheels=wheels)
    engine("docker", builds("first", '[{"Id": "sha256:1f", "Size": 7}]'))
    Image.create(repository, "cats:x", "cats:1", settings, replace=True)
    engine("docker", builds("second", answer))
    with pytest.raises(EngineFailedError) as failed:
        Image.create(repository, "cats:x", "cats:2", settings, replace=True)
    (left,) = Image.list(repository)
    assert (left.creation_state, left.record.version, left.record.digest) == ("failed", 2, "")
    assert left.image_build_log == "second\n"
    assert failed.value.log in ("", left.record.log)
    engine("docker", builds("third", '[{"Id": "sha256:3f", "Size": 7}]'))
    again = Image.create(repository, "cats:x", "cats:2", settings)
    assert (again.creation_state, again.record.digest) == ("succeeded", "sha256:3f")


def test_a_replacement_that_ends_when_the_name_is_taken_already_is_recorded_as_failed(
    repository: Path, wheels: Path, engine: Callable[[str, str], Path]
) -> None:
    """As by a signal between the engine's last step and its end."""
    published(repository, content=b"another network")
    settings = ImageConfiguration(wheels=wheels)
    engine("docker", builds("first", '[{"Id": "sha256:1f", "Size": 7}]'))
    Image.create(repository, "cats:x", "cats:1", settings, replace=True)
    engine("docker", """case $1 in build) exit 143;; image) echo '[{"Id": "sha256:2f"}]';; esac""")
    with pytest.raises(EngineFailedError):
        Image.create(repository, "cats:x", "cats:2", settings, replace=True)
    (left,) = Image.list(repository)
    assert (left.creation_state, left.record.version) == ("failed", 2)


def test_the_first_build_of_a_name_that_fails_is_recorded_as_failed_and_deleted_with_its_logs(
    repository: Path, wheels: Path, engine: Callable[[str, str], Path]
) -> None:
    engine("docker", 'test "$1" != build || { echo no space left; exit 125; }')
    for _ in range(2):
        with pytest.raises(EngineFailedError):
            Image.create(repository, "cats:x", "cats:1", ImageConfiguration(wheels=wheels), replace=True)
    (failed,) = Image.list(repository)
    assert (failed.creation_state, failed.image_build_log) == ("failed", "no space left\n")
    failed.delete()
    assert not [path for path in (repository / ".accelserve" / "logs").rglob("*") if path.is_file()]
