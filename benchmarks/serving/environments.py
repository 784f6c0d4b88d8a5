"""A virtual environment for each peer, made once from pinned requirements, so that no process holds two frameworks."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.networks import CACHE

REQUIREMENTS = Path("requirements/peers")


class PeerUnavailableError(RuntimeError):
    """pip could not install a peer."""


def python_of(peer: str, say: Callable[[str], None]) -> Path:
    """The interpreter of a peer's environment, ``.venv-peers-PEER``; made anew where its requirements have changed.

    Raises:
        PeerUnavailableError: pip refuses; the sentence ends with its last line.
    """
    requirements, folder = REQUIREMENTS / f"{peer}.txt", Path(f".venv-peers-{peer}")
    python, stamp = folder.absolute() / "bin" / "python", folder / "ready"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may want it at once
        if stamp.exists() and stamp.read_text() == digest:
            return python
        say(f"installing {requirements} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], peer)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        _run([*pip, "--requirement", str(requirements)], peer)
        stamp.write_text(digest)
    return python


def versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """What an environment says of its packages. Imports none of them."""
    script = "import importlib.metadata as m, json, sys; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
    found = subprocess.run([python, "-c", script, *packages], check=True, capture_output=True, text=True)
    return dict(json.loads(found.stdout))


def _run(command: Sequence[str], peer: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise PeerUnavailableError(f"the environment of {peer} cannot be made: {last}")
