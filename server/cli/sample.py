"""``accelserve sample``."""

from __future__ import annotations

from pathlib import Path

import click


@click.group
def sample() -> None:
    """Write what a first try needs: a small trained network, a few photographs. They come with the package."""


@sample.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("photographs"),
    show_default=True,
    help="Folder; made if it is not there.",
)
def photographs(output: Path) -> None:
    """Write four photographs, with their credits and licences."""
    from accelserve.models.samples import LICENSES, write_sample_photographs

    for path in write_sample_photographs(output):
        click.echo(path)
    click.echo(f"credits and licences: {output / LICENSES}", err=True)


@sample.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("squeezenet.onnx"),
    show_default=True,
    help="ONNX file.",
)
def model(output: Path) -> None:
    """Write SqueezeNet 1.1, trained on ImageNet, in float32: for 'accelserve convert'.

    It is small and makes mistakes (57 % top-1); its license is in the file's doc_string.
    """
    from accelserve.models.samples import sample_network

    network = sample_network()
    network.save(output)
    click.echo(
        f"{output}: SqueezeNet 1.1, float32, {output.stat().st_size / 1e6:.1f} MB, 1000 ImageNet classes"
    )
