"""A process of the soak: converts, loads and runs generated networks, and says of each what became of it.

    python -m tests.models.run_generated_networks FIRST COUNT STEP FOLDER

A line a network on standard output, before it is touched ("SEED") and after ("SEED refused SENTENCE", "SEED same",
"SEED FAILED what"): the last line names the network that a process died of.
"""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.errors import KernelError
from accelserve.kernels.ir import Array
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.kernels.program import LoadOptions
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.errors import ModelError
from accelserve.models.serving.servable import Servable
from tests.models.generated_networks import GeneratedNetwork

IMAGES = 3


def outcome(seed: int, folder: Path, pictures: Path, cache: Path) -> str:
    """What became of a network: refused with a sentence, the same bytes on both devices, or FAILED and how."""
    network = GeneratedNetwork(seed)
    source = folder / "network.onnx"
    source.write_bytes(network.content)
    try:
        made = convert(source, options_for(network, folder / "models", pictures, cache))
    except (ModelError, KernelError) as error:
        return f"refused {str(error).splitlines()[0][:200]}"
    except Exception as error:  # noqa: BLE001 - an error without a sentence is what is looked for
        return f"FAILED to convert: {error!r}"
    try:
        found, wanted = (
            answers(made.directory, device, network, cache) for device in (CpuDevice(), ReferenceDevice())
        )
    except Exception as error:  # noqa: BLE001 - so is one of a network that was published
        return f"FAILED to load or run what was published: {error!r}"
    for name, array in wanted.items():
        if found[name].shape != array.shape or found[name].tobytes() != array.tobytes():
            return f"FAILED: {name} has other bytes on the CPU"
    return "same"


def options_for(network: GeneratedNetwork, repository: Path, pictures: Path, cache: Path) -> ConvertOptions:
    """What makes pictures of the input, which calibrates float32 networks."""
    _, channels, height, width = network.shape
    spec = PreprocessSpec(
        resize="exact",
        resize_height=height,
        resize_width=width,
        interpolation="bilinear",
        crop_height=height,
        crop_width=width,
        color_order="RGB" if channels == 3 else "GRAY",
        mean=(128.0,) * channels,
        scale=(1 / 64,) * channels,
    )
    return ConvertOptions(
        name="network", repository=repository, preprocess=spec, calibrate=pictures, cache=cache
    )


def answers(
    directory: Path, device: CpuDevice | ReferenceDevice, network: GeneratedNetwork, cache: Path
) -> dict[str, Array]:
    """Results for a batch."""
    options = LoadOptions(threads=2, cache=cache)
    with closing(Servable.load(directory, device=device, options=options)) as servable:
        height, width, channels = servable.input_shape
        random = np.random.default_rng(network.seed)
        batch = random.standard_normal((IMAGES, height, width, channels)).astype(np.float32)
        return servable.run(servable.quantize(batch))


def save_pictures(folder: Path) -> None:
    """A few small ones; generating better ones would take most of the time."""
    random = np.random.default_rng(0)
    for index in range(4):
        pixels = random.integers(0, 256, (12, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")


def main() -> None:
    first, count, step = map(int, sys.argv[1:4])
    cache = Path(sys.argv[4])
    gc.freeze()  # conversion collects garbage, of which there is little beside all that was imported
    with tempfile.TemporaryDirectory() as pictures:
        save_pictures(Path(pictures))
        for seed in range(first, first + count * step, step):
            print(seed, flush=True)
            with tempfile.TemporaryDirectory() as folder:
                print(seed, outcome(seed, Path(folder), Path(pictures), cache / "code"), flush=True)
            # Plans and packed weights are of one network each; machine code is shared.
            for room in ("plans", "weights"):
                shutil.rmtree(cache / "code" / room, ignore_errors=True)


if __name__ == "__main__":
    main()
