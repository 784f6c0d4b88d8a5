"""Package grpc.reflection.v1alpha. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message

class ServerReflectionRequest(_Message):
    HOST_FIELD_NUMBER: _Final = 1
    host: str
    FILE_BY_FILENAME_FIELD_NUMBER: _Final = 3
    file_by_filename: str
    FILE_CONTAINING_SYMBOL_FIELD_NUMBER: _Final = 4
    file_containing_symbol: str
    FILE_CONTAINING_EXTENSION_FIELD_NUMBER: _Final = 5
    @property
    def file_containing_extension(self) -> ExtensionRequest: ...
    ALL_EXTENSION_NUMBERS_OF_TYPE_FIELD_NUMBER: _Final = 6
    all_extension_numbers_of_type: str
    LIST_SERVICES_FIELD_NUMBER: _Final = 7
    list_services: str
    def __init__(
        self,
        *,
        host: str | None = ...,
        file_by_filename: str | None = ...,
        file_containing_symbol: str | None = ...,
        file_containing_extension: ExtensionRequest | None = ...,
        all_extension_numbers_of_type: str | None = ...,
        list_services: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['file_by_filename', 'file_containing_symbol', 'file_containing_extension', 'all_extension_numbers_of_type', 'list_services', 'message_request']) -> bool: ...
    def ClearField(self, field_name: _Literal['host', 'file_by_filename', 'file_containing_symbol', 'file_containing_extension', 'all_extension_numbers_of_type', 'list_services', 'message_request']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['message_request']) -> _Literal['file_by_filename', 'file_containing_symbol', 'file_containing_extension', 'all_extension_numbers_of_type', 'list_services'] | None: ...

class ExtensionRequest(_Message):
    CONTAINING_TYPE_FIELD_NUMBER: _Final = 1
    containing_type: str
    EXTENSION_NUMBER_FIELD_NUMBER: _Final = 2
    extension_number: int
    def __init__(
        self,
        *,
        containing_type: str | None = ...,
        extension_number: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['containing_type', 'extension_number']) -> None: ...

class ServerReflectionResponse(_Message):
    VALID_HOST_FIELD_NUMBER: _Final = 1
    valid_host: str
    ORIGINAL_REQUEST_FIELD_NUMBER: _Final = 2
    @property
    def original_request(self) -> ServerReflectionRequest: ...
    FILE_DESCRIPTOR_RESPONSE_FIELD_NUMBER: _Final = 4
    @property
    def file_descriptor_response(self) -> FileDescriptorResponse: ...
    ALL_EXTENSION_NUMBERS_RESPONSE_FIELD_NUMBER: _Final = 5
    @property
    def all_extension_numbers_response(self) -> ExtensionNumberResponse: ...
    LIST_SERVICES_RESPONSE_FIELD_NUMBER: _Final = 6
    @property
    def list_services_response(self) -> ListServiceResponse: ...
    ERROR_RESPONSE_FIELD_NUMBER: _Final = 7
    @property
    def error_response(self) -> ErrorResponse: ...
    def __init__(
        self,
        *,
        valid_host: str | None = ...,
        original_request: ServerReflectionRequest | None = ...,
        file_descriptor_response: FileDescriptorResponse | None = ...,
        all_extension_numbers_response: ExtensionNumberResponse | None = ...,
        list_services_response: ListServiceResponse | None = ...,
        error_response: ErrorResponse | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['original_request', 'file_descriptor_response', 'all_extension_numbers_response', 'list_services_response', 'error_response', 'message_response']) -> bool: ...
    def ClearField(self, field_name: _Literal['valid_host', 'original_request', 'file_descriptor_response', 'all_extension_numbers_response', 'list_services_response', 'error_response', 'message_response']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['message_response']) -> _Literal['file_descriptor_response', 'all_extension_numbers_response', 'list_services_response', 'error_response'] | None: ...

class FileDescriptorResponse(_Message):
    FILE_DESCRIPTOR_PROTO_FIELD_NUMBER: _Final = 1
    @property
    def file_descriptor_proto(self) -> _containers.RepeatedScalarFieldContainer[bytes]: ...
    def __init__(
        self,
        *,
        file_descriptor_proto: _Iterable[bytes] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['file_descriptor_proto']) -> None: ...

class ExtensionNumberResponse(_Message):
    BASE_TYPE_NAME_FIELD_NUMBER: _Final = 1
    base_type_name: str
    EXTENSION_NUMBER_FIELD_NUMBER: _Final = 2
    @property
    def extension_number(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self,
        *,
        base_type_name: str | None = ...,
        extension_number: _Iterable[int] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['base_type_name', 'extension_number']) -> None: ...

class ListServiceResponse(_Message):
    SERVICE_FIELD_NUMBER: _Final = 1
    @property
    def service(self) -> _containers.RepeatedCompositeFieldContainer[ServiceResponse]: ...
    def __init__(
        self,
        *,
        service: _Iterable[ServiceResponse] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['service']) -> None: ...

class ServiceResponse(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    def __init__(
        self,
        *,
        name: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name']) -> None: ...

class ErrorResponse(_Message):
    ERROR_CODE_FIELD_NUMBER: _Final = 1
    error_code: int
    ERROR_MESSAGE_FIELD_NUMBER: _Final = 2
    error_message: str
    def __init__(
        self,
        *,
        error_code: int | None = ...,
        error_message: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['error_code', 'error_message']) -> None: ...
