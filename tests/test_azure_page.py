"""docs/azure.md keeps its word: every line of Azure's how-to has one of ours, and what it names exists."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

import accelserve
from accelserve.server.cli.group import accelserve as program

PAGE = (Path(__file__).parents[1] / "docs" / "azure.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| Azure |")
]
CODE = [code for row in ROWS for code in re.findall(r"`([^`]+)`", row[1])]
COMMANDS = sorted({code for code in CODE if code.startswith("accelserve ")})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_line_has_one_of_ours(row: tuple[str, ...]) -> None:
    assert len(row) == 2
    assert all(row)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_flag_exists(line: str) -> None:
    command: click.Command = program
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, line
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known


def test_every_name_in_python_exists() -> None:
    names = {match for code in CODE for match in re.findall(r"accelserve(?:\.\w+)+", code)}
    assert "accelserve.Webservice.deploy_from_image" in names
    for name in sorted(names):
        assert found(name) is not None, name


def found(name: str) -> object:
    room, _, last = name.rpartition(".")
    if room == "accelserve" and last in accelserve.__all__:
        return getattr(accelserve, last)
    try:
        return import_module(name)
    except ModuleNotFoundError:
        owner = found(room)
        return getattr(owner, last)


def test_the_methods_that_it_names_are_there() -> None:
    for kind, methods in {
        accelserve.Image: ("create", "list", "delete", "creation_state", "image_location", "image_build_log"),
        accelserve.Model: ("register", "list", "add_tags", "delete", "id", "url", "created_time"),
        accelserve.Webservice: (
            "deploy_from_image",
            "delete",
            "state",
            "get_logs",
            "scoring_address",
            "scoring_uri",
        ),
    }.items():
        assert all(hasattr(kind, method) for method in methods)
