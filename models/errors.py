"""What can go wrong with models, as nouns with fields.

ModelError
├── ModelFileError           a file that cannot be read as a network: truncated, cyclic, absurd
├── CalibrationError         nothing to calibrate on, or images that cannot be used
├── ConversionError          a network that cannot be made into a servable
└── RepositoryError
    ├── ModelNameError       a name or a version number that the repository does not allow
    ├── ModelNotFoundError   no such model, or no such version of it
    ├── ManifestError        a servable.json that breaks its schema
    └── CorruptVersionError  a version whose files are missing, altered or half copied

A network with operators that no kernel implements raises ``accelserve.kernels.errors.UnsupportedNodesError``.
No transport codes here: the server's rpc room alone maps errors to statuses.
"""

from __future__ import annotations

from pathlib import Path


class ModelError(Exception):
    """Base of every error that the models room raises on purpose."""


class ModelFileError(ModelError):
    """A file cannot be read as a network.

    Attributes:
        source: the file, or ``<bytes>``.
        reason: what was found, where, and what was expected.
    """

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class CalibrationError(ModelError):
    """Calibration has no images, or cannot use those it has."""


class ConversionError(ModelError):
    """A network was read but cannot be made into a servable."""


class RepositoryError(ModelError):
    """The model repository refuses or cannot do what was asked."""


class ModelNameError(RepositoryError):
    """A name or version number is not allowed.

    Attributes:
        name: what was asked for.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"{name!r} {reason}")


class ModelNotFoundError(RepositoryError):
    """The repository has no such model, or no such version of it.

    Attributes:
        name: the model.
        version: the version, or None when the model itself is missing.
        repository: where it was looked for.
    """

    def __init__(self, name: str, version: int | None, repository: Path) -> None:
        self.name = name
        self.version = version
        self.repository = repository
        what = f"model '{name}'" if version is None else f"version {version} of model '{name}'"
        super().__init__(f"{repository} has no {what}")


class ManifestError(RepositoryError):
    """A servable.json breaks its schema.

    Attributes:
        field: dotted path of the offending field, such as ``signatures.serving_default.inputs``.
        reason: got and expected.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"servable.json, {field}: {reason}")


class CorruptVersionError(RepositoryError):
    """A published version is not what its manifest says.

    Attributes:
        directory: the version's directory.
        reason: which file, got and expected.
    """

    def __init__(self, directory: Path, reason: str) -> None:
        self.directory = directory
        self.reason = reason
        super().__init__(f"{directory} cannot be served: {reason}")
