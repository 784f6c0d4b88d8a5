"""Flags from the command line, the environment and a file; names that flags had before; help and suggestions."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from accelserve.server.cli.group import COMMANDS, accelserve, run
from accelserve.server.cli.progress import Lines, compile_progress
from accelserve.server.cli.serve_help import SECTIONS


def values(*arguments: str) -> dict[str, object]:
    """What 'serve' would be called with."""
    group = accelserve.make_context("accelserve", ["serve"])
    command = accelserve.get_command(group, "serve")
    assert command is not None
    return command.make_context("serve", list(arguments), parent=group).params


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "flags.toml"
    path.write_text(
        '[serve]\nport = 7001\nmodel_name = "of-the-file"\nenable-batching = true\n'
        "drain_timeout_seconds = 3\n[train-head]\nseed = 3\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("ACCELSERVE_CONFIG", str(path))
    return path


def test_the_line_wins_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert values()["port"] == 7001
    monkeypatch.setenv("ACCELSERVE_SERVE_PORT", "7002")
    assert values()["port"] == 7002
    assert values("--port=7003")["port"] == 7003
    assert values()["model_name"] == "of-the-file"
    assert values()["enable_batching"] is True
    assert values()["drain_seconds"] == 3


def test_an_address_that_kubernetes_sets_is_no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELSERVE_PORT", "tcp://10.0.0.1:8500")
    assert values()["port"] == 8500


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[serve]\nprot = 1\n", "[serve] sets 'prot', which is no flag. Did you mean 'port'?"),
        ("[sreve]\nport = 1\n", "[sreve] is no command. Did you mean 'serve'?"),
        ("port = 1\n", "'port' stands in no table; flags of serve are in [serve]."),
        ("port\n", "is not TOML: "),
        ('[serve]\nport = "x"\n', "Invalid value for '--port': 'x' is not a valid integer."),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    text: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flags.toml"
    path.write_text(text, encoding="utf-8")
    assert sentence in refusal(capsys, "serve", "--config", str(path))


@pytest.mark.parametrize("words", [(), ("keys",), ("fpga",)], ids=["accelserve", "keys", "fpga"])
def test_commands_by_themselves_print_their_help(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Usage: {' '.join(('accelserve', *words))} [OPTIONS] COMMAND")
    assert printed.err == ""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["sreve"], "Did you mean 'serve'?"),
        (["train_hed"], "Did you mean 'train-head'?"),
        (["keys", "rotat"], "Did you mean 'rotate'?"),
        (["serve", "--prot=1"], "Did you mean '--port'?"),
    ],
)
def test_a_slip_of_the_keyboard_gets_a_suggestion(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert meant in refusal(capsys, *words)


def test_a_command_may_be_spelt_with_an_underscore() -> None:
    assert CliRunner().invoke(accelserve, ["train_head", "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("command", "before", "now"),
    [
        ("preprocess", "--out", "output"),
        ("profile", "--picture", "figure"),
        ("pull", "--cache", "cache_dir"),
        ("convert", "--output", "outputs"),
        ("evaluate", "--output", "outputs"),
        ("serve", "--drain-seconds", "drain_timeout_seconds"),
    ],
)
def test_earlier_names_of_flags_go_on_working_and_no_help_shows_them(
    command: str, before: str, now: str
) -> None:
    group = accelserve.make_context("accelserve", [command])
    found = accelserve.get_command(group, command)
    assert found is not None
    context = found.make_context(command, [], parent=group, resilient_parsing=True)
    (option,) = (each for each in found.params if f"--{now}" in each.opts)
    parsed, _, _ = found.make_parser(context).parse_args([before, "7"])
    assert parsed[option.name or ""] in ("7", ["7"])
    spelt = before.removeprefix("--").replace("-", "[-_]")
    assert not re.search(rf"--{spelt}(?![\w-])", found.get_help(context))


def test_outputs_may_be_separated_by_commas_or_repeated() -> None:
    group = accelserve.make_context("accelserve", ["convert"])
    command = accelserve.get_command(group, "convert")
    assert command is not None
    arguments = [__file__, "--name=n", "--repository=r", "--outputs=a,b", "--output", "c"]
    assert command.make_context("convert", arguments, parent=group).params["outputs"] == ("a", "b", "c")


def test_every_command_that_has_a_repository_takes_it_from_the_same_variable() -> None:
    """As docs/azure.md says."""
    group = accelserve.make_context("accelserve", ["serve"])
    found: dict[str, bool] = {}

    def look(path: str, command: click.Command) -> None:
        for name, below in getattr(command, "commands", {}).items():
            look(f"{path} {name}", below)
        for option in command.params:
            if "--repository" in option.opts and isinstance(option, click.Option):
                found[path] = "ACCELSERVE_REPOSITORY" in (option.envvar or ())

    for name in COMMANDS:
        command = accelserve.get_command(group, name)
        assert command is not None
        look(name, command)
    assert [path for path, reads in found.items() if not reads] == []
    assert {
        "convert",
        "train-head",
        "models list",
        "image build",
        "deploy local",
        "deploy edge",
        "deploy list",
    } <= found.keys()


def test_every_flag_of_serve_is_in_one_section() -> None:
    group = accelserve.make_context("accelserve", ["serve"])
    command = accelserve.get_command(group, "serve")
    assert command is not None
    shown = [each.opts[0].lstrip("-") for each in command.params if not getattr(each, "hidden", False)]
    placed = [name for names in SECTIONS.values() for name in names]
    assert sorted(shown) == sorted([*placed, "version", "config"])


def test_the_help_of_serve_says_that_http_is_off() -> None:
    result = CliRunner().invoke(accelserve, ["serve", "--help"])
    assert "HTTP port.  [default: (0, no HTTP)]" in result.output


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_takes_a_file(command: str) -> None:
    group = accelserve.make_context("accelserve", [command])
    found = accelserve.get_command(group, command)
    assert found is not None
    below = found.commands.values() if isinstance(found, click.Group) else [found]
    assert all(any("--config" in each.opts for each in one.params) for one in below)


def test_progress_elsewhere_than_on_a_terminal_is_a_line_every_five_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    lines = Lines(lambda done, total: f"{done} of {total}", clock=lambda: now)
    for second in range(12):
        now = float(second)
        lines.show("calibrating", second, 11)
    assert capsys.readouterr().err == "calibrating: 5 of 11\ncalibrating: 10 of 11\n"


def test_compiling_counts_functions_on_a_terminal_and_leaves_the_log_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes that for a terminal
    log = logging.getLogger("accelserve.kernels.native.machine_code")
    before = (log.level, list(log.handlers))
    with compile_progress():
        log.info("compiled a in 1.00 s")
        log.info("compiled b in 1.00 s")
        log.debug("neither")
    assert "2 functions" in capsys.readouterr().err
    assert (log.level, log.handlers) == before


@pytest.mark.parametrize(
    ("path", "sentence"), [("a.docx", "ends in none of"), ("none/a.png", "is no folder that can be written")]
)
def test_a_figure_that_cannot_be_written_is_refused_before_the_work(
    path: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    words = ("evaluate", str(tmp_path), "--images", str(pictures), "--float", str(tmp_path))
    assert sentence in refusal(capsys, *words, "--figure", str(tmp_path / path))


def test_a_figure_without_matplotlib_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.backend_bases", None)
    words = ["evaluate", str(tmp_path), "--images", str(tmp_path), "--float", str(tmp_path)]
    assert run([*words, "--figure", str(tmp_path / "a.png")]) == 1
    assert "pip install 'accelserve[report]'" in capsys.readouterr().err
