"""docs/models.md keeps its word: its Python runs, its names exist, its commands are those of the program."""

import re
from pathlib import Path

import pytest

from accelserve.models.architectures import architectures
from accelserve.server.cli.convert import convert
from accelserve.server.cli.import_ import import_
from accelserve.server.cli.pull import pull

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def test_the_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], "docs/models.md", "exec"), {})  # noqa: S102 - that is the test
    assert capsys.readouterr().out.splitlines()[-1] == "['probabilities']"


def test_every_network_is_in_the_table() -> None:
    table = PAGE.split("## Networks that are built in")[1].split("##")[0]
    missing = [name for name in architectures() if f"`{name}`" not in table]
    assert missing == []


def test_every_flag_it_shows_exists() -> None:
    flags = {flag for command in (import_, pull, convert) for p in command.params for flag in p.opts}
    shown = {
        flag
        for line in re.findall(r"^accelserve (?:import|pull|convert) .*$", PAGE, re.MULTILINE)
        for flag in re.findall(r"--[a-z-]+", line)
    }
    assert shown
    assert shown <= flags
