"""From a version's ONNX file to a program: what happens only when the device has cached no plan of it.

What it takes, the importer and the graph with its weights, is several times what the network needs to be served; it is
imported here alone, and given back to the system afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from accelserve.kernels.heap import give_memory_back
from accelserve.kernels.ir import QuantParams
from accelserve.kernels.native.compiled import Function
from accelserve.kernels.native.machine_code import KERNELS
from accelserve.kernels.native.sources import hash_of_sources
from accelserve.kernels.postprocess import detector
from accelserve.kernels.preprocess import PreprocessSpec, functions_of
from accelserve.kernels.program import Device, LoadOptions, Program
from accelserve.models.repository import MODEL_FILE, Manifest
from accelserve.models.repository.numerics import read_winograd

_MODELS = Path(__file__).parents[1]


def network_of(manifest: Manifest) -> str:
    """Names the lowered graph of a version whose files were verified: equal texts, equal graphs.

    Empty if the manifest does not record the ONNX file, so that nothing says what is in it.
    """
    if MODEL_FILE not in manifest.files:
        return ""
    importer = hash_of_sources(_MODELS / "importing", _MODELS / "repository" / "numerics.py")
    files = sorted(f"{name} {record.sha256}" for name, record in manifest.files.items())
    return "\n".join([importer, repr(sorted(manifest.numerics.items())), *files])


def _expect_stages(manifest: Manifest) -> None:
    """Say which code the stages around the network need, so that another process may begin with it."""
    functions: list[Function] = []
    if manifest.detection is not None:
        functions += detector.FUNCTIONS
    if manifest.preprocess is not None:
        functions += functions_of(PreprocessSpec.from_json(manifest.preprocess))
    KERNELS.expect(functions)


def compiled(
    directory: Path, manifest: Manifest, device: Device, options: LoadOptions
) -> tuple[Program, Mapping[str, QuantParams]]:
    """Import, lower and load a version; the program, and how its inputs are quantized.

    Raises:
        ModelFileError, UnsupportedNodesError: the network cannot be read or run.
        DeviceError: the device is missing, in use, or failed.
    """
    _expect_stages(manifest)
    from accelserve.kernels.compiler.lower import lower
    from accelserve.models.importing import import_onnx

    lowered = lower(import_onnx(directory / MODEL_FILE).graph, read_winograd(directory, manifest))
    program = device.load(lowered, options)
    quantization = lowered.input_quantization
    del lowered
    give_memory_back()
    return program, quantization
