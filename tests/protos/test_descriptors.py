"""The committed messages are those of the definitions, live in a pool of their own, and know the well-known types."""

import os
import subprocess
import sys

import pytest
from google.protobuf import descriptor_pool, text_format, wrappers_pb2

from accelserve.protos import (
    compile as compiler,
)
from accelserve.protos import (
    google_protobuf,
    google_rpc,
)
from accelserve.protos import tensorflow as tf
from accelserve.protos import (
    tensorflow_serving as serving,
)
from accelserve.protos.descriptors import FILE_NAMES, POOL, enum_wrapper, message_class, service_descriptors


def test_the_committed_files_are_what_the_definitions_compile_to() -> None:
    assert compiler.differences(compiler.generated_files()) == []


def test_a_definition_that_is_wrong_is_refused_with_protocs_words(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path_factory.mktemp("definitions")
    (directory / "wrong.proto").write_text('syntax = "proto3"; message Wrong { Missing field = 1; }')
    monkeypatch.setattr(compiler, "DEFINITIONS", directory)
    with pytest.raises(compiler.CompileError, match="Missing") as caught:
        compiler.descriptor_set()
    assert "wrong.proto" in caught.value.output


def test_protobufs_default_pool_is_left_alone() -> None:
    program = (
        "import accelserve.protos.services\n"
        "from google.protobuf import descriptor_pool\n"
        "for name in ('tensorflow.TensorProto', 'tensorflow.serving.PredictRequest', 'inference.ModelInferRequest',\n"
        "             'google.rpc.Status', 'grpc.health.v1.HealthCheckRequest'):\n"
        "    try:\n"
        "        descriptor_pool.Default().FindMessageTypeByName(name)\n"
        "    except KeyError:\n"
        "        continue\n"
        "    raise SystemExit(name)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=240)


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_messages_of_every_file_are_bound_in_the_module_of_their_package(name: str) -> None:
    import accelserve.protos as room

    file = POOL.FindFileByName(name)
    module = getattr(room, file.package.replace(".", "_"))
    for message in file.message_types_by_name.values():
        assert getattr(module, message.name).DESCRIPTOR is message
        assert message_class(message.full_name) is getattr(module, message.name)
    for enum in file.enum_types_by_name.values():
        assert getattr(module, enum.name).DESCRIPTOR is enum
        assert all(getattr(module, value.name) == value.number for value in enum.values)


def test_names_that_do_not_exist_are_key_errors() -> None:
    with pytest.raises(KeyError):
        message_class("tensorflow.NoSuchMessage")
    with pytest.raises(KeyError):
        enum_wrapper("tensorflow.NoSuchEnum")


def test_enums_have_names_and_values() -> None:
    assert tf.DataType.Name(tf.DT_STRING) == "DT_STRING"
    assert tf.DataType.Value("DT_FLOAT") == tf.DT_FLOAT == 1
    assert serving.ModelVersionStatus.AVAILABLE == 30
    assert serving.ModelVersionStatus.State.Name(30) == "AVAILABLE"


def test_any_packs_and_unpacks_messages_of_the_pool() -> None:
    signatures = serving.SignatureDefMap()
    signatures.signature_def["serving_default"].inputs["images"].dtype = tf.DT_STRING
    packed = google_protobuf.Any()
    packed.Pack(signatures)
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    unpacked = serving.SignatureDefMap()
    assert packed.Unpack(unpacked)
    assert unpacked == signatures
    assert not packed.Unpack(serving.ModelSpec())


def test_any_is_read_and_written_in_text_with_the_pool() -> None:
    packed = google_protobuf.Any()
    packed.Pack(serving.ModelSpec(name="resnet50"))
    text = text_format.MessageToString(packed, descriptor_pool=POOL)
    assert "[type.googleapis.com/tensorflow.serving.ModelSpec]" in text
    assert text_format.Parse(text, google_protobuf.Any(), descriptor_pool=POOL) == packed


def test_durations_convert() -> None:
    info = google_rpc.RetryInfo()
    info.retry_delay.FromMilliseconds(1500)
    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (1, 500_000_000)


def test_wrappers_are_not_those_of_the_default_pool_but_the_same_on_the_wire() -> None:
    ours = google_protobuf.Int64Value(value=42)
    theirs = wrappers_pb2.Int64Value(value=42)
    assert ours.DESCRIPTOR is not theirs.DESCRIPTOR
    assert ours.SerializeToString() == theirs.SerializeToString()
    assert descriptor_pool.Default() is not POOL


def test_a_model_config_file_reads_as_tensorflow_serving_writes_it() -> None:
    config = text_format.Parse(
        """
        model_config_list { config { name: 'resnet50' base_path: '/models/resnet50' model_platform: 'tensorflow'
          model_version_policy { specific { versions: 42 versions: 43 } }
          version_labels { key: 'stable' value: 42 } } }
        """,
        serving.ModelServerConfig(),
    )
    (model,) = config.model_config_list.config
    assert model.model_version_policy.WhichOneof("policy_choice") == "specific"
    assert list(model.model_version_policy.specific.versions) == [42, 43]
    assert dict(model.version_labels) == {"stable": 42}


def test_a_batching_parameters_file_reads_as_tensorflow_serving_writes_it() -> None:
    text = "max_batch_size { value: 128 } batch_timeout_micros { value: 0 } allowed_batch_sizes: 64 allowed_batch_sizes: 128"
    parameters = text_format.Parse(text, serving.BatchingParameters())
    assert parameters.max_batch_size.value == 128
    assert parameters.HasField("batch_timeout_micros")
    assert not parameters.HasField("num_batch_threads")
    assert list(parameters.allowed_batch_sizes) == [64, 128]


def test_parts_of_a_saved_model_that_are_not_defined_survive_a_round_trip() -> None:
    # Field 2 of a MetaGraphDef is the graph: 0x12, a length, the bytes.
    graph = serving_bytes = b"\x12\x03abc"
    meta_graph = tf.MetaGraphDef.FromString(serving_bytes)
    assert meta_graph.SerializeToString() == graph


def test_every_service_of_the_definitions_is_in_the_pool() -> None:
    assert set(service_descriptors()) == {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_protobufs_fallback_in_plain_python_works_too() -> None:
    program = (
        "import numpy\n"
        "from google.protobuf.internal import api_implementation\n"
        "assert api_implementation.Type() == 'python'\n"
        "import accelserve.client\n"
        "from accelserve.protos import tensorflow_serving as serving\n"
        "from accelserve.protos.tensors import from_array, to_array\n"
        "request = serving.PredictRequest()\n"
        "request.inputs['images'].CopyFrom(from_array(numpy.arange(6.0).reshape(2, 3)))\n"
        "request.request_options.handshake.estimated_payload_bytes = 3\n"
        "read = serving.PredictRequest.FromString(request.SerializeToString())\n"
        "assert read == request\n"
        "assert to_array(read.inputs['images']).tolist() == [[0, 1, 2], [3, 4, 5]]\n"
        "assert serving.ModelVersionStatus.State.Name(serving.ModelVersionStatus.AVAILABLE) == 'AVAILABLE'\n"
    )
    environment = os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    # The runtime warns that it is slow.
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=240, env=environment)
