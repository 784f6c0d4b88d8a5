"""Package tensorflow.error. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message

class _CodeEnum(_enums.EnumTypeWrapper):
    OK: _Final = 0
    CANCELLED: _Final = 1
    UNKNOWN: _Final = 2
    INVALID_ARGUMENT: _Final = 3
    DEADLINE_EXCEEDED: _Final = 4
    NOT_FOUND: _Final = 5
    ALREADY_EXISTS: _Final = 6
    PERMISSION_DENIED: _Final = 7
    RESOURCE_EXHAUSTED: _Final = 8
    FAILED_PRECONDITION: _Final = 9
    ABORTED: _Final = 10
    OUT_OF_RANGE: _Final = 11
    UNIMPLEMENTED: _Final = 12
    INTERNAL: _Final = 13
    UNAVAILABLE: _Final = 14
    DATA_LOSS: _Final = 15
    UNAUTHENTICATED: _Final = 16
    DO_NOT_USE_RESERVED_FOR_FUTURE_EXPANSION_USE_DEFAULT_IN_SWITCH_INSTEAD_: _Final = 20
Code: _CodeEnum
OK: _Final = 0
CANCELLED: _Final = 1
UNKNOWN: _Final = 2
INVALID_ARGUMENT: _Final = 3
DEADLINE_EXCEEDED: _Final = 4
NOT_FOUND: _Final = 5
ALREADY_EXISTS: _Final = 6
PERMISSION_DENIED: _Final = 7
RESOURCE_EXHAUSTED: _Final = 8
FAILED_PRECONDITION: _Final = 9
ABORTED: _Final = 10
OUT_OF_RANGE: _Final = 11
UNIMPLEMENTED: _Final = 12
INTERNAL: _Final = 13
UNAVAILABLE: _Final = 14
DATA_LOSS: _Final = 15
UNAUTHENTICATED: _Final = 16
DO_NOT_USE_RESERVED_FOR_FUTURE_EXPANSION_USE_DEFAULT_IN_SWITCH_INSTEAD_: _Final = 20
