"""Values that no command takes: a line and the exit code 2, whatever the command would have done with them.

The judges: Protocol Buffers' language guide (a ``string`` is UTF-8, an ``int64`` has 64 bits), and IEEE 754, where nothing
is before or after a NaN, so that no bound and no deadline can be one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.server.cli.group import accelserve, run

LATIN1 = b"\xe9t\xe9".decode("utf-8", "surrogateescape")
"""As Python reads the argument of a terminal that is set to ISO 8859-1."""


@pytest.mark.parametrize(
    "words",
    [
        ["predict", ".", f"--model={LATIN1}"],
        ["predict", ".", f"--signature={LATIN1}"],
        ["predict", ".", f"--address={LATIN1}"],
        ["bench", LATIN1],
        ["bench", "localhost", f"--input={LATIN1}"],
        ["healthcheck", f"--address={LATIN1}"],
        ["convert", "network.onnx", "--name=n", "--repository=r", f"--tag=author={LATIN1}"],
        ["serve", f"--model_name={LATIN1}"],
    ],
    ids=lambda words: f"{words[0]} {words[-1].partition('=')[0]}".encode("ascii", "replace").decode(),
)
def test_text_that_is_no_utf8_is_refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(words) == 2
    error = capsys.readouterr().err
    assert "expected text in UTF-8, got the bytes b'" in error
    assert r"\xe9t\xe9'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["bench", "localhost", "--duration=nan"],
        ["bench", "localhost", "--rate=NaN"],
        ["bench", "localhost", "--warm_up=nan"],
        ["healthcheck", "--wait=nan"],
        ["predict", ".", "--timeout=nan"],
        ["serve", "--receive_timeout_seconds=nan"],
        ["serve", "--drain_delay_seconds=nan"],
        ["serve", "--cluster=local", "--target_ongoing_requests=nan"],
        ["serve", "--file_system_poll_wait_seconds=nan"],
    ],
    ids=" ".join,
)
def test_what_is_not_a_number_is_refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(words) == 2
    error = capsys.readouterr().err
    assert "expected a number, got nan" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("version", [2**63, -(2**63) - 1, 10**40])
@pytest.mark.parametrize("command", ["predict", "convert"])
def test_a_version_that_no_message_can_name_is_refused(
    capsys: pytest.CaptureFixture[str], command: str, version: int
) -> None:
    rest = [] if command == "predict" else ["--name=n", "--repository=r"]
    assert run([command, ".", f"--version={version}", *rest]) == 2
    error = capsys.readouterr().err
    assert f"expected a number of 64 bits, got {version}" in error
    assert error.count("\n") == 1


def test_a_flag_of_the_environment_is_held_to_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELSERVE_HEALTHCHECK_WAIT", "nan")
    assert run(["healthcheck"]) == 2
    assert "expected a number, got nan" in capsys.readouterr().err


def test_a_path_may_be_any_bytes() -> None:
    """POSIX's file names are bytes without a slash and a zero."""
    group = accelserve.make_context("accelserve", ["predict"])
    command = accelserve.get_command(group, "predict")
    assert command is not None
    assert command.make_context("predict", [LATIN1], parent=group).params["pictures"] == (Path(LATIN1),)


@pytest.mark.parametrize("token", ["é", "two\nlines"])
@pytest.mark.parametrize("words", [["predict", "."], ["bench", "localhost"], ["models", "delete", "m:1"]])
def test_a_key_that_no_header_carries_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], token: str
) -> None:
    """RFC 9110, section 5.5, and gRPC's PROTOCOL-HTTP2.md: printable ASCII."""
    assert run([*words, f"--token={token}"]) == 2
    error = capsys.readouterr().err
    assert "expected printable ASCII characters" in error
    assert error.count("\n") == 1
