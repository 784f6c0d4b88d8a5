"""``accelserve keys``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from accelserve.server.auth.keys_file import KeysFile, Slot

_FILE = click.option(
    "--file", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The keys file."
)
_SLOT = click.option(
    "--slot", type=click.Choice(["primary", "secondary"]), default="primary", show_default=True
)


@click.group
def keys() -> None:
    """Make, list and replace the keys of --auth_keys_file. The file holds hashes only: a key is shown once."""


@keys.command()
@click.argument("name")
@_FILE
@click.option(
    "--model", "models", multiple=True, help="Model that the keys open; repeatable. Every one if not given."
)
@click.option("--admin", is_flag=True, help="May also reload the configuration and read metrics.")
@click.option(
    "--key-from-stdin", is_flag=True, help="Take the primary key from standard input; makes no secondary."
)
def add(name: str, path: Path, models: tuple[str, ...], admin: bool, key_from_stdin: bool) -> None:
    """Give NAME a primary and a secondary key, and print them."""
    from accelserve.server.auth.keys_file import EVERY_MODEL, SLOTS, Owner, change_keys, new_key, with_key

    made: dict[Slot, str] = (
        {"primary": sys.stdin.readline().strip()} if key_from_stdin else {slot: new_key() for slot in SLOTS}
    )

    def change(file: KeysFile) -> KeysFile:
        if file.owner(name) is not None:
            raise click.ClickException(f"'{name}' has keys already; 'rotate' replaces one, 'remove' both")
        owner = Owner(name=name, models=models or (EVERY_MODEL,), admin=admin)
        for slot, key in made.items():
            owner = with_key(owner, slot, key)
        return file.with_owner(owner)

    change_keys(path, change)
    if not key_from_stdin:
        for slot, key in made.items():
            click.echo(f"{slot} {key}")


@keys.command("list")
@_FILE
def list_(path: Path) -> None:
    """Print owners, what their keys open, and the first digits of the keys' hashes."""
    from accelserve.server.auth.keys_file import SLOTS, read_keys

    for owner in read_keys(path).owners:
        hashes = [f"{slot} {(owner.hash_of(slot) or 'none')[:8]}" for slot in SLOTS]
        scope = ",".join(owner.models) + (" admin" if owner.admin else "")
        click.echo(f"{owner.name}: {scope}; {', '.join(hashes)}")


@keys.command()
@click.argument("name")
@_FILE
def remove(name: str, path: Path) -> None:
    """Take NAME's keys away. Servers that watch the file refuse them within a second."""
    _change_owner(path, name, lambda file: file.without(name))


@keys.command()
@click.argument("name")
@_FILE
@_SLOT
def rotate(name: str, path: Path, slot: Slot) -> None:
    """Replace one of NAME's keys, print the new one; the other key goes on working."""
    from accelserve.server.auth.keys_file import new_key, with_key

    key = new_key()

    def change(file: KeysFile) -> KeysFile:
        owner = file.owner(name)
        assert owner is not None  # noqa: S101 - for the type checker; _change_owner saw to it
        return file.with_owner(with_key(owner, slot, key))

    _change_owner(path, name, change)
    click.echo(f"{slot} {key}")


def _change_owner(path: Path, name: str, change: Callable[[KeysFile], KeysFile]) -> None:
    from accelserve.server.auth.keys_file import change_keys

    def checked(file: Any) -> Any:
        if file.owner(name) is None:
            known = ", ".join(owner.name for owner in file.owners) or "nobody"
            raise click.ClickException(f"'{name}' has no keys in {path}; it holds those of {known}")
        return change(file)

    change_keys(path, checked)
