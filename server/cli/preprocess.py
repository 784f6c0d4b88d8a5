"""``accelserve preprocess``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from accelserve.server.cli.flag_sources import former_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from accelserve.kernels.preprocess import PreprocessSpec
    from accelserve.kernels.preprocess.geometry import Window


@click.command(context_settings=former_names(out="output"))
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--preprocess", "description", default="imagenet-caffe", show_default=True, help="Preset, or JSON."
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="float32 [H, W, C], as .npy."
)
@click.option("--view", type=click.Path(dir_okay=False, path_type=Path), help="The same as a picture, .png.")
def preprocess(picture: Path, description: str, output: Path | None, view: Path | None) -> None:
    """Write what a network would see of a picture, before quantization, and print the steps that lead there."""
    import numpy as np

    from accelserve.kernels.preprocess import preprocess_float, preprocess_spec

    spec = preprocess_spec(description)
    image = picture.read_bytes()
    tensor = preprocess_float(spec, image)
    if output is not None:
        with output.open("wb") as stream:  # np.save would append .npy to another suffix
            np.save(stream, tensor)
    if view is not None:
        from PIL import Image

        Image.fromarray(visible(tensor, spec)).save(view, "PNG")
    height, width, channels = tensor.shape
    low, high = float(tensor.min()), float(tensor.max())
    if output is None and view is None:
        click.echo(
            "nothing is written: --output FILE.npy keeps the tensor, --view FILE.png a picture", err=True
        )
    for step in _steps(image, spec):
        click.echo(step)
    click.echo(
        f"{picture}: float32 [{height}, {width}, {channels}] {spec.color_order}, {low:.3f} to {high:.3f}"
    )


def _steps(image: bytes, spec: PreprocessSpec) -> list[str]:
    """What is done to a picture that is known to be one, a line a step."""
    from accelserve.kernels.preprocess import decode_image
    from accelserve.kernels.preprocess.geometry import crop_window

    height, width = decode_image(image).shape[:2]
    window = crop_window(spec, height, width)
    means, scales = (", ".join(f"{value:g}" for value in values) for values in (spec.mean, spec.scale))
    return [
        f"decode     {width} x {height}",
        f"resize     {window.resized_width} x {window.resized_height}, {spec.resize}, {spec.interpolation}",
        _place(spec, window),
        f"channels   {spec.color_order}",
        f"normalize  (pixel - mean) * scale; mean {means}; scale {scales}",
    ]


def _place(spec: PreprocessSpec, window: Window) -> str:
    size = f"{spec.crop_width} x {spec.crop_height}"
    if not spec.pad:
        return f"crop       {size} from {window.left}, {window.top}"
    color = ", ".join(f"{value:g}" for value in spec.pad)
    return f"pad        {size}, the picture at {-window.left}, {-window.top}, around it {color}"


def visible(tensor: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Undo means, scales and channel order: float32 [H, W, C] as the network sees it to uint8 [H, W, 3] RGB."""
    import numpy as np

    pixels = tensor / np.array(spec.scale, np.float32) + np.array(spec.mean, np.float32)
    levels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    if spec.color_order == "GRAY":
        return np.repeat(levels, 3, axis=2)
    return np.ascontiguousarray(levels if spec.color_order == "RGB" else levels[..., ::-1])
