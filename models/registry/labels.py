"""Labels of a model's versions: ``stable``, ``canary``. Kept in the model's folder, where servers read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from accelserve.models.errors import RecordExistsError, RecordNotFoundError, RegistryError
from accelserve.models.registry.clock import now
from accelserve.models.registry.documents import Documents, documents_at

FORMAT = 1
LATEST = "latest"
KEY = "labels"

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class Assigned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a label points to.

    Attributes:
        version: now.
        previous: before, None at first; what rolling back goes to.
        changed: when, ISO 8601, UTC.
    """

    version: int
    previous: int | None
    changed: str


class LabelsDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every label of a model."""

    labels: dict[str, Assigned] = {}
    format: int = FORMAT


class Moved(NamedTuple):
    """A label's versions before and after; None is none."""

    before: int | None
    after: int | None


_LABELS = msgspec.json.Decoder(LabelsDocument)


_Assign = Callable[[Mapping[str, Assigned]], Assigned | None]


def check_label(label: str) -> str:
    """The label itself; RegistryError if it is none."""
    if label == LATEST:
        raise RegistryError(f"'{label}' is no label: it is always the highest version")
    if not _LABEL.fullmatch(label):
        raise RegistryError(
            f"'{label}' is no label: letters, digits, '.', '_' and '-', beginning with a letter"
        )
    return label


class Labels:
    """The labels of one model. Every change is one conditional write, whoever else writes.

    Args:
        model: its name, for messages.
        folder: of the model, a path or a URI.
    """

    def __init__(self, model: str, folder: str) -> None:
        self._model = model
        self._folder = folder
        self._documents = Documents(documents_at(folder), _LABELS)

    def all(self) -> dict[str, Assigned]:
        """Label -> what it points to."""
        found = self._documents.get(KEY)
        return dict(found.document.labels) if found else {}

    def versions(self) -> dict[str, int]:
        """Label -> version."""
        return {label: each.version for label, each in self.all().items()}

    def of(self, version: int) -> list[str]:
        """Labels of a version, sorted."""
        return sorted(label for label, number in self.versions().items() if number == version)

    def version_of(self, label: str) -> int:
        """The version that a label points to; RecordNotFoundError if nobody has it."""
        assigned = self.all()
        if label not in assigned:
            raise self._nobody(label, assigned)
        return assigned[label].version

    def give(self, label: str, version: int) -> Moved:
        """Give a version a label that no other version has.

        Raises:
            RegistryError: it is no label.
            RecordExistsError: another version has it, which ``move`` is for.
        """

        def given(labels: Mapping[str, Assigned]) -> Assigned:
            there = labels.get(label)
            if there is not None and there.version != version:
                raise RecordExistsError(
                    "label", label, f"is on version {there.version} of {self._model}; 'promote' moves it"
                )
            return there or Assigned(version=version, previous=None, changed=now())

        return self._change(check_label(label), given)

    def move(self, label: str, version: int, *, expecting: int | None = None) -> Moved:
        """Move a label to another version.

        Args:
            label: that some version has.
            version: to move it to.
            expecting: version that must have it; None is any.

        Raises:
            RecordNotFoundError: nobody has it.
            RegistryError: another version than ``expecting`` has it.
        """

        def moved(labels: Mapping[str, Assigned]) -> Assigned:
            there = self._held(label, labels, expecting)
            if there.version == version:
                return there
            return Assigned(version=version, previous=there.version, changed=now())

        return self._change(label, moved)

    def roll_back(self, label: str) -> Moved:
        """Move a label to the version that had it before.

        Raises:
            RecordNotFoundError: nobody has it.
            RegistryError: it never moved.
        """

        def back(labels: Mapping[str, Assigned]) -> Assigned:
            there = self._held(label, labels)
            if there.previous is None:
                raise RegistryError(
                    f"label '{label}' of {self._model} was never on another version than {there.version}"
                )
            return Assigned(version=there.previous, previous=there.version, changed=now())

        return self._change(label, back)

    def remove(self, label: str, *, expecting: int | None = None) -> Moved:
        """Take a label away; errors as ``move``."""

        def gone(labels: Mapping[str, Assigned]) -> None:
            self._held(label, labels, expecting)

        return self._change(label, gone)

    def _change(self, label: str, assign: _Assign) -> Moved:
        before: int | None = None

        def changed(document: LabelsDocument | None) -> LabelsDocument:
            nonlocal before
            labels = dict(document.labels) if document else {}
            assigned = assign(labels)
            there = labels.pop(label, None)
            before = there.version if there else None
            if assigned is not None:
                labels[label] = assigned
            return LabelsDocument(labels=dict(sorted(labels.items())))

        written = self._documents.change(KEY, changed).labels.get(label)
        return Moved(before, written.version if written else None)

    def _held(self, label: str, labels: Mapping[str, Assigned], expecting: int | None = None) -> Assigned:
        if label not in labels:
            raise self._nobody(label, labels)
        there = labels[label]
        if expecting not in (None, there.version):
            raise RegistryError(
                f"label '{label}' of {self._model} is on version {there.version}, not on {expecting}"
            )
        return there

    def _nobody(self, label: str, labels: Mapping[str, Assigned]) -> RecordNotFoundError:
        return RecordNotFoundError("label", label, f"model '{self._model}'", sorted(labels))


def read_labels(folder: str) -> dict[str, int]:
    """Label -> version of the model in a folder, a path or a URI; RepositoryError or OSError if they cannot be read."""
    return Labels("", folder).versions()
