"""Names of images and of model versions, as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from accelserve.deployment.errors import DeploymentError, ImageNameError
from accelserve.models.registry.catalogue import Catalogue
from accelserve.models.registry.records import split_reference
from accelserve.models.repository import MANIFEST_FILE, Manifest, verify, version_directory
from accelserve.models.repository.location import is_remote, local_path
from accelserve.models.repository.store import EXTRA_FILES

# The grammar of https://pkg.go.dev/github.com/distribution/reference; a host is told by its dot, its port or its name.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:[0-9]))(?::[0-9]+)?"
_NAME = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model on this machine, whole.

    Attributes:
        repository: folder.
        directory: ``REPOSITORY/NAME/VERSION``.
        manifest: of it; name and version are those of the folder.
    """

    repository: Path
    directory: Path
    manifest: Manifest

    @property
    def files(self) -> dict[str, Path]:
        """File name -> where it is: the manifest, all that it names, and what a version may have beside that."""
        extras = [name for name in EXTRA_FILES if (self.directory / name).is_file()]
        return {
            name: self.directory / name for name in sorted((MANIFEST_FILE, *self.manifest.files, *extras))
        }

    @property
    def name(self) -> str:
        """What requests call the model."""
        return self.directory.parent.name

    @property
    def version(self) -> int:
        """Its number."""
        return self.manifest.version


def model_version(repository: str, text: str) -> ModelVersion:
    """The version that ``NAME``, ``NAME:3``, ``NAME:latest`` or ``NAME:LABEL`` means, its files verified.

    Raises:
        DeploymentError: the repository is an object store.
        ModelNameError, RegistryError: the text names no version.
        ModelNotFoundError, RecordNotFoundError: there is no such version, or nobody has the label.
        CorruptVersionError, ManifestError: its files are not what was published.
    """
    if is_remote(repository):
        raise DeploymentError(
            f"an image is built of a local repository; pull the model from {repository} first"
        )
    name, version = Catalogue(repository).resolve(text)
    folder = local_path(repository)
    directory = version_directory(folder, name, version)
    return ModelVersion(folder, directory, verify(directory))


def image_name(text: str) -> tuple[str, str]:
    """Name and tag of an image; the tag is ``latest`` where there is none.

    Raises:
        ImageNameError: it is none that a registry takes.
    """
    name, tag = split_reference(text)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ImageNameError(
            text,
            "is no image name: lower case letters and digits, '.', '_' and '-' between them, parts between '/'",
        )
    if not _TAG.fullmatch(tag):
        raise ImageNameError(
            text, f"has no tag '{tag}': up to 128 letters, digits, '_', '.' and '-', the first no '.' or '-'"
        )
    return name, tag


def base_image(text: str) -> str:
    """The text, if it names an image by tag or digest; ImageNameError if not."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ImageNameError(text, "is no base image: behind '@' stands 'sha256:' and 64 hexadecimal digits")
    image_name(name)
    return text
