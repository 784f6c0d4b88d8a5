"""The container engine of this machine: docker, podman or buildah, whichever answers.

All three take the same Dockerfile. docker's client may be there without an engine that it could ask, so being installed is
not enough.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelserve.deployment.errors import EngineFailedError, NoEngineError
from accelserve.deployment.programs import ask, call, last_words

# Podman and buildah drop HEALTHCHECK unless they write docker's format: OCI's has no place for it.
_BUILD = {
    "docker": ("build",),
    "podman": ("build", "--format", "docker"),
    "buildah": ("build", "--format", "docker"),
}
_ALIVE = {
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
    "buildah": ("images", "--quiet"),
}
_INSPECT = {"docker": ("image", "inspect"), "podman": ("image", "inspect"), "buildah": ("images", "--json")}
_REMOVE = {"docker": ("image", "rm"), "podman": ("image", "rm"), "buildah": ("rmi",)}

ENGINES = tuple(_BUILD)
"""In the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """What an engine says of an image.

    Attributes:
        digest: ``sha256:...`` of its configuration, which engines call its id.
        size_bytes: unpacked; 0 where the engine does not say.
    """

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers.

    Attributes:
        name: docker, podman or buildah.
    """

    name: str

    def build_command(self, context: Path, image: str) -> list[str]:
        """What builds an image of a context."""
        return [self.name, *_BUILD[self.name], "--tag", image, str(context)]

    def build(self, context: Path, image: str, log: Path, line: Callable[[str], None]) -> None:
        """Build an image; when this returns, the name is the new image's, whichever had it before.

        Args:
            context: folder with the Dockerfile.
            image: name with tag.
            log: file that gets every line of the engine, behind what it holds.
            line: told every line.

        Raises:
            EngineFailedError: with the engine's last line.
        """
        said = ""
        command = self.build_command(context, image)
        with (
            log.open("a", encoding="utf-8") as file,
            subprocess.Popen(  # noqa: S603 - an engine of ours, without a shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            try:
                for text in process.stdout or ():
                    file.write(text)
                    said = text.strip() or said
                    line(said)
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            raise EngineFailedError(
                f"the build of '{image}' by {self.name}",
                said or f"exit code {process.returncode}",
                str(log),
            )

    def built(self, image: str, log: Path) -> BuiltImage:
        """An image that was just built, by name and tag.

        Args:
            image: name with tag.
            log: of its build, for the error.

        Raises:
            EngineFailedError: the engine does not have it, or cannot be asked.
        """
        found = self.find(image)
        if found is None:
            raise EngineFailedError(f"the build of '{image}' by {self.name}", "it is not there", str(log))
        return found

    def find(self, image: str) -> BuiltImage | None:
        """An image by name and tag; None if this engine has none. EngineFailedError if it cannot be asked."""
        done = ask([self.name, *_INSPECT[self.name], image])
        if done.returncode != 0:
            return None
        try:
            documents = json.loads(done.stdout or "[]")
        except ValueError as error:
            doing = f"looking for '{image}' by {self.name}"
            raise EngineFailedError(doing, "it does not answer in JSON") from error
        if not documents:
            return None
        found = documents[0]
        digest = str(found.get("Id") or found.get("id") or "").removeprefix("sha256:")
        size = found.get("Size", 0)
        return BuiltImage(f"sha256:{digest}", size if isinstance(size, int) else 0)

    def remove(self, image: str) -> None:
        """Remove an image by name and tag; what is gone already is no error.

        Raises:
            EngineFailedError: a container uses it, for example.
        """
        if self.find(image) is None:
            return
        call(f"removing '{image}' from {self.name}", [self.name, *_REMOVE[self.name], image])


def find_engine(name: str = "auto", *, instead: str = "install one of them") -> Engine:
    """An engine that answers.

    Args:
        name: of one, or ``auto`` for the first of ``ENGINES``.
        instead: what can be done where there is none, for the error.

    Raises:
        NoEngineError: none answers; engines that are installed are named with the reason.
    """
    passed_over = []
    for each in ENGINES if name == "auto" else (name,):
        if shutil.which(each) is None:
            continue
        try:
            done = ask([each, *_ALIVE[each]])
        except EngineFailedError as error:
            passed_over.append(f"{each}: {error.reason}")
            continue
        if done.returncode == 0:
            return Engine(each)
        passed_over.append(f"{each}: {last_words(done)}")
    raise NoEngineError(passed_over, instead)
