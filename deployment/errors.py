"""What can go wrong on the way to another machine, as nouns with fields.

DeploymentError
├── EngineError
│   ├── NoEngineError          no container engine is in reach
│   └── EngineFailedError      a command of the engine failed
├── ImageNameError             a name or tag that no registry would take
├── ImageExistsError           the engine has an image of that name
├── PackagesError              the packages of an image cannot be gathered
├── ServiceError               a deployment that makes no sense
├── PortTakenError             somebody listens on the port that a service is to have
├── DeployFailedError          a service that did not start
├── TakeDownError              a deployment that cannot be taken down from here
└── OutputError                a place to write to that is taken, or cannot be written

What the model repository refuses raises the errors of ``accelserve.models``: a model that is missing, an image that is not
recorded or is still deployed. The command line's exit code is 1 for each, and 3 for a context that was written but not built.
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
        instead: what can be done now, as a clause.
        written: whether a build context was written nevertheless.
    """

    def __init__(self, passed_over: Sequence[str], instead: str, *, written: bool = False) -> None:
        self.passed_over = tuple(passed_over)
        self.instead = instead
        self.written = written
        found = f" ({'; '.join(passed_over)})" if passed_over else ""
        super().__init__(f"no container engine is in reach, docker, podman or buildah{found}: {instead}")


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
        super().__init__(f"{doing} failed: {reason}" + (f"; the log is {log}" if log else ""))


class ImageNameError(DeploymentError):
    """A name that is none.

    Attributes:
        name: what was asked for.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"'{name}' {reason}")


class ImageExistsError(DeploymentError):
    """The engine has an image of that name.

    Attributes:
        name: of the image, with its tag.
        engine: that has it.
    """

    def __init__(self, name: str, engine: str) -> None:
        self.name = name
        self.engine = engine
        super().__init__(
            f"{engine} has an image '{name}' already; take another tag, delete it, or build with --replace"
        )


class PackagesError(DeploymentError):
    """The Python packages of an image cannot be gathered."""


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


class PortTakenError(DeploymentError):
    """Somebody listens on a port, or nobody may.

    Attributes:
        port: that was asked for.
    """

    def __init__(self, port: int, reason: str) -> None:
        self.port = port
        super().__init__(f"port {port}: {reason}; choose another one, or 0 for one that is free")


class DeployFailedError(DeploymentError):
    """A service that did not start; nothing of it is left.

    Attributes:
        name: of the service.
        reason: with the server's own last words.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"service '{name}' did not start: {reason}")


class TakeDownError(DeploymentError):
    """A deployment that cannot be taken down from here; its record stays.

    Attributes:
        name: of the deployment.
        reason: why not.
        instead: what to do, as a clause.
    """

    def __init__(self, name: str, reason: str, instead: str) -> None:
        self.name = name
        self.reason = reason
        self.instead = instead
        super().__init__(f"deployment '{name}': {reason}; {instead}; --gone then forgets it")


class OutputError(DeploymentError):
    """A place to write to is taken, or cannot be written."""
