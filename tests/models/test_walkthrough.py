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
CLASSES = ("china", "flower")  # what scikit-learn's two photographs show
PIECES = 24


BLOCKS = re.findall(
    r"<!-- executed by tests/models/test_walkthrough.py -->\n```sh\n(.*?)```", PAGE, re.DOTALL
)


def commands(network: str, ports: tuple[int, int]) -> list[str]:
    """The page's commands, comments left out; a detector has no features, so none of its own classes."""
    blocks = BLOCKS[:1] if network.startswith("ssd") else BLOCKS
    text = "".join(blocks).replace("network=resnet50", f"network={network}")
    text = text.replace("8500", str(ports[0])).replace("8501", str(ports[1]))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``photographs/``, and pieces of each in a folder of its own under ``classes/``."""
    (tmp_path / "photographs").mkdir()
    for name, array in zip(CLASSES, load_sample_images().images, strict=True):
        (tmp_path / "classes" / name).mkdir(parents=True)
        photograph = Image.fromarray(array)
        photograph.save(tmp_path / "photographs" / f"{name}.jpg", quality=92)
        for piece in range(PIECES):
            left, top = piece % 6 * 70, piece // 6 * 60
            cut = photograph.crop((left, top, left + 280, top + 240))
            cut.save(tmp_path / "classes" / name / f"{piece}.jpg", quality=92)
    return tmp_path


def test_the_page_lists_the_five() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \| [a-z]", PAGE, re.MULTILINE))[1:] == NETWORKS
    assert f"ACCELSERVE_WALKTHROUGH={','.join(NETWORKS)} " in PAGE


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("network", CHOSEN)
def test_the_commands_run_as_they_stand(network: str, folder: Path, ports: tuple[int, int]) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "120"}
    assignment, *lines = commands(network, ports)
    printed: dict[str, list[str]] = {}
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
            printed.setdefault(line.split()[1], []).append(done.stdout)
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=60)
    assert [server.returncode for server in servers] == [0] * len(servers)
    assert "worst first" in printed["evaluate"][0]
    assert all(f"{name}.jpg" in printed["predict"][0] for name in CLASSES)
    assert (folder / f"{network}.png").stat().st_size > 10_000
    if network.startswith("ssd"):
        assert list(printed) == ["import", "convert", "evaluate", "predict"]
        return
    assert list(printed) == ["import", "convert", "evaluate", "predict", "train-head"]
    assert f"labels {', '.join(CLASSES)}" in printed["train-head"][0]
    # The best answer for each photograph stands beside its name.
    assert re.findall(r"(\w+)\.jpg +\S+ +(\w+) ", printed["predict"][1]) == [(name, name) for name in CLASSES]


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
