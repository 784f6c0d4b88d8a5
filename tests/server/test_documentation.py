"""The pages for operators keep their word: flags, metrics and commands in them exist, and none is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from accelserve.server.cli.group import COMMANDS, accelserve

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["serving.md", "security.md", "operations.md"]


def flags_of(*path: str) -> set[str]:
    """Flags of a command and of those below it."""
    group = accelserve.make_context("accelserve", [path[0]])
    command = accelserve.get_command(group, path[0])
    assert command is not None
    commands = [command, *getattr(command, "commands", {}).values()]
    return {
        option.lstrip("-").replace("-", "_")
        for one in commands
        for parameter in one.params
        for option in parameter.opts
        if option.startswith("--")
    }


def mentioned(page: str) -> set[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return {match.replace("-", "_") for match in re.findall(r"--([a-z][a-z0-9_-]+)", text)}


@pytest.mark.parametrize("page", PAGES)
def test_every_flag_on_the_page_exists(page: str) -> None:
    known = flags_of("serve") | flags_of("keys") | flags_of("healthcheck")
    assert mentioned(page) - {"flag"} <= known  # --flag=value stands for any


def test_every_flag_that_does_something_is_on_the_page() -> None:
    group = accelserve.make_context("accelserve", ["serve"])
    command = accelserve.get_command(group, "serve")
    assert command is not None
    visible = {
        parameter.opts[0].lstrip("-")
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
    }
    assert visible <= mentioned("serving.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_the_page_exists(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert {match for match in re.findall(r"accelserve ([a-z]+) ", text) if match != "and"} <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target


def test_the_metrics_exist(serve: Callable[..., SimpleNamespace]) -> None:
    page = serve().server.metrics.page()
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(:tensorflow:serving:\w+|accelserve_\w+)`", text):
        assert name in page, name


def test_the_commands_for_keys_run_as_they_stand(tmp_path: Path) -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("accelserve keys")]
    assert len(commands) == 2
    for line in commands:
        words = line.replace("/etc/accelserve", str(tmp_path)).split()[1:]
        subprocess.run([sys.executable, "-m", "accelserve.server.cli", *words], check=True, timeout=240)
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
