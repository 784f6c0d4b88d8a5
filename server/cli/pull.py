"""``accelserve pull``."""

from __future__ import annotations

from pathlib import Path

import click

from accelserve.server.cache_folder import user_cache
from accelserve.server.cli.flag_sources import former_names
from accelserve.server.errors import ConfigurationError


def _default_cache() -> Path:
    try:
        return user_cache() / "weights"
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; name a folder with --cache_dir") from error


@click.command(context_settings=former_names(cache="cache_dir"))
@click.argument("name")
@click.option(
    "--cache_dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ACCELSERVE_WEIGHTS_CACHE",
    show_default="weights in the user's cache folder",
    help="Folder for downloads.",
)
@click.option("--mirror", envvar="ACCELSERVE_WEIGHTS_MIRROR", help="Address of a folder with the same files.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Import it too, to ONNX."
)
def pull(name: str, cache_dir: Path | None, mirror: str | None, output: Path | None) -> None:
    """Download the published weights of a network and verify them.

    NAME is an architecture with published weights, such as resnet50. An interrupted download goes on from where it
    stopped.
    """
    from accelserve.models.weights.download import DownloadOptions
    from accelserve.models.weights.published import pull as pull_weights
    from accelserve.server.cli.progress import download_progress

    with download_progress(name) as progress:
        options = DownloadOptions(progress=progress)
        path = pull_weights(name, cache_dir or _default_cache(), mirror=mirror, options=options)
    click.echo(str(path))
    if output is not None:
        from accelserve.models.conversion.source import load_source

        load_source(path, architecture=name).save(output)
        click.echo(str(output))
