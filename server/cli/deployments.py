"""What the commands of ``accelserve deploy`` have in common: recorded in a model repository, listed, taken down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from accelserve.deployment.webservices.webservice import Webservice
    from accelserve.models.registry.records import DeploymentKind, ImageRecord, Records

F = TypeVar("F", bound=Callable[..., Any])

REPOSITORY = "Folder of models, or its s3:// address, that records images and deployments."
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
_DELETE = (
    click.option("--delete", is_flag=True, help="Take it down instead, and forget it."),
    click.option("--with-image", is_flag=True, help="With --delete: its image as well, afterwards."),
    click.option("--with-model", is_flag=True, help="With --delete: the model version as well, at last."),
    click.option("--gone", is_flag=True, help="With --delete: it was taken down elsewhere; only forget it."),
)


def delete_options(command: F) -> F:
    """Adds ``--delete`` and what goes with it."""
    for option in reversed(_DELETE):
        command = option(command)
    return command


def deleted(flags: dict[str, Any], kinds: tuple[DeploymentKind, ...]) -> bool:
    """Whether the command was to take a deployment down, which then is done; click.UsageError if flags are missing."""
    if not flags["delete"]:
        given = [name for name in ("with_image", "with_model", "gone") if flags[name]]
        if given:
            raise click.UsageError(f"--{given[0].replace('_', '-')} needs --delete.")
        if not flags["image"]:
            raise click.UsageError("Missing option '--image'.")
        return False
    if not flags["repository"]:
        raise click.UsageError("--delete needs --repository, which knows the deployment.")
    from accelserve.deployment.webservices.webservice import Webservice

    service = Webservice.get(flags["repository"], flags["name"])
    if service.record.kind not in kinds:
        raise click.UsageError(f"'{service.name}' is of kind {service.record.kind}.")
    service.delete(image=flags["with_image"], model=flags["with_model"], gone=flags["gone"])
    gone = [f"{service.record.kind} deployment '{service.name}'"]
    if flags["with_image"]:
        gone.append(f"image '{service.record.image}'")
    if flags["with_model"]:
        gone.append(f"model '{service.record.model}:{service.record.version}'")
    if flags["as_json"]:
        click.echo(json.dumps({"deleted": gone}))
    else:
        for each in gone:
            click.echo(f"deleted {each}")
    return True


@contextmanager
def recorded(flags: dict[str, Any], kind: DeploymentKind, folder: Path) -> Iterator[None]:
    """Record a deployment around the writing of its files, if there is a repository to do so; a failure forgets it."""
    if not flags["repository"]:
        yield
        return
    from accelserve.models.registry.records import DeploymentRecord, Records

    records = Records(flags["repository"])
    image = _runnable(records, flags)
    record = DeploymentRecord(
        name=flags["name"],
        kind=kind,
        model=image.model,
        version=image.version,
        image=image.reference,
        files=str(folder.resolve()),
    )
    there = {each.name: each for each in records.deployments()}.get(record.name)
    if there is not None and there.kind == kind and (flags["replace"] or there.image == record.image):
        yield
        records.change_deployment(
            record.name, image=record.image, model=record.model, version=record.version, files=record.files
        )
        return
    records.add_deployment(record)
    try:
        yield
    except BaseException:
        records.delete_deployment(record.name)
        raise


def _runnable(records: Records, flags: dict[str, Any]) -> ImageRecord:
    """The record of the image that is deployed, which a digest behind its tag may pin; an error if nobody could run it."""
    from accelserve.deployment.errors import ServiceError
    from accelserve.models.errors import RecordNotFoundError, RegistryError
    from accelserve.models.registry.records import split_reference

    try:
        image = records.image(*split_reference(flags["image"].partition("@")[0]))
    except RecordNotFoundError as error:
        raise RegistryError(f"{error}; --repository= records nothing") from error
    if image.state != "succeeded":
        raise ServiceError(f"image '{image.reference}', which is {image.state}", "one that succeeded")
    if image.location.startswith("oci:"):
        raise ServiceError(
            f"image '{image.reference}', which holds a model without a server",
            "one that an engine built; 'accelserve deploy local' serves this one",
        )
    if image.device != flags["device"]:
        raise ServiceError(
            f"--device {flags['device']}", f"{image.device}, which '{image.reference}' was built for"
        )
    return image


def describe(service: Webservice) -> dict[str, Any]:
    """One deployment, for ``--json``."""
    record = service.record
    return {
        "name": record.name,
        "kind": record.kind,
        "state": service.state,
        "image": record.image,
        "model": record.model,
        "version": record.version,
        "address": service.scoring_address,
        "uri": service.scoring_uri,
        "files": record.files,
        "created": record.created,
    }
