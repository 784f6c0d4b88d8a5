"""What a wheel holds, and what the base install asks for."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = {"grpcio", "protobuf", "numpy"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_every_room_is_under_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"accelserve"}
    inside = {name.split("/")[1] for name in names if name.startswith("accelserve/")}
    rooms = {"client", "kernels", "models", "protos", "server"}
    assert inside == rooms | {"__init__.py", "__main__.py", "py.typed"}


def test_what_is_no_python_is_there_too(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    committed = subprocess.run(
        ["git", "ls-files", "server", "kernels", "models", "protos", "clients/python"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    data = [name for name in committed if not name.endswith(".py")]
    assert data
    missing = [n for n in data if f"accelserve/{n.replace('clients/python', 'client')}" not in names]
    assert missing == []


def test_the_base_install_is_the_client_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        message = email.message_from_bytes(archive.read(metadata))
    required = [line for line in message.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[^A-Za-z0-9-]", line)[0] for line in required} == BASE


def test_the_client_of_a_wheel_imports_only_what_the_base_install_brings(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = """
import sys
from pathlib import Path
import accelserve
accelserve.PredictionClient
assert Path(accelserve.__file__).is_relative_to(Path(sys.argv[1])), accelserve.__file__
assert Path(accelserve.client.__file__).is_relative_to(Path(sys.argv[1])), accelserve.client.__file__
heavy = {"numba", "onnx", "PIL", "click", "simplejpeg", "rich", "msgspec", "tensorflow"} & set(sys.modules)
assert not heavy, heavy
"""
    # The extracted wheel comes first on the path, before this tree's own editable install.
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
