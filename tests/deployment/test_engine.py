"""Which engine is taken, and what is made of what it says. The engines here are scripts that record how they are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from accelserve.deployment.errors import EngineFailedError, NoEngineError
from accelserve.deployment.images.engine import Engine, find_engine
from accelserve.deployment.programs import ask

WORKS = "exit 0"
NO_DAEMON = "echo 'Cannot connect to the Docker daemon at unix:///x.sock.' >&2; exit 1"


def test_the_first_that_answers_is_taken(engine: Callable[[str, str], Path]) -> None:
    engine("docker", NO_DAEMON)
    engine("podman", WORKS)
    engine("buildah", WORKS)
    assert find_engine().name == "podman"
    assert find_engine("buildah").name == "buildah"


def test_a_client_without_an_engine_is_passed_over_and_named(engine: Callable[[str, str], Path]) -> None:
    engine("docker", NO_DAEMON)
    with pytest.raises(NoEngineError, match=r"docker: Cannot connect to the Docker daemon.*: install one"):
        find_engine()


def test_none_at_all_is_one_sentence(engine: Callable[[str, str], Path]) -> None:
    with pytest.raises(NoEngineError) as caught:
        find_engine(instead="do this")
    assert str(caught.value) == "no container engine is in reach, docker, podman or buildah: do this"


@pytest.mark.parametrize("name", ["podman", "buildah"])
def test_a_health_check_is_kept_by_dockers_format(
    engine: Callable[[str, str], Path], name: str, tmp_path: Path
) -> None:
    found = '[{"Id": "sha256:1f", "id": "1f", "Size": 7}]'
    calls = engine(name, f"echo '{found}'")
    lines: list[str] = []
    Engine(name).build(tmp_path, "cats:1", tmp_path / "log", lines.append)
    made = Engine(name).built("cats:1", tmp_path / "log")
    assert calls.read_text().splitlines()[0] == f"build --format docker --tag cats:1 {tmp_path}"
    assert (made.digest, made.size_bytes) == ("sha256:1f", 7)
    assert lines == [found]
    assert (tmp_path / "log").read_text() == f"{found}\n"


def test_a_build_that_fails_ends_in_the_engines_last_line(
    engine: Callable[[str, str], Path], tmp_path: Path
) -> None:
    engine("docker", "echo step 1; echo no space left >&2; exit 125")
    with pytest.raises(
        EngineFailedError, match=r"the build of 'cats:1' by docker failed: no space left; the log is .*log"
    ):
        Engine("docker").build(tmp_path, "cats:1", tmp_path / "log", lambda _line: None)
    assert (tmp_path / "log").read_text() == "step 1\nno space left\n"


def test_an_engine_that_hangs_or_babbles_is_an_error_in_words(
    engine: Callable[[str, str], Path],
) -> None:
    engine("podman", "echo no JSON")
    with pytest.raises(
        EngineFailedError, match="looking for 'cats:1' by podman failed: it does not answer in JSON"
    ):
        Engine("podman").find("cats:1")
    engine("docker", "while :; do :; done")
    with pytest.raises(EngineFailedError, match=r"'docker version' failed: no end within 0\.2 s"):
        ask(["docker", "version"], seconds=0.2)
    with pytest.raises(EngineFailedError, match="'buildah images' failed: No such file"):
        ask(["buildah", "images"])


def test_what_is_gone_already_is_removed_without_a_word(engine: Callable[[str, str], Path]) -> None:
    calls = engine("podman", "exit 1")
    Engine("podman").remove("cats:1")
    assert calls.read_text() == "image inspect cats:1\n"


def test_an_image_that_a_container_uses_is_not_removed(engine: Callable[[str, str], Path]) -> None:
    used = "case $2 in inspect) echo '[{\"Id\": \"1f\"}]';; *) echo 'image is in use' >&2; exit 2;; esac"
    engine("podman", used)
    with pytest.raises(EngineFailedError, match="removing 'cats:1' from podman failed: image is in use"):
        Engine("podman").remove("cats:1")
