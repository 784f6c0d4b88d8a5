"""A confusion matrix as a picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

_INCHES_A_CLASS = 0.45
_MOST_INCHES = 40.0
_MOST_NUMBERS = 40  # classes beyond which the counts would not be legible


def confusion_picture(matrix: NDArray[np.int64], classes: tuple[str, ...], title: str) -> bytes:
    """A PNG: rows are the pictures' classes, columns what they were taken for; the same bytes every time.

    Args:
        matrix: counts [K, K].
        classes: K names.
        title: stands above.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = min(3.0 + _INCHES_A_CLASS * len(classes), _MOST_INCHES)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_title(title)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    if len(classes) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(matrix):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color)
    figure.colorbar(image, label="share of the row")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()
