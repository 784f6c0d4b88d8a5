"""Whatever ends a benchmark, nothing that it started is left. The processes here are real, and so are the signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from benchmarks.owned_processes import running

ROOT = Path(__file__).parents[2]
START_NOTHING = {"accuracy.py", "winograd.py"}

# A worker in a session of its own that ignores SIGTERM and has lost its parent; one that waits to be asked; a plain child.
FAMILY = """
import signal, subprocess, sys, time
from benchmarks import owned_processes as owned
owned._PATIENCE_SECONDS = 0.5

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
PLAIN = "import time; print('up', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}, sys.argv[1]], start_new_session=True)"

@owned.owned_processes()
def main(mark, ending):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, mark], stdout=subprocess.PIPE, text=True)
    plain = subprocess.Popen([sys.executable, "-c", PLAIN, mark], stdout=subprocess.PIPE, text=True)
    print(parent.stdout.readline(), plain.stdout.readline(), parent.wait(), flush=True)
    exec(ending)

main(*sys.argv[1:])
"""
WAIT = "print('ready', flush=True); time.sleep(600)"
# The exception of a signal is lost where Python has nobody to tell, as in a callback of a library's own.
LOSE = """
while True:
    try:
        print('ready', flush=True)
        time.sleep(600)
    except BaseException:
        print('lost', flush=True)
        sys.exit(5)
"""


def left_with(mark: str) -> list[bytes]:
    found = []
    for pid, _ in running():
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            continue
    return [each for each in found if mark.encode() in each]


@pytest.mark.parametrize(
    ("ending", "number", "code"),
    [
        (WAIT, signal.SIGTERM, 143),
        (WAIT, signal.SIGHUP, 129),
        (WAIT, signal.SIGINT, -signal.SIGINT),
        (LOSE, signal.SIGTERM, 5),
        ("raise RuntimeError('its own failure')", None, 1),
        ("pass", None, 0),
    ],
    ids=["SIGTERM", "SIGHUP", "SIGINT", "an exception that is lost", "failure", "its end"],
)
def test_nothing_is_left(ending: str, number: int | None, code: int, tmp_path: Path) -> None:
    mark = f"family-of-{tmp_path}"
    script: Sequence[str] = [sys.executable, "-c", FAMILY, mark, ending]
    with subprocess.Popen(
        script, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert [process.stdout.readline().strip() for _ in range(3)] == ["up", "up", "0"]
            if number is not None:
                assert process.stdout.readline() == "ready\n"
                assert left_with(mark)
                process.send_signal(number)
            assert process.wait(240) == code
        finally:
            process.kill()
    assert left_with(mark) == []


def test_every_benchmark_that_starts_processes_ends_them() -> None:
    commands = {
        path.relative_to(ROOT / "benchmarks").as_posix(): text
        for path in (ROOT / "benchmarks").rglob("*.py")
        if "\ndef main() -> None:" in (text := path.read_text()) and "argparse" in text
    }
    assert {
        "serving/__main__.py",
        "serving/check.py",
        "mlperf/__main__.py",
        "ray.py",
        "starts.py",
    } <= commands.keys()
    unowned = {name for name, text in commands.items() if "\n@owned_processes()\ndef main()" not in text}
    assert unowned == START_NOTHING
