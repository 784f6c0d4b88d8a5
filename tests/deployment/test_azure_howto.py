"""The retold how-to (``make example``) with a container engine: the image is built, run, asked and deleted."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.containers


@pytest.mark.timeout(600)
def test_the_how_to_runs_by_podman_and_leaves_nothing(base_image: str) -> None:
    command = [sys.executable, "-m", "examples.azure_howto", "--engine=podman", f"--base={base_image}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "squeezenet-int8:1 [succeeded] stored at podman" in done.stdout
    assert done.stdout.endswith("nothing is left\n")
    for kind in ("image", "container"):
        listed = subprocess.run(["podman", kind, "list", "--all"], capture_output=True, text=True, check=True)
        assert "accelserve-howto" not in listed.stdout
        assert "my-service" not in listed.stdout
