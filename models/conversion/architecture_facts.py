"""What the architecture that an imported network names in its metadata says of the servable to be made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accelserve.models.architectures import Architecture, architectures
from accelserve.models.conversion.source import ARCHITECTURE_KEY, PREPARATION_KEY
from accelserve.models.labels import label_list, label_list_for

_IMAGENET_CLASSES = (1000, 1001)


def detection_preset(metadata: Mapping[str, str], outputs: Iterable[str]) -> str | None:
    """Name of the preset that decodes the network's outputs.

    Args:
        metadata: of the imported file.
        outputs: what it answers with; with others than the architecture's own there is nothing to decode.
    """
    found = _architecture(metadata)
    return found.detection if found is not None and tuple(outputs) == found.outputs else None


def published_labels(metadata: Mapping[str, str], classes: int) -> tuple[str, ...]:
    """Names of the classes, if the network has as many as the data set that the architecture was published for."""
    found = _architecture(metadata)
    names = label_list(found.labels) if found is not None and found.labels else ()
    return names if len(names) == classes else ()


def class_labels(
    metadata: Mapping[str, str], classes: int, asked: tuple[str, ...] | str
) -> tuple[tuple[str, ...], str | None]:
    """Names of the classes, and a sentence for people about names that the file did not bring; None if there is none.

    Args:
        metadata: of the imported file.
        classes: that the network answers with.
        asked: the names themselves, or the name of a shipped list; empty for the architecture's own.
    """
    if isinstance(asked, str) and asked:
        names = label_list_for(asked, classes)
        front = len(names) - len(label_list(asked))
        return names, f"labels: 'background', then {asked}'s {len(names) - 1}" if front else None
    if asked:
        return tuple(asked), None
    found = _architecture(metadata)
    names = published_labels(metadata, classes)
    if names and found is not None:
        return names, f"labels: {found.labels}'s {classes}, as of {found.name}; --labels if they are others"
    if classes in _IMAGENET_CLASSES:
        return (), f"labels: none; if the {classes} classes are ImageNet's, --labels imagenet"
    return (), None


def preparation_note(metadata: Mapping[str, str]) -> str | None:
    """A sentence for people about the preprocessing that the file brought; None if it says nothing of where from."""
    found, words = _architecture(metadata), metadata.get(PREPARATION_KEY)
    return None if found is None or words is None else f"{found.name}: {words}"


def _architecture(metadata: Mapping[str, str]) -> Architecture | None:
    return architectures().get(metadata.get(ARCHITECTURE_KEY, ""))
