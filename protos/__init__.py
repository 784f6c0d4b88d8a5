"""The messages and services of the wire: TensorFlow Serving's, KServe v2's, health, reflection, error details.

One module per proto package, its dots written as underscores, holds the message classes and enums of that package::

    from accelserve.protos import tensorflow, tensorflow_serving as serving

    request = serving.PredictRequest()
    request.model_spec.name = "resnet50"

The classes come from a descriptor pool of our own (`descriptors.POOL`), never from protobuf's default pool, so a
process may import TensorFlow and tensorflow-serving-api before or after, and other people's copies of the same files
too. The price: our classes and theirs are different types. They meet as bytes
(`theirs.ParseFromString(ours.SerializeToString())`), never by `CopyFrom`.

In the order in which data passes through:

    definitions/    the .proto texts, under the paths and with the names and numbers of the projects they belong to
    compile.py      definitions -> generated; `python -m accelserve.protos.compile`, `--check` to compare only
    typing_stubs.py what compile.py writes into the .pyi files
    generated/      one descriptor set and, for every proto package, a module with its typing stub; committed
    descriptors.py  the descriptor set -> POOL -> classes
    services.py     every RPC as a typed object: its path, its messages, a client stub, a server handler
    tensors.py      TensorProto <-> numpy, with no loop over elements; its parts are dtypes.py, shapes.py,
                    string_tensors.py and packed_fields.py
    errors.py       what is wrong with a tensor
"""

from accelserve.protos.generated import (
    google_protobuf,
    google_rpc,
    grpc_health_v1,
    grpc_reflection_v1,
    grpc_reflection_v1alpha,
    inference,
    tensorflow,
    tensorflow_error,
    tensorflow_serving,
)

__all__ = [
    "google_protobuf",
    "google_rpc",
    "grpc_health_v1",
    "grpc_reflection_v1",
    "grpc_reflection_v1alpha",
    "inference",
    "tensorflow",
    "tensorflow_error",
    "tensorflow_serving",
]
