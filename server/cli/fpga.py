"""``accelserve fpga``: bitstreams and predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accelserve.server.cli.figure_option import figure_option
from accelserve.server.cli.flag_sources import former_names

if TYPE_CHECKING:
    from accelserve.kernels.ir import Graph
    from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
    from accelserve.kernels.opencl.estimate.model import Estimate

_SIZES = (
    click.option("--vec", type=int, help="Input channels a cycle."),
    click.option("--lane", type=int, help="Output channels a cycle."),
    click.option("--px", type=int, help="Pixels that share a fetch of weights."),
    click.option("--strip_vectors", type=int, help="Vectors of VEC channels in the on-chip strip."),
    click.option("--weight_depth", type=int, help="Taps in each on-chip bank of weights."),
)


def _sizes(command: Any) -> Any:
    for option in reversed(_SIZES):
        command = option(command)
    return command


@click.group
def fpga() -> None:
    """Build bitstreams of the engine, and predict how fast a network runs on a part."""


@fpga.command
@click.option("--board", default="", help="Name of a board in the installed board package.")
@click.option("--emulator", is_flag=True, help="Compile for the installed emulator instead of a board.")
@click.option(
    "--output", required=True, type=Path, help="Folder for source, reports, bitstream and manifest."
)
@click.option("--seed", default=1, show_default=True, help="Of place and route.")
@click.option("--reports_only", is_flag=True, help="Stop after the reports on area and loops.")
@click.option("--dry_run", is_flag=True, help="Write the source, print the command line, run nothing.")
@_sizes
def build(
    board: str,
    emulator: bool,
    output: Path,
    seed: int,
    reports_only: bool,
    dry_run: bool,
    **sizes: int | None,
) -> None:
    """Build a bitstream: the engine with its constants, compiled for one board."""
    from accelserve.kernels.opencl.bitstreams.aoc import BoardBuild, build_for_board
    from accelserve.kernels.opencl.engine.configuration import EMULATION, EngineConfiguration

    if bool(board) == emulator:
        raise click.UsageError("give either --board or --emulator")
    if emulator:
        click.echo(_built_for_emulator(_configuration(EMULATION, sizes), output))
        return
    job = BoardBuild(
        board=board,
        configuration=_configuration(EngineConfiguration(lane=16, px=8), sizes),
        folder=output,
        seed=seed,
        reports_only=reports_only,
    )
    if dry_run:
        job.write_source()
        click.echo(f"cd {output} && {' '.join(job.command())}")
        return
    manifest = build_for_board(job)
    click.echo(f"{output}: {manifest.file}, for {board}" if manifest else f"{output}: reports only")


def _built_for_emulator(configuration: EngineConfiguration, output: Path) -> str:
    from accelserve.kernels.opencl.bitstreams.driver_build import build_with_driver
    from accelserve.kernels.opencl.engine.source import EnginePath
    from accelserve.kernels.opencl.runtime.discovery import choose, discover

    manifest = build_with_driver(choose("fpga", discover()), configuration, EnginePath.CHANNELS, output)
    return f"{output}: {manifest.file}, for {manifest.part}"


def _configuration(base: EngineConfiguration, sizes: dict[str, int | None]) -> EngineConfiguration:
    from dataclasses import replace

    return replace(base, **{name: value for name, value in sizes.items() if value is not None})


@fpga.command(context_settings=former_names(roofline="figure"))
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--part", default="arria10-gx1150", show_default=True, help="A part's name, or a JSON file of one."
)
@click.option("--layers", is_flag=True, help="Print every layer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@figure_option("The roofline")
@_sizes
def estimate(
    models: tuple[str, ...],
    part: str,
    layers: bool,
    as_json: bool,
    figure: Path | None,
    **sizes: int | None,
) -> None:
    """Predict latency, DSPs and memory of MODEL on a part: a version's folder, an ONNX file, or an architecture.

    Without sizes, the VEC, LANE and PX are found with which the part is fastest over all of the models together.
    Every figure is a prediction.
    """
    from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
    from accelserve.kernels.opencl.estimate import model as predictions
    from accelserve.kernels.opencl.estimate.parts import find_part
    from accelserve.kernels.opencl.estimate.workload import workload_of

    if figure is not None and len(models) > 1:
        raise click.UsageError("--figure draws one model")
    chip = find_part(part)
    workloads = {model: workload_of(_graph_of(model)) for model in models}
    if any(value is not None for value in sizes.values()):
        chosen = _configuration(EngineConfiguration(), sizes)
    else:
        chosen = predictions.best_configuration(tuple(workloads.values()), chip)
    predicted = {model: predictions.estimate(work, chosen, chip) for model, work in workloads.items()}
    if as_json:
        click.echo(json.dumps({model: _document(each) for model, each in predicted.items()}, indent=2))
        return
    for model, each in predicted.items():
        _print_summary(model, each, workloads[model].host)
        if layers:
            _print_layers(each)
        if figure is not None:
            from accelserve.kernels.opencl.estimate.roofline import draw_roofline

            draw_roofline(each, figure)


def _graph_of(model: str) -> Graph:
    """A servable's graph lowered, or a float one simplified; an architecture's, too, where a folder without a model is called so."""
    from accelserve.kernels.compiler.lower import lower
    from accelserve.models.architectures import architectures
    from accelserve.models.conversion.source import random_network
    from accelserve.models.importing import import_onnx
    from accelserve.models.quantize.simplify import simplify
    from accelserve.models.repository import MODEL_FILE

    path = Path(model)
    if path.is_dir() and ((path / MODEL_FILE).exists() or model not in architectures()):
        path /= MODEL_FILE
    if path.suffix == ".onnx":
        return lower(simplify(import_onnx(path).graph)).graph
    return simplify(import_onnx(random_network(model, 0).model.SerializeToString()).graph)


def _document(predicted: Estimate) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "prediction": True,
        **asdict(predicted),
        "cycles": predicted.cycles,
        "ideal_ms": predicted.ideal_ms,
        "calibrated_ms": predicted.calibrated_ms,
    }


def _print_summary(model: str, predicted: Estimate, host: int) -> None:
    part, engine, taken = predicted.part, predicted.configuration, predicted.resources
    strip_bytes = engine.strip_vectors * engine.vec
    lines = (
        f"{model} on {part.name}, predicted (no measurement):",
        f"  engine   VEC {engine.vec}  LANE {engine.lane}  PX {engine.px}  strip {strip_bytes >> 10} KiB",
        f"  takes    {taken.dsps} of {part.dsps} DSPs, {taken.m20ks} of {part.m20ks} M20Ks",
        f"  latency  {predicted.ideal_ms:.2f} ms ideal at {part.clock_mhz:.0f} MHz",
        f"           {predicted.calibrated_ms:.2f} ms at the efficiency that published designs measured",
        f"  array    {100 * predicted.utilisation:.0f} % busy over {predicted.macs / 1e9:.2f} GMAC",
    )
    click.echo("\n".join(lines))
    if host:
        click.echo(f"  host     {host} float operators run there and are not counted")


def _print_layers(predicted: Estimate) -> None:
    from accelserve.server.cli.tables import print_rows

    rows = [
        (
            layer.name,
            layer.operator,
            str(layer.bound),
            f"{layer.macs / 1e6:.2f}",
            str(layer.cycles),
            f"{layer.utilisation:.0%}",
        )
        for layer in predicted.layers
    ]
    print_rows(["layer", "operator", "bound"], ["MMAC", "cycles", "busy"], rows)
