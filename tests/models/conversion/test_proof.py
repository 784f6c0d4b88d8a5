"""Before a network is published, this processor answers a picture with it, byte for byte as the reference does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelserve.kernels.cpu.compiler.lowering import LOWERINGS, Lowering
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import QAveragePool
from accelserve.kernels.program import LoadOptions
from accelserve.kernels.reference.operators import EVALUATORS
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.errors import ConversionError
from accelserve.models.repository import list_models, read_manifest
from accelserve.models.serving.compiling import network_of
from accelserve.models.serving.servable import Servable
from tests.models.importing.onnx_models import floats, node, onnx_file
from tests.models.quantize.photographs import SPEC

SIDE = SPEC.crop_height
CPU: dict[Any, Any] = LOWERINGS
REFERENCE: dict[Any, Any] = EVALUATORS


@pytest.fixture
def source(tmp_path: Path) -> Path:
    nodes = [
        node("Conv", "x w", "c", strides=[8, 8]), node("Relu", "c", "r"),
        node("AveragePool", "r", "p", kernel_shape=[3, 3]), node("Conv", "p v", "y"),
    ]  # fmt: skip
    weights = {"w": floats(8, 3, 5, 5) / np.float32(9), "v": floats(4, 8, 1, 1)}
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_file(nodes, {"x": ("N", 3, SIDE, SIDE)}, ["y"], weights))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def options(tmp_path: Path, cache: Path) -> ConvertOptions:
    return ConvertOptions(name="net", repository=tmp_path / "models", preprocess=SPEC, cache=cache)


def test_a_server_finds_what_was_compiled_for_the_proof(source: Path, options: ConvertOptions) -> None:
    directory = convert(source, options).directory
    network = network_of(read_manifest(directory))
    kept = CpuDevice().load_cached(LoadOptions(cache=options.cache, network=network))
    assert kept is not None
    kept.program.close()
    loaded = Servable.load(directory, device=CpuDevice(), options=LoadOptions(cache=options.cache))
    assert loaded.run(loaded.quantize(np.zeros((2, SIDE, SIDE, 3), np.float32)))["y:0"].shape[0] == 2
    loaded.close()


def test_devices_that_differ_in_one_number_publish_nothing(
    source: Path, options: ConvertOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = EVALUATORS[QAveragePool]

    def off_by_one(op: QAveragePool, operands: object) -> object:
        result = np.array(exact(op, operands))  # type: ignore[arg-type]
        result.ravel()[5] ^= 1
        return result

    monkeypatch.setitem(REFERENCE, QAveragePool, off_by_one)
    with pytest.raises(ConversionError, match=r"'net' was not published, for \d+ of \d+ numbers of 'y:0'"):
        convert(source, options)
    assert list_models(options.repository) == []


def test_a_failure_that_nobody_foresaw_is_a_sentence_and_publishes_nothing(
    source: Path, options: ConvertOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> tuple[()]:
        raise IndexError("tuple index out of range")

    monkeypatch.setitem(CPU, QAveragePool, Lowering(broken))
    with pytest.raises(
        ConversionError, match="cannot load or run it \\(IndexError: tuple index out of range\\)"
    ):
        convert(source, options)
    assert list_models(options.repository) == []


def test_what_the_cpu_lacks_is_named_and_publishes_nothing(
    source: Path, options: ConvertOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CPU, QAveragePool)
    with pytest.raises(UnsupportedNodesError, match=r"AveragePool-p \(QAveragePool\)"):
        convert(source, options)
    assert list_models(options.repository) == []


def test_a_network_of_tensors_is_proved_on_noise(tmp_path: Path) -> None:
    scale, zero = np.array(0.02, np.float32), np.array(128, np.uint8)
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("GlobalAveragePool", "d", "y"),
    ]  # fmt: skip
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_file(nodes, {"x": ("N", 3, 8, 8)}, ["y"], {"s": scale, "z": zero}))
    made = convert(path, ConvertOptions(name="net", repository=tmp_path / "models"))
    assert list_models(tmp_path / "models") == ["net"]
    assert made.network is None
