"""The networks that onnx itself ships for its tests: published graphs whose weights are a constant each.

All of them import. With one number for all weights a wrong permutation would go unseen, so the test puts random
weights in and compares with onnxruntime on the same file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.models.importing.onnx_models import assert_agrees, floats

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
LIGHT = sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("light_*.onnx"))
# The dense layers of these have 50 to 140 million weights; narrower ones are wired alike.
NARROWED = {"bvlc_alexnet": 4096, "vgg19": 4096, "zfnet512": 4096}


def test_these_are_all_there_are() -> None:
    assert LIGHT == [
        "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50",
        "shufflenet", "squeezenet", "vgg19", "zfnet512",
    ]  # fmt: skip


def with_random_weights(model: onnx.ModelProto, narrowed: int | None) -> onnx.ModelProto:
    """Each ConstantOfShape becomes an initializer; variances positive, weights scaled by their fan-in."""
    graph = model.graph
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    roles = {
        name: (each.op_type, position)
        for each in graph.node
        for position, name in enumerate(each.input)
        if name
    }
    random = np.random.default_rng(1)
    kept = []
    for each in graph.node:
        if each.op_type != "ConstantOfShape":
            kept.append(each)
            continue
        shape = [64 if size == narrowed else int(size) for size in shapes[each.input[0]]]
        # Vectors (biases, normalization) are kept small, or the sums of residual networks would grow without bounds.
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 50
        weights = random.standard_normal(shape).astype(np.float32) * np.sqrt(2 / fan_in)
        if roles[each.output[0]] == ("BatchNormalization", 4):
            weights = np.abs(weights) + 0.5
        graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), each.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    return model


@pytest.mark.parametrize("name", LIGHT)
def test_it_imports_and_agrees_with_onnxruntime(name: str) -> None:
    model = with_random_weights(onnx.load(FOLDER / f"light_{name}.onnx"), NARROWED.get(name))
    inputs = {value.name for value in model.graph.input} - {t.name for t in model.graph.initializer}
    image = floats(1, 3, 224, 224)
    graph = assert_agrees(
        model.SerializeToString(),
        {value: image for value in inputs if "data" in value},
        1e-4,
        any_order=True,
    )
    transposes = sum(node.op.label == "Transpose" for node in graph)
    assert transposes == (16 if name == "shufflenet" else 0)  # a channel shuffle is one
