"""Classify, Regress and MultiInference over a real socket: tf.Examples in, classes and numbers out."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from PIL import Image

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService, UnaryMethod

Serve = Callable[..., SimpleNamespace]
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def solid(red: int, green: int, blue: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


def example(*pictures: bytes, feature: str = "image/encoded") -> tf.Example:
    message = tf.Example()
    message.features.feature[feature].bytes_list.value.extend(pictures)
    return message


def examples(*listed: tf.Example) -> serving.Input:
    return serving.Input(example_list=serving.ExampleList(examples=listed))


def spec(signature: str = "") -> serving.ModelSpec:
    return serving.ModelSpec(name="colour", signature_name=signature)


RED, DIM = example(solid(200, 0, 0)), example(solid(1, 2, 3))


@pytest.fixture
def scoring(serve: Serve, scoring_network: object) -> SimpleNamespace:
    return serve(network=scoring_network)


def test_classify_gives_every_class_in_the_networks_order(scoring: SimpleNamespace) -> None:
    request = serving.ClassificationRequest(model_spec=spec("classify"), input=examples(RED, DIM))
    response = PredictionService.CLASSIFY.stub(scoring.channel)(request, timeout=60)
    answers = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert answers == [
        [("red", 200), ("green", 0), ("blue", 0)],
        [("red", 1), ("green", 2), ("blue", 3)],
    ]
    assert (response.model_spec.version.value, response.model_spec.signature_name) == (1, "classify")


def test_classify_takes_a_signature_for_predict_that_ranks_classes(scoring: SimpleNamespace) -> None:
    request = serving.ClassificationRequest(input=examples(RED))
    response = PredictionService.CLASSIFY.stub(scoring.channel)(request, timeout=60)
    assert response.result.classifications[0].classes[0].score == 200
    assert response.model_spec.signature_name == "serving_default"


def test_regress(scoring: SimpleNamespace) -> None:
    request = serving.RegressionRequest(model_spec=spec("brightness"), input=examples(DIM, RED))
    response = PredictionService.REGRESS.stub(scoring.channel)(request, timeout=60)
    assert [entry.value for entry in response.result.regressions] == pytest.approx([2, 200 / 3])


def test_the_context_stands_in_for_what_an_example_lacks(scoring: SimpleNamespace) -> None:
    shared = serving.ExampleListWithContext(examples=[tf.Example(), RED], context=DIM)
    request = serving.RegressionRequest(
        model_spec=spec("brightness"), input=serving.Input(example_list_with_context=shared)
    )
    response = PredictionService.REGRESS.stub(scoring.channel)(request, timeout=60)
    assert [entry.value for entry in response.result.regressions] == pytest.approx([2, 200 / 3])


def test_several_tasks_over_the_same_pictures(scoring: SimpleNamespace) -> None:
    request = serving.MultiInferenceRequest(
        tasks=[
            serving.InferenceTask(model_spec=spec("brightness"), method_name=REGRESS),
            serving.InferenceTask(model_spec=spec("classify"), method_name=CLASSIFY),
        ],
        input=examples(DIM),
    )
    (network,) = scoring.loader.loaded.values()
    network.batches.clear()
    number, classes = PredictionService.MULTI_INFERENCE.stub(scoring.channel)(request, timeout=60).results
    assert number.regression_result.regressions[0].value == 2
    assert [c.score for c in classes.classification_result.classifications[0].classes] == [1, 2, 3]
    assert network.batches == [1], "the picture was computed more than once"
    assert (number.model_spec.signature_name, classes.model_spec.version.value) == ("brightness", 1)


def classify(**fields: Any) -> serving.ClassificationRequest:
    return serving.ClassificationRequest(**fields)


def both(*tasks: tuple[str, str], name: str = "colour") -> serving.MultiInferenceRequest:
    listed = [
        serving.InferenceTask(
            model_spec=serving.ModelSpec(name=name if index else "colour", signature_name=signature),
            method_name=method,
        )
        for index, (signature, method) in enumerate(tasks)
    ]
    return serving.MultiInferenceRequest(tasks=listed, input=examples(DIM))


FAULTS = {
    "no-examples": (classify(model_spec=spec()), "Input is empty."),
    "another-feature": (
        classify(model_spec=spec(), input=examples(DIM, example(b"x", feature="picture"))),
        "example 1 lacks the feature 'image/encoded', a picture as bytes; it has: picture",
    ),
    "two-pictures": (
        classify(model_spec=spec(), input=examples(example(b"a", b"b"))),
        "example 0: feature 'image/encoded' holds 2 byte strings; expected one",
    ),
    "no-classes": (
        classify(model_spec=spec("brightness"), input=examples(DIM)),
        f"Expected classification signature method_name to be {CLASSIFY}. Was: {REGRESS}",
    ),
    "no-number": (
        serving.RegressionRequest(model_spec=spec(), input=examples(DIM)),
        f"Expected regression signature method_name to be {REGRESS}. Was: tensorflow/serving/predict",
    ),
    "no-picture": (
        classify(model_spec=spec(), input=examples(RED, example(b"no picture"))),
        "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required. Element 1 of the batch: ",
    ),
    "no-tasks": (both(), "Inference request has no tasks; send at least one"),
    "two-models": (
        both(("classify", CLASSIFY), ("brightness", REGRESS), name="other"),
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    "twice": (
        both(("classify", CLASSIFY), ("classify", CLASSIFY)),
        "Duplicate evaluation of signature: classify",
    ),
    "another-method": (
        both(("classify", "tensorflow/serving/predict")),
        "Unsupported signature method_name: tensorflow/serving/predict",
    ),
}
METHODS: dict[type, UnaryMethod[Any, Any]] = {
    serving.ClassificationRequest: PredictionService.CLASSIFY,
    serving.RegressionRequest: PredictionService.REGRESS,
    serving.MultiInferenceRequest: PredictionService.MULTI_INFERENCE,
}


@pytest.mark.parametrize(("message", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_the_callers(scoring: SimpleNamespace, message: object, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        METHODS[type(message)].stub(scoring.channel)(message, timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(caught.value.details()).startswith(words)
