"""Whatever operators follow each other, import and export mean what onnxruntime means."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.importing import export_onnx, import_onnx
from tests.models.importing.onnx_models import assert_agrees, floats
from tests.models.importing.random_models import random_models


@settings(max_examples=60, deadline=None)
@given(random_models())
def test_import_and_export_agree_with_onnxruntime(model: tuple[bytes, tuple[int, ...]]) -> None:
    content, shape = model
    image = floats(*shape, seed=5)
    graph = assert_agrees(content, {"x": image}, 1e-4)
    written = export_onnx(graph)
    assert_agrees(written, {"x": image}, 1e-4)
    again = import_onnx(written).graph
    feeds = {"x": image.transpose(0, 2, 3, 1)}
    np.testing.assert_allclose(evaluate(again, feeds)["y"], evaluate(graph, feeds)["y"], rtol=1e-5, atol=1e-5)
