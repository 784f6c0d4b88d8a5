from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kernels.compiler.network_builder import NetworkBuilder

from accelserve.kernels import ir
from accelserve.models.importing import export_onnx


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = NetworkBuilder((1, 16, 16, 16))
    x = net.quantize("images", 0.02, 120)
    y = net.quantize(net.add(ir.Clip(), net.conv(x, 32, 16)), 0.05, 0)
    z = net.quantize(net.add(ir.MaxPool(ir.Window(kernel=(2, 2), strides=(2, 2))), y), 0.05, 0)
    path = tmp_path_factory.mktemp("network") / "small.onnx"
    path.write_bytes(export_onnx(net.graph(z=z)))
    return path


def accelserve(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelserve.server.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_layer_is_timed_and_counted(network: Path, tmp_path: Path) -> None:
    done = accelserve(
        "profile", network, "--device", "cpu", "--threads", 1, "--runs", 3, "--cache_dir", tmp_path, "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (convolution,) = [step for step in report["steps"] if step["gmac_per_second"]]
    assert convolution["shape"] == [1, 16, 16, 32]
    assert 0 < convolution["share_of_peak"] < 1.1
    assert report["ms"] == pytest.approx(sum(step["ms"] for step in report["steps"]))
    assert report["device"].endswith("1 thread")


def test_a_table_and_a_picture_say_the_same(network: Path, tmp_path: Path) -> None:
    picture = tmp_path / "profile.png"
    done = accelserve("profile", network, "--device", "cpu", "--runs", 2, "--figure", picture)
    assert done.returncode == 0, done.stderr
    assert "of the measured peak" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_device_without_a_peak_claims_none(network: Path) -> None:
    done = accelserve("profile", network, "--device", "reference", "--runs", 1, "--json")
    assert json.loads(done.stdout)["share_of_peak"] is None


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "torn.onnx").write_bytes(b"\x08\x07\x12")
    done = accelserve("profile", tmp_path / "torn.onnx", "--runs", 1)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
