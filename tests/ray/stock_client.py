"""TensorFlow Serving's own stubs and TensorFlow's own tensors, in the environment of other people's clients.

    python stock_client.py ADDRESS KEY PHOTOGRAPH

Prints the serialized answer, in hexadecimal digits.
"""

import sys
from pathlib import Path

import grpc
import tensorflow as tf  # type: ignore[import-not-found,unused-ignore]
from tensorflow_serving.apis import (  # type: ignore[import-not-found,unused-ignore]
    predict_pb2,
    prediction_service_pb2_grpc,
)

address, key, photograph = sys.argv[1:]
request = predict_pb2.PredictRequest()
request.model_spec.name = "tiny"
request.inputs["images"].CopyFrom(tf.make_tensor_proto([Path(photograph).read_bytes()]))
with grpc.insecure_channel(address) as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    answer = stub.Predict(request, timeout=60, metadata=(("authorization", f"Bearer {key}"),))
assert tf.make_ndarray(answer.outputs["output_alias"]).shape == (1, 4)
print(answer.SerializeToString(deterministic=True).hex())
