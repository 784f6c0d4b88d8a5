"""What published networks run in int8 once they are quantized and compiled, as docs/models.md has it in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import onnx
import pytest

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Conv2d, Dense, Graph, Node
from accelserve.models.architectures import architecture, random_weights
from accelserve.models.conversion.features import with_features
from accelserve.models.importing import import_onnx
from accelserve.models.quantize.quantizer import quantize
from accelserve.models.quantize.simplify import simplify
from tests.models.importing.onnx_models import floats
from tests.models.importing.test_light_models import FOLDER, LIGHT, NARROWED, with_random_weights

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
LITE = "tf_efficientnet_lite0"
# Steps that say how a tensor is read, or between which numbers it changes.
PASSAGES = {"Reshape", "Quantize", "Dequantize"}


def imported(name: str) -> Graph:
    if name == LITE:
        blueprint = architecture(LITE).blueprint().select(["probabilities"])
        return import_onnx(blueprint.to_onnx(random_weights(blueprint, 0)).SerializeToString()).graph
    model = with_random_weights(onnx.load(FOLDER / f"light_{name}.onnx"), NARROWED.get(name))
    return import_onnx(model.SerializeToString()).graph


def row(name: str) -> str:
    """The network's line in the table."""
    simple = simplify(imported(name))
    (shape,) = (kind.shape for kind in simple.inputs.values())
    plan = lower(quantize(with_features(simple), [floats(*shape)]).graph).graph
    layers = sum(isinstance(node.op, Conv2d | Dense) for node in simple)
    in_int8 = [node for node in plan if not is_float(plan, node)]
    in_float = [node for node in plan if is_float(plan, node)]
    last = max(i for i, node in enumerate(plan) if node.op.label == "QConv2d")
    end = {node.name for node in plan.nodes[last:]}
    of_layers = sum(node.op.label == "QConv2d" for node in in_int8)
    columns = (
        f"`{name}`",
        f"{of_layers} of {layers}",
        listed(node for node in in_int8 if node.op.label != "QConv2d"),
        listed(node for node in in_float if node.name not in end),
        listed(node for node in in_float if node.name in end),
    )
    return f"| {' | '.join(columns)} |".replace("|  |", "| |").replace("|  |", "| |")


def is_float(plan: Graph, node: Node) -> bool:
    return all(plan.type_of(value).dtype.value == "float32" for value in (node.inputs[0], node.output))


def listed(nodes: Iterable[Node]) -> str:
    """Counted by operator; that it is one on integers the column says."""
    counts = Counter(node.op.label.removeprefix("Q") for node in nodes if node.op.label not in PASSAGES)
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LIGHT, LITE])
def test_the_page_says_what_runs_in_int8(name: str) -> None:
    assert row(name) in PAGE.read_text(encoding="utf-8").splitlines()
