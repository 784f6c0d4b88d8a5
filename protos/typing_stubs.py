"""Python source for the messages of a proto package: a module that binds the classes and a stub that types them.

The stub says what protobuf's runtime does, with full precision: scalar fields are attributes, message fields are
read-only properties, `HasField`, `ClearField` and `WhichOneof` take the names that exist.
"""

import keyword
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
)

_INTEGERS = (
    "INT32",
    "INT64",
    "UINT32",
    "UINT64",
    "SINT32",
    "SINT64",
    "FIXED32",
    "FIXED64",
    "SFIXED32",
    "SFIXED64",
)
_SCALARS = {FieldDescriptorProto.Type.Value(f"TYPE_{name}"): "int" for name in _INTEGERS} | {
    FieldDescriptorProto.TYPE_DOUBLE: "float",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    # An enum's values are plain integers at run time.
    FieldDescriptorProto.TYPE_ENUM: "int",
}
# Messages to which protobuf's runtime adds methods, by full name.
_MIXINS = {
    "google.protobuf.Any": "_well_known_types.Any",
    "google.protobuf.Duration": "_well_known_types.Duration",
}
_HEADER = '"""Package {package}. Written by accelserve.protos.compile; do not edit."""\n'
_STUB_IMPORTS = """
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message
"""


def module_name(package: str) -> str:
    """Name of the module for a proto package: `tensorflow.serving` -> `tensorflow_serving`."""
    return package.replace(".", "_")


def runtime_module(package: str, contents: FileDescriptorSet) -> str:
    """Source of the module that binds the package's top-level messages, enums and enum values."""
    messages = [message.name for file in contents.file for message in file.message_type]
    enums = [enum for file in contents.file for enum in file.enum_type]
    lines = ["from accelserve.protos.descriptors import enum_wrapper, message_class", ""]
    lines += [f'{name} = message_class("{package}.{name}")' for name in messages]
    lines += [f'{enum.name} = enum_wrapper("{package}.{enum.name}")' for enum in enums]
    lines += [f"{value.name} = {value.number}" for enum in enums for value in enum.value]
    return "\n".join([_HEADER.format(package=package), *lines]) + "\n"


def typing_stub(package: str, contents: FileDescriptorSet) -> str:
    """Source of the module's .pyi file."""
    writer = _StubWriter(package)
    body: list[str] = []
    for file in contents.file:
        for enum in file.enum_type:
            body += ["", *writer.enum(enum)]
        for message in file.message_type:
            body += ["", *writer.message(message, f".{package}.{message.name}")]
    imports = [
        f"from accelserve.protos.generated import {module_name(other)} as _{module_name(other)}"
        for other in sorted(writer.imported_packages)
    ]
    return "\n".join([_HEADER.format(package=package) + _STUB_IMPORTS.rstrip("\n"), *imports, *body]) + "\n"


class _StubWriter:
    """Turns descriptors of one package into lines of a stub; notes which other packages they mention."""

    def __init__(self, package: str) -> None:
        self.imported_packages: set[str] = set()
        self._package = package

    def enum(self, enum: EnumDescriptorProto) -> list[str]:
        """A class for the wrapper, the wrapper, and the values beside it."""
        lines = [f"class _{enum.name}Enum(_enums.EnumTypeWrapper):"]
        lines += [f"    {value.name}: _Final = {value.number}" for value in enum.value]
        lines += [f"{enum.name}: _{enum.name}Enum"]
        return lines + [f"{value.name}: _Final = {value.number}" for value in enum.value]

    def message(self, message: DescriptorProto, full_name: str) -> list[str]:
        """A class for a message with everything inside it."""
        entries = {
            f"{full_name}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry
        }
        bases = ["_Message", *filter(None, [_MIXINS.get(full_name.removeprefix("."))])]
        body: list[str] = []
        for enum in message.enum_type:
            body += self.enum(enum)
        for nested in message.nested_type:
            if not nested.options.map_entry:
                body += self.message(nested, f"{full_name}.{nested.name}")
        body += [
            line for field in message.field for line in self._field(field, entries, mixed_in=len(bases) > 1)
        ]
        body += self._constructor(message, entries)
        body += _presence(message)
        return [f"class {message.name}({', '.join(bases)}):", *(f"    {line}" for line in body)]

    def _field(
        self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto], *, mixed_in: bool
    ) -> Iterator[str]:
        number = f"{field.name.upper()}_FIELD_NUMBER: _Final = {field.number}"
        yield number
        held = self._held_type(field, entries)
        if _is_plain_scalar(field):
            # A mixin declares its scalar fields itself.
            if not mixed_in:
                yield f"{field.name}: {held}"
        elif not keyword.iskeyword(field.name):
            yield "@property"
            yield f"def {field.name}(self) -> {held}: ..."

    def _constructor(self, message: DescriptorProto, entries: dict[str, DescriptorProto]) -> list[str]:
        parameters = [
            f"{field.name}: {self._accepted_type(field, entries)} | None = ..."
            for field in message.field
            if not keyword.iskeyword(field.name)
        ]
        if not parameters:
            return ["def __init__(self) -> None: ..."]
        return [
            "def __init__(",
            "    self,",
            "    *,",
            *(f"    {line}," for line in parameters),
            ") -> None: ...",
        ]

    def _held_type(self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> str:
        entry = entries.get(field.type_name)
        if entry is not None:
            key, value = entry.field
            container = "MessageMap" if value.type == FieldDescriptorProto.TYPE_MESSAGE else "ScalarMap"
            return f"_containers.{container}[{self._element(key)}, {self._element(value)}]"
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
            container = "RepeatedCompositeFieldContainer" if is_message else "RepeatedScalarFieldContainer"
            return f"_containers.{container}[{self._element(field)}]"
        return self._element(field)

    def _accepted_type(self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> str:
        entry = entries.get(field.type_name)
        if entry is not None:
            key, value = entry.field
            return f"_Mapping[{self._element(key)}, {self._element(value)}]"
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"_Iterable[{self._element(field)}]"
        return self._element(field)

    def _element(self, field: FieldDescriptorProto) -> str:
        scalar = _SCALARS.get(field.type)
        return scalar if scalar is not None else self._message_reference(field.type_name)

    def _message_reference(self, type_name: str) -> str:
        parts = type_name.removeprefix(".").split(".")
        # Packages are lower case, messages are not.
        package = ".".join(part for part in parts if not part[0].isupper())
        name = ".".join(part for part in parts if part[0].isupper())
        if package == self._package:
            return name
        self.imported_packages.add(package)
        return f"_{module_name(package)}.{name}"


def _is_plain_scalar(field: FieldDescriptorProto) -> bool:
    is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
    return field.label != FieldDescriptorProto.LABEL_REPEATED and not is_message


def _presence(message: DescriptorProto) -> list[str]:
    """`HasField`, `ClearField` and `WhichOneof`, each with the names it takes."""
    oneofs = _real_oneofs(message)
    singular = [
        field.name
        for field in message.field
        if field.label != FieldDescriptorProto.LABEL_REPEATED
        and (field.type == FieldDescriptorProto.TYPE_MESSAGE or field.HasField("oneof_index"))
    ]
    lines: list[str] = []
    names = [*singular, *(oneof.name for oneof, _ in oneofs)]
    if names:
        lines.append(f"def HasField(self, field_name: {_literal(names)}) -> bool: ...")
    clearable = [*(field.name for field in message.field), *(oneof.name for oneof, _ in oneofs)]
    if clearable:
        lines.append(f"def ClearField(self, field_name: {_literal(clearable)}) -> None: ...")
    if len(oneofs) == 1:
        oneof, members = oneofs[0]
        lines.append(
            f"def WhichOneof(self, oneof_group: {_literal([oneof.name])}) -> {_literal(members)} | None: ..."
        )
    return lines


def _real_oneofs(message: DescriptorProto) -> list[tuple[OneofDescriptorProto, list[str]]]:
    """The oneofs that the text has, with their members; `optional` fields make others behind the scenes."""
    members: dict[int, list[str]] = {}
    for field in message.field:
        if field.HasField("oneof_index") and not field.proto3_optional:
            members.setdefault(field.oneof_index, []).append(field.name)
    return [(message.oneof_decl[index], names) for index, names in sorted(members.items())]


def _literal(names: list[str]) -> str:
    return f"_Literal[{', '.join(repr(name) for name in names)}]"
