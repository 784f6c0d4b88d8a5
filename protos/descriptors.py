"""The committed descriptor set, in a pool of its own, and the message classes that come from it."""

from pathlib import Path
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

DESCRIPTOR_SET_PATH: Final = Path(__file__).with_name("generated") / "descriptors.binpb"


def _load_pool(serialized: bytes) -> tuple[DescriptorPool, tuple[str, ...]]:
    """A pool of the files in a serialised FileDescriptorSet, and their names in the order of their dependence.

    The default pool is left alone: it may hold TensorFlow's own definitions of the same names, and a second definition
    of one is an error there.
    """
    pool = DescriptorPool()
    files = FileDescriptorSet.FromString(serialized).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return pool, tuple(file.name for file in files)


_LOADED: Final = _load_pool(DESCRIPTOR_SET_PATH.read_bytes())
POOL: Final = _LOADED[0]
"""Every message, enum and service of `accelserve.protos`, the well-known types among them. Reflection serves this."""
FILE_NAMES: Final = _LOADED[1]
"""The .proto files in POOL; a file stands behind the files that it imports."""


def message_class(full_name: str) -> type[Message]:
    """The class of a message, `tensorflow.TensorProto` for instance; the same object every time.

    Raises:
        KeyError: there is no such message.
    """
    descriptor = POOL.FindMessageTypeByName(full_name)
    found = GetMessageClass(descriptor)
    for nested in descriptor.nested_types:
        # protobuf's runtime in plain Python, the fallback where it ships no binary, leaves this to generated code.
        if not hasattr(found, nested.name):
            setattr(found, nested.name, message_class(nested.full_name))
    return found


def enum_wrapper(full_name: str) -> EnumTypeWrapper:
    """Names and values of an enum, `tensorflow.DataType` for instance.

    Raises:
        KeyError: there is no such enum.
    """
    return EnumTypeWrapper(POOL.FindEnumTypeByName(full_name))


def service_descriptors() -> dict[str, ServiceDescriptor]:
    """Every service in the pool, by its full name, in the order of the files."""
    files = (POOL.FindFileByName(name) for name in FILE_NAMES)
    return {service.full_name: service for file in files for service in file.services_by_name.values()}
