"""Package google.rpc. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message
from accelserve.protos.generated import google_protobuf as _google_protobuf

class RetryInfo(_Message):
    RETRY_DELAY_FIELD_NUMBER: _Final = 1
    @property
    def retry_delay(self) -> _google_protobuf.Duration: ...
    def __init__(
        self,
        *,
        retry_delay: _google_protobuf.Duration | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['retry_delay']) -> bool: ...
    def ClearField(self, field_name: _Literal['retry_delay']) -> None: ...

class ErrorInfo(_Message):
    REASON_FIELD_NUMBER: _Final = 1
    reason: str
    DOMAIN_FIELD_NUMBER: _Final = 2
    domain: str
    METADATA_FIELD_NUMBER: _Final = 3
    @property
    def metadata(self) -> _containers.ScalarMap[str, str]: ...
    def __init__(
        self,
        *,
        reason: str | None = ...,
        domain: str | None = ...,
        metadata: _Mapping[str, str] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['reason', 'domain', 'metadata']) -> None: ...

class BadRequest(_Message):
    class FieldViolation(_Message):
        FIELD_FIELD_NUMBER: _Final = 1
        field: str
        DESCRIPTION_FIELD_NUMBER: _Final = 2
        description: str
        REASON_FIELD_NUMBER: _Final = 3
        reason: str
        def __init__(
            self,
            *,
            field: str | None = ...,
            description: str | None = ...,
            reason: str | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['field', 'description', 'reason']) -> None: ...
    FIELD_VIOLATIONS_FIELD_NUMBER: _Final = 1
    @property
    def field_violations(self) -> _containers.RepeatedCompositeFieldContainer[BadRequest.FieldViolation]: ...
    def __init__(
        self,
        *,
        field_violations: _Iterable[BadRequest.FieldViolation] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['field_violations']) -> None: ...

class RequestInfo(_Message):
    REQUEST_ID_FIELD_NUMBER: _Final = 1
    request_id: str
    SERVING_DATA_FIELD_NUMBER: _Final = 2
    serving_data: str
    def __init__(
        self,
        *,
        request_id: str | None = ...,
        serving_data: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['request_id', 'serving_data']) -> None: ...

class Status(_Message):
    CODE_FIELD_NUMBER: _Final = 1
    code: int
    MESSAGE_FIELD_NUMBER: _Final = 2
    message: str
    DETAILS_FIELD_NUMBER: _Final = 3
    @property
    def details(self) -> _containers.RepeatedCompositeFieldContainer[_google_protobuf.Any]: ...
    def __init__(
        self,
        *,
        code: int | None = ...,
        message: str | None = ...,
        details: _Iterable[_google_protobuf.Any] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['code', 'message', 'details']) -> None: ...
