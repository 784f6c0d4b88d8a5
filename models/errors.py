"""What can go wrong with models, as nouns with fields.

ModelError
├── ModelFileError           a file that cannot be read as a network: truncated, cyclic, absurd
├── UnknownArchitectureError no network of that name is built in
├── UnknownOutputError       a network that cannot answer with what was asked for
├── WeightMismatchError      weights that do not fit a network: missing, unexpected, of another shape
├── MissingExtraError        an optional package that is not installed
├── PullError                published weights that cannot be fetched or fail their hash
├── CalibrationError         nothing to calibrate on, or images that cannot be used
├── ConversionError          a network that cannot be made into a servable
├── EvaluationError          pictures, truth, original and servable that do not fit together
├── TrainingError            pictures, or a network, from which no head can be trained
├── InputError               a tensor, or a kind of input, that a loaded model does not take
└── RepositoryError
    ├── ModelNameError       a name or a version number that the repository does not allow
    ├── ModelNotFoundError   no such model, or no such version of it
    ├── ManifestError        a servable.json that breaks its schema
    ├── CorruptVersionError  a version whose files are missing, altered or half copied
    └── RegistryError        what the registry refuses
        ├── RecordNotFoundError   no image, deployment or label of that name
        ├── RecordExistsError     a name or version that is taken
        ├── StillUsedError        what others still need is not deleted
        ├── ChangedMeanwhileError another writer was faster
        └── ReadOnlyError         the repository may not be written

A network with operators that no kernel implements raises ``accelserve.kernels.errors.UnsupportedNodesError``.
No transport codes here: the server's status table alone maps errors to statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Shape = tuple[int, ...]
_NAMES_SHOWN = 3


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


class UnknownArchitectureError(ModelError):
    """No built-in network has this name.

    Attributes:
        name: what was asked for.
        known: every name there is.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(f"no architecture is named '{name}'; there are {', '.join(self.known)}")


class UnknownOutputError(ModelError):
    """A network has no such output.

    Attributes:
        architecture: the network's name.
        unknown: what was asked for and is not there.
        known: every output it has.
    """

    def __init__(self, architecture: str, unknown: Sequence[str], known: Sequence[str]) -> None:
        self.architecture = architecture
        self.unknown = tuple(unknown)
        self.known = tuple(known)
        super().__init__(f"{architecture} has no output {', '.join(unknown)}; it has {', '.join(known)}")


class WeightMismatchError(ModelError):
    """Weights do not fit a network.

    Attributes:
        architecture: the network's name.
        missing: parameters that the weights lack.
        unexpected: weights that the network has no place for.
        misshapen: parameter -> (shape in the weights, shape in the network).
    """

    def __init__(
        self,
        architecture: str,
        *,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        misshapen: Mapping[str, tuple[Shape, Shape]] | None = None,
    ) -> None:
        self.architecture = architecture
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.misshapen = dict(misshapen or {})
        shapes = [f"{name} is {list(got)} for {list(want)}" for name, (got, want) in self.misshapen.items()]
        kinds = (("missing", self.missing), ("unexpected", self.unexpected), ("misshapen", shapes))
        found = [f"{len(names)} {kind} ({_shorten(names)})" for kind, names in kinds if names]
        super().__init__(
            f"the weights do not fit {architecture}: {', '.join(found)}; check the architecture's name"
        )


class MissingExtraError(ModelError):
    """A package that an optional step needs is not installed.

    Attributes:
        package: what could not be imported.
        extra: the extra of accelserve that brings it.
        purpose: what it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        self.purpose = purpose
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed: pip install 'accelserve[{extra}]'"
        )


class PullError(ModelError):
    """Published weights cannot be fetched, or are not what their name says.

    Attributes:
        url: where they were looked for.
        reason: got, expected and the next step.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url}: {reason}")


class CalibrationError(ModelError):
    """Calibration has no images, or cannot use those it has."""


class ConversionError(ModelError):
    """A network was read but cannot be made into a servable."""


class EvaluationError(ModelError):
    """Pictures, truth, original and servable do not fit together."""


class TrainingError(ModelError):
    """Pictures or a network from which no head can be trained."""


class InputError(ModelError):
    """A tensor or a kind of input does not suit this model.

    Attributes:
        reason: got and expected, as a sentence.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


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

    def __init__(self, name: str, version: int | None, repository: Path | str) -> None:
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


class RegistryError(RepositoryError):
    """The registry refuses or cannot do what was asked."""


class RecordNotFoundError(RegistryError):
    """The registry holds no such thing.

    Attributes:
        kind: of the thing: ``image``, ``deployment``, ``label``.
        name: what was asked for.
        known: names of that kind which there are.
    """

    def __init__(self, kind: str, name: str, where: str, known: Sequence[str] = ()) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        there = f"; there are {_shorten(known)}" if known else ""
        super().__init__(f"{where} has no {kind} '{name}'{there}")


class RecordExistsError(RegistryError):
    """A name or a version is taken.

    Attributes:
        kind: of the thing: ``image``, ``deployment``, ``version``, ``label``.
        name: that is taken.
    """

    def __init__(self, kind: str, name: str, reason: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} '{name}' {reason}")


class StillUsedError(RegistryError):
    """What others still need is not deleted.

    Attributes:
        what: would have been deleted.
        users: who needs it.
    """

    def __init__(self, what: str, users: Sequence[str], advice: str) -> None:
        self.what = what
        self.users = tuple(users)
        super().__init__(f"{what} is still used by {_shorten(users)}; {advice}")


class ChangedMeanwhileError(RegistryError):
    """Another writer was faster than this one; what it wrote stays.

    Attributes:
        key: of the document.
    """

    def __init__(self, key: str, where: str) -> None:
        self.key = key
        super().__init__(f"{where}: somebody else changed {key} meanwhile; look at it and try again")


class ReadOnlyError(RegistryError):
    """The repository may not be written.

    Attributes:
        where: the folder or URI.
    """

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        super().__init__(f"{where} may not be written: {reason}")


def _shorten(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _NAMES_SHOWN} more"] if len(names) > _NAMES_SHOWN else []
    return ", ".join([*names[:_NAMES_SHOWN], *more])
