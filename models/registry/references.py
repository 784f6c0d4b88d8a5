"""How people name a version: ``resnet50``, ``resnet50:3``, ``resnet50:latest``, ``resnet50:stable``."""

from __future__ import annotations

from typing import NamedTuple

from accelserve.models.errors import ModelNameError
from accelserve.models.registry.labels import LATEST, check_label
from accelserve.models.repository.store import check_name, version_number


class Reference(NamedTuple):
    """A model, and which of its versions: a number, ``latest``, a label; None if nothing was said."""

    name: str
    which: int | str | None


def parse_reference(text: str) -> Reference:
    """What a person wrote.

    Raises:
        ModelNameError: the name is none.
        RegistryError: what follows the colon is neither a version nor a label.
    """
    name, colon, which = text.partition(":")
    return Reference(check_name(name), parse_which(which) if colon else None)


def parse_which(text: str) -> int | str:
    """A version's number, ``latest``, or a label; RegistryError or ModelNameError if it is none of these."""
    if text.isascii() and text.isdigit():
        number = version_number(text)
        if number is None:
            raise ModelNameError(text, "is no version: versions are less than 2^63")
        return number
    return text if text == LATEST else check_label(text)
