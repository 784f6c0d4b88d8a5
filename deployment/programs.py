"""Other people's programs that deployments call: container engines, kubectl."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from accelserve.deployment.errors import EngineFailedError

_SECONDS = 60.0


def ask(command: Sequence[str], *, seconds: float = _SECONDS) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, without a shell and without input, whatever its exit code.

    Raises:
        EngineFailedError: it is not here, cannot be run, or does not end in time.
    """
    try:
        return subprocess.run(  # noqa: S603 - engines and kubectl, without a shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineFailedError(f"'{' '.join(command[:2])}'", f"no end within {seconds:g} s") from error
    except OSError as error:
        raise EngineFailedError(f"'{' '.join(command[:2])}'", error.strerror or str(error)) from error


def call(doing: str, command: Sequence[str], *, seconds: float = _SECONDS) -> str:
    """Run a program that has to succeed, and return what it prints.

    Args:
        doing: what for, as a noun phrase, for the error.
        command: program and arguments.
        seconds: within which it has to end.

    Raises:
        EngineFailedError: with its last words.
    """
    done = ask(command, seconds=seconds)
    if done.returncode != 0:
        raise EngineFailedError(doing, last_words(done))
    return done.stdout


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a program's errors, or its exit code if it says nothing."""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
