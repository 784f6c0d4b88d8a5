"""Coverage-guided bending of requests: ``python tests/fuzz/fuzz_methods.py -runs=10000``.

The first byte chooses the method, the rest is its message. What is found is an error that the table of statuses does not
foresee, which callers would see as INTERNAL.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import atheris

import accelserve.kernels.preprocess  # noqa: F401 - before atheris looks: numba compiles what it would instrument

with atheris.instrument_imports(include=["accelserve.protos", "accelserve.server"]):
    import grpc
    from google.protobuf.message import DecodeError

    from accelserve.protos.services import InferenceService, PredictionService, UnaryMethod
    from accelserve.server.config import BatchingConfig, LoadingConfig, ModelConfig, RequestLimits
    from accelserve.server.core.registry import ModelRegistry
    from accelserve.server.dataplane.predictor import Predictor
    from accelserve.server.protocols.open_inference.model_infer import ModelInfer
    from accelserve.server.protocols.status import status_of
    from accelserve.server.protocols.tensorflow_serving.classify import Classify
    from accelserve.server.protocols.tensorflow_serving.model_metadata import GetModelMetadata
    from accelserve.server.protocols.tensorflow_serving.multi_inference import MultiInference
    from accelserve.server.protocols.tensorflow_serving.predict import Predict
    from accelserve.server.protocols.tensorflow_serving.regress import Regress
    from accelserve.server.protocols.tensorflow_serving.scoring import Scoring
    from accelserve.server.scheduler.scheduler import DeviceScheduler
    from accelserve.server.scheduler.watch import CallWatch

Method = tuple[UnaryMethod[Any, Any], Callable[[Any, CallWatch], Any]]


def colour() -> ModuleType:
    """The tiny network of the server's tests."""
    path = Path(__file__).parent.parent / "server" / "conftest.py"
    found = importlib.util.spec_from_file_location("colour", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["colour"] = module
    found.loader.exec_module(module)
    return module


def served(folder: Path) -> list[Method]:
    """Every method that computes or describes, over one loaded model."""
    network = colour()
    network.publish(folder / "colour", 1)
    registry: ModelRegistry[Any] = ModelRegistry(
        network.ColourLoader(network.ScoringNetwork), LoadingConfig(poll_seconds=0)
    )
    registry.start([ModelConfig(name="colour", base_path=folder / "colour")])
    predictor = Predictor(registry, DeviceScheduler(BatchingConfig()), RequestLimits(max_pixels=1_000_000))

    def count(_model: str, _examples: int) -> None:
        """Nobody wants to know."""

    scoring = Scoring(predictor, count)
    return [
        (PredictionService.PREDICT, Predict(predictor, False)),
        (PredictionService.CLASSIFY, Classify(scoring)),
        (PredictionService.REGRESS, Regress(scoring)),
        (PredictionService.MULTI_INFERENCE, MultiInference(scoring)),
        (PredictionService.GET_MODEL_METADATA, GetModelMetadata(registry)),
        (InferenceService.MODEL_INFER, ModelInfer(predictor)),
    ]


def main() -> None:
    """Bend until atheris has had enough; an unforeseen error ends it with a trace and the message."""
    with tempfile.TemporaryDirectory() as folder:
        methods = served(Path(folder))

        def one(data: bytes) -> None:
            if not data:
                return
            method, answer = methods[data[0] % len(methods)]
            try:
                request = method.request.FromString(data[1:])
            except DecodeError:
                return
            try:
                response = answer(request, CallWatch())
                if not isinstance(response, bytes):
                    response.SerializeToString()
            except Exception as error:
                if status_of(error).code is grpc.StatusCode.INTERNAL:
                    raise

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
