"""ONNX's own node tests of every operator that is imported: the right values, or a refusal, in every operator set.

The judge is onnxruntime, unoptimised, on the same file, or onnx.reference where it does not run it. The first float operand is the image that is served, one of a batch; the
others are constants, and once more inputs too. Each case is also put through ONNX's version converter, to the sets in
which its operator was changed.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper, version_converter
from onnx.backend.test.case.test_case import TestCase as NodeCase
from onnx.backend.test.loader import load_node_model_tests
from onnx.reference import ReferenceEvaluator

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Array
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import ModelFileError
from accelserve.models.importing import import_onnx
from accelserve.models.importing.folding import FOLDABLE
from accelserve.models.importing.registry import HANDLERS
from tests.models.importing.onnx_models import nhwc_feeds, session

OLDEST_SET = 7


SUPPORTED = sorted({*HANDLERS, *FOLDABLE})


@cache
def cases() -> dict[str, list[NodeCase]]:
    """Those of one node, by operator."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # some of them cast what does not fit
        loaded = load_node_model_tests()
    found: dict[str, list[NodeCase]] = {op: [] for op in SUPPORTED}
    for case in loaded:
        if case.model is not None and case.data_sets and len(case.model.graph.node) == 1:
            node = case.model.graph.node[0]
            if node.op_type in found and node.domain in {"", "ai.onnx"}:
                found[node.op_type].append(case)
    return found


def with_inputs(case: NodeCase, kept: int) -> tuple[onnx.ModelProto, dict[str, Array]] | None:
    """The case with its first ``kept`` float operands as inputs, one image of each, and the others as constants."""
    if case.model is None or not case.data_sets:
        return None
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    values = dict(zip((value.name for value in model.graph.input), case.data_sets[0][0], strict=False))
    if not all(isinstance(value, np.ndarray | np.generic) for value in values.values()):
        return None
    floats = [name for name, value in values.items() if value.dtype == np.float32][:kept]
    if not floats or any(np.ndim(values[name]) == 0 or 0 in np.shape(values[name]) for name in floats):
        return None
    feeds = {name: np.asarray(values[name])[:1] for name in floats}
    del model.graph.input[:]
    for name, value in values.items():
        if name in feeds:
            info = onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, feeds[name].shape)
            model.graph.input.append(info)
        else:
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model, feeds


def versions(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    """The model, and as the converter writes it for the sets in which its operator has another definition."""
    yield model
    op = model.graph.node[0].op_type
    sets = {
        s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == op and s.domain == ""
    }
    own = model.opset_import[0].version
    for version in sorted({max(v, OLDEST_SET) for v in sets} | {max(v - 1, OLDEST_SET) for v in sets}):
        if version < own:
            try:
                yield version_converter.convert_version(model, version)
            except (RuntimeError, ValueError):  # the converter knows no way
                continue


def judged(model: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array] | None:
    """What the file computes; None if no judge takes it. Neither documents its errors."""
    with contextlib.suppress(Exception):
        return list(session(model.SerializeToString(), optimize=False).run(None, feeds))
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        return list(ReferenceEvaluator(model).run(None, feeds))
    return None


def outcome(name: str, model: onnx.ModelProto, feeds: dict[str, Array]) -> str:
    """What becomes of a file: ``right``, ``refused``, or ``unjudged`` where the judge refuses it too."""
    try:
        imported = import_onnx(model.SerializeToString())
    except (UnsupportedNodesError, ModelFileError):
        return "refused"
    wanted = judged(model, feeds)
    if wanted is None:
        return "unjudged"
    found = evaluate(imported.graph, nhwc_feeds(imported, feeds))
    for mine, reference in zip(found.values(), wanted, strict=True):
        where = f"{name}, operator set {model.opset_import[0].version}"
        assert mine.shape == np.shape(reference), where
        np.testing.assert_allclose(mine, reference, rtol=5e-4, atol=1e-5, err_msg=where)
    return "right"


@pytest.mark.parametrize("op", SUPPORTED)
def test_a_node_is_read_right_or_refused(op: str) -> None:
    for case in cases()[op]:
        made = [with_inputs(case, kept) for kept in (1, 2)]
        several = made[1] is not None and len(made[1][1]) > 1
        for each in made if several else made[:1]:
            for model in versions(each[0]) if each else ():
                outcome(case.name, model, each[1])  # type: ignore[index] # no model, no turn


def test_most_operators_have_a_case_that_is_read() -> None:
    """Else the test above could not fail."""
    made = [(case.name, with_inputs(case, 1)) for case in itertools.chain(*cases().values())]
    read = Counter(
        each[0].graph.node[0].op_type for name, each in made if each and outcome(name, *each) == "right"
    )
    assert len(read) > 30
    assert read.total() > 150
