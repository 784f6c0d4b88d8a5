"""Kubernetes' schemas."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

OLDEST, NEWEST = "1.27", "1.37"


@pytest.fixture(scope="module")
def kubernetes_validate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package: as it is installed, or what is needed of the wheel that make has fetched."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("kubernetes_validate") is None:
            folder = tmp_path_factory.mktemp("kubernetes_validate")
            unpack(folder)
            patch.syspath_prepend(folder)
        yield importlib.import_module("kubernetes_validate")


def unpack(folder: Path) -> None:
    """The code, and the strict schemas of two versions."""
    (wheel,) = Path(sys.prefix, "wheels").glob("kubernetes_validate-*.whl")
    wanted = tuple(f"/v{version}.0-local-strict/" for version in (OLDEST, NEWEST))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(folder, [n for n in names if n.endswith(".py") or any(w in n for w in wanted)])
