"""``accelserve convert``."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accelserve.server.cache_folder import cache_folder
from accelserve.server.cli.cache_dir_option import cache_dir_option
from accelserve.server.cli.flag_sources import former_names
from accelserve.server.cli.graph_outputs import outputs_option
from accelserve.server.cli.input_shapes import input_shape_option
from accelserve.server.cli.label_names import label_names
from accelserve.server.cli.repository_option import repository_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accelserve.models.conversion.convert import Converted, ConvertOptions
    from accelserve.models.quantize.fast import FastChoice

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

PROVING = "compiling the network, and comparing this CPU's answers with the reference's"


@click.command(context_settings=former_names(output="outputs"))
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What requests will call the model.")
@repository_option("Folder of models.", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", type=int, help="The next one if not given.")
@click.option(
    "--calibrate", type=_FOLDER, help="Photographs like those to be served; generated if not given."
)
@click.option("--calibrate-limit", default=256, show_default=True, help="Most photographs to use.")
@click.option("--preprocess", help="Preset, or JSON; the file's own if not given.")
@click.option("--method", help="How activation ranges are picked.")
@click.option(
    "--rounding",
    type=click.Choice(["compensated", "nearest"]),
    default="compensated",
    show_default=True,
    help="Of weights: so that they make up for each other's errors, or each by itself.",
)
@click.option(
    "--correct-biases/--keep-biases",
    default=True,
    show_default=True,
    help="Whether biases take back what rounding weights shifts the layers' means by.",
)
@click.option("--keep-float", multiple=True, help="Node that stays float32; repeatable.")
@click.option(
    "--labels",
    help="Names of the classes: imagenet, coco, voc, or a file, one a line; the architecture's own if not given.",
)
@click.option("--detection", help="Of a detector: preset, or JSON; what its architecture says if not given.")
@click.option("--tag", "tags", multiple=True, help="KEY=VALUE for the manifest; repeatable.")
@click.option(
    "--architecture", help="Built-in network that the weights belong to, if the file does not tell."
)
@outputs_option("Of a TensorFlow graph or architecture")
@input_shape_option
@click.option(
    "--numerics",
    type=click.Choice(["exact", "fast"]),
    default="exact",
    show_default=True,
    help="exact: the quantized file's own arithmetic; fast: 3x3 layers in the Winograd domain, within --fast-budget.",
)
@click.option(
    "--fast-budget",
    type=click.FloatRange(min=0),
    help="Most that the cosine between exact and fast features may lack to 1; 0.001 if not given.",
)
@cache_dir_option
def convert(
    source: Path,
    name: str,
    repository: Path,
    version: int | None,
    calibrate: Path | None,
    calibrate_limit: int,
    preprocess: str | None,
    method: str | None,
    rounding: str,
    correct_biases: bool,
    keep_float: Sequence[str],
    labels: str | None,
    detection: str | None,
    tags: Sequence[str],
    architecture: str | None,
    outputs: Sequence[str],
    input_shapes: Mapping[str, tuple[int, ...]],
    numerics: str,
    fast_budget: float | None,
    cache_dir: Path | None,
) -> None:
    """Make a quantized servable of a trained network: ONNX, PyTorch or Keras weights, a SavedModel, a frozen graph.

    SOURCE is a file or folder, or NAME[:VERSION] of a float network that 'accelserve models register' put into the
    repository.
    """
    from accelserve.kernels.preprocess import preprocess_spec
    from accelserve.models.conversion.convert import ConvertOptions
    from accelserve.models.detection import detection_document
    from accelserve.models.quantize.quantizer import QuantizeOptions
    from accelserve.models.registry.versions import refuse_network_name

    quantization = QuantizeOptions(
        keep_float=frozenset(keep_float), rounding=rounding, correct_biases=correct_biases
    )
    if method is not None:
        quantization = replace(quantization, method=method)
    options = ConvertOptions(
        name=name,
        repository=repository,
        version=version,
        calibrate=calibrate,
        calibrate_limit=calibrate_limit,
        preprocess=None if preprocess is None else preprocess_spec(preprocess),
        quantize=quantization,
        labels=label_names(labels),
        tags=dict(_tag(text) for text in tags),
        detection=None if detection is None else detection_document(detection),
        input_shapes=input_shapes,
        fast_budget=_budget(numerics, fast_budget),
        cache=cache_folder(cache_dir),
    )
    path, registered = _located(source, repository)
    refuse_network_name(str(repository), name)
    converted = _converted(path, options, architecture, outputs)
    if registered:
        from accelserve.models.registry.registry import Registry

        Registry(repository).tag(f"{name}:{converted.directory.name}", parent=registered)
    _report(converted, calibrate)


def _located(source: Path, repository: Path) -> tuple[Path, str]:
    """A file or folder, and NAME:VERSION if it is a registered float network; click.BadParameter if it is neither."""
    if source.exists():
        return source, ""
    from accelserve.models.errors import ModelError
    from accelserve.models.registry.information import network_path
    from accelserve.models.registry.registry import Registry

    with suppress(ModelError):
        found = Registry(repository).show(str(source))
        if found.kind == "network":
            return network_path(found), found.reference
    raise click.BadParameter(
        f"'{source}' does not exist, and {repository} has no float network of that name", param_hint="SOURCE"
    )


def _budget(numerics: str, fast_budget: float | None) -> float | None:
    from accelserve.models.quantize.fast import DEFAULT_BUDGET

    if numerics == "exact":
        if fast_budget is not None:
            raise click.UsageError("--fast-budget is of --numerics fast")
        return None
    return DEFAULT_BUDGET if fast_budget is None else fast_budget


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.BadParameter(f"'{text}' is not KEY=VALUE", param_hint="--tag")
    return key, value


def _converted(
    source: Path, options: ConvertOptions, architecture: str | None, outputs: Sequence[str]
) -> Converted:
    from accelserve.models.conversion.convert import convert_imported
    from accelserve.models.conversion.source import import_source
    from accelserve.models.importing import ImportOptions
    from accelserve.server.cli.progress import compile_progress, image_progress

    open_sizes = ImportOptions(input_shapes=options.input_shapes)
    imported = import_source(source, architecture=architecture, outputs=outputs, options=open_sizes)
    with ExitStack() as calibrating, ExitStack() as proof:

        def proving() -> None:
            calibrating.close()  # one bar after the other
            click.echo(PROVING, err=True)
            proof.enter_context(compile_progress())

        progress = calibrating.enter_context(image_progress("calibrating"))
        return convert_imported(imported, source.name, options, progress, proving)


def _report(converted: Converted, calibrate: Path | None) -> None:
    for note in converted.notes:
        click.echo(note, err=True)
    for path, reason in converted.skipped:
        click.echo(f"skipped {path}: {reason}", err=True)
    if converted.synthetic:
        click.echo(
            "calibrated on generated pictures; --calibrate DIR with photographs is more accurate", err=True
        )
    if calibrate is not None and converted.network is None:
        click.echo("the file came quantized: --calibrate was not needed", err=True)
    if converted.fast is not None:
        _report_fast(converted.fast)
    click.echo(f"published {converted.directory}: signatures {', '.join(converted.manifest.signatures)}")


def _report_fast(fast: FastChoice) -> None:
    from accelserve.models.quantize.fast import why_slower_here

    if not fast.layers:
        click.echo(
            "fast numerics: no layer is a 3x3 convolution at stride 1 that would gain; all are exact",
            err=True,
        )
        return
    for layer in fast.layers:
        form = "Winograd" if layer.fast else "exact, for the budget's sake"
        click.echo(f"  {layer.name}: {layer.sqnr_db:.1f} dB in the Winograd domain -> {form}", err=True)
    lack = 1 - fast.cosine
    click.echo(
        f"fast numerics: {len(fast.taken)} of {len(fast.layers)} layers in the Winograd domain; the cosine between exact and "
        f"fast features is {fast.cosine:.6f} on {fast.pictures} pictures ({lack:.6f} of a budget of {fast.budget:g})",
        err=True,
    )
    slower = why_slower_here() if fast.taken else None
    if slower is not None:
        click.echo(f"note: {slower}", err=True)
