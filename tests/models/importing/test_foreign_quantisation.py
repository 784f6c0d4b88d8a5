"""Files that onnxruntime quantised, in every combination of types, come in by the same door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.devices.reference import evaluate
from accelserve.models.importing import import_onnx
from tests.models.importing.onnx_models import assert_agrees, floats, node, onnx_file, operators


class Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Four random images."""

    def __init__(self) -> None:
        self._images = iter([{"input": floats(1, 3, 8, 8, seed=seed)} for seed in range(4)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._images, None)


def residual_network() -> bytes:
    return onnx_file(
        [
            node("Conv", "input w1 b1", "c1", pads=[1, 1, 1, 1]),
            node("Relu", "c1", "r1"),
            node("Conv", "r1 w2 b2", "c2", pads=[1, 1, 1, 1], group=2),
            node("Add", "c2 r1", "s"),
            node("Relu", "s", "r2"),
            node("MaxPool", "r2", "m", kernel_shape=[2, 2], strides=[2, 2]),
            node("Concat", "m m", "k", axis=1),
            node("GlobalAveragePool", "k", "p"),
            node("Flatten", "p", "f"),
            node("Gemm", "f w3 b3", "logits", transB=1),
        ],
        {"input": (1, 3, 8, 8)},
        ["logits"],
        {
            "w1": floats(6, 3, 3, 3), "b1": floats(6), "w2": floats(6, 3, 3, 3), "b2": floats(6),
            "w3": floats(4, 12), "b3": floats(4),
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("activations", "weights"),
    [
        (QuantType.QUInt8, QuantType.QInt8),
        (QuantType.QUInt8, QuantType.QUInt8),
        (QuantType.QInt8, QuantType.QInt8),
    ],
    ids=["u8 times s8", "u8 times u8", "s8 times s8"],
)
@pytest.mark.parametrize("per_channel", [True, False], ids=["per-channel", "per-tensor"])
def test_it_imports_and_agrees(
    per_channel: bool, activations: QuantType, weights: QuantType, tmp_path: Path
) -> None:
    (tmp_path / "float.onnx").write_bytes(residual_network())
    quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "quantised.onnx",
        Images(),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=activations,
        weight_type=weights,
    )
    content = (tmp_path / "quantised.onnx").read_bytes()
    # A sum in another order may tip one rounding: one code of the output, whose range is about 20.
    graph = assert_agrees(content, {"input": floats(1, 3, 8, 8, seed=9)}, 0.02)
    assert operators(graph).count("Quantize") >= 6


def test_symmetric_int8_lowers_to_integers(tmp_path: Path) -> None:
    (tmp_path / "float.onnx").write_bytes(residual_network())
    quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "q.onnx",
        Images(),
        per_channel=True,
        activation_type=QuantType.QInt8,
    )
    graph = import_onnx(tmp_path / "q.onnx").graph
    lowered = lower(graph)
    assert "Conv2d" not in operators(lowered.graph)
    image = floats(1, 8, 8, 3, seed=9)
    params = lowered.input_quantization["input"]
    codes = np.clip(np.rint(image / np.float32(params.scale)) + params.zero_point, 0, 255).astype(np.uint8)
    found = evaluate(lowered.graph, {"input": codes})["logits"]
    np.testing.assert_allclose(found, evaluate(graph, {"input": image})["logits"], atol=0.2)
