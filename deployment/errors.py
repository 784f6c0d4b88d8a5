"""What can go wrong on the way to another machine, as nouns with fields.

DeploymentError
├── EngineError
│   ├── NoEngineError          no container engine is in reach
│   └── EngineFailedError      a command of the engine failed
├── ImageError
│   ├── ImageNameError         a name, tag or base image that no registry would take
│   ├── ImageExistsError       an image of that name is there
│   ├── ImageNotFoundError     there is none of that name
│   └── ImageInUseError        a deployment still runs it
├── ServiceError               a deployment that makes no sense
└── OutputError                a place to write to that is taken, or cannot be written

A model that is missing raises the errors of ``accelserve.models``. The command line's exit code is 1 for each.
"""

from __future__ import annotations

from collections.abc import Sequence


class DeploymentError(Exception):
    """Base of every error that the deployment room raises on purpose."""


class EngineError(DeploymentError):
    """A container engine that is missing or failed."""


class NoEngineError(EngineError):
    """No container engine is in reach.

    Attributes:
        passed_over: engines that are installed but do not answer, each with the reason.
        instead: what to run on a machine that has one; empty if nothing was written.
    """

    def __init__(self, passed_over: Sequence[str] = (), instead: str = "") -> None:
        self.passed_over = tuple(passed_over)
        self.instead = instead
        found = f" ({'; '.join(passed_over)})" if passed_over else ""
        super().__init__(
            f"no container engine is in reach: docker, podman or buildah{found}"
            + (f"; where there is one, run: {instead}" if instead else "")
        )


class EngineFailedError(EngineError):
    """A command of the engine failed.

    Attributes:
        doing: what was tried, as a noun phrase: ``the build of NAME``.
        reason: the engine's own last words.
        log: where all of them are; empty if nowhere.
    """

    def __init__(self, doing: str, reason: str, log: str = "") -> None:
        self.doing = doing
        self.reason = reason
        self.log = log
        super().__init__(f"{doing} failed: {reason}" + (f"; its log is {log}" if log else ""))


class ImageError(DeploymentError):
    """An image that cannot be made, found or deleted."""


class ImageNameError(ImageError):
    """A name that is none.

    Attributes:
        name: what was asked for.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"'{name}' {reason}")


class ImageExistsError(ImageError):
    """An image of that name is there already.

    Attributes:
        name: of the image, with its tag.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"image '{name}' exists already; choose another tag, or delete it first")


class ImageNotFoundError(ImageError):
    """No image of that name.

    Attributes:
        name: what was asked for.
        where: where it was looked for.
    """

    def __init__(self, name: str, where: str) -> None:
        self.name = name
        self.where = where
        super().__init__(f"{where} has no image '{name}'")


class ImageInUseError(ImageError):
    """A deployment still runs the image.

    Attributes:
        name: of the image.
        by: the deployments' names.
    """

    def __init__(self, name: str, by: Sequence[str]) -> None:
        self.name = name
        self.by = tuple(by)
        super().__init__(f"image '{name}' is run by {', '.join(by)}; delete that first")


class ServiceError(DeploymentError):
    """A deployment, or a part of it, that makes no sense.

    Attributes:
        what: was given.
        expected: instead.
    """

    def __init__(self, what: str, expected: str) -> None:
        self.what = what
        self.expected = expected
        super().__init__(f"{what}: expected {expected}")


class OutputError(DeploymentError):
    """A place to write to is taken, or cannot be written."""
