"""What the device takes, what it refuses, and in which words."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.errors import DeviceError, PlanError
from accelserve.kernels.ir import Array, DType, Graph, Node, QLookup, Softmax, TensorType
from accelserve.kernels.opencl.bitstreams.driver_build import BINARY_NAME, build_with_driver
from accelserve.kernels.opencl.engine.configuration import EMULATION
from accelserve.kernels.opencl.engine.manifest import MANIFEST_NAME, digest
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.errors import (
    BitstreamError,
    BuildError,
    DeviceMemoryError,
)
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice
from accelserve.kernels.program import LoadOptions, Lowered
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.opencl_devices import assert_answers, images, loaded, small_network


def test_a_failed_build_says_what_the_compiler_said(
    number: str, options: FpgaOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelserve.kernels.devices.fpga.render", lambda *_: "#error oops\n")
    with pytest.raises(BuildError, match="oops"):
        loaded(number, options, tmp_path)
    lenient = FpgaDevice(number, replace(options, strict=False))
    program = lenient.load(small_network(), LoadOptions(threads=1))
    assert program.description.startswith("cpu")
    program.close()


def test_a_bitstream_is_used_after_its_manifest_is_verified(
    number: str, opencl: OpenClDevice, options: FpgaOptions, tmp_path: Path, expected: Array
) -> None:
    build_with_driver(opencl, EMULATION, EnginePath.FUSED, tmp_path / "engine")
    for named in (tmp_path / "engine", tmp_path / "engine" / BINARY_NAME):
        program = loaded(number, replace(options, bitstream=named), tmp_path)
        assert_answers(program, expected)
        program.close()


def test_what_the_cpu_computes_of_a_network_is_not_kept_as_the_network(
    number: str, options: FpgaOptions, tmp_path: Path
) -> None:
    named = LoadOptions(threads=1, cache=tmp_path, network="the whole network")
    g = IntegerGraphBuilder(0)
    logits = g.conv(g.input(8, 8, 3), 12, 3, padding=1, float_result=True)
    program = FpgaDevice(number, options).load(Lowered(g.graph(y=g.add(Softmax(3), logits)), {}), named)
    assert any("softmax" in each.operator for each in program.profile(images(1), 1))
    program.close()
    assert CpuDevice().load_cached(named) is None


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("flipped", "damaged"),
        ("no manifest", "there is no manifest.json"),
        ("manifest is no JSON", "cannot be read"),
        ("another interface", "kernel interface"),
        ("built for a board", "built for a board"),
        ("built for another part", "built for Some Board"),
        ("file missing", "is missing"),
        ("constants of no engine", "not one of ours"),
    ],
)
def test_a_bitstream_that_must_not_be_used_is_refused_in_words(
    number: str,
    opencl: OpenClDevice,
    options: FpgaOptions,
    engine_folder: dict[str, Path],
    tmp_path: Path,
    damage: str,
    words: str,
) -> None:
    folder = tmp_path / "engine"
    if number not in engine_folder:
        engine_folder[number] = tmp_path / "whole"
        build_with_driver(opencl, EMULATION, EnginePath.FUSED, tmp_path / "whole")
    folder.mkdir()
    binary = (engine_folder[number] / BINARY_NAME).read_bytes()
    manifest = json.loads((engine_folder[number] / MANIFEST_NAME).read_text())
    if damage == "flipped":
        binary = binary[:1000] + bytes([binary[1000] ^ 1]) + binary[1001:]
    manifest["interface"] = "0" * 12 if damage == "another interface" else manifest["interface"]
    manifest["emulated"] = damage != "built for a board"
    manifest["part"] = "Some Board" if damage == "built for another part" else manifest["part"]
    if damage == "constants of no engine":
        manifest["configuration"]["vec"] = 17
    (folder / BINARY_NAME).write_bytes(binary)
    (folder / MANIFEST_NAME).write_text("{" if damage == "manifest is no JSON" else json.dumps(manifest))
    if damage == "no manifest":
        (folder / MANIFEST_NAME).unlink()
    if damage == "file missing":
        (folder / BINARY_NAME).unlink()
    with pytest.raises(BitstreamError, match=words):
        loaded(number, replace(options, bitstream=folder), tmp_path)


def test_a_bitstream_that_only_its_driver_can_tell_is_bad_does_no_harm(
    number: str, opencl: OpenClDevice, options: FpgaOptions, tmp_path: Path, expected: Array
) -> None:
    """Half a file under a manifest that vouches for it: one driver refuses it, another one crashes."""
    folder = tmp_path / "engine"
    build_with_driver(opencl, EMULATION, EnginePath.FUSED, folder)
    half = (folder / BINARY_NAME).read_bytes()[:20000]
    (folder / BINARY_NAME).write_bytes(half)
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest | {"sha256": digest(half)}))
    with pytest.raises(DeviceError, match=r"refuses it|ended with status"):
        loaded(number, replace(options, bitstream=folder), tmp_path)
    program = loaded(number, options, tmp_path)
    assert_answers(program, expected)
    program.close()


def test_a_model_larger_than_the_device_is_refused_before_anything_is_sent(
    number: str, opencl: OpenClDevice, options: FpgaOptions
) -> None:
    with pytest.raises((DeviceMemoryError, PlanError), match="bytes"):
        FpgaDevice(number, options).load(huge_network(opencl), LoadOptions(threads=1))


def huge_network(opencl: OpenClDevice) -> Lowered:
    """A lookup over an image that two arenas of do not fit the device, or the engine's addresses."""
    side = int((min(opencl.allocation_bytes, 2**31 - 2**20) / 2) ** 0.5) + 1
    x = TensorType((1, side, side, 2), DType.U8)
    table = np.arange(256, dtype=np.uint8)
    node = Node("lookup", QLookup(), ("x", "table"), "y")
    return Lowered(Graph({"x": x}, (node,), {"table": table}, {"y": "y"}), {})


def test_a_device_that_runs_out_of_memory_is_reported(number: str, tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "tests.kernels.devices.starved_server", number, str(tmp_path)],
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert child.returncode == 0, child.stderr.decode()
    assert b"bytes on the device" in child.stdout


@pytest.fixture(scope="module")
def engine_folder() -> dict[str, Path]:
    """Device's number -> a good bitstream of this module."""
    return {}
