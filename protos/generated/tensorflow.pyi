"""Package tensorflow. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message
from accelserve.protos.generated import google_protobuf as _google_protobuf

class BytesList(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    @property
    def value(self) -> _containers.RepeatedScalarFieldContainer[bytes]: ...
    def __init__(
        self,
        *,
        value: _Iterable[bytes] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class FloatList(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    @property
    def value(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    def __init__(
        self,
        *,
        value: _Iterable[float] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class Int64List(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    @property
    def value(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self,
        *,
        value: _Iterable[int] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class Feature(_Message):
    BYTES_LIST_FIELD_NUMBER: _Final = 1
    @property
    def bytes_list(self) -> BytesList: ...
    FLOAT_LIST_FIELD_NUMBER: _Final = 2
    @property
    def float_list(self) -> FloatList: ...
    INT64_LIST_FIELD_NUMBER: _Final = 3
    @property
    def int64_list(self) -> Int64List: ...
    def __init__(
        self,
        *,
        bytes_list: BytesList | None = ...,
        float_list: FloatList | None = ...,
        int64_list: Int64List | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['bytes_list', 'float_list', 'int64_list', 'kind']) -> bool: ...
    def ClearField(self, field_name: _Literal['bytes_list', 'float_list', 'int64_list', 'kind']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['kind']) -> _Literal['bytes_list', 'float_list', 'int64_list'] | None: ...

class Features(_Message):
    FEATURE_FIELD_NUMBER: _Final = 1
    @property
    def feature(self) -> _containers.MessageMap[str, Feature]: ...
    def __init__(
        self,
        *,
        feature: _Mapping[str, Feature] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['feature']) -> None: ...

class FeatureList(_Message):
    FEATURE_FIELD_NUMBER: _Final = 1
    @property
    def feature(self) -> _containers.RepeatedCompositeFieldContainer[Feature]: ...
    def __init__(
        self,
        *,
        feature: _Iterable[Feature] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['feature']) -> None: ...

class FeatureLists(_Message):
    FEATURE_LIST_FIELD_NUMBER: _Final = 1
    @property
    def feature_list(self) -> _containers.MessageMap[str, FeatureList]: ...
    def __init__(
        self,
        *,
        feature_list: _Mapping[str, FeatureList] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['feature_list']) -> None: ...

class Example(_Message):
    FEATURES_FIELD_NUMBER: _Final = 1
    @property
    def features(self) -> Features: ...
    def __init__(
        self,
        *,
        features: Features | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['features']) -> bool: ...
    def ClearField(self, field_name: _Literal['features']) -> None: ...

class SequenceExample(_Message):
    CONTEXT_FIELD_NUMBER: _Final = 1
    @property
    def context(self) -> Features: ...
    FEATURE_LISTS_FIELD_NUMBER: _Final = 2
    @property
    def feature_lists(self) -> FeatureLists: ...
    def __init__(
        self,
        *,
        context: Features | None = ...,
        feature_lists: FeatureLists | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['context', 'feature_lists']) -> bool: ...
    def ClearField(self, field_name: _Literal['context', 'feature_lists']) -> None: ...

class TensorShapeProto(_Message):
    class Dim(_Message):
        SIZE_FIELD_NUMBER: _Final = 1
        size: int
        NAME_FIELD_NUMBER: _Final = 2
        name: str
        def __init__(
            self,
            *,
            size: int | None = ...,
            name: str | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['size', 'name']) -> None: ...
    DIM_FIELD_NUMBER: _Final = 2
    @property
    def dim(self) -> _containers.RepeatedCompositeFieldContainer[TensorShapeProto.Dim]: ...
    UNKNOWN_RANK_FIELD_NUMBER: _Final = 3
    unknown_rank: bool
    def __init__(
        self,
        *,
        dim: _Iterable[TensorShapeProto.Dim] | None = ...,
        unknown_rank: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['dim', 'unknown_rank']) -> None: ...

class _DataTypeEnum(_enums.EnumTypeWrapper):
    DT_INVALID: _Final = 0
    DT_FLOAT: _Final = 1
    DT_DOUBLE: _Final = 2
    DT_INT32: _Final = 3
    DT_UINT8: _Final = 4
    DT_INT16: _Final = 5
    DT_INT8: _Final = 6
    DT_STRING: _Final = 7
    DT_COMPLEX64: _Final = 8
    DT_INT64: _Final = 9
    DT_BOOL: _Final = 10
    DT_QINT8: _Final = 11
    DT_QUINT8: _Final = 12
    DT_QINT32: _Final = 13
    DT_BFLOAT16: _Final = 14
    DT_QINT16: _Final = 15
    DT_QUINT16: _Final = 16
    DT_UINT16: _Final = 17
    DT_COMPLEX128: _Final = 18
    DT_HALF: _Final = 19
    DT_RESOURCE: _Final = 20
    DT_VARIANT: _Final = 21
    DT_UINT32: _Final = 22
    DT_UINT64: _Final = 23
    DT_FLOAT8_E5M2: _Final = 24
    DT_FLOAT8_E4M3FN: _Final = 25
    DT_FLOAT8_E4M3FNUZ: _Final = 26
    DT_FLOAT8_E4M3B11FNUZ: _Final = 27
    DT_FLOAT8_E5M2FNUZ: _Final = 28
    DT_INT4: _Final = 29
    DT_UINT4: _Final = 30
    DT_INT2: _Final = 31
    DT_UINT2: _Final = 32
    DT_FLOAT4_E2M1FN: _Final = 33
    DT_FLOAT_REF: _Final = 101
    DT_DOUBLE_REF: _Final = 102
    DT_INT32_REF: _Final = 103
    DT_UINT8_REF: _Final = 104
    DT_INT16_REF: _Final = 105
    DT_INT8_REF: _Final = 106
    DT_STRING_REF: _Final = 107
    DT_COMPLEX64_REF: _Final = 108
    DT_INT64_REF: _Final = 109
    DT_BOOL_REF: _Final = 110
    DT_QINT8_REF: _Final = 111
    DT_QUINT8_REF: _Final = 112
    DT_QINT32_REF: _Final = 113
    DT_BFLOAT16_REF: _Final = 114
    DT_QINT16_REF: _Final = 115
    DT_QUINT16_REF: _Final = 116
    DT_UINT16_REF: _Final = 117
    DT_COMPLEX128_REF: _Final = 118
    DT_HALF_REF: _Final = 119
    DT_RESOURCE_REF: _Final = 120
    DT_VARIANT_REF: _Final = 121
    DT_UINT32_REF: _Final = 122
    DT_UINT64_REF: _Final = 123
    DT_FLOAT8_E5M2_REF: _Final = 124
    DT_FLOAT8_E4M3FN_REF: _Final = 125
    DT_FLOAT8_E4M3FNUZ_REF: _Final = 126
    DT_FLOAT8_E4M3B11FNUZ_REF: _Final = 127
    DT_FLOAT8_E5M2FNUZ_REF: _Final = 128
    DT_INT4_REF: _Final = 129
    DT_UINT4_REF: _Final = 130
    DT_INT2_REF: _Final = 131
    DT_UINT2_REF: _Final = 132
    DT_FLOAT4_E2M1FN_REF: _Final = 133
DataType: _DataTypeEnum
DT_INVALID: _Final = 0
DT_FLOAT: _Final = 1
DT_DOUBLE: _Final = 2
DT_INT32: _Final = 3
DT_UINT8: _Final = 4
DT_INT16: _Final = 5
DT_INT8: _Final = 6
DT_STRING: _Final = 7
DT_COMPLEX64: _Final = 8
DT_INT64: _Final = 9
DT_BOOL: _Final = 10
DT_QINT8: _Final = 11
DT_QUINT8: _Final = 12
DT_QINT32: _Final = 13
DT_BFLOAT16: _Final = 14
DT_QINT16: _Final = 15
DT_QUINT16: _Final = 16
DT_UINT16: _Final = 17
DT_COMPLEX128: _Final = 18
DT_HALF: _Final = 19
DT_RESOURCE: _Final = 20
DT_VARIANT: _Final = 21
DT_UINT32: _Final = 22
DT_UINT64: _Final = 23
DT_FLOAT8_E5M2: _Final = 24
DT_FLOAT8_E4M3FN: _Final = 25
DT_FLOAT8_E4M3FNUZ: _Final = 26
DT_FLOAT8_E4M3B11FNUZ: _Final = 27
DT_FLOAT8_E5M2FNUZ: _Final = 28
DT_INT4: _Final = 29
DT_UINT4: _Final = 30
DT_INT2: _Final = 31
DT_UINT2: _Final = 32
DT_FLOAT4_E2M1FN: _Final = 33
DT_FLOAT_REF: _Final = 101
DT_DOUBLE_REF: _Final = 102
DT_INT32_REF: _Final = 103
DT_UINT8_REF: _Final = 104
DT_INT16_REF: _Final = 105
DT_INT8_REF: _Final = 106
DT_STRING_REF: _Final = 107
DT_COMPLEX64_REF: _Final = 108
DT_INT64_REF: _Final = 109
DT_BOOL_REF: _Final = 110
DT_QINT8_REF: _Final = 111
DT_QUINT8_REF: _Final = 112
DT_QINT32_REF: _Final = 113
DT_BFLOAT16_REF: _Final = 114
DT_QINT16_REF: _Final = 115
DT_QUINT16_REF: _Final = 116
DT_UINT16_REF: _Final = 117
DT_COMPLEX128_REF: _Final = 118
DT_HALF_REF: _Final = 119
DT_RESOURCE_REF: _Final = 120
DT_VARIANT_REF: _Final = 121
DT_UINT32_REF: _Final = 122
DT_UINT64_REF: _Final = 123
DT_FLOAT8_E5M2_REF: _Final = 124
DT_FLOAT8_E4M3FN_REF: _Final = 125
DT_FLOAT8_E4M3FNUZ_REF: _Final = 126
DT_FLOAT8_E4M3B11FNUZ_REF: _Final = 127
DT_FLOAT8_E5M2FNUZ_REF: _Final = 128
DT_INT4_REF: _Final = 129
DT_UINT4_REF: _Final = 130
DT_INT2_REF: _Final = 131
DT_UINT2_REF: _Final = 132
DT_FLOAT4_E2M1FN_REF: _Final = 133

class ResourceHandleProto(_Message):
    class DtypeAndShape(_Message):
        DTYPE_FIELD_NUMBER: _Final = 1
        dtype: int
        SHAPE_FIELD_NUMBER: _Final = 2
        @property
        def shape(self) -> TensorShapeProto: ...
        def __init__(
            self,
            *,
            dtype: int | None = ...,
            shape: TensorShapeProto | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['shape']) -> bool: ...
        def ClearField(self, field_name: _Literal['dtype', 'shape']) -> None: ...
    DEVICE_FIELD_NUMBER: _Final = 1
    device: str
    CONTAINER_FIELD_NUMBER: _Final = 2
    container: str
    NAME_FIELD_NUMBER: _Final = 3
    name: str
    HASH_CODE_FIELD_NUMBER: _Final = 4
    hash_code: int
    MAYBE_TYPE_NAME_FIELD_NUMBER: _Final = 5
    maybe_type_name: str
    DTYPES_AND_SHAPES_FIELD_NUMBER: _Final = 6
    @property
    def dtypes_and_shapes(self) -> _containers.RepeatedCompositeFieldContainer[ResourceHandleProto.DtypeAndShape]: ...
    def __init__(
        self,
        *,
        device: str | None = ...,
        container: str | None = ...,
        name: str | None = ...,
        hash_code: int | None = ...,
        maybe_type_name: str | None = ...,
        dtypes_and_shapes: _Iterable[ResourceHandleProto.DtypeAndShape] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['device', 'container', 'name', 'hash_code', 'maybe_type_name', 'dtypes_and_shapes']) -> None: ...

class TensorProto(_Message):
    DTYPE_FIELD_NUMBER: _Final = 1
    dtype: int
    TENSOR_SHAPE_FIELD_NUMBER: _Final = 2
    @property
    def tensor_shape(self) -> TensorShapeProto: ...
    VERSION_NUMBER_FIELD_NUMBER: _Final = 3
    version_number: int
    TENSOR_CONTENT_FIELD_NUMBER: _Final = 4
    tensor_content: bytes
    HALF_VAL_FIELD_NUMBER: _Final = 13
    @property
    def half_val(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    FLOAT_VAL_FIELD_NUMBER: _Final = 5
    @property
    def float_val(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    DOUBLE_VAL_FIELD_NUMBER: _Final = 6
    @property
    def double_val(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    INT_VAL_FIELD_NUMBER: _Final = 7
    @property
    def int_val(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    STRING_VAL_FIELD_NUMBER: _Final = 8
    @property
    def string_val(self) -> _containers.RepeatedScalarFieldContainer[bytes]: ...
    SCOMPLEX_VAL_FIELD_NUMBER: _Final = 9
    @property
    def scomplex_val(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    INT64_VAL_FIELD_NUMBER: _Final = 10
    @property
    def int64_val(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    BOOL_VAL_FIELD_NUMBER: _Final = 11
    @property
    def bool_val(self) -> _containers.RepeatedScalarFieldContainer[bool]: ...
    DCOMPLEX_VAL_FIELD_NUMBER: _Final = 12
    @property
    def dcomplex_val(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    RESOURCE_HANDLE_VAL_FIELD_NUMBER: _Final = 14
    @property
    def resource_handle_val(self) -> _containers.RepeatedCompositeFieldContainer[ResourceHandleProto]: ...
    VARIANT_VAL_FIELD_NUMBER: _Final = 15
    @property
    def variant_val(self) -> _containers.RepeatedCompositeFieldContainer[VariantTensorDataProto]: ...
    UINT32_VAL_FIELD_NUMBER: _Final = 16
    @property
    def uint32_val(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    UINT64_VAL_FIELD_NUMBER: _Final = 17
    @property
    def uint64_val(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    FLOAT8_VAL_FIELD_NUMBER: _Final = 18
    float8_val: bytes
    def __init__(
        self,
        *,
        dtype: int | None = ...,
        tensor_shape: TensorShapeProto | None = ...,
        version_number: int | None = ...,
        tensor_content: bytes | None = ...,
        half_val: _Iterable[int] | None = ...,
        float_val: _Iterable[float] | None = ...,
        double_val: _Iterable[float] | None = ...,
        int_val: _Iterable[int] | None = ...,
        string_val: _Iterable[bytes] | None = ...,
        scomplex_val: _Iterable[float] | None = ...,
        int64_val: _Iterable[int] | None = ...,
        bool_val: _Iterable[bool] | None = ...,
        dcomplex_val: _Iterable[float] | None = ...,
        resource_handle_val: _Iterable[ResourceHandleProto] | None = ...,
        variant_val: _Iterable[VariantTensorDataProto] | None = ...,
        uint32_val: _Iterable[int] | None = ...,
        uint64_val: _Iterable[int] | None = ...,
        float8_val: bytes | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['tensor_shape']) -> bool: ...
    def ClearField(self, field_name: _Literal['dtype', 'tensor_shape', 'version_number', 'tensor_content', 'half_val', 'float_val', 'double_val', 'int_val', 'string_val', 'scomplex_val', 'int64_val', 'bool_val', 'dcomplex_val', 'resource_handle_val', 'variant_val', 'uint32_val', 'uint64_val', 'float8_val']) -> None: ...

class VariantTensorDataProto(_Message):
    TYPE_NAME_FIELD_NUMBER: _Final = 1
    type_name: str
    METADATA_FIELD_NUMBER: _Final = 2
    metadata: bytes
    TENSORS_FIELD_NUMBER: _Final = 3
    @property
    def tensors(self) -> _containers.RepeatedCompositeFieldContainer[TensorProto]: ...
    def __init__(
        self,
        *,
        type_name: str | None = ...,
        metadata: bytes | None = ...,
        tensors: _Iterable[TensorProto] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['type_name', 'metadata', 'tensors']) -> None: ...

class MetaGraphDef(_Message):
    class MetaInfoDef(_Message):
        META_GRAPH_VERSION_FIELD_NUMBER: _Final = 1
        meta_graph_version: str
        ANY_INFO_FIELD_NUMBER: _Final = 3
        @property
        def any_info(self) -> _google_protobuf.Any: ...
        TAGS_FIELD_NUMBER: _Final = 4
        @property
        def tags(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
        TENSORFLOW_VERSION_FIELD_NUMBER: _Final = 5
        tensorflow_version: str
        TENSORFLOW_GIT_VERSION_FIELD_NUMBER: _Final = 6
        tensorflow_git_version: str
        STRIPPED_DEFAULT_ATTRS_FIELD_NUMBER: _Final = 7
        stripped_default_attrs: bool
        FUNCTION_ALIASES_FIELD_NUMBER: _Final = 8
        @property
        def function_aliases(self) -> _containers.ScalarMap[str, str]: ...
        def __init__(
            self,
            *,
            meta_graph_version: str | None = ...,
            any_info: _google_protobuf.Any | None = ...,
            tags: _Iterable[str] | None = ...,
            tensorflow_version: str | None = ...,
            tensorflow_git_version: str | None = ...,
            stripped_default_attrs: bool | None = ...,
            function_aliases: _Mapping[str, str] | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['any_info']) -> bool: ...
        def ClearField(self, field_name: _Literal['meta_graph_version', 'any_info', 'tags', 'tensorflow_version', 'tensorflow_git_version', 'stripped_default_attrs', 'function_aliases']) -> None: ...
    META_INFO_DEF_FIELD_NUMBER: _Final = 1
    @property
    def meta_info_def(self) -> MetaGraphDef.MetaInfoDef: ...
    SIGNATURE_DEF_FIELD_NUMBER: _Final = 5
    @property
    def signature_def(self) -> _containers.MessageMap[str, SignatureDef]: ...
    ASSET_FILE_DEF_FIELD_NUMBER: _Final = 6
    @property
    def asset_file_def(self) -> _containers.RepeatedCompositeFieldContainer[AssetFileDef]: ...
    def __init__(
        self,
        *,
        meta_info_def: MetaGraphDef.MetaInfoDef | None = ...,
        signature_def: _Mapping[str, SignatureDef] | None = ...,
        asset_file_def: _Iterable[AssetFileDef] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['meta_info_def']) -> bool: ...
    def ClearField(self, field_name: _Literal['meta_info_def', 'signature_def', 'asset_file_def']) -> None: ...

class TensorInfo(_Message):
    class CooSparse(_Message):
        VALUES_TENSOR_NAME_FIELD_NUMBER: _Final = 1
        values_tensor_name: str
        INDICES_TENSOR_NAME_FIELD_NUMBER: _Final = 2
        indices_tensor_name: str
        DENSE_SHAPE_TENSOR_NAME_FIELD_NUMBER: _Final = 3
        dense_shape_tensor_name: str
        def __init__(
            self,
            *,
            values_tensor_name: str | None = ...,
            indices_tensor_name: str | None = ...,
            dense_shape_tensor_name: str | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['values_tensor_name', 'indices_tensor_name', 'dense_shape_tensor_name']) -> None: ...
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    COO_SPARSE_FIELD_NUMBER: _Final = 4
    @property
    def coo_sparse(self) -> TensorInfo.CooSparse: ...
    DTYPE_FIELD_NUMBER: _Final = 2
    dtype: int
    TENSOR_SHAPE_FIELD_NUMBER: _Final = 3
    @property
    def tensor_shape(self) -> TensorShapeProto: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        coo_sparse: TensorInfo.CooSparse | None = ...,
        dtype: int | None = ...,
        tensor_shape: TensorShapeProto | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['name', 'coo_sparse', 'tensor_shape', 'encoding']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'coo_sparse', 'dtype', 'tensor_shape', 'encoding']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['encoding']) -> _Literal['name', 'coo_sparse'] | None: ...

class SignatureDef(_Message):
    INPUTS_FIELD_NUMBER: _Final = 1
    @property
    def inputs(self) -> _containers.MessageMap[str, TensorInfo]: ...
    OUTPUTS_FIELD_NUMBER: _Final = 2
    @property
    def outputs(self) -> _containers.MessageMap[str, TensorInfo]: ...
    METHOD_NAME_FIELD_NUMBER: _Final = 3
    method_name: str
    DEFAULTS_FIELD_NUMBER: _Final = 4
    @property
    def defaults(self) -> _containers.MessageMap[str, TensorProto]: ...
    def __init__(
        self,
        *,
        inputs: _Mapping[str, TensorInfo] | None = ...,
        outputs: _Mapping[str, TensorInfo] | None = ...,
        method_name: str | None = ...,
        defaults: _Mapping[str, TensorProto] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['inputs', 'outputs', 'method_name', 'defaults']) -> None: ...

class AssetFileDef(_Message):
    TENSOR_INFO_FIELD_NUMBER: _Final = 1
    @property
    def tensor_info(self) -> TensorInfo: ...
    FILENAME_FIELD_NUMBER: _Final = 2
    filename: str
    def __init__(
        self,
        *,
        tensor_info: TensorInfo | None = ...,
        filename: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['tensor_info']) -> bool: ...
    def ClearField(self, field_name: _Literal['tensor_info', 'filename']) -> None: ...

class NamedTensorProto(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    TENSOR_FIELD_NUMBER: _Final = 2
    @property
    def tensor(self) -> TensorProto: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        tensor: TensorProto | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['tensor']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'tensor']) -> None: ...

class RPCOptions(_Message):
    USE_RPC_FOR_INPROCESS_MASTER_FIELD_NUMBER: _Final = 1
    use_rpc_for_inprocess_master: bool
    COMPRESSION_ALGORITHM_FIELD_NUMBER: _Final = 2
    compression_algorithm: str
    COMPRESSION_LEVEL_FIELD_NUMBER: _Final = 3
    compression_level: int
    CACHE_RPC_RESPONSE_FIELD_NUMBER: _Final = 4
    cache_rpc_response: bool
    DISABLE_SESSION_CONNECTION_SHARING_FIELD_NUMBER: _Final = 5
    disable_session_connection_sharing: bool
    NUM_CHANNELS_PER_TARGET_FIELD_NUMBER: _Final = 6
    num_channels_per_target: int
    def __init__(
        self,
        *,
        use_rpc_for_inprocess_master: bool | None = ...,
        compression_algorithm: str | None = ...,
        compression_level: int | None = ...,
        cache_rpc_response: bool | None = ...,
        disable_session_connection_sharing: bool | None = ...,
        num_channels_per_target: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['use_rpc_for_inprocess_master', 'compression_algorithm', 'compression_level', 'cache_rpc_response', 'disable_session_connection_sharing', 'num_channels_per_target']) -> None: ...

class SavedModel(_Message):
    SAVED_MODEL_SCHEMA_VERSION_FIELD_NUMBER: _Final = 1
    saved_model_schema_version: int
    META_GRAPHS_FIELD_NUMBER: _Final = 2
    @property
    def meta_graphs(self) -> _containers.RepeatedCompositeFieldContainer[MetaGraphDef]: ...
    def __init__(
        self,
        *,
        saved_model_schema_version: int | None = ...,
        meta_graphs: _Iterable[MetaGraphDef] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['saved_model_schema_version', 'meta_graphs']) -> None: ...
