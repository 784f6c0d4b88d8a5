"""Package grpc.health.v1. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message

class HealthCheckRequest(_Message):
    SERVICE_FIELD_NUMBER: _Final = 1
    service: str
    def __init__(
        self,
        *,
        service: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['service']) -> None: ...

class HealthCheckResponse(_Message):
    class _ServingStatusEnum(_enums.EnumTypeWrapper):
        UNKNOWN: _Final = 0
        SERVING: _Final = 1
        NOT_SERVING: _Final = 2
        SERVICE_UNKNOWN: _Final = 3
    ServingStatus: _ServingStatusEnum
    UNKNOWN: _Final = 0
    SERVING: _Final = 1
    NOT_SERVING: _Final = 2
    SERVICE_UNKNOWN: _Final = 3
    STATUS_FIELD_NUMBER: _Final = 1
    status: int
    def __init__(
        self,
        *,
        status: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['status']) -> None: ...

class HealthListRequest(_Message):
    def __init__(self) -> None: ...

class HealthListResponse(_Message):
    STATUSES_FIELD_NUMBER: _Final = 1
    @property
    def statuses(self) -> _containers.MessageMap[str, HealthCheckResponse]: ...
    def __init__(
        self,
        *,
        statuses: _Mapping[str, HealthCheckResponse] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['statuses']) -> None: ...
