"""SavedModels, whole Keras models and frozen graphs of TensorFlow, made into ONNX by tf2onnx.

TensorFlow runs in a process of its own: it is large, it logs a great deal, and it must not stay in a process that
serves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import onnx

from accelserve.models.errors import MissingExtraError, ModelFileError

OPSET: Final = 17
TIMEOUT_S: Final = 1800
_SAVED_MODEL: Final = "saved_model.pb"
_KERAS: Final = frozenset((".keras", ".h5", ".hdf5"))


def is_saved_model(source: Path) -> bool:
    """Whether a folder is a SavedModel."""
    return (source / _SAVED_MODEL).is_file()


def import_tensorflow(
    source: Path,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    signature: str = "serving_default",
) -> onnx.ModelProto:
    """A TensorFlow network as a float32 ONNX model; its tensors keep their layout, which is NHWC as a rule.

    Args:
        source: a SavedModel folder, a ``.keras`` or ``.h5`` file with the whole model, or a frozen graph (``.pb``).
        inputs: tensor names such as ``images:0``; a frozen graph needs them.
        outputs: tensor names, of a Keras model the names of layers; a frozen graph needs them, for the others they
            choose.
        signature: of a SavedModel.

    Raises:
        MissingExtraError: if TensorFlow or tf2onnx is not installed.
        ModelFileError: if the source is none of these, or cannot be converted.
    """
    arguments = _arguments(source, inputs, outputs, signature)
    for package in ("tensorflow", "tf2onnx"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "tensorflow", f"importing {source.name}")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "model.onnx")
        if source.suffix in _KERAS and not is_saved_model(source):
            path = str(source.resolve())
            _run(
                source,
                ["accelserve.models.importing.keras_to_onnx", path, str(target), str(OPSET), *outputs],
                target,
            )
        else:
            _run(
                source,
                ["tf2onnx.convert", *arguments, "--opset", str(OPSET), "--output", str(target)],
                target,
            )
        return onnx.load(target)


def _arguments(source: Path, inputs: Sequence[str], outputs: Sequence[str], signature: str) -> list[str]:
    names = [f"--inputs={','.join(inputs)}"] if inputs else []
    names += [f"--outputs={','.join(outputs)}"] if outputs else []
    path = str(source.resolve())  # never starts with a dash
    if is_saved_model(source):
        return ["--saved-model", path, f"--signature_def={signature}", *names]
    if source.suffix in _KERAS:
        return []
    if source.suffix == ".pb":
        if not (inputs and outputs):
            raise ModelFileError(
                str(source),
                "a frozen graph does not name its inputs and outputs; pass --inputs and --outputs",
            )
        return ["--graphdef", path, *names]
    raise ModelFileError(str(source), "neither a SavedModel, nor a Keras model, nor a frozen graph (.pb)")


def _run(source: Path, module: Sequence[str], target: Path) -> None:
    command = [sys.executable, "-m", *module]
    try:
        # no shell; the only thing from outside is a path
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise ModelFileError(str(source), f"tf2onnx did not finish within {TIMEOUT_S} s") from None
    if done.returncode or not target.is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ModelFileError(
            str(source), f"tf2onnx cannot convert it: {lines[-1] if lines else 'it gives no reason'}"
        )
