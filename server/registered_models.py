"""Registered models for other people's programs, by the Azure SDK's names: ``accelserve.Model``, ``accelserve.AccelOnnxConverter``.

Where the Azure SDK takes a workspace, these take a repository: a folder, or ``s3://bucket/prefix``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

from accelserve.models.errors import RegistryError
from accelserve.models.registry.information import Information, Parent, network_path
from accelserve.models.registry.labels import Moved
from accelserve.models.registry.references import Reference, parse_reference, parse_which
from accelserve.models.registry.registry import Registry
from accelserve.models.registry.versions import refuse_network_name
from accelserve.models.repository import Signature
from accelserve.server.embedding import convert
from accelserve.server.loaded_versions import UnseenServerError, ask_servers

PathText = str | PathLike[str]
Wanted = Mapping[str, str | None] | Sequence[str | Sequence[str]]
"""Tags or properties to look for: name -> value (None is any); or names, and pairs of name and value, as in the Azure SDK."""


class Model:
    """A registered version of a model.

        model = accelserve.Model.register("servables", model_path="network.onnx", model_name="network")
        model = accelserve.Model("servables", name="network", version="stable")

    What it says is of the moment when it was made; ``refresh`` reads it again.

    Args:
        repository: folder or URI.
        name: of the model.
        id: ``NAME:VERSION``, instead of a name.
        tags: that it must have; the highest version that has them is taken if no version is given.
        properties: likewise.
        version: number, ``latest`` or a label; None is the latest.

    Raises:
        ModelNotFoundError: there is none.
        RecordNotFoundError: nobody has the label.
        RepositoryError: that is no name, no version, or no repository.
    """

    def __init__(
        self,
        repository: PathText,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the Azure SDK's name
        tags: Wanted | None = None,
        properties: Wanted | None = None,
        version: int | str | None = None,
    ) -> None:
        if (name is None) == (id is None):
            raise RegistryError("a model is found by its name or by its id: give one of them")
        reference = parse_reference(id) if id is not None else parse_reference(name or "")
        if version is not None:
            reference = Reference(reference.name, parse_which(str(version)))
        self._registry = Registry(repository)
        if (tags or properties) and reference.which is None:
            found = self._registry.find(reference.name, tags=_wanted(tags), properties=_wanted(properties))
            if not found:
                raise RegistryError(f"no version of {reference.name} has these tags and properties")
            reference = Reference(reference.name, found[-1].version)
        self._information = self._registry.show(reference)

    @classmethod
    def register(
        cls,
        repository: PathText,
        model_path: PathText,
        model_name: str,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        *,
        version: int | None = None,
    ) -> Self:
        """Copy a servable or a float network into a repository, whole or not at all.

        Args:
            repository: folder or URI.
            model_path: a servable's folder, or a file or folder that ``convert`` takes.
            model_name: of the model.
            tags: text by name.
            properties: text by name, which does not change later.
            description: for people.
            version: number; None is the next.

        Raises:
            RecordExistsError: the version exists, or the name is of a model of the other kind.
            RepositoryError: in words, what is at fault.
        """
        found = Registry(repository).register(
            Path(model_path),
            model_name,
            version=version,
            description=description or "",
            tags=tags,
            properties=properties,
        )
        return cls(repository, found.name, version=found.version)

    @classmethod
    def list(
        cls,
        repository: PathText,
        name: str | None = None,
        tags: Wanted | None = None,
        properties: Wanted | None = None,
        latest: bool = False,
    ) -> list[Self]:
        """Versions of all models, or of one, by name and number; arguments as for the constructor."""
        found = Registry(repository).find(
            name, tags=_wanted(tags), properties=_wanted(properties), latest=latest
        )
        return [cls(repository, each.name, version=each.version) for each in found]

    @property
    def name(self) -> str:
        """Of the model."""
        return self._information.name

    @property
    def version(self) -> int:
        """Its number."""
        return self._information.version

    @property
    def id(self) -> str:
        """``NAME:VERSION``."""
        return self._information.reference

    @property
    def kind(self) -> str:
        """``servable``, or ``network`` for a float network that waits for conversion."""
        return self._information.kind

    @property
    def description(self) -> str:
        """For people."""
        return self._information.description

    @property
    def tags(self) -> dict[str, str]:
        """Text by name; ``add_tags`` changes it."""
        return dict(self._information.tags)

    @property
    def properties(self) -> dict[str, str]:
        """Text by name, which does not change once given."""
        return dict(self._information.properties)

    @property
    def labels(self) -> tuple[str, ...]:
        """That point to this version."""
        return self._information.labels

    @property
    def created_time(self) -> str:
        """ISO 8601, UTC."""
        return self._information.created

    @property
    def url(self) -> str:
        """Folder or URI of the files."""
        return self._information.location

    @property
    def parent(self) -> Parent | None:
        """The float network that a servable came from: ``source``, ``sha256``, ``registered``."""
        return self._information.parent

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> inputs and outputs; empty for a float network."""
        return self._information.signatures

    @property
    def information(self) -> Information:
        """All of that, with files and their hashes, and who uses it."""
        return self._information

    def refresh(self) -> Self:
        """Read again what the repository says; returns itself. ModelNotFoundError if it is gone."""
        self._information = self._registry.show(self._reference)
        return self

    def update(self, tags: Mapping[str, str] | None = None, description: str | None = None) -> None:
        """Replace all tags, and the description; None leaves what is there."""
        remove = [] if tags is None else [key for key in self.refresh().tags if key not in tags]
        self._information = self._registry.tag(
            self._reference, add=tags, remove=remove, description=description
        )

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, whatever they were."""
        self._information = self._registry.tag(self._reference, add=tags)

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Take tags away; RegistryError if one is not there."""
        self._information = self._registry.tag(
            self._reference, remove=[tags] if isinstance(tags, str) else tags
        )

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Give properties; RegistryError if one is there with another value."""
        self._information = self._registry.tag(self._reference, add_properties=properties)

    def add_label(self, label: str) -> None:
        """Label this version; RecordExistsError if another version has the label, which ``promote`` takes from it."""
        self._registry.label(self._reference, label)
        self.refresh()

    def remove_label(self, label: str) -> None:
        """Take a label from this version; RecordNotFoundError if it has none of that name."""
        self._registry.unlabel(self.name, label, expecting=self.version)
        self.refresh()

    def promote(self, label: str) -> Moved:
        """Move a label from the version that has it to this one; the versions before and after.

        RecordNotFoundError if no version has it.
        """
        moved = self._registry.promote(self._reference, label)
        self.refresh()
        return moved

    @staticmethod
    def roll_back(repository: PathText, name: str, label: str) -> Moved:
        """Move a label back to the version that had it before; the versions before and after.

        RegistryError if it was on no other version, RecordNotFoundError if nobody has it.
        """
        return Registry(repository).roll_back(name, label)

    def delete(self, *, force: bool = False, servers: Sequence[str] = ()) -> None:
        """Delete this version.

        Args:
            force: in spite of labels and of servers that have it loaded.
            servers: HOST:PORT of servers to ask, beside those that noted in the repository to have it loaded.

        Raises:
            StillUsedError: deployments or images stand on it; or servers or labels do, without ``force``.
            UnseenServerError: a server could not be asked, without ``force``.
        """
        answers = ask_servers(servers, self.name, self.version)
        if answers.unseen and not force:
            raise UnseenServerError(answers.unseen)
        self._registry.delete(self._reference, force=force, loaded_by=answers.loaded_by)

    def download(self, target_dir: PathText = ".") -> Path:
        """Copy the files into a folder: whole, and checked by their hashes.

        Returns:
            ``TARGET_DIR/NAME/VERSION`` of a servable, as a repository has it; the file or folder of a float network.

        Raises:
            RepositoryError: it cannot be written, or another is there.
        """
        target = Registry(target_dir)
        found, _ = self._registry.copy_to(target, self._reference)
        return network_path(found) if found.kind == "network" else Path(found.location)

    def copy_to(self, repository: PathText) -> Model:
        """Copy this version to another repository, under its name and number; it appears there at once and whole.

        RecordExistsError if other files are there under that number; the same files are fine.
        """
        found, _ = self._registry.copy_to(Registry(repository), self._reference)
        return Model(repository, found.name, version=found.version)

    def __repr__(self) -> str:
        return f"Model({self._registry.repository!r}, id={self.id!r})"

    @property
    def _reference(self) -> Reference:
        return Reference(self.name, self.version)


class AccelOnnxConverter:
    """Makes servables of registered float networks."""

    @staticmethod
    def convert(
        model: Model,
        *,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        **options: Any,
    ) -> Model:
        """Convert a registered float network, and register what comes of it in the same repository.

        Args:
            model: of the kind ``network``.
            name: of the servable; None is the network's with ``-int8`` behind it.
            tags: text by name.
            properties: likewise.
            description: for people.
            options: of ``accelserve.convert``, such as ``calibrate``, ``preprocess`` and ``outputs``.

        Raises:
            RegistryError: the model is a servable already, or the name is a float network's.
            ModelError: in words, what of the network, the pictures or the options is at fault.
        """
        if model.kind != "network":
            raise RegistryError(f"{model.id} is a servable already")
        wanted = name or f"{model.name}-int8"
        registry = Registry(model._registry.repository)  # noqa: SLF001 - of the same module
        refuse_network_name(registry.repository, wanted)
        with tempfile.TemporaryDirectory(prefix="accelserve-convert-") as folder:
            source = network_path(model.information)
            if not source.exists():  # in an object store
                source = model.download(Path(folder) / "source")
            converted = convert(source, name=wanted, repository=Path(folder) / "converted", **options)
            found = registry.register(
                converted.directory,
                wanted,
                description=description or "",
                tags=tags,
                properties=properties,
                parent=model.id,
            )
        return Model(registry.repository, found.name, version=found.version)


def _wanted(given: Wanted | None) -> dict[str, str | None]:
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    pairs = [(each, None) if isinstance(each, str) else tuple(each) for each in given]
    return {pair[0]: pair[1] if len(pair) > 1 else None for pair in pairs}
