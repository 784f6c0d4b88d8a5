"""What a network has to show before it is published: that this processor answers a picture as the reference does.

The network is loaded as a server would load it, so that whatever a device cannot take is found out by who converts it, in
a sentence, and not by who starts a server. What was compiled on the way is cached where a server of this machine looks
for it. The reference computes one picture: some seconds for the largest networks, a fraction of what calibration takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.errors import KernelError
from accelserve.kernels.ir import Array
from accelserve.kernels.program import LoadOptions, Lowered, Program
from accelserve.models.errors import ConversionError, ModelError
from accelserve.models.repository import Manifest, records_of, tensor_name
from accelserve.models.serving.compiling import network_of
from accelserve.models.serving.servable import Servable

COPIES = 3
"""Of the picture, in one batch: some are computed side by side, by one worker each, and one by all workers."""


def prove(
    manifest: Manifest,
    files: Mapping[str, bytes],
    lowered: Lowered,
    image: NDArray[np.float32] | None,
    cache: Path | None,
) -> None:
    """Load a network on the CPU, and compare its answers to one picture with the reference's, byte for byte.

    Args:
        manifest: as it is to be published; its file records are not looked at.
        files: what is to be published beside it.
        lowered: the network of these files.
        image: float32 [1, H, W, C], preprocessed; None takes noise.
        cache: where plan, packed weights and compiled code are kept; None keeps nothing.

    Raises:
        UnsupportedNodesError, PlanError: the CPU lacks an operator, or a form of it.
        ConversionError: loading fails in another way, or the answers differ.
    """
    manifest = msgspec.structs.replace(manifest, files=records_of(files))
    options = LoadOptions(cache=cache, model=manifest.name, network=network_of(manifest))
    try:
        program = CpuDevice().load(lowered, options)
        with closing(program):
            servable = Servable(manifest, program, lowered.input_quantization, cache=cache)
            found, wanted = _outputs(servable, program, lowered, image)
            _compare(manifest.name, found, wanted)
            servable.warm_up()
    except (KernelError, ModelError):
        raise
    except Exception as error:
        raise ConversionError(
            f"'{manifest.name}' was not published, for the CPU cannot load or run it "
            f"({type(error).__name__}: {error}). This is a fault of accelserve: please report it with the network's file"
        ) from error


def _outputs(
    servable: Servable, program: Program, lowered: Lowered, image: NDArray[np.float32] | None
) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    """By tensor name, of the CPU for a batch of copies and of the reference for one."""
    pixels = _noise(program) if image is None else servable.quantize(image)
    found = servable.run(np.repeat(pixels, COPIES, axis=0))
    (name,) = lowered.graph.inputs
    results = ReferenceDevice().load(lowered, LoadOptions()).run({name: pixels})
    return found, {tensor_name(output): array for output, array in results.items()}


def _noise(program: Program) -> Array:
    (kind,) = program.inputs.values()
    random = np.random.default_rng(0)
    if kind.dtype.numpy.kind == "f":
        return random.standard_normal(kind.shape).astype(kind.dtype.numpy)
    limits = np.iinfo(kind.dtype.value)
    return random.integers(limits.min, limits.max, kind.shape, endpoint=True).astype(kind.dtype.numpy)


def _compare(name: str, found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    for tensor, answer in wanted.items():
        expected = np.repeat(answer, COPIES, axis=0)
        got = found[tensor]
        same = got.shape == expected.shape and got.dtype == expected.dtype
        if same and np.array_equal(got, expected, equal_nan=got.dtype.kind == "f"):
            continue
        count = np.count_nonzero(got != expected) if same else expected.size
        raise ConversionError(
            f"'{name}' was not published, for {count} of {expected.size} numbers of '{tensor}' are others on the CPU than "
            "on the reference device. This is a fault of accelserve: please report it with the network's file"
        )
