"""``accelserve import``."""

from __future__ import annotations

from pathlib import Path

import click

from accelserve.server.cli.graph_outputs import outputs_option


@click.command("import")
@click.argument("source", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="ONNX file."
)
@click.option("--architecture", help="Which network the weights are of; found out if they fit only one.")
@outputs_option("What it answers with, such as features or logits")
@click.option("--inputs", help="Input tensors of a frozen TensorFlow graph, comma-separated.")
@click.option("--signature", default="serving_default", show_default=True, help="Of a SavedModel.")
@click.option(
    "--random-seed", type=click.IntRange(min=0), help="No source: random weights for --architecture."
)
def import_(
    source: Path | None,
    output: Path,
    architecture: str | None,
    outputs: tuple[str, ...],
    inputs: str | None,
    signature: str,
    random_seed: int | None,
) -> None:
    """Turn a trained network into float32 ONNX.

    SOURCE is weights of PyTorch (.pth), safetensors or Keras (.h5) for a network that is built in, or a whole network
    of TensorFlow: a SavedModel folder, a .keras file, a frozen graph (.pb).
    """
    from accelserve.models.conversion.source import SourceNetwork, load_source, random_network

    network: SourceNetwork
    if source is not None and random_seed is None:
        network = load_source(
            source,
            architecture=architecture,
            inputs=tuple(inputs.split(",")) if inputs else (),
            outputs=outputs,
            signature=signature,
        )
    elif architecture is not None and random_seed is not None and source is None:
        network = random_network(architecture, random_seed, outputs=outputs)
    else:
        raise click.UsageError("Give either SOURCE, or --architecture with --random-seed.")
    network.save(output)
    what = network.architecture.name if network.architecture else "network"
    names = ", ".join(value.name for value in network.model.graph.output)
    click.echo(f"{output}: {what}, float32, {output.stat().st_size / 1e6:.1f} MB, answers with {names}")
