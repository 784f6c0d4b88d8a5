"""The roofline figure: what each layer could reach on a part, and what it is predicted to reach."""

from __future__ import annotations

from pathlib import Path

from accelserve.kernels.opencl.estimate.model import MEMORY_EFFICIENCY, Estimate, LayerEstimate


def draw_roofline(predicted: Estimate, path: Path) -> None:
    """Write the picture; the suffix (``.svg``, ``.png``) says in which format.

    Needs matplotlib (the extra ``report``).
    """
    from matplotlib.figure import Figure

    layers = [layer for layer in predicted.layers if layer.macs]
    part, engine = predicted.part, predicted.configuration
    peak = engine.macs_per_cycle * part.clock_mhz * 1e-3
    bandwidth = part.memory_gbps * MEMORY_EFFICIENCY
    intensities = [layer.macs / layer.traffic_bytes for layer in layers]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    low, high = min([*intensities, 1.0]) / 2, max([*intensities, peak / bandwidth]) * 2
    axes.plot([low, peak / bandwidth, high], [low * bandwidth, peak, peak], color="black", linewidth=1)
    for bound, colour in (("compute", "tab:blue"), ("memory", "tab:red")):
        chosen = [layer for layer in layers if layer.bound == bound]
        axes.scatter(
            [layer.macs / layer.traffic_bytes for layer in chosen],
            [_speed(layer, part.clock_mhz) for layer in chosen],
            s=[_area(layer, predicted) for layer in chosen],
            color=colour,
            alpha=0.5,
            label=f"{bound} bound",
        )
    axes.set(xscale="log", yscale="log", xlabel="multiply-accumulates per byte of external memory")
    axes.set_ylabel("GMAC/s (predicted)")
    axes.set_title(
        f"{part.name}, {engine.vec} x {engine.lane} x {engine.px} at {part.clock_mhz:.0f} MHz: "
        f"{predicted.ideal_ms:.1f} ms an image, predicted"
    )
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _speed(layer: LayerEstimate, clock_mhz: float) -> float:
    return layer.macs / layer.cycles * clock_mhz * 1e-3


def _area(layer: LayerEstimate, predicted: Estimate) -> float:
    """Larger for layers that take more of the time."""
    return 20 + 800 * layer.cycles / predicted.cycles
