"""The README's commands and code, run as they stand, but for the port."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from examples.open_nsfw import trained_network
from examples.photographs import write_photographs

README = Path(__file__).parents[1] / "README.md"
MARK = "<!-- executed by tests/test_readme.py -->"


def block(language: str) -> str:
    found = re.search(
        rf"{re.escape(MARK)}\n```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found, f"no executed {language} block in the README"
    return found[1]


@pytest.fixture
def port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "open-nsfw.onnx").symlink_to(trained_network())
    write_photographs(tmp_path / "photographs")
    return tmp_path


def start(command: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    server = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    lines: list[str] = []
    for line in server.stdout:
        lines.append(line)
        if "Running gRPC ModelServer" in line:
            return server
    raise AssertionError("the server ended early:\n" + "".join(lines))


@pytest.mark.slow
def test_the_screen_of_use_runs_as_it_stands(folder: Path, port: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PWD": str(folder)}
    servers = []
    try:
        for line in block("sh").replace("8500", port).splitlines():
            if not line or line.startswith(("#", "pip ")):
                continue
            if line.endswith("&"):
                servers.append(start(line.removesuffix("&"), folder, environment))
                continue
            done = subprocess.run(
                ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        names: dict[str, object] = {}
        code = block("python").replace("8500", port).replace('"photographs/', f'"{folder}/photographs/')
        exec(compile(code, str(README), "exec"), names)  # noqa: S102 - the documentation is the code under test
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=60)
    assert [server.returncode for server in servers] == [0]
    assert np.asarray(names["scores"]).shape == (2,)
    assert np.asarray(names["features"]).size == 1024
    assert np.load(folder / "coffee.npy").shape == (224, 224, 3)
