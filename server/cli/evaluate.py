"""``accelserve evaluate``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accelserve.server.cache_folder import cache_folder
from accelserve.server.cli.cache_dir_option import cache_dir_option
from accelserve.server.cli.figure_option import figure_option
from accelserve.server.cli.flag_sources import former_names
from accelserve.server.cli.graph_outputs import outputs_option
from accelserve.server.cli.input_shapes import input_shape_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelserve.kernels.ir import Graph
    from accelserve.models.evaluate import EvaluateOptions, Evaluation
    from accelserve.models.evaluate.report import Agreement

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings=former_names(output="outputs"))
@click.argument("model", type=_FOLDER)
@click.option("--images", required=True, type=_FOLDER, help="Pictures, in subfolders too.")
@click.option("--labels", type=_FILE, help="What is in them: CSV 'picture,class', or JSON with boxes.")
@click.option("--float", "original", type=click.Path(exists=True, path_type=Path), help="Float32 original.")
@click.option("--architecture", help="Of the original's weights, if the file does not tell.")
@outputs_option("Of the original's architecture")
@input_shape_option
@click.option("--device", default="cpu", show_default=True, help="Where the model runs.")
@click.option("--threads", default=0, help="0 takes every core.")
@cache_dir_option
@click.option("--limit", default=1000, show_default=True, help="Most pictures to use, evenly spread.")
@click.option("--layer-pictures", default=4, show_default=True, help="Pictures for the noise of every layer.")
@click.option("--worst", default=10, show_default=True, help="Layers to list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@figure_option("Noise of the layers, and features")
def evaluate(
    model: Path,
    images: Path,
    labels: Path | None,
    original: Path | None,
    architecture: str | None,
    outputs: tuple[str, ...],
    input_shapes: Mapping[str, tuple[int, ...]],
    device: str,
    threads: int,
    cache_dir: Path | None,
    limit: int,
    layer_pictures: int,
    worst: int,
    as_json: bool,
    figure: Path | None,
) -> None:
    """Say what a published model is worth: MODEL is REPOSITORY/NAME, or REPOSITORY/NAME/VERSION.

    Against the truth with --labels (or pictures in folders named after the model's labels), against the float32 network
    that it was made of with --float.
    """
    from accelserve.kernels.devices.discovery import open_device
    from accelserve.kernels.program import LoadOptions
    from accelserve.models.evaluate import EvaluateOptions, read_truth, save_figure
    from accelserve.models.repository import latest_version, read_manifest

    if figure is not None and original is None:
        raise click.UsageError(
            "--figure draws how far layers are from float32's; give the original with --float."
        )
    directory = latest_version(model)
    truth = None if labels is None else read_truth(labels, read_manifest(directory).labels)
    options = EvaluateOptions(
        device=open_device(device),
        load=LoadOptions(threads=threads, cache=cache_folder(cache_dir)),
        original=None if original is None else _original(original, architecture, outputs, input_shapes),
        truth=truth,
        limit=limit,
        layer_pictures=layer_pictures,
    )
    evaluation = _evaluated(directory, images, options)
    # Numbers first: whatever keeps the drawing from being written, they are there.
    if as_json:
        click.echo(json.dumps(evaluation.to_json(), indent=2))
    else:
        _print(evaluation, worst)
    if figure is not None:
        save_figure(evaluation, figure)


def _original(
    source: Path,
    architecture: str | None,
    outputs: tuple[str, ...],
    input_shapes: Mapping[str, tuple[int, ...]],
) -> Graph:
    from accelserve.models.conversion.source import import_source
    from accelserve.models.importing import ImportOptions

    open_sizes = ImportOptions(input_shapes=input_shapes)
    return import_source(source, architecture=architecture, outputs=outputs, options=open_sizes).graph


def _evaluated(directory: Path, images: Path, options: EvaluateOptions) -> Evaluation:
    from accelserve.models.evaluate import evaluate_servable
    from accelserve.server.cli.progress import image_progress

    with image_progress("evaluating") as progress:
        return evaluate_servable(directory, images, options, progress)


def _print(evaluation: Evaluation, worst: int) -> None:
    from accelserve.server.cli.tables import print_rows

    for picture, reason in evaluation.skipped:
        click.echo(f"skipped {picture}: {reason}", err=True)
    click.echo(
        f"{evaluation.model}, version {evaluation.version}, on {evaluation.device}, {evaluation.pictures} pictures"
    )
    if summary := summary_rows(evaluation):
        print_rows(["measure"], ["int8", "float32"], summary)
    if not evaluation.layers or worst < 1:
        if evaluation.agreement is None:
            click.echo("--float ORIGINAL compares it with its float32 network, layer by layer", err=True)
        return
    layers = [
        (layer.name, layer.operator, _decibels(layer.sqnr_db), f"{layer.cosine:.5f}")
        for layer in evaluation.worst_layers()[:worst]
    ]
    print_rows(["layer, worst first", "operator"], ["signal/noise", "cosine"], layers)


def summary_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """(measure, of the servable, of the original) as text."""
    rows: list[tuple[str, str, str]] = []
    if (accuracy := evaluation.accuracy) is not None:
        rows.append((f"top-1 of {accuracy.pictures}", _share(accuracy.top1), _share(accuracy.float_top1)))
        if accuracy.top5 is not None:
            rows.append((f"top-5 of {accuracy.pictures}", _share(accuracy.top5), _share(accuracy.float_top5)))
    if (found := evaluation.detection) is not None:
        rows.append((f"mAP at 0.5 of {found.pictures}", _share(found.map50), _share(found.float_map50)))
        rows.append(("mAP at 0.5 to 0.95", _share(found.map50_95), _share(found.float_map50_95)))
    return rows if evaluation.agreement is None else rows + _agreement_rows(evaluation.agreement)


def _agreement_rows(agreement: Agreement) -> list[tuple[str, str, str]]:
    from accelserve.models.evaluate.report import CLEAR_LEAD

    rows: list[tuple[str, str, str]] = []
    if agreement.top1 is not None:
        rows.append(("same top-1 as float32", _share(agreement.top1), ""))
    if agreement.clear_top1 is not None:
        what = f"same, of {agreement.clear_pictures} with a lead of {CLEAR_LEAD}"
        rows.append((what, _share(agreement.clear_top1), ""))
    if agreement.top5 is not None:
        rows.append(("float32's top-1 in top-5", _share(agreement.top5), ""))
    if agreement.largest_lead_lost:
        rows.append(("largest lead where it differs", "", f"{agreement.largest_lead_lost:.4f}"))
    if agreement.largest_difference is not None:
        rows.append(("largest difference of a score", f"{agreement.largest_difference:.4f}", ""))
    if agreement.mean_feature_cosine is not None:
        rows.append(("features: mean cosine", f"{agreement.mean_feature_cosine:.5f}", ""))
        rows.append(("features: least cosine", f"{min(agreement.feature_cosines):.5f}", ""))
    if agreement.feature_distance_error is not None:
        what = "features: error of distances between pictures"
        rows.append((what, _share(agreement.feature_distance_error), ""))
    if agreement.detection_map50 is not None:
        rows.append(("mAP at 0.5 with float32's boxes as truth", _share(agreement.detection_map50), ""))
    rows += [
        (f"signal/noise of {name}", _decibels(value), "") for name, value in agreement.outputs_sqnr_db.items()
    ]
    return rows


def _share(value: float | None) -> str:
    if value is None:
        return ""
    return "none found" if math.isnan(value) else f"{100 * value:.2f} %"


def _decibels(value: float) -> str:
    return "exact" if math.isinf(value) else f"{value:.1f} dB"
