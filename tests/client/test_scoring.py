"""What goes out and what comes back, over a real connection."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from accelserve.client import (
    ModelSelection,
    PredictionClient,
    SignatureDescription,
    TensorDescription,
    UnexpectedResponseError,
    VersionStatus,
)
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_error
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.errors import TensorDtypeError, TensorShapeError
from accelserve.protos.tensors import from_array, shape_proto, to_array, to_strings

from .peer import Peer

PHOTO = Path(skimage.data.__file__).with_name("rocket.jpg")


def answer_with(**outputs: np.ndarray[Any, Any]) -> Any:
    response = serving.PredictResponse(outputs={name: from_array(array) for name, array in outputs.items()})
    return lambda request, context: response


def test_one_output_is_an_array_without_the_batch(peer: Peer, client: PredictionClient) -> None:
    peer.answer = answer_with(output_alias=np.array([[0.25, 0.75]], dtype=np.float32))
    result = client.score_image(PHOTO.read_bytes())
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, np.array([0.25, 0.75], dtype=np.float32))


def test_several_outputs_are_a_dict_and_all_of_them_lose_the_batch(
    peer: Peer, client: PredictionClient
) -> None:
    peer.answer = answer_with(boxes=np.zeros((1, 19, 4)), classes=np.zeros((1, 19)), scalar=np.array(3.0))
    result = client.score_file(PHOTO)
    assert isinstance(result, dict)
    assert {name: array.shape for name, array in result.items()} == {
        "boxes": (19, 4),
        "classes": (19,),
        "scalar": (),
    }


def test_an_image_is_sent_as_a_string_tensor_of_one(peer: Peer, client: PredictionClient) -> None:
    client.score_file(PHOTO)
    (request,) = peer.requests
    shape, images = to_strings(request.inputs["images"])
    assert shape == (1,)
    assert list(images) == [PHOTO.read_bytes()]
    assert not request.model_spec.name


def test_asking_for_a_name_gives_an_array_and_for_names_a_dict_in_their_order(
    peer: Peer, client: PredictionClient
) -> None:
    assert client.score_image(b"123", outputs="doubled") == np.array([6])
    result = client.score_image(b"123", outputs=["lengths", "doubled"])
    assert isinstance(result, dict)
    assert list(result) == ["lengths", "doubled"]
    assert [list(request.output_filter) for request in peer.requests] == [["doubled"], ["lengths", "doubled"]]


def test_a_batch_keeps_its_dimension(client: PredictionClient) -> None:
    result = client.score_images([b"1", b"22", b"333"], outputs="lengths")
    np.testing.assert_array_equal(result, [[1], [2], [3]])
    single = client.score_images([b"1"], outputs="lengths")
    np.testing.assert_array_equal(single, [[1]])


def test_64_photographs_and_their_feature_maps_fit(peer: Peer, client: PredictionClient) -> None:
    photo = PHOTO.read_bytes()
    # What a detector's largest output is for 64 images: 29 MB, seven times gRPC's own limit.
    maps = np.random.default_rng(0).random((64, 37, 37, 4, 21), dtype=np.float32)
    peer.answer = answer_with(maps=maps)
    np.testing.assert_array_equal(client.score_images([photo] * 64), maps)
    assert len(peer.requests[0].inputs["images"].string_val) == 64


def test_arrays_keep_their_dtype_and_shape_on_the_way(peer: Peer, client: PredictionClient) -> None:
    peer.answer = lambda request, context: serving.PredictResponse(
        outputs={name: request.inputs[name] for name in request.inputs}
    )
    images = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    result = client.score_numpy_arrays({"Placeholder:0": images, "flag": np.array(True)})
    assert isinstance(result, dict)
    np.testing.assert_array_equal(result["Placeholder:0"], images)
    assert result["flag"].dtype == bool
    result["Placeholder:0"][:] = 0  # The caller owns what it gets.


def test_raw_tensors_are_data_shape_and_dtype(peer: Peer, client: PredictionClient) -> None:
    pixels = np.arange(12, dtype="<f4").reshape(1, 2, 2, 3)
    client.score_tensors({"images": (b"123", [1], tf.DT_STRING)})
    client.score_tensors({"images": ([b"1", b"22"], [2, 1], tf.DT_STRING)})
    peer.answer = answer_with(output_alias=np.zeros((1, 2)))
    assert client.score_tensors({"images": (pixels.tobytes(), pixels.shape, tf.DT_FLOAT)}) is not None
    first, second, third = (request.inputs["images"] for request in peer.requests)
    assert list(first.string_val) == [b"123"]
    assert [dim.size for dim in second.tensor_shape.dim] == [2, 1]
    np.testing.assert_array_equal(to_array(third), pixels)


def test_mistakes_are_found_before_anything_is_sent(peer: Peer, client: PredictionClient) -> None:
    with pytest.raises(TypeError, match=r"images\[1\]: expected the bytes of an encoded image, got str"):
        client.score_images([b"1", "2"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="at least one"):
        client.score_images([])
    with pytest.raises(TensorShapeError, match="16 bytes of tensor_content, got 3"):
        client.score_tensors({"images": (b"123", [2, 2], tf.DT_FLOAT)})
    with pytest.raises(TensorDtypeError, match="datetime64"):
        client.score_numpy_arrays({"images": np.array(["2020-01-01"], dtype="datetime64[D]")})
    with pytest.raises(FileNotFoundError):
        client.score_file("no-such-file.jpg")
    assert peer.requests == []


def test_a_selection_is_sent_with_every_request(peer: Peer) -> None:
    resnet = ModelSelection(name="resnet50", version=7, signature_name="features")
    canary = ModelSelection(name="resnet50", version_label="canary")
    with PredictionClient("127.0.0.1", peer.port, model=resnet) as client:
        assert client.model == resnet
        client.score_image(b"1")
        client.score_image(b"1", model=canary)
        client.score_numpy_arrays({"images": np.array([b"1"], dtype=object)}, model=ModelSelection())
        client.score_tensors({"images": (b"1", [1], tf.DT_STRING)})
    first, second, third, fourth = (request.model_spec for request in peer.requests)
    assert (first.name, first.version.value, first.signature_name) == ("resnet50", 7, "features")
    assert second.WhichOneof("version_choice") == "version_label"
    assert second.version_label == "canary"
    assert third == serving.ModelSpec()
    assert fourth == first
    with pytest.raises(ValueError, match="Either a version or a label"):
        ModelSelection(version=1, version_label="stable")


def test_version_0_is_a_version(peer: Peer, client: PredictionClient) -> None:
    client.score_image(b"1", model=ModelSelection(version=0))
    assert peer.requests[0].model_spec.HasField("version")


@pytest.mark.parametrize(
    ("outputs", "wanted", "output"),
    [
        (dict, None, ""),
        (lambda: {"scores": from_array(np.zeros(1))}, "other", "other"),
        (lambda: {"scores": from_array(np.zeros(1))}, ["scores", "other"], "other"),
        (lambda: {"scores": tf.TensorProto(dtype=tf.DT_RESOURCE)}, None, "scores"),
        (
            lambda: {"scores": tf.TensorProto(dtype=tf.DT_FLOAT, tensor_shape=shape_proto([1 << 40]))},
            None,
            "scores",
        ),
    ],
    ids=["none", "missing", "one-missing", "unreadable", "huge"],
)
def test_an_answer_that_is_not_what_was_asked_for_is_named(
    peer: Peer, client: PredictionClient, outputs: Any, wanted: Any, output: str
) -> None:
    peer.answer = lambda request, context: serving.PredictResponse(outputs=outputs())
    with pytest.raises(UnexpectedResponseError) as caught:
        client.score_image(b"1", outputs=wanted)
    assert caught.value.output == output


@pytest.fixture
def described(peer: Peer) -> Peer:
    signatures = serving.SignatureDefMap()
    signature = signatures.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    signature.inputs["images"].CopyFrom(
        tf.TensorInfo(name="images:0", dtype=tf.DT_STRING, tensor_shape=shape_proto([-1]))
    )
    signature.outputs["output_alias"].CopyFrom(
        tf.TensorInfo(dtype=tf.DT_FLOAT, tensor_shape=tf.TensorShapeProto(unknown_rank=True))
    )
    peer.metadata_answer.model_spec.name = "resnet50"
    peer.metadata_answer.model_spec.version.value = 3
    peer.metadata_answer.metadata["signature_def"].Pack(signatures)
    return peer


def test_a_model_is_described(described: Peer, client: PredictionClient) -> None:
    description = client.describe_model(model=ModelSelection(name="resnet50"))
    assert (description.name, description.version) == ("resnet50", 3)
    assert description.signatures == {
        "serving_default": SignatureDescription(
            method_name="tensorflow/serving/predict",
            inputs={"images": TensorDescription(name="images:0", dtype="DT_STRING", shape=(None,))},
            outputs={"output_alias": TensorDescription(name="", dtype="DT_FLOAT", shape=None)},
        )
    }
    assert described.specs[0].name == "resnet50"


def test_a_description_without_signatures_is_refused(peer: Peer, client: PredictionClient) -> None:
    with pytest.raises(UnexpectedResponseError, match="no signatures"):
        client.describe_model()


def test_the_versions_of_a_model_are_listed_newest_first(peer: Peer, client: PredictionClient) -> None:
    status = serving.ModelVersionStatus
    peer.status_answer.model_version_status.extend(
        [
            status(
                version=1,
                state=status.END,
                status=serving.StatusProto(error_code=tensorflow_error.DATA_LOSS, error_message="torn"),
            ),
            status(version=2, state=status.AVAILABLE, status=serving.StatusProto()),
        ]
    )
    assert client.model_status() == (
        VersionStatus(version=2, state="AVAILABLE", error_code="OK", error_message=""),
        VersionStatus(version=1, state="END", error_code="DATA_LOSS", error_message="torn"),
    )


def test_a_request_of_ones_own_is_sent_as_it_is(peer: Peer, client: PredictionClient) -> None:
    request = serving.PredictRequest(output_filter=["lengths"])
    request.inputs["images"].CopyFrom(from_array(np.array([b"1234"], dtype=object)))
    response = client.predict(request)
    assert to_array(response.outputs["lengths"]).tolist() == [[4]]
    assert peer.requests == [request]
