"""One process, several definitions of the same messages: whoever comes first, everyone works."""

import pytest

from .conftest import foreign_module, run_program

pytestmark = pytest.mark.interop

OURS = """
from accelserve.protos import tensorflow as our_tf, tensorflow_serving as our_serving, inference as our_inference
from accelserve.protos import google_rpc, services
import accelserve.client
"""
TENSORFLOW = """
import tensorflow
from tensorflow_serving.apis import get_model_metadata_pb2, model_service_pb2, predict_pb2, prediction_service_pb2_grpc
"""
OVMSCLIENT = "import ovmsclient\n"
TRITONCLIENT = "from tritonclient.grpc import service_pb2\n"

USE_BOTH = """
ours = our_serving.PredictRequest(output_filter=["output_alias"])
ours.inputs["images"].CopyFrom(our_tf.TensorProto(dtype=our_tf.DT_STRING, string_val=[b"jpeg"]))
theirs = predict_pb2.PredictRequest.FromString(ours.SerializeToString())
assert theirs.inputs["images"].string_val[0] == b"jpeg"
assert type(theirs) is not type(ours)
assert our_serving.PredictRequest.FromString(theirs.SerializeToString()) == ours
array = tensorflow.make_ndarray(tensorflow.make_tensor_proto([1.0, 2.0]))
assert array.tolist() == [1.0, 2.0]
signatures = our_serving.SignatureDefMap()
signatures.signature_def["serving_default"].method_name = "tensorflow/serving/predict"
answer = our_serving.GetModelMetadataResponse()
answer.metadata["signature_def"].Pack(signatures)
read = get_model_metadata_pb2.GetModelMetadataResponse.FromString(answer.SerializeToString())
unpacked = get_model_metadata_pb2.SignatureDefMap()
assert read.metadata["signature_def"].Unpack(unpacked)
assert unpacked.signature_def["serving_default"].method_name == "tensorflow/serving/predict"
"""
USE_OVMSCLIENT = """
tensor = ovmsclient.make_tensor_proto([b"jpeg"])
assert our_tf.TensorProto.FromString(tensor.SerializeToString()).string_val[0] == b"jpeg"
"""
USE_TRITONCLIENT = """
theirs = service_pb2.ModelInferRequest(model_name="resnet50", raw_input_contents=[b"1"])
assert our_inference.ModelInferRequest.FromString(theirs.SerializeToString()).raw_input_contents[0] == b"1"
"""


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])
@pytest.mark.parametrize(
    ("module", "imports", "use"),
    [
        ("tensorflow_serving", TENSORFLOW, USE_BOTH),
        ("ovmsclient", OVMSCLIENT, USE_OVMSCLIENT),
        ("tritonclient", TRITONCLIENT, USE_TRITONCLIENT),
    ],
    ids=["tensorflow", "ovmsclient", "tritonclient"],
)
def test_ours_and_theirs_work_in_one_process(module: str, imports: str, use: str, ours_first: bool) -> None:
    pytest.importorskip(module, reason="needs other people's clients: run `make test-interop`")
    run_program((OURS + imports if ours_first else imports + OURS) + use)


def test_everything_at_once() -> None:
    foreign_module("tensorflow_serving")
    run_program(TENSORFLOW + OURS + TRITONCLIENT + USE_BOTH + USE_TRITONCLIENT)
