"""Completion in a shell, as docs/serving.md sets it up."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("accelserve s", {"sample", "serve"}),
        ("accelserve sample ", {"model", "photographs"}),
        ("accelserve serve --model_base", {"--model_base_path"}),
        ("accelserve convert --rounding ", {"compensated", "nearest"}),
    ],
)
def test_bash_completes_commands_flags_and_choices(typed: str, offered: set[str]) -> None:
    (setup,) = re.findall(r"^(eval .*bash_source.*?) +#", PAGE, re.MULTILINE)
    words = " ".join(shlex.quote(word) for word in typed.split(" "))
    script = f"""
{setup}
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_accelserve_completion accelserve
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script(shell: str) -> None:
    assert f"_ACCELSERVE_COMPLETE={shell}_source" in PAGE
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'accelserve'; from accelserve.server.cli import main; main()"],
        env=os.environ | {"_ACCELSERVE_COMPLETE": f"{shell}_source"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"_ACCELSERVE_COMPLETE={shell}_complete" in done.stdout
