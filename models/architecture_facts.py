"""What the architecture that an imported network names in its metadata says of the servable to be made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accelserve.models.architectures import Architecture, architectures
from accelserve.models.importing.source import ARCHITECTURE_KEY
from accelserve.models.labels import label_list


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


def _architecture(metadata: Mapping[str, str]) -> Architecture | None:
    return architectures().get(metadata.get(ARCHITECTURE_KEY, ""))
