"""Where a command's flags come from besides the command line: the environment, and a file.

The command line wins over the environment, that over the file, and that over the default. A flag's variable has the
command's name in it, ``ACCELSERVE_SERVE_PORT``: Kubernetes sets ``ACCELSERVE_PORT`` to an address in every pod beside a
service called accelserve.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from accelserve.server.cli.usable_values import refuse_unusable

_PREFIX = "ACCELSERVE"


def former_names(**now: str) -> dict[str, Any]:
    """Context settings that read flags' earlier names, ``out="output"``, which no help shows.

    Dashes and underscores are the same, as they are in every command.
    """

    def normalize(token: str) -> str:
        name = token.replace("-", "_")
        return now.get(name, name)

    return {"token_normalize_func": normalize}


def add_sources(command: click.Command, path: tuple[str, ...], commands: Iterable[str]) -> None:
    """Let a command, and those below it, read flags from variables and from ``--config``.

    Args:
        command: changed in place; to be called once.
        path: its name behind ``accelserve``, and its group's before.
        commands: names of all commands, which are what the file's tables may be called.
    """
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            add_sources(below, (*path, name), commands)
        return
    for option in _options(command):
        given = [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
        option.envvar = [*given, _variable((*path, flag_of(option)))]
    refuse_unusable(command)
    command.params.append(_config_option(path, tuple(commands)))


def flag_of(option: click.Option) -> str:
    """A flag's name as it is documented, with underscores and without the dashes before it."""
    return option.opts[0].lstrip("-").replace("-", "_")


def _options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option) and each.expose_value]


def _variable(words: Iterable[str]) -> str:
    return "_".join((_PREFIX, *words)).upper().replace("-", "_")


def _config_option(path: tuple[str, ...], commands: tuple[str, ...]) -> click.Option:
    table = ".".join(path)

    def read(context: click.Context, parameter: click.Parameter, file: Path | None) -> None:
        del parameter
        if file is not None:
            context.default_map = _flags(context.command, _table(file, path, commands), f"{file}: [{table}]")

    return click.Option(
        ["--config"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=_variable(["config"]),
        is_eager=True,
        expose_value=False,
        callback=read,
        help=f"TOML file with flags in a table [{table}]. A flag FLAG is also read from the environment, "
        f"{_variable(path)}_FLAG.",
    )


def _table(file: Path, path: tuple[str, ...], commands: tuple[str, ...]) -> Mapping[str, Any]:
    """The table of one command, empty if the file has none; click.UsageError if the file is no such file."""
    try:
        document: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} is not TOML: {error}.") from error
    for name, value in document.items():
        if not isinstance(value, dict):
            raise click.UsageError(f"{file}: '{name}' stands in no table; flags of serve are in [serve].")
        if name.replace("_", "-") not in commands:
            raise click.UsageError(f"{file}: [{name}] is no command.{_suggestion(name, commands)}")
    for word in path:
        found = [value for name, value in document.items() if name.replace("_", "-") == word]
        document = found[0] if found and isinstance(found[0], dict) else {}
    table: Mapping[str, Any] = document
    return table


def _flags(command: click.Command, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The table by the parameters' names, which is what click reads defaults from."""
    known = {flag_of(option): option.name or "" for option in _options(command)}
    chosen = {}
    for name, value in table.items():
        flag = name.replace("-", "_")
        if flag not in known:
            raise click.UsageError(f"{where} sets '{name}', which is no flag.{_suggestion(flag, known)}")
        chosen[known[flag]] = value
    return chosen


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
