"""The model of an image, as a folder that a server process can serve."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, cast

from accelserve.deployment.errors import OutputError, ServiceError
from accelserve.deployment.webservices.state import MODELS_FOLDER
from accelserve.models.registry.records import ImageRecord
from accelserve.models.repository import verify, version_directory
from accelserve.models.repository.location import is_remote, local_path

_OCI = "oci:"


def unpack_model(image: ImageRecord, repository: str, folder: Path) -> Path:
    """Put the model's version into a service's own folder, so that it serves nothing else.

    Args:
        image: an OCI layout; of another image the very version is copied that it was built from.
        repository: that the version is in.
        folder: of the service.

    Returns:
        The model's folder, for ``--model_base_path``.

    Raises:
        ServiceError: the layout is not what was recorded, or the repository is remote.
        ModelNotFoundError, CorruptVersionError: of the repository.
        OutputError: nothing can be written here.
    """
    made = folder / MODELS_FOLDER / image.model / str(image.version)
    try:
        if image.location.startswith(_OCI):
            _unpack(Path(image.location.removeprefix(_OCI)), image, folder)
        elif is_remote(repository):
            raise ServiceError(
                f"image '{image.reference}'", "an OCI layout, or a model of a local repository"
            )
        else:
            shutil.copytree(version_directory(local_path(repository), image.model, image.version), made)
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise ServiceError(f"image '{image.reference}': {error}", "an image layout of a model") from error
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: {error.strerror or error}") from error
    verify(made)
    return made.parent


def _unpack(layout: Path, image: ImageRecord, folder: Path) -> None:
    """The layers' ``models/NAME/VERSION``; every blob is held to its digest, from the recorded one on.

    Its files alone are taken, and no entry of a layer reaches outside. (Python's own filters for that came with 3.11.4, after
    Debian 12's 3.11.2.)
    """
    wanted = PurePosixPath(MODELS_FOLDER, image.model, str(image.version))
    manifest = json.loads(_blob(layout, image.digest).read_bytes())
    for layer in manifest["layers"]:
        with tarfile.open(_blob(layout, layer["digest"])) as tar:
            for entry in tar:
                path = PurePosixPath(entry.name)
                if not path.is_relative_to(wanted) or ".." in path.parts or not entry.isreg():
                    continue
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                with (folder / path).open("wb") as copy:
                    shutil.copyfileobj(cast(IO[bytes], tar.extractfile(entry)), copy)


def _blob(layout: Path, digest: str) -> Path:
    kind, _, name = digest.partition(":")
    path = layout / "blobs" / kind / name
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if kind != "sha256" or found != name:
        raise ServiceError(f"{path}: sha256:{found}", digest)
    return path
