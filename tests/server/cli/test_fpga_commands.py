"""``accelserve fpga`` and ``accelserve devices``: what is printed is what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.kernels.devices.opencl_devices import opencl_parameters

from accelserve.kernels.opencl.engine.manifest import read_bitstream
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.models.conversion.source import random_network
from accelserve.server.cli.devices import devices
from accelserve.server.cli.fpga import fpga
from accelserve.server.cli.group import run


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(fpga, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "resnet18.onnx"
    random_network("resnet18", 0).save(path)
    return path


def test_devices_lists_every_opencl_device_and_says_what_would_be_taken() -> None:
    output = CliRunner().invoke(devices, [], catch_exceptions=False).output
    assert "cpu: " in output
    for device in discover():
        assert device.line in output
    assert "--device auto takes" in output


def test_estimate_predicts_for_a_file_and_labels_it(network: Path) -> None:
    output = printed("estimate", str(network), "--layers")
    assert "predicted (no measurement)" in output
    assert "conv 7x7" in output
    assert "1.81 GMAC" in output


def test_estimate_takes_sizes_and_writes_json_and_a_picture(network: Path, tmp_path: Path) -> None:
    output = printed("estimate", str(network), "--json", "--vec", "16", "--lane", "32", "--px", "2")
    (document,) = json.loads(output).values()
    assert document["prediction"] is True
    assert (document["configuration"]["lane"], document["part"]["name"]) == (32, "arria10-gx1150")
    assert document["cycles"] == sum(layer["cycles"] for layer in document["layers"])
    printed("estimate", str(network), "--figure", str(tmp_path / "roofline.png"))
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")


def test_estimate_takes_an_architecture_whose_name_a_folder_without_a_model_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the manifests that ``accelserve deploy kubernetes squeezenet1_1`` writes."""
    (tmp_path / "squeezenet1_1").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    sizes = ("--vec", "16", "--lane", "32", "--px", "2")
    assert "squeezenet1_1 on arria10-gx1150, predicted" in printed("estimate", "squeezenet1_1", *sizes)
    assert run(["fpga", "estimate", "empty"]) == 1
    said = capsys.readouterr().err
    assert said == "accelserve: empty/model.onnx: cannot be read: No such file or directory\n"


def test_build_prints_the_compilers_command_line(tmp_path: Path) -> None:
    output = printed("build", "--board", "a10gx", "--output", str(tmp_path), "--dry_run", "--px", "4")
    assert output.strip() == f"cd {tmp_path} && aoc -v -report -board=a10gx -seed=1 engine.cl -o engine.aocx"
    assert "#define PX 4" in (tmp_path / "engine.cl").read_text()


def test_build_without_the_compiler_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["fpga", "build", "--board", "a10gx", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("accelserve: there is no 'aoc' on the PATH")
    assert said.endswith("aoc -v -report -board=a10gx -seed=1 engine.cl -o engine.aocx\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", list(opencl_parameters(channels=True)))
def test_build_for_the_emulator_makes_a_verified_folder(number: str, tmp_path: Path) -> None:
    output = printed("build", "--emulator", "--output", str(tmp_path), "--lane", "8", "--vec", "8")
    bitstream = read_bitstream(tmp_path)
    assert bitstream.manifest.part == discover()[int(number)].platform
    assert bitstream.manifest.configuration.lane == 8
    assert bitstream.manifest.part in output
