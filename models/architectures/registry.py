"""Finds architectures: every module of this room that has a tuple ``ARCHITECTURES``. Adding one is adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from accelserve.models.architectures.architecture import Architecture
from accelserve.models.errors import UnknownArchitectureError

ROOM = "accelserve.models.architectures"


@cache
def architectures() -> Mapping[str, Architecture]:
    """Every architecture by name, sorted."""
    found: dict[str, Architecture] = {}
    for module in pkgutil.iter_modules(importlib.import_module(ROOM).__path__):
        for architecture in getattr(importlib.import_module(f"{ROOM}.{module.name}"), "ARCHITECTURES", ()):
            if architecture.name in found:
                raise ValueError(f"{module.name}: an architecture is named '{architecture.name}' already")
            found[architecture.name] = architecture
    return MappingProxyType(dict(sorted(found.items())))


def architecture(name: str) -> Architecture:
    """The architecture of this name; UnknownArchitectureError, which lists them all, if there is none."""
    try:
        return architectures()[name]
    except KeyError:
        raise UnknownArchitectureError(name, tuple(architectures())) from None
