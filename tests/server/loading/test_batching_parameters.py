"""TensorFlow Serving's batching parameters: of the server, and of a single model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.config import BatchingConfig
from accelserve.server.errors import LoadError
from accelserve.server.loading.batching_parameters import PARAMETERS_FILE

Serve = Callable[..., SimpleNamespace]
EXPLICIT = BatchingConfig(max_batch_images=64, max_queued_images=640, explicit=True, per_model=True)


def ask(server: SimpleNamespace, images: int, model: str = "colour") -> serving.PredictResponse:
    tensor = from_array(np.zeros((images, 8, 8, 3), np.float32))
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name=model), inputs={"images": tensor})
    return PredictionService.PREDICT.stub(server.channel)(request, timeout=60)


def refusal(server: SimpleNamespace, images: int, model: str = "colour") -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        ask(server, images, model)
    return caught.value.code(), str(caught.value.details())


def test_a_request_larger_than_an_explicit_batch_is_refused_in_tensorflow_servings_words(
    serve: Serve,
) -> None:
    server = serve(batching=EXPLICIT)
    ask(server, 64)
    assert refusal(server, 65) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Task size 65 is larger than maximum input batch size 64",
    )


def test_without_explicit_batching_it_is_split(serve: Serve) -> None:
    assert ask(serve(), 65).outputs["brightest"].tensor_shape.dim[0].size == 65


def test_a_version_may_bring_parameters_of_its_own(serve: Serve, publish: Callable[..., Path]) -> None:
    server = serve(models={"colour": {1: "1.0"}, "other": {1: "1.0"}}, batching=EXPLICIT)
    version = publish(server.folder / "hidden", 2)
    (version / PARAMETERS_FILE).write_text("max_batch_size { value: 2 }")
    version.rename(server.folder / "colour" / "2")
    server.server.registry.reload(server.server.config.models)
    words = "Task size 3 is larger than maximum input batch size 2"
    assert refusal(server, 3) == (grpc.StatusCode.INVALID_ARGUMENT, words)
    ask(server, 64, model="other")


def test_parameters_that_make_no_sense_fail_the_load(serve: Serve, publish: Callable[..., Path]) -> None:
    server = serve(batching=EXPLICIT)
    version = publish(server.folder / "hidden", 2)
    (version / PARAMETERS_FILE).write_text("max_batch_size { value: 0 }")
    version.rename(server.folder / "colour" / "2")
    server.server.registry.reload(server.server.config.models)  # version 1 serves on
    (newest, _) = server.server.registry.states.of("colour")
    assert "max_batch_size" in str(newest.error)
    assert not isinstance(newest.error, LoadError)
    ask(server, 3)
