"""``accelserve models``: the registry of a model repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from accelserve.server.cli.repository_option import repository_option
from accelserve.server.cli.server_options import tls_given, tls_options, token_option, with_port

if TYPE_CHECKING:
    from accelserve.models.registry.information import Information
    from accelserve.models.registry.labels import Moved
    from accelserve.models.registry.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

_REPOSITORY = repository_option("Folder of models, or s3://BUCKET/PREFIX.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_TAGS = click.option("--tag", "tags", multiple=True, help="KEY=VALUE; repeatable.")
_PROPERTIES = click.option(
    "--property", "properties", multiple=True, help="KEY=VALUE, which does not change once given; repeatable."
)
_REFERENCE = click.argument("model", metavar="NAME[:VERSION|:latest|:LABEL]")


@click.group
def models() -> None:
    """Register, label, copy and delete the versions of a model repository.

    A version is NAME:3, NAME:latest or NAME:stable (a label); NAME alone is the latest. Exit codes: 0 done, 1 refused or
    failed, 2 wrong usage; whatever is refused changes nothing.
    """


@models.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", required=True, help="Of the model.")
@click.option("--version", type=click.IntRange(min=1), help="The next one if not given.")
@click.option("--description", default="", help="For people.")
@_TAGS
@_PROPERTIES
@_REPOSITORY
@_JSON
def register(
    path: Path,
    name: str,
    version: int | None,
    description: str,
    tags: tuple[str, ...],
    properties: tuple[str, ...],
    repository: str,
    as_json: bool,
) -> None:
    """Copy a servable, or a float network, into the repository as a new version.

    PATH is a servable's folder, or a network that 'accelserve convert' reads. What 'convert' publishes to the repository is
    registered already.
    """
    from accelserve.server.cli.progress import download_progress

    with download_progress(name) as progress:
        found = _registry(repository).register(
            path,
            name,
            version=version,
            description=description,
            tags=_pairs(tags, "--tag"),
            properties=_pairs(properties, "--property"),
            progress=progress,
        )
    _say(found, f"registered {found.reference}: {found.kind}, {_size(found)}, {found.location}", as_json)


@models.command("list")
@click.argument("name", required=False)
@click.option("--tag", "tags", multiple=True, help="KEY or KEY=VALUE that versions must have; repeatable.")
@click.option("--property", "properties", multiple=True, help="KEY or KEY=VALUE, likewise.")
@click.option("--latest", is_flag=True, help="Only the highest version of each model.")
@_REPOSITORY
@_JSON
def list_(
    name: str | None,
    tags: tuple[str, ...],
    properties: tuple[str, ...],
    latest: bool,
    repository: str,
    as_json: bool,
) -> None:
    """List versions: all, or those of NAME."""
    found = _registry(repository).find(
        name,
        tags=_wanted(tags),
        properties=_wanted(properties),
        latest=latest,
        unreadable=lambda sentence: click.echo(sentence, err=True),
    )
    if as_json:
        click.echo(json.dumps([_document(each) for each in found], indent=2))
        return
    if not found:
        click.echo(
            f"{repository} has no such models" if tags or properties else f"{repository} has no models",
            err=True,
        )
        return
    from accelserve.server.cli.tables import print_rows

    headings = ["model", "kind", "labels", "tags", "created"]
    rows = [
        (
            each.reference,
            each.kind,
            ", ".join(each.labels),
            ", ".join(f"{key}={value}" for key, value in each.tags.items()),
            each.created[:16].replace("T", " "),
            _size(each),
        )
        for each in found
    ]
    print_rows(headings, ["size"], rows)


@models.command()
@_REFERENCE
@click.option("--path", "path_only", is_flag=True, help="Print only where the files are, for other commands.")
@_REPOSITORY
@_JSON
def show(model: str, path_only: bool, repository: str, as_json: bool) -> None:
    """Show all about a version: files and hashes, signatures, where it came from, who uses it."""
    from accelserve.models.registry.information import network_path
    from accelserve.server.cli.models_text import lines_of

    found = _registry(repository).show(model)
    if path_only:
        click.echo(str(network_path(found)) if found.kind == "network" else found.location)
        return
    _say(found, "\n".join(lines_of(found)), as_json)


@models.command()
@_REFERENCE
@click.argument("tags", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--remove", multiple=True, help="KEY of a tag to take away; repeatable.")
@_PROPERTIES
@click.option("--description", help="Replaces the one that is there.")
@_REPOSITORY
@_JSON
def tag(
    model: str,
    tags: tuple[str, ...],
    remove: tuple[str, ...],
    properties: tuple[str, ...],
    description: str | None,
    repository: str,
    as_json: bool,
) -> None:
    """Set or remove tags, add properties, change the description."""
    if not (tags or remove or properties or description is not None):
        raise click.UsageError("nothing to change: give KEY=VALUE, --remove, --property or --description")
    found = _registry(repository).tag(
        model,
        add=_pairs(tags, "KEY=VALUE"),
        remove=remove,
        add_properties=_pairs(properties, "--property"),
        description=description,
    )
    said = ", ".join(f"{key}={value}" for key, value in found.tags.items()) or "none"
    _say(found, f"{found.reference}: tags {said}", as_json)


@models.command()
@_REFERENCE
@click.argument("label")
@click.option("--remove", is_flag=True, help="Take the label away from the model.")
@_REPOSITORY
@_JSON
def label(model: str, label: str, remove: bool, repository: str, as_json: bool) -> None:
    """Give a version a label that no other version has, such as canary; 'promote' moves one."""
    registry = _registry(repository)
    name = model.partition(":")[0]
    moved = registry.unlabel(name, label) if remove else registry.label(model, label)
    _say_moved(name, label, moved, as_json)


@models.command()
@_REFERENCE
@click.argument("label")
@click.option(
    "--from", "expecting", type=click.IntRange(min=0), help="Refuse unless LABEL is on this version now."
)
@click.option(
    "--roll_back", is_flag=True, help="Move LABEL back to the version that had it before; MODEL is a name."
)
@_REPOSITORY
@_JSON
def promote(
    model: str, label: str, expecting: int | None, roll_back: bool, repository: str, as_json: bool
) -> None:
    """Move LABEL from the version that has it to another one, at once for all servers that watch the repository.

    'promote net:canary stable' has stable mean the version that canary means.
    """
    registry = _registry(repository)
    if roll_back and (":" in model or expecting is not None):
        raise click.UsageError("--roll_back takes a model's name alone")
    moved = (
        registry.roll_back(model, label) if roll_back else registry.promote(model, label, expecting=expecting)
    )
    _say_moved(model.partition(":")[0], label, moved, as_json)


@models.command()
@_REFERENCE
@click.option("--force", is_flag=True, help="In spite of labels and of servers that have it loaded.")
@click.option(
    "--server",
    "servers",
    multiple=True,
    help="HOST:PORT of a server to ask whether it has it loaded; repeatable.",
)
@token_option
@tls_options
@_REPOSITORY
@_JSON
def delete(
    model: str,
    force: bool,
    servers: tuple[str, ...],
    token: str,
    repository: str,
    as_json: bool,
    **tls: Any,
) -> None:
    """Delete a version that nothing uses.

    Deployments and images of it have to be deleted before, in that order. Servers note in the repository what they have
    loaded, where they may write there; others are asked if --server names them.
    """
    from accelserve.server.loaded_versions import UnseenServerError, ask_servers

    registry = _registry(repository)
    found = registry.show(model)
    answers = ask_servers(
        map(with_port, servers), found.name, found.version, token=token, tls=tls_given(**tls)
    )
    if answers.unseen and not force:
        raise UnseenServerError(answers.unseen)
    deleted = registry.delete(model, force=force, loaded_by=answers.loaded_by)
    for address, reason in answers.unseen.items():
        click.echo(f"could not see whether {address} has it loaded: {reason}", err=True)
    _say(deleted, f"deleted {deleted.reference}", as_json)


@models.command()
@_REFERENCE
@click.option(
    "--from", "source", required=True, help="Repository to copy from: a folder or s3://BUCKET/PREFIX."
)
@_REPOSITORY
@_JSON
def pull(model: str, source: str, repository: str, as_json: bool) -> None:
    """Copy a version from another repository to this one: whole or not at all, checked by its hashes."""
    _copy(source, repository, model, "pulled", as_json)


@models.command()
@_REFERENCE
@click.option("--to", "target", required=True, help="Repository to copy to: a folder or s3://BUCKET/PREFIX.")
@_REPOSITORY
@_JSON
def push(model: str, target: str, repository: str, as_json: bool) -> None:
    """Copy a version from this repository to another one: it appears there at once and complete, or not at all."""
    _copy(repository, target, model, "pushed", as_json)


def _copy(source: str, target: str, model: str, done: str, as_json: bool) -> None:
    from accelserve.server.cli.progress import download_progress

    with download_progress(model) as progress:
        found, copied = _registry(source).copy_to(_registry(target), model, progress=progress)
    sentence = f"{done} {found.reference}: {_size(found)}, {found.location}"
    if not copied:
        sentence = f"{found.location} is there already, with the same files"
    _say(found, sentence, as_json)


def _registry(repository: str) -> Registry:
    from accelserve.models.registry.registry import Registry

    return Registry(repository)


def _say(found: Information, sentence: str, as_json: bool) -> None:
    click.echo(json.dumps(_document(found), indent=2) if as_json else sentence)


def _say_moved(name: str, label: str, moved: Moved, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"model": name, "label": label, **moved._asdict()}, indent=2))
        return
    before, after = ("none" if version is None else str(version) for version in moved)
    click.echo(f"{name}: {label} {before} -> {after}")


def _document(found: Information) -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(found)
    return document


def _size(found: Information) -> str:
    from rich.filesize import decimal

    return decimal(found.size_bytes)


def _pairs(given: tuple[str, ...], where: str) -> dict[str, str]:
    wanted = _wanted(given)
    for text in given:
        if not text.partition("=")[1]:
            raise click.BadParameter(f"'{text}' is not KEY=VALUE", param_hint=where)
    return {key: value or "" for key, value in wanted.items()}


def _wanted(given: tuple[str, ...]) -> dict[str, str | None]:
    split = [text.partition("=") for text in given]
    if any(not key for key, _, _ in split):
        raise click.BadParameter("a tag or property needs a name before '='")
    return {key: value if equals else None for key, equals, value in split}
