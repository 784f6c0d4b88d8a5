"""Package google.protobuf. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message

class Duration(_Message, _well_known_types.Duration):
    SECONDS_FIELD_NUMBER: _Final = 1
    NANOS_FIELD_NUMBER: _Final = 2
    def __init__(
        self,
        *,
        seconds: int | None = ...,
        nanos: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['seconds', 'nanos']) -> None: ...

class Any(_Message, _well_known_types.Any):
    TYPE_URL_FIELD_NUMBER: _Final = 1
    VALUE_FIELD_NUMBER: _Final = 2
    def __init__(
        self,
        *,
        type_url: str | None = ...,
        value: bytes | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['type_url', 'value']) -> None: ...

class DoubleValue(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: float
    def __init__(
        self,
        *,
        value: float | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class FloatValue(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: float
    def __init__(
        self,
        *,
        value: float | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class Int64Value(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: int
    def __init__(
        self,
        *,
        value: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class UInt64Value(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: int
    def __init__(
        self,
        *,
        value: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class Int32Value(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: int
    def __init__(
        self,
        *,
        value: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class UInt32Value(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: int
    def __init__(
        self,
        *,
        value: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class BoolValue(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: bool
    def __init__(
        self,
        *,
        value: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class StringValue(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: str
    def __init__(
        self,
        *,
        value: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class BytesValue(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: bytes
    def __init__(
        self,
        *,
        value: bytes | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...
