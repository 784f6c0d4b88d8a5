"""A picture of a profile: a bar a step, as long as its time, as dark as its share of the peak."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from accelserve.models.serving.profiling import NetworkProfile

_INCHES_A_STEP = 0.16
_WIDTH_INCHES = 9.0
_MARGIN_INCHES = 1.2


def draw_profile(profile: NetworkProfile, title: str, path: Path) -> None:
    """Write the picture; its kind is the file's suffix (PNG, SVG, PDF).

    Raises:
        ModuleNotFoundError: matplotlib, of the extra ``report``, is not installed.
        ValueError: matplotlib cannot write such a file.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    steps = profile.steps[::-1]
    figure = Figure(
        figsize=(_WIDTH_INCHES, _MARGIN_INCHES + _INCHES_A_STEP * len(steps)), layout="constrained"
    )
    axes = figure.add_subplot()
    shade = ScalarMappable(cmap="viridis_r")
    shade.set_clim(0, 100)
    shares = np.array([100 * (profile.step_share_of_peak(step) or 0) for step in steps])
    axes.barh(range(len(steps)), [step.seconds * 1e3 for step in steps], color=shade.to_rgba(shares))
    axes.set_yticks(range(len(steps)), [step.name for step in steps], fontsize=6)
    axes.set_ylim(-0.5, len(steps) - 0.5)
    axes.set_xlabel("milliseconds")
    axes.set_title(f"{title}: {profile.seconds * 1e3:.2f} ms on {profile.device}")
    if profile.peak_macs_per_second is not None:
        figure.colorbar(shade, ax=axes, label="% of the measured multiply peak")
    figure.savefig(path)
