"""Images and deployments: what was built of a model version, and where it runs.

An image is recorded under its name and tag, a deployment under its name. Things are deleted in the order in which they stand
on each other: deployment, image, model version; the wrong order is refused with the reason. Two processes may do any of it
at once: whoever adds a user writes it down and then looks whether what it uses is still there, whoever deletes marks first and
looks for users then, so that one of the two sees the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

import msgspec

from accelserve.models.errors import (
    ModelNotFoundError,
    RecordExistsError,
    RecordNotFoundError,
    RegistryError,
    StillUsedError,
)
from accelserve.models.registry.clock import now
from accelserve.models.registry.documents import Documents, documents_at
from accelserve.models.registry.versions import has_version

FORMAT = 1
ImageState = Literal["creating", "succeeded", "failed", "deleting"]
DeploymentKind = Literal["edge", "kubernetes", "container", "process"]

# The grammar of OCI references: a registry's host and port, path components, a tag.
_IMAGE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DEPLOYMENT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_LONGEST_IMAGE_NAME = 200


class ImageRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image of a model version.

    Attributes:
        name: as engines take it, without the tag: ``resnet50`` or ``registry.example:5000/team/resnet50``.
        tag: ``3``, ``latest``.
        model, version: that it was built from.
        device: that it runs on, ``cpu`` or ``fpga``.
        state: ``creating`` until it is built, then ``succeeded`` or ``failed``.
        size_bytes: of the image; 0 while unknown.
        digest: ``sha256:...`` of it; empty while unknown.
        location: where it is: an engine's name, ``oci:DIR``.
        log: path of the build's log; empty if there is none.
        created: ISO 8601, UTC.
    """

    name: str
    tag: str
    model: str
    version: int
    device: str = "cpu"
    state: ImageState = "creating"
    size_bytes: int = 0
    digest: str = ""
    location: str = ""
    log: str = ""
    created: str = msgspec.field(default_factory=now)
    format: int = FORMAT

    @property
    def reference(self) -> str:
        """``name:tag``."""
        return f"{self.name}:{self.tag}"


class DeploymentRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an image, or a model without an image, runs.

    Attributes:
        name: of the deployment.
        kind: of it.
        image: ``name:tag`` of the image's record; empty where the model runs without one.
        model, version: that it serves.
        files: folder with what was rendered for it; empty if nothing was.
        address: HOST:PORT of its gRPC; empty while unknown.
        created: ISO 8601, UTC.
    """

    name: str
    kind: DeploymentKind
    model: str
    version: int
    image: str = ""
    files: str = ""
    address: str = ""
    created: str = msgspec.field(default_factory=now)
    format: int = FORMAT


_IMAGES = msgspec.json.Decoder(ImageRecord)
_DEPLOYMENTS = msgspec.json.Decoder(DeploymentRecord)


class Records:
    """The images and deployments of a repository. Thread-safe.

    Args:
        repository: folder or URI (``s3://bucket/models``).

    Raises:
        RepositoryError: the URI's scheme is unknown, or its package is not installed.
    """

    def __init__(self, repository: str) -> None:
        self.repository = repository
        store = documents_at(repository)
        self._images = Documents(store, _IMAGES, "images/")
        self._deployments = Documents(store, _DEPLOYMENTS, "deployments/")

    def add_image(self, image: ImageRecord, *, replace: bool = False) -> None:
        """Record an image, before it is built or after.

        Args:
            image: with its state.
            replace: one of the same name and tag is replaced, as engines do; False refuses.

        Raises:
            ModelNotFoundError: the repository has no such model version.
            RecordExistsError: there is one of that name and tag.
            RegistryError: name or tag are none.
            ReadOnlyError: nobody may write to the repository.
        """
        if not has_version(self.repository, image.model, image.version):
            raise ModelNotFoundError(image.model, image.version, self.repository)

        def added(there: ImageRecord | None) -> ImageRecord:
            if there is not None and not replace:
                state = "" if there.state == "succeeded" else f", {there.state}"
                raise RecordExistsError(
                    "image", image.reference, f"is recorded already{state}; take another tag or delete it"
                )
            return image

        key = _image_key(image.name, image.tag)
        self._images.change(key, added)
        if not has_version(self.repository, image.model, image.version):  # deleted meanwhile
            self._images.delete(key)
            raise ModelNotFoundError(image.model, image.version, self.repository)

    def change_image(self, name: str, tag: str, **fields: object) -> ImageRecord:
        """Change fields of an image's record, such as ``state``, ``digest``, ``size_bytes``; the record as it is now.

        Raises:
            RecordNotFoundError: there is none.
            ReadOnlyError: nobody may write to the repository.
        """

        def changed(there: ImageRecord | None) -> ImageRecord:
            if there is None:
                raise self._no_image(f"{name}:{tag}")
            return msgspec.structs.replace(there, **fields)

        return self._images.change(_image_key(name, tag), changed)

    def image(self, name: str, tag: str) -> ImageRecord:
        """An image's record; RecordNotFoundError if there is none."""
        found = self._images.get(_image_key(name, tag))
        if found is None:
            raise self._no_image(f"{name}:{tag}")
        return found.document

    def images(self, model: str | None = None, version: int | None = None) -> list[ImageRecord]:
        """Images, by name and tag: all, those of a model, or those of one version of it."""
        found = self._images.all().values()
        return sorted(
            (each for each in found if model in (None, each.model) and version in (None, each.version)),
            key=lambda each: (each.name, each.tag),
        )

    def delete_image(
        self, name: str, tag: str, remove: Callable[[ImageRecord], None] = lambda _image: None
    ) -> None:
        """Forget an image, if nothing is deployed from it.

        Args:
            name: of the image.
            tag: of the image.
            remove: removes the image itself; if it raises, the record stays.

        Raises:
            RecordNotFoundError: there is none.
            StillUsedError: there are deployments of it.
            ReadOnlyError: nobody may write to the repository.
        """
        before = self.image(name, tag)
        self.change_image(name, tag, state="deleting")
        try:
            self._refuse_deployed(before)
            remove(before)
        except BaseException:
            self.change_image(name, tag, state="failed" if before.state == "deleting" else before.state)
            raise
        self._images.delete(_image_key(name, tag))

    def add_deployment(self, deployment: DeploymentRecord) -> None:
        """Record a deployment, before it is started.

        Raises:
            RecordExistsError: there is one of that name.
            RecordNotFoundError: it names an image that is not recorded, or is being deleted.
            RegistryError: the name is none.
            ReadOnlyError: nobody may write to the repository.
        """
        key = _deployment_key(deployment.name)

        def added(there: DeploymentRecord | None) -> DeploymentRecord:
            if there is not None:
                raise RecordExistsError(
                    "deployment", deployment.name, f"exists already, of {there.image or there.model}"
                )
            return deployment

        self._deployments.change(key, added)
        try:
            self._require_image(deployment.image)
        except BaseException:
            self._deployments.delete(key)
            raise

    def change_deployment(self, name: str, **fields: object) -> DeploymentRecord:
        """Change fields of a deployment's record, such as ``address``; the record as it is now. RecordNotFoundError."""

        def changed(there: DeploymentRecord | None) -> DeploymentRecord:
            if there is None:
                raise self._no_deployment(name)
            return msgspec.structs.replace(there, **fields)

        return self._deployments.change(_deployment_key(name), changed)

    def deployment(self, name: str) -> DeploymentRecord:
        """A deployment's record; RecordNotFoundError if there is none."""
        found = self._deployments.get(_deployment_key(name))
        if found is None:
            raise self._no_deployment(name)
        return found.document

    def deployments(
        self, *, image: str | None = None, model: str | None = None, version: int | None = None
    ) -> list[DeploymentRecord]:
        """Deployments by name: all, or those of an image (``name:tag``), of a model, of one version of it."""
        found = self._deployments.all().values()
        return sorted(
            (
                each
                for each in found
                if image in (None, each.image)
                and model in (None, each.model)
                and version in (None, each.version)
            ),
            key=lambda each: each.name,
        )

    def delete_deployment(self, name: str) -> None:
        """Forget a deployment that was taken down. RecordNotFoundError if there is none."""
        if not self._deployments.delete(_deployment_key(name)):
            raise self._no_deployment(name)

    def refuse_used(self, model: str, version: int) -> None:
        """StillUsedError if there are deployments or images of a model version: it may not be deleted."""
        what = f"version {version} of model '{model}'"
        deployed = self.deployments(model=model, version=version)
        if deployed:
            users = [f"{each.kind} deployment '{each.name}'" for each in deployed]
            raise StillUsedError(what, users, "delete deployments first, then images, then the model")
        built = [f"image '{each.reference}'" for each in self.images(model, version)]
        if built:
            raise StillUsedError(what, built, "delete images first, then the model")

    def _refuse_deployed(self, image: ImageRecord) -> None:
        users = [f"{each.kind} deployment '{each.name}'" for each in self.deployments(image=image.reference)]
        if users:
            raise StillUsedError(
                f"image '{image.reference}'", users, "delete deployments first, then the image"
            )

    def _require_image(self, reference: str) -> None:
        if not reference:
            return
        name, tag = split_reference(reference)
        if self.image(name, tag).state == "deleting":
            raise RecordNotFoundError("image", reference, self.repository)

    def _no_image(self, reference: str) -> RecordNotFoundError:
        known = [each.reference for each in self.images()]
        return RecordNotFoundError("image", reference, self.repository, known)

    def _no_deployment(self, name: str) -> RecordNotFoundError:
        known = [each.name for each in self.deployments()]
        return RecordNotFoundError("deployment", name, self.repository, known)


def split_reference(reference: str) -> tuple[str, str]:
    """Name and tag of ``name:tag``; the tag is ``latest`` where there is none, as engines have it."""
    name, colon, tag = reference.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (reference, "latest")


def _image_key(name: str, tag: str) -> str:
    if not _IMAGE_NAME.fullmatch(name) or len(name) > _LONGEST_IMAGE_NAME:
        raise RegistryError(
            f"'{name}' is no image name: lower case letters, digits, '.', '_', '-', in parts between '/'"
        )
    if not _TAG.fullmatch(tag):
        raise RegistryError(
            f"'{tag}' is no tag: up to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'"
        )
    return f"{quote(name, safe='')}/{tag}"


def _deployment_key(name: str) -> str:
    if not _DEPLOYMENT_NAME.fullmatch(name):
        raise RegistryError(
            f"'{name}' is no deployment name: letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return name
