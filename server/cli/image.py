"""``accelserve image``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accelserve.server.cli.repository_option import repository_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelserve.deployment.images.image import Image

_WRITTEN_NOT_BUILT = 3
_OCI = "oci:"
_OF_ARTEFACTS = frozenset(("model", "repository", "name", "output", "replace", "as_json", "config"))

_REPOSITORY = repository_option("Folder of models, which records their images; or s3://BUCKET/PREFIX.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
_NEW_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group
def image() -> None:
    """Build container images of a server with a model; list, show and delete them."""


@image.command
@click.option(
    "--model", required=True, help="NAME, NAME:VERSION, NAME:latest or NAME:LABEL of the repository."
)
@_REPOSITORY
@click.option("--name", help="Of the image, NAME or NAME:TAG; the model's name and version if not given.")
@click.option(
    "--device",
    type=click.Choice(["cpu", "fpga"]),
    default="cpu",
    show_default=True,
    help="That the server runs on.",
)
@click.option(
    "--base", help="Image with a python3, of the version that runs here; python:3.N-slim if not given."
)
@click.option("--mount", is_flag=True, help="Leave the model out: its repository is mounted at /models.")
@click.option(
    "--isa",
    "instruction_sets",
    multiple=True,
    help="Kernels for it; repeatable. The usual ones if not given.",
)
@click.option(
    "--threads",
    multiple=True,
    type=click.IntRange(1, 1024),
    help="Cores for which plans are made; repeatable. 1, 2, 4, 8 if not given.",
)
@click.option("--extra", "extras", multiple=True, help="s3, gcs, azure or otel, in the image; repeatable.")
@click.option("--label", "labels", multiple=True, help="KEY=VALUE on the image; repeatable.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "podman", "buildah"]),
    default="auto",
    show_default=True,
    help="That builds it; auto is the first that answers.",
)
@click.option("--context", type=_NEW_FOLDER, help="New folder that keeps the build context.")
@click.option("--output", help="oci:DIR writes the model alone as an OCI image layout, without any engine.")
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of accelserve, for the image; what is installed here if not given.",
)
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of all wheels, for a machine without an index; pip gathers them if not given.",
)
@click.option("--replace", is_flag=True, help="Instead of an image of that name.")
@_JSON
def build(
    model: str,
    repository: str,
    name: str | None,
    output: str | None,
    replace: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Build an image that serves a model, by docker, podman or buildah.

    Exit codes: 0 built; 1 nothing was built, and why; 2 wrong usage; 3 no engine is in reach, but --context is written.
    """
    from accelserve.deployment.errors import NoEngineError
    from accelserve.deployment.images.image import Image
    from accelserve.server.cli.progress import line_progress

    if output is not None:
        _refuse_build_flags(click.get_current_context())
        made = Image.create_artefact(repository, name, model, _layout_folder(output), replace=replace)
        _print_built(made, as_json)
        return 0
    configuration = _configuration(given)
    try:
        with line_progress(f"building {name or model}") as line:
            made = Image.create(
                repository,
                name,
                model,
                configuration,
                engine=given["engine"],
                context=given["context"],
                replace=replace,
                line=line,
            )
    except NoEngineError as error:
        if not error.written:
            raise
        click.echo(f"accelserve: {error}", err=True)
        return _WRITTEN_NOT_BUILT
    _print_built(made, as_json)
    return 0


@image.command("list")
@_REPOSITORY
@click.option("--model", help="Images of this model only.")
@_JSON
def list_(repository: str, model: str | None, as_json: bool) -> None:
    """List the images that a repository records."""
    from accelserve.deployment.images.image import Image
    from accelserve.server.cli.tables import print_rows

    found = Image.list(repository, model)
    if as_json:
        click.echo(json.dumps([_document(each) for each in found], indent=2))
        return
    rows = [
        (
            each.name,
            f"{each.record.model}:{each.record.version}",
            each.creation_state,
            each.image_location,
            each.record.created[:16].replace("T", " "),
            _megabytes(each.record.size_bytes),
        )
        for each in found
    ]
    print_rows(["image", "model", "state", "where", "created"], ["MB"], rows)


@image.command
@click.argument("name")
@_REPOSITORY
@click.option("--log", is_flag=True, help="Print the build's log.")
@_JSON
def show(name: str, repository: str, log: bool, as_json: bool) -> None:
    """Show an image: NAME, or NAME:TAG; the tag is latest if not given."""
    from accelserve.deployment.images.image import Image

    found = Image.get(repository, name)
    if log:
        click.echo(found.image_build_log, nl=False)
    elif as_json:
        click.echo(json.dumps(_document(found), indent=2))
    else:
        for key, value in _document(found).items():
            click.echo(f"{key:<11} {value}".rstrip())


@image.command
@click.argument("name")
@_REPOSITORY
@_JSON
def delete(name: str, repository: str, as_json: bool) -> None:
    """Delete an image and its record. One that is deployed is refused: its deployment goes first."""
    from accelserve.deployment.images.image import Image

    found = Image.get(repository, name)
    found.delete()
    click.echo(json.dumps({"deleted": found.name}) if as_json else f"deleted {found.name}")


def _refuse_build_flags(context: click.Context) -> None:
    """click.UsageError for a flag that an artefact has no use for."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        given = source not in (None, click.core.ParameterSource.DEFAULT)
        if given and option.name not in _OF_ARTEFACTS:
            raise click.UsageError(
                f"{option.opts[0]} is of an image that an engine builds, not of --output", context
            )


def _configuration(given: Mapping[str, Any]) -> Any:
    from accelserve.deployment.images.configuration import ImageConfiguration

    optional = {key: given[key] for key in ("base", "threads") if given[key]}
    return ImageConfiguration(
        device=given["device"],
        bake_model=not given["mount"],
        instruction_sets=given["instruction_sets"],
        extras=given["extras"],
        wheel=given["wheel"],
        wheels=given["wheels"],
        labels=dict(_label(text) for text in given["labels"]),
        **optional,
    )


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.BadParameter(f"'{text}' is not KEY=VALUE", param_hint="--label")
    return key, value


def _layout_folder(output: str) -> Path:
    if not output.startswith(_OCI) or output == _OCI:
        raise click.BadParameter(f"'{output}' is not oci:DIR", param_hint="--output")
    return Path(output.removeprefix(_OCI))


def _print_built(made: Image, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_document(made), indent=2))
    else:
        size = _megabytes(made.record.size_bytes)
        click.echo(f"built {made.name} ({made.image_location}, {size} MB, {made.record.digest[:19]})")


def _document(found: Image) -> dict[str, object]:
    record = found.record
    return {
        "name": record.name,
        "tag": record.tag,
        "model": record.model,
        "version": record.version,
        "device": record.device,
        "state": record.state,
        "size_bytes": record.size_bytes,
        "digest": record.digest,
        "location": record.location,
        "created": record.created,
        "log": record.log,
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}" if size else "?"
