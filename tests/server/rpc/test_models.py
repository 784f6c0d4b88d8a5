"""What the server says about its models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService

Serve = Callable[..., SimpleNamespace]


def status(server: SimpleNamespace, name: str = "colour") -> list[serving.ModelVersionStatus]:
    request = serving.GetModelStatusRequest(model_spec=serving.ModelSpec(name=name))
    response = ModelService.GET_MODEL_STATUS.stub(server.channel)(request, timeout=60)
    return list(response.model_version_status)


def test_an_available_version(serve: Serve) -> None:
    (only,) = status(serve())
    assert (only.version, only.state) == (1, serving.ModelVersionStatus.AVAILABLE)
    assert (only.status.error_code, only.status.error_message) == (0, "")


def test_a_corrupt_version_says_why_beside_the_one_that_serves(
    serve: Serve, publish: Callable[..., Path]
) -> None:
    server = serve()
    publish(server.folder / "colour", 2, "garbage")
    server.server.registry.reload(server.server.registry.models())
    new, old = status(server)
    assert (new.version, new.state) == (2, serving.ModelVersionStatus.START)
    assert new.status.error_code != 0
    assert "gain.txt holds 'garbage'" in new.status.error_message
    assert (old.version, old.state) == (1, serving.ModelVersionStatus.AVAILABLE)


def test_metadata_describes_every_signature(serve: Serve) -> None:
    request = serving.GetModelMetadataRequest(
        model_spec=serving.ModelSpec(name="colour"), metadata_field=["signature_def"]
    )
    response = PredictionService.GET_MODEL_METADATA.stub(serve().channel)(request, timeout=60)
    assert (response.model_spec.name, response.model_spec.version.value) == ("colour", 1)
    signatures = serving.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert sorted(signatures.signature_def) == ["features", "serving_default"]
    default = signatures.signature_def["serving_default"]
    assert default.method_name == "tensorflow/serving/predict"
    images = default.inputs["images"]
    assert (images.name, images.dtype, [dim.size for dim in images.tensor_shape.dim]) == (
        "images:0",
        tf.DT_STRING,
        [-1],
    )
    output = default.outputs["output_alias"]
    assert (output.name, output.dtype) == ("colour/mean:0", tf.DT_FLOAT)
    assert [dim.size for dim in output.tensor_shape.dim] == [-1, 3]


def test_labels_are_there_for_who_asks(serve: Serve) -> None:
    request = serving.GetModelMetadataRequest(metadata_field=["labels"])
    response = PredictionService.GET_MODEL_METADATA.stub(serve().channel)(request, timeout=60)
    labels = tf.TensorProto()
    assert response.metadata["labels"].Unpack(labels)
    assert list(labels.string_val) == [b"red", b"green", b"blue"]
