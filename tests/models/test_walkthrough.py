"""docs/walkthrough.md, run as it stands, but for the port. ACCELSERVE_WALKTHROUGH names other networks than the usual one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

PAGE = (Path(__file__).parents[2] / "docs" / "walkthrough.md").read_text(encoding="utf-8")
NETWORKS = ("resnet50", "resnet152", "densenet121", "vgg16", "ssd300_vgg16")
# At full size each takes its time; tests/models/test_full_size.py has all of them.
CHOSEN = os.environ.get("ACCELSERVE_WALKTHROUGH", "densenet121").split(",")


def commands(network: str, port: int) -> list[str]:
    """The page's commands, comments left out."""
    found = re.search(
        r"<!-- executed by tests/models/test_walkthrough.py -->\n```sh\n(.*?)```", PAGE, re.DOTALL
    )
    assert found
    text = found[1].replace("network=resnet50", f"network={network}").replace("8500", str(port))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photographs").mkdir()
    for number, array in enumerate(load_sample_images().images):
        Image.fromarray(array).save(tmp_path / "photographs" / f"{number}.jpg", quality=92)
    return tmp_path


def test_the_page_lists_the_five() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \| [a-z]", PAGE, re.MULTILINE))[1:] == NETWORKS


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("network", CHOSEN)
def test_the_commands_run_as_they_stand(network: str, folder: Path, port: int) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "120"}
    assignment, *lines = commands(network, port)
    printed: dict[str, str] = {}
    servers: list[subprocess.Popen[str]] = []
    try:
        for line in lines:
            script = f"{assignment}\n{line.removesuffix('&').strip()}"
            if line.endswith("&"):
                servers.append(started(script, folder, environment))
                continue
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            printed[line.split()[1]] = done.stdout
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=60)
    assert [server.returncode for server in servers] == [0]
    assert list(printed) == ["import", "convert", "evaluate", "predict"]
    assert "worst first" in printed["evaluate"]
    assert {"0.jpg", "1.jpg"} <= set(re.findall(r"\d\.jpg", printed["predict"]))
    assert (folder / f"{network}.png").stat().st_size > 10_000


def started(script: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A server that says it is ready."""
    script = script.replace("\naccelserve", "\nexec accelserve")
    server = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    lines: list[str] = []
    for line in server.stdout:
        lines.append(line)
        if "Running gRPC ModelServer" in line:
            return server
    raise AssertionError("the server ended early:\n" + "".join(lines))
