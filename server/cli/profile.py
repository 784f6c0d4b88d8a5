"""``accelserve profile``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accelserve.server.cache_folder import cache_folder
from accelserve.server.cli.cache_dir_option import cache_dir_option
from accelserve.server.cli.figure_option import figure_option
from accelserve.server.cli.flag_sources import former_names
from accelserve.server.cli.input_shapes import input_shape_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelserve.models.serving.profiling import NetworkProfile


@click.command(context_settings=former_names(picture="figure"))
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@input_shape_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cpu:ISA, fpga:0, reference.")
@click.option("--threads", default=0, help="0 takes every core.")
@click.option(
    "--runs", default=50, show_default=True, type=click.IntRange(min=1), help="Whose median is shown."
)
@cache_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@figure_option("Time and rate of every layer")
def profile(
    model: Path,
    input_shapes: Mapping[str, tuple[int, ...]],
    device: str,
    threads: int,
    runs: int,
    cache_dir: Path | None,
    as_json: bool,
    figure: Path | None,
) -> None:
    """Time every layer of MODEL: an ONNX file, a model's folder or one of its versions."""
    from accelserve.kernels.devices.discovery import open_device
    from accelserve.kernels.program import LoadOptions
    from accelserve.models.serving.profiling import profile_network

    options = LoadOptions(threads=threads, cache=cache_folder(cache_dir), model=model.name)
    measured = profile_network(model, open_device(device), options, runs, input_shapes)
    if as_json:
        click.echo(json.dumps(measured.to_json(), indent=2))
    else:
        _print(measured)
    if figure is not None:
        from accelserve.models.serving.profile_figure import draw_profile

        draw_profile(measured, model.name, figure)


def _print(measured: NetworkProfile) -> None:
    from accelserve.server.cli.tables import print_rows

    rows = []
    for step in measured.steps:
        rate = f"{step.macs / step.seconds / 1e9:.0f}" if step.macs and step.seconds else ""
        shape = "x".join(map(str, step.shape[1:]))
        share = _share(measured.step_share_of_peak(step))
        rows.append((step.name, shape, step.operator, f"{step.seconds * 1e3:.3f}", rate, share))
    print_rows(["layer", "shape", "runs as"], ["ms", "GMAC/s", "of peak"], rows)
    click.echo(f"{measured.seconds * 1e3:.2f} ms on {measured.device}")
    if measured.share_of_peak is not None and measured.peak_macs_per_second is not None:
        peak, reached = measured.peak_macs_per_second / 1e9, (measured.macs_per_second or 0) / 1e9
        executed = _share(measured.share_of_peak)
        click.echo(
            f"{reached:.0f} GMAC/s where it multiplies; {executed} of the measured peak of {peak:.0f} is executed"
        )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
