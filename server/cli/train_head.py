"""``accelserve train-head``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from accelserve.server.cache_folder import cache_folder
from accelserve.server.cli.cache_dir_option import cache_dir_option
from accelserve.server.cli.repository_option import repository_option

if TYPE_CHECKING:
    from accelserve.models.heads.training import HeadOptions, TrainedHead

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MOST_CLASSES_SHOWN = 20


@click.command("train-head")
@click.argument("model", type=_FOLDER)
@click.argument("pictures", type=_FOLDER)
@click.option("--name", required=True, help="What requests will call the new model.")
@repository_option(
    "Folder of models; MODEL's own if not given.",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
)
@click.option(
    "--test-share", default=0.2, show_default=True, help="Of each class, held out for the accuracy."
)
@click.option("--seed", default=0, show_default=True, help="Of what is held out and of the folds.")
@click.option(
    "--layer",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="Arithmetic of the new layer.",
)
@click.option("--device", default="auto", show_default=True, help="Where features are computed.")
@cache_dir_option
def train_head(
    model: Path,
    pictures: Path,
    name: str,
    repository: Path | None,
    test_share: float,
    seed: int,
    layer: str,
    device: str,
    cache_dir: Path | None,
) -> None:
    """Train a classifier of your own classes on a published network's features, and publish it.

    MODEL is the folder of a model with a 'features' signature, or of one of its versions. PICTURES holds one folder of
    pictures for each class; the folders' names become the labels.
    """
    from accelserve.kernels.devices.discovery import open_device
    from accelserve.kernels.program import LoadOptions
    from accelserve.models.heads.training import HeadOptions
    from accelserve.models.heads.training import train_head as train
    from accelserve.models.repository import latest_version
    from accelserve.server.cli.progress import stage_progress

    base = latest_version(model)
    options = HeadOptions(
        name=name,
        repository=repository or base.resolve().parent.parent,
        test_share=test_share,
        seed=seed,
        layer="int8" if layer == "int8" else "float32",
    )
    load = LoadOptions(cache=cache_folder(cache_dir))
    with stage_progress() as progress:
        trained = train(base, pictures, options, device=open_device(device), load=load, progress=progress)
    _report(trained, options)


def _report(trained: TrainedHead, options: HeadOptions) -> None:
    for path, reason in trained.skipped:
        click.echo(f"skipped {path}: {reason}", err=True)
    fit = trained.fit
    chosen = f"C {fit.inverse_strength:g}"
    if fit.folds:
        chosen += f" of {fit.folds}-fold cross-validation, accuracy there {fit.validation_accuracy:.1%}"
    else:
        chosen += ", as it is: cross-validation needs two pictures of every class to train on"
    click.echo(f"trained on {trained.trained} pictures of {len(trained.classes)} classes; {chosen}")
    if trained.tested:
        _print_accuracy(trained, options)
    click.echo(f"published {trained.directory}: labels {', '.join(trained.classes)}")


def _print_accuracy(trained: TrainedHead, options: HeadOptions) -> None:
    from accelserve.server.cli.tables import print_rows

    if len(trained.classes) <= _MOST_CLASSES_SHOWN:
        rows = [
            (name, *map(str, row))
            for name, row in zip(trained.classes, trained.confusion.tolist(), strict=True)
        ]
        print_rows(["is \\ taken for"], trained.classes, rows, title="held-out pictures")
    other = next(layer for layer in trained.accuracy if layer != options.layer)
    click.echo(
        f"accuracy on {trained.tested} held-out pictures: {trained.accuracy[options.layer]:.1%} "
        f"({trained.accuracy[other]:.1%} with --layer {other})"
    )
