"""Our definitions against the official ones: the same names, numbers and types, the same bytes."""

import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from accelserve.protos.descriptors import FILE_NAMES, POOL, service_descriptors

from .conftest import foreign_module

pytestmark = pytest.mark.interop

# Definitions that the official packages do not ship; held to the projects' texts by hand.
NOT_SHIPPED = {
    "tensorflow.serving.BatchingParameters",
    "tensorflow.serving.MonitoringConfig",
    "tensorflow.serving.PrometheusConfig",
    "tensorflow.serving.SessionBundleConfig",
    "tensorflow.serving.SSLConfig",
}
# What we leave out on purpose, by message.
LEFT_OUT = {
    "tensorflow.MetaGraphDef": {"graph_def", "saver_def", "collection_def", "object_graph_def"},
    "tensorflow.MetaGraphDef.MetaInfoDef": {"stripped_op_list"},
    "tensorflow.TensorInfo": {"composite_tensor"},
    "tensorflow.serving.PredictionLog": {"session_run_log"},
    "inference.ModelConfig": {
        "optimization", "sequence_batching", "ensemble_scheduling", "cc_model_filenames", "model_warmup",
        "model_operations", "model_repository_agents", "response_cache", "model_metrics", "batch_input", "batch_output",
    },
    "inference.ModelInput": {"reshape", "is_shape_tensor", "allow_ragged_batch", "is_non_linear_format_io"},
    "inference.ModelOutput": {"reshape", "is_shape_tensor", "is_non_linear_format_io"},
    "inference.ModelInstanceGroup": {"rate_limiter", "secondary_devices", "profile", "passive", "host_policy"},
    "inference.ModelDynamicBatching": {
        "priority_levels", "default_priority_level", "default_queue_policy", "priority_queue_policy",
    },
}  # fmt: skip
PACKAGES = ("tensorflow", "tensorflow.error", "tensorflow.serving", "inference")


def our_messages() -> Iterator[Descriptor]:
    def nested(message: Descriptor) -> Iterator[Descriptor]:
        yield message
        for inner in message.nested_types:
            yield from nested(inner)

    for name in FILE_NAMES:
        file = POOL.FindFileByName(name)
        if file.package in PACKAGES:
            for message in file.message_types_by_name.values():
                yield from (each for each in nested(message) if each.full_name not in NOT_SHIPPED)


def our_enums() -> Iterator[EnumDescriptor]:
    for name in FILE_NAMES:
        file = POOL.FindFileByName(name)
        if file.package in PACKAGES:
            yield from file.enum_types_by_name.values()
    for message in our_messages():
        yield from message.enum_types


@pytest.fixture(scope="module", autouse=True)
def official() -> ModuleType:
    """Loads the official definitions into protobuf's default pool."""
    names = "model_service predict get_model_metadata inference prediction_log prediction_service"
    for name in names.split():
        foreign_module(f"tensorflow_serving.apis.{name}_pb2")
    foreign_module("tensorflow_serving.config.platform_config_pb2")
    foreign_module("tensorflow.core.protobuf.saved_model_pb2")
    return foreign_module("tritonclient.grpc.service_pb2")


def facts(field: FieldDescriptor) -> tuple[Any, ...]:
    """Everything about a field that the wire and the text format see."""
    group = field.containing_oneof
    return (
        field.number,
        field.type,
        field.is_repeated,
        field.is_packed,
        field.has_presence,
        field.json_name,
        field.message_type.full_name if field.message_type else None,
        field.enum_type.full_name if field.enum_type else None,
        None if group is None else group.name,
    )


@pytest.mark.parametrize("name", [message.full_name for message in our_messages()])
def test_a_message_has_the_official_fields(name: str) -> None:
    ours = POOL.FindMessageTypeByName(name)
    theirs = descriptor_pool.Default().FindMessageTypeByName(name)
    our_facts = {field.name: facts(field) for field in ours.fields}
    their_facts = {field.name: facts(field) for field in theirs.fields}
    assert their_facts.keys() - our_facts.keys() == LEFT_OUT.get(name, set())
    assert our_facts == {field: their_facts.get(field) for field in our_facts}


@pytest.mark.parametrize("name", [enum.full_name for enum in our_enums()])
def test_an_enum_has_the_official_values(name: str) -> None:
    def values(enum: EnumDescriptor) -> dict[str, int]:
        return {value.name: value.number for value in enum.values}

    assert values(POOL.FindEnumTypeByName(name)) == values(descriptor_pool.Default().FindEnumTypeByName(name))


@pytest.mark.parametrize("name", [name for name in service_descriptors() if not name.startswith("grpc.")])
def test_a_service_has_the_official_methods(name: str) -> None:
    def methods(pool: descriptor_pool.DescriptorPool) -> dict[str, tuple[Any, ...]]:
        return {
            method.name: (
                method.input_type.full_name,
                method.output_type.full_name,
                method.client_streaming,
                method.server_streaming,
            )
            for method in pool.FindServiceByName(name).methods
        }

    ours, theirs = methods(POOL), methods(descriptor_pool.Default())
    assert ours == {method: theirs.get(method) for method in ours}
    if name.startswith("tensorflow."):
        assert ours == theirs


def fill(message: Message, chance: random.Random, depth: int) -> None:
    """Sets every field of a message to something, by chance; of a oneof the last one stays."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(getattr(message, field.name), field.message_type, chance, depth)
        elif field.message_type is not None:
            if depth:
                held = getattr(message, field.name)
                inner = held.add() if field.is_repeated else held
                inner.SetInParent()
                fill(inner, chance, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(_scalar(field, chance) for _ in range(3))
        else:
            setattr(message, field.name, _scalar(field, chance))


def _fill_map(held: Any, entry: Any, chance: random.Random, depth: int) -> None:
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for _ in range(2):
        if value.message_type is None:
            held[_scalar(key, chance)] = _scalar(value, chance)
        elif depth:
            fill(held[_scalar(key, chance)], chance, depth - 1)


def _scalar(field: Any, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice(field.enum_type.values).number
    makers: dict[int, Callable[[], Any]] = {
        FieldDescriptor.CPPTYPE_INT32: lambda: chance.randint(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: lambda: chance.randint(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: lambda: chance.randint(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: lambda: chance.randint(0, 2**64 - 1),
        FieldDescriptor.CPPTYPE_DOUBLE: chance.random,
        FieldDescriptor.CPPTYPE_FLOAT: chance.random,
        FieldDescriptor.CPPTYPE_BOOL: lambda: chance.random() < 0.5,
        FieldDescriptor.CPPTYPE_STRING: lambda: _text(field, chance),
    }
    return makers[field.cpp_type]()


def _text(field: Any, chance: random.Random) -> str | bytes:
    data = bytes(chance.randint(97, 122) for _ in range(chance.randint(1, 12)))
    return data if field.type == FieldDescriptor.TYPE_BYTES else data.decode()


@pytest.mark.parametrize("name", [message.full_name for message in our_messages()])
@pytest.mark.parametrize("seed", range(3))
def test_a_message_full_of_values_is_the_same_bytes_and_the_same_text(name: str, seed: int) -> None:
    ours = GetMessageClass(POOL.FindMessageTypeByName(name))()
    fill(ours, random.Random(seed), depth=5)
    theirs = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))()
    theirs.ParseFromString(ours.SerializeToString(deterministic=True))
    assert theirs.SerializeToString(deterministic=True) == ours.SerializeToString(deterministic=True)
    assert text_format.MessageToString(theirs) == text_format.MessageToString(ours)
    assert len(UnknownFieldSet(theirs)) == 0
