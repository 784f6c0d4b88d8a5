"""An evaluation as a picture: signal to noise along the network, and how the pictures' features fared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from accelserve.models.errors import EvaluationError
from accelserve.models.evaluate.report import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORST_NAMED = 8
_INK, _ACCENT = "#33475b", "#c8553d"


def save_figure(evaluation: Evaluation, path: Path) -> None:
    """Draw an evaluation that was made with the float32 original.

    Args:
        evaluation: with layers.
        path: written; its suffix chooses the format (png, svg, pdf).

    Raises:
        EvaluationError: there is nothing to draw.
        ModuleNotFoundError: matplotlib is missing (the extra ``report``).
    """
    from matplotlib.figure import Figure

    if not evaluation.layers or evaluation.agreement is None:
        raise EvaluationError("a picture shows noise against the float32 original; give the original")
    cosines = evaluation.agreement.feature_cosines
    figure = Figure(figsize=(11, 7 if cosines else 4.5), layout="constrained")
    figure.suptitle(
        f"{evaluation.model}, version {evaluation.version}: int8 against float32, {evaluation.pictures} pictures"
    )
    layers, *rest = figure.subplots(2 if cosines else 1, 1, squeeze=False)[:, 0]
    _draw_layers(layers, evaluation)
    for axes in rest:
        _draw_cosines(axes, sorted(cosines))
    figure.savefig(path, dpi=120)


def _draw_layers(axes: Axes, evaluation: Evaluation) -> None:
    layers = [layer for layer in evaluation.layers if math.isfinite(layer.sqnr_db)]
    worst = {layer.name for layer in evaluation.worst_layers()[:_WORST_NAMED]}
    places = range(len(layers))
    axes.bar(
        places,
        [layer.sqnr_db for layer in layers],
        color=[_ACCENT if layer.name in worst else _INK for layer in layers],
        width=0.8,
    )
    axes.margins(x=0.01)
    axes.set_xticks([])
    # Beside the bars: any of them may be tall.
    axes.text(
        1.01,
        0.98,
        "\n".join(f"{layer.name}  {layer.sqnr_db:.1f} dB" for layer in evaluation.worst_layers()[:_WORST_NAMED]),
        transform=axes.transAxes, ha="left", va="top", fontsize=8, color=_ACCENT,
    )  # fmt: skip
    axes.set_ylabel("signal to quantization noise, dB")
    axes.set_title(
        "layers in the order of the network; the worst are named, in colour", loc="left", fontsize=10
    )
    axes.spines[["top", "right"]].set_visible(False)


def _draw_cosines(axes: Axes, cosines: list[float]) -> None:
    axes.plot([100 * (i + 0.5) / len(cosines) for i in range(len(cosines))], cosines, color=_INK, lw=2)
    axes.margins(x=0.01)
    axes.set_xlabel("pictures, worst first, per cent")
    axes.set_ylabel("cosine of features")
    axes.set_title("features of each picture against float32's", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
