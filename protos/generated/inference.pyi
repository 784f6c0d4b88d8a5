"""Package inference. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message

class _DataTypeEnum(_enums.EnumTypeWrapper):
    TYPE_INVALID: _Final = 0
    TYPE_BOOL: _Final = 1
    TYPE_UINT8: _Final = 2
    TYPE_UINT16: _Final = 3
    TYPE_UINT32: _Final = 4
    TYPE_UINT64: _Final = 5
    TYPE_INT8: _Final = 6
    TYPE_INT16: _Final = 7
    TYPE_INT32: _Final = 8
    TYPE_INT64: _Final = 9
    TYPE_FP16: _Final = 10
    TYPE_FP32: _Final = 11
    TYPE_FP64: _Final = 12
    TYPE_STRING: _Final = 13
    TYPE_BF16: _Final = 14
DataType: _DataTypeEnum
TYPE_INVALID: _Final = 0
TYPE_BOOL: _Final = 1
TYPE_UINT8: _Final = 2
TYPE_UINT16: _Final = 3
TYPE_UINT32: _Final = 4
TYPE_UINT64: _Final = 5
TYPE_INT8: _Final = 6
TYPE_INT16: _Final = 7
TYPE_INT32: _Final = 8
TYPE_INT64: _Final = 9
TYPE_FP16: _Final = 10
TYPE_FP32: _Final = 11
TYPE_FP64: _Final = 12
TYPE_STRING: _Final = 13
TYPE_BF16: _Final = 14

class ModelInstanceGroup(_Message):
    class _KindEnum(_enums.EnumTypeWrapper):
        KIND_AUTO: _Final = 0
        KIND_GPU: _Final = 1
        KIND_CPU: _Final = 2
        KIND_MODEL: _Final = 3
    Kind: _KindEnum
    KIND_AUTO: _Final = 0
    KIND_GPU: _Final = 1
    KIND_CPU: _Final = 2
    KIND_MODEL: _Final = 3
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    COUNT_FIELD_NUMBER: _Final = 2
    count: int
    GPUS_FIELD_NUMBER: _Final = 3
    @property
    def gpus(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    KIND_FIELD_NUMBER: _Final = 4
    kind: int
    def __init__(
        self,
        *,
        name: str | None = ...,
        count: int | None = ...,
        gpus: _Iterable[int] | None = ...,
        kind: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'count', 'gpus', 'kind']) -> None: ...

class ModelInput(_Message):
    class _FormatEnum(_enums.EnumTypeWrapper):
        FORMAT_NONE: _Final = 0
        FORMAT_NHWC: _Final = 1
        FORMAT_NCHW: _Final = 2
    Format: _FormatEnum
    FORMAT_NONE: _Final = 0
    FORMAT_NHWC: _Final = 1
    FORMAT_NCHW: _Final = 2
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    DATA_TYPE_FIELD_NUMBER: _Final = 2
    data_type: int
    FORMAT_FIELD_NUMBER: _Final = 3
    format: int
    DIMS_FIELD_NUMBER: _Final = 4
    @property
    def dims(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    OPTIONAL_FIELD_NUMBER: _Final = 8
    optional: bool
    def __init__(
        self,
        *,
        name: str | None = ...,
        data_type: int | None = ...,
        format: int | None = ...,
        dims: _Iterable[int] | None = ...,
        optional: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'data_type', 'format', 'dims', 'optional']) -> None: ...

class ModelOutput(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    DATA_TYPE_FIELD_NUMBER: _Final = 2
    data_type: int
    DIMS_FIELD_NUMBER: _Final = 3
    @property
    def dims(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    LABEL_FILENAME_FIELD_NUMBER: _Final = 4
    label_filename: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        data_type: int | None = ...,
        dims: _Iterable[int] | None = ...,
        label_filename: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'data_type', 'dims', 'label_filename']) -> None: ...

class ModelVersionPolicy(_Message):
    class Latest(_Message):
        NUM_VERSIONS_FIELD_NUMBER: _Final = 1
        num_versions: int
        def __init__(
            self,
            *,
            num_versions: int | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['num_versions']) -> None: ...
    class All(_Message):
        def __init__(self) -> None: ...
    class Specific(_Message):
        VERSIONS_FIELD_NUMBER: _Final = 1
        @property
        def versions(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
        def __init__(
            self,
            *,
            versions: _Iterable[int] | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['versions']) -> None: ...
    LATEST_FIELD_NUMBER: _Final = 1
    @property
    def latest(self) -> ModelVersionPolicy.Latest: ...
    ALL_FIELD_NUMBER: _Final = 2
    @property
    def all(self) -> ModelVersionPolicy.All: ...
    SPECIFIC_FIELD_NUMBER: _Final = 3
    @property
    def specific(self) -> ModelVersionPolicy.Specific: ...
    def __init__(
        self,
        *,
        latest: ModelVersionPolicy.Latest | None = ...,
        all: ModelVersionPolicy.All | None = ...,
        specific: ModelVersionPolicy.Specific | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['latest', 'all', 'specific', 'policy_choice']) -> bool: ...
    def ClearField(self, field_name: _Literal['latest', 'all', 'specific', 'policy_choice']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['policy_choice']) -> _Literal['latest', 'all', 'specific'] | None: ...

class ModelDynamicBatching(_Message):
    PREFERRED_BATCH_SIZE_FIELD_NUMBER: _Final = 1
    @property
    def preferred_batch_size(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    MAX_QUEUE_DELAY_MICROSECONDS_FIELD_NUMBER: _Final = 2
    max_queue_delay_microseconds: int
    PRESERVE_ORDERING_FIELD_NUMBER: _Final = 3
    preserve_ordering: bool
    def __init__(
        self,
        *,
        preferred_batch_size: _Iterable[int] | None = ...,
        max_queue_delay_microseconds: int | None = ...,
        preserve_ordering: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['preferred_batch_size', 'max_queue_delay_microseconds', 'preserve_ordering']) -> None: ...

class ModelParameter(_Message):
    STRING_VALUE_FIELD_NUMBER: _Final = 1
    string_value: str
    def __init__(
        self,
        *,
        string_value: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['string_value']) -> None: ...

class ModelTransactionPolicy(_Message):
    DECOUPLED_FIELD_NUMBER: _Final = 1
    decoupled: bool
    def __init__(
        self,
        *,
        decoupled: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['decoupled']) -> None: ...

class ModelConfig(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    PLATFORM_FIELD_NUMBER: _Final = 2
    platform: str
    VERSION_POLICY_FIELD_NUMBER: _Final = 3
    @property
    def version_policy(self) -> ModelVersionPolicy: ...
    MAX_BATCH_SIZE_FIELD_NUMBER: _Final = 4
    max_batch_size: int
    INPUT_FIELD_NUMBER: _Final = 5
    @property
    def input(self) -> _containers.RepeatedCompositeFieldContainer[ModelInput]: ...
    OUTPUT_FIELD_NUMBER: _Final = 6
    @property
    def output(self) -> _containers.RepeatedCompositeFieldContainer[ModelOutput]: ...
    INSTANCE_GROUP_FIELD_NUMBER: _Final = 7
    @property
    def instance_group(self) -> _containers.RepeatedCompositeFieldContainer[ModelInstanceGroup]: ...
    DEFAULT_MODEL_FILENAME_FIELD_NUMBER: _Final = 8
    default_model_filename: str
    METRIC_TAGS_FIELD_NUMBER: _Final = 10
    @property
    def metric_tags(self) -> _containers.ScalarMap[str, str]: ...
    DYNAMIC_BATCHING_FIELD_NUMBER: _Final = 11
    @property
    def dynamic_batching(self) -> ModelDynamicBatching: ...
    PARAMETERS_FIELD_NUMBER: _Final = 14
    @property
    def parameters(self) -> _containers.MessageMap[str, ModelParameter]: ...
    BACKEND_FIELD_NUMBER: _Final = 17
    backend: str
    MODEL_TRANSACTION_POLICY_FIELD_NUMBER: _Final = 19
    @property
    def model_transaction_policy(self) -> ModelTransactionPolicy: ...
    RUNTIME_FIELD_NUMBER: _Final = 25
    runtime: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        platform: str | None = ...,
        version_policy: ModelVersionPolicy | None = ...,
        max_batch_size: int | None = ...,
        input: _Iterable[ModelInput] | None = ...,
        output: _Iterable[ModelOutput] | None = ...,
        instance_group: _Iterable[ModelInstanceGroup] | None = ...,
        default_model_filename: str | None = ...,
        metric_tags: _Mapping[str, str] | None = ...,
        dynamic_batching: ModelDynamicBatching | None = ...,
        parameters: _Mapping[str, ModelParameter] | None = ...,
        backend: str | None = ...,
        model_transaction_policy: ModelTransactionPolicy | None = ...,
        runtime: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['version_policy', 'dynamic_batching', 'model_transaction_policy', 'scheduling_choice']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'platform', 'version_policy', 'max_batch_size', 'input', 'output', 'instance_group', 'default_model_filename', 'metric_tags', 'dynamic_batching', 'parameters', 'backend', 'model_transaction_policy', 'runtime', 'scheduling_choice']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['scheduling_choice']) -> _Literal['dynamic_batching'] | None: ...

class ServerLiveRequest(_Message):
    def __init__(self) -> None: ...

class ServerLiveResponse(_Message):
    LIVE_FIELD_NUMBER: _Final = 1
    live: bool
    def __init__(
        self,
        *,
        live: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['live']) -> None: ...

class ServerReadyRequest(_Message):
    def __init__(self) -> None: ...

class ServerReadyResponse(_Message):
    READY_FIELD_NUMBER: _Final = 1
    ready: bool
    def __init__(
        self,
        *,
        ready: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['ready']) -> None: ...

class ModelReadyRequest(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    version: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'version']) -> None: ...

class ModelReadyResponse(_Message):
    READY_FIELD_NUMBER: _Final = 1
    ready: bool
    def __init__(
        self,
        *,
        ready: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['ready']) -> None: ...

class ServerMetadataRequest(_Message):
    def __init__(self) -> None: ...

class ServerMetadataResponse(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    version: str
    EXTENSIONS_FIELD_NUMBER: _Final = 3
    @property
    def extensions(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: str | None = ...,
        extensions: _Iterable[str] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'version', 'extensions']) -> None: ...

class ModelMetadataRequest(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    version: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'version']) -> None: ...

class ModelMetadataResponse(_Message):
    class TensorMetadata(_Message):
        NAME_FIELD_NUMBER: _Final = 1
        name: str
        DATATYPE_FIELD_NUMBER: _Final = 2
        datatype: str
        SHAPE_FIELD_NUMBER: _Final = 3
        @property
        def shape(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
        def __init__(
            self,
            *,
            name: str | None = ...,
            datatype: str | None = ...,
            shape: _Iterable[int] | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['name', 'datatype', 'shape']) -> None: ...
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSIONS_FIELD_NUMBER: _Final = 2
    @property
    def versions(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
    PLATFORM_FIELD_NUMBER: _Final = 3
    platform: str
    INPUTS_FIELD_NUMBER: _Final = 4
    @property
    def inputs(self) -> _containers.RepeatedCompositeFieldContainer[ModelMetadataResponse.TensorMetadata]: ...
    OUTPUTS_FIELD_NUMBER: _Final = 5
    @property
    def outputs(self) -> _containers.RepeatedCompositeFieldContainer[ModelMetadataResponse.TensorMetadata]: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        versions: _Iterable[str] | None = ...,
        platform: str | None = ...,
        inputs: _Iterable[ModelMetadataResponse.TensorMetadata] | None = ...,
        outputs: _Iterable[ModelMetadataResponse.TensorMetadata] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'versions', 'platform', 'inputs', 'outputs']) -> None: ...

class InferParameter(_Message):
    BOOL_PARAM_FIELD_NUMBER: _Final = 1
    bool_param: bool
    INT64_PARAM_FIELD_NUMBER: _Final = 2
    int64_param: int
    STRING_PARAM_FIELD_NUMBER: _Final = 3
    string_param: str
    DOUBLE_PARAM_FIELD_NUMBER: _Final = 4
    double_param: float
    UINT64_PARAM_FIELD_NUMBER: _Final = 5
    uint64_param: int
    def __init__(
        self,
        *,
        bool_param: bool | None = ...,
        int64_param: int | None = ...,
        string_param: str | None = ...,
        double_param: float | None = ...,
        uint64_param: int | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['bool_param', 'int64_param', 'string_param', 'double_param', 'uint64_param', 'parameter_choice']) -> bool: ...
    def ClearField(self, field_name: _Literal['bool_param', 'int64_param', 'string_param', 'double_param', 'uint64_param', 'parameter_choice']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['parameter_choice']) -> _Literal['bool_param', 'int64_param', 'string_param', 'double_param', 'uint64_param'] | None: ...

class InferTensorContents(_Message):
    BOOL_CONTENTS_FIELD_NUMBER: _Final = 1
    @property
    def bool_contents(self) -> _containers.RepeatedScalarFieldContainer[bool]: ...
    INT_CONTENTS_FIELD_NUMBER: _Final = 2
    @property
    def int_contents(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    INT64_CONTENTS_FIELD_NUMBER: _Final = 3
    @property
    def int64_contents(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    UINT_CONTENTS_FIELD_NUMBER: _Final = 4
    @property
    def uint_contents(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    UINT64_CONTENTS_FIELD_NUMBER: _Final = 5
    @property
    def uint64_contents(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    FP32_CONTENTS_FIELD_NUMBER: _Final = 6
    @property
    def fp32_contents(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    FP64_CONTENTS_FIELD_NUMBER: _Final = 7
    @property
    def fp64_contents(self) -> _containers.RepeatedScalarFieldContainer[float]: ...
    BYTES_CONTENTS_FIELD_NUMBER: _Final = 8
    @property
    def bytes_contents(self) -> _containers.RepeatedScalarFieldContainer[bytes]: ...
    def __init__(
        self,
        *,
        bool_contents: _Iterable[bool] | None = ...,
        int_contents: _Iterable[int] | None = ...,
        int64_contents: _Iterable[int] | None = ...,
        uint_contents: _Iterable[int] | None = ...,
        uint64_contents: _Iterable[int] | None = ...,
        fp32_contents: _Iterable[float] | None = ...,
        fp64_contents: _Iterable[float] | None = ...,
        bytes_contents: _Iterable[bytes] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['bool_contents', 'int_contents', 'int64_contents', 'uint_contents', 'uint64_contents', 'fp32_contents', 'fp64_contents', 'bytes_contents']) -> None: ...

class ModelInferRequest(_Message):
    class InferInputTensor(_Message):
        NAME_FIELD_NUMBER: _Final = 1
        name: str
        DATATYPE_FIELD_NUMBER: _Final = 2
        datatype: str
        SHAPE_FIELD_NUMBER: _Final = 3
        @property
        def shape(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
        PARAMETERS_FIELD_NUMBER: _Final = 4
        @property
        def parameters(self) -> _containers.MessageMap[str, InferParameter]: ...
        CONTENTS_FIELD_NUMBER: _Final = 5
        @property
        def contents(self) -> InferTensorContents: ...
        def __init__(
            self,
            *,
            name: str | None = ...,
            datatype: str | None = ...,
            shape: _Iterable[int] | None = ...,
            parameters: _Mapping[str, InferParameter] | None = ...,
            contents: InferTensorContents | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['contents']) -> bool: ...
        def ClearField(self, field_name: _Literal['name', 'datatype', 'shape', 'parameters', 'contents']) -> None: ...
    class InferRequestedOutputTensor(_Message):
        NAME_FIELD_NUMBER: _Final = 1
        name: str
        PARAMETERS_FIELD_NUMBER: _Final = 2
        @property
        def parameters(self) -> _containers.MessageMap[str, InferParameter]: ...
        def __init__(
            self,
            *,
            name: str | None = ...,
            parameters: _Mapping[str, InferParameter] | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['name', 'parameters']) -> None: ...
    MODEL_NAME_FIELD_NUMBER: _Final = 1
    model_name: str
    MODEL_VERSION_FIELD_NUMBER: _Final = 2
    model_version: str
    ID_FIELD_NUMBER: _Final = 3
    id: str
    PARAMETERS_FIELD_NUMBER: _Final = 4
    @property
    def parameters(self) -> _containers.MessageMap[str, InferParameter]: ...
    INPUTS_FIELD_NUMBER: _Final = 5
    @property
    def inputs(self) -> _containers.RepeatedCompositeFieldContainer[ModelInferRequest.InferInputTensor]: ...
    OUTPUTS_FIELD_NUMBER: _Final = 6
    @property
    def outputs(self) -> _containers.RepeatedCompositeFieldContainer[ModelInferRequest.InferRequestedOutputTensor]: ...
    RAW_INPUT_CONTENTS_FIELD_NUMBER: _Final = 7
    @property
    def raw_input_contents(self) -> _containers.RepeatedScalarFieldContainer[bytes]: ...
    def __init__(
        self,
        *,
        model_name: str | None = ...,
        model_version: str | None = ...,
        id: str | None = ...,
        parameters: _Mapping[str, InferParameter] | None = ...,
        inputs: _Iterable[ModelInferRequest.InferInputTensor] | None = ...,
        outputs: _Iterable[ModelInferRequest.InferRequestedOutputTensor] | None = ...,
        raw_input_contents: _Iterable[bytes] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['model_name', 'model_version', 'id', 'parameters', 'inputs', 'outputs', 'raw_input_contents']) -> None: ...

class ModelInferResponse(_Message):
    class InferOutputTensor(_Message):
        NAME_FIELD_NUMBER: _Final = 1
        name: str
        DATATYPE_FIELD_NUMBER: _Final = 2
        datatype: str
        SHAPE_FIELD_NUMBER: _Final = 3
        @property
        def shape(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
        PARAMETERS_FIELD_NUMBER: _Final = 4
        @property
        def parameters(self) -> _containers.MessageMap[str, InferParameter]: ...
        CONTENTS_FIELD_NUMBER: _Final = 5
        @property
        def contents(self) -> InferTensorContents: ...
        def __init__(
            self,
            *,
            name: str | None = ...,
            datatype: str | None = ...,
            shape: _Iterable[int] | None = ...,
            parameters: _Mapping[str, InferParameter] | None = ...,
            contents: InferTensorContents | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['contents']) -> bool: ...
        def ClearField(self, field_name: _Literal['name', 'datatype', 'shape', 'parameters', 'contents']) -> None: ...
    MODEL_NAME_FIELD_NUMBER: _Final = 1
    model_name: str
    MODEL_VERSION_FIELD_NUMBER: _Final = 2
    model_version: str
    ID_FIELD_NUMBER: _Final = 3
    id: str
    PARAMETERS_FIELD_NUMBER: _Final = 4
    @property
    def parameters(self) -> _containers.MessageMap[str, InferParameter]: ...
    OUTPUTS_FIELD_NUMBER: _Final = 5
    @property
    def outputs(self) -> _containers.RepeatedCompositeFieldContainer[ModelInferResponse.InferOutputTensor]: ...
    RAW_OUTPUT_CONTENTS_FIELD_NUMBER: _Final = 6
    @property
    def raw_output_contents(self) -> _containers.RepeatedScalarFieldContainer[bytes]: ...
    def __init__(
        self,
        *,
        model_name: str | None = ...,
        model_version: str | None = ...,
        id: str | None = ...,
        parameters: _Mapping[str, InferParameter] | None = ...,
        outputs: _Iterable[ModelInferResponse.InferOutputTensor] | None = ...,
        raw_output_contents: _Iterable[bytes] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['model_name', 'model_version', 'id', 'parameters', 'outputs', 'raw_output_contents']) -> None: ...

class ModelStreamInferResponse(_Message):
    ERROR_MESSAGE_FIELD_NUMBER: _Final = 1
    error_message: str
    INFER_RESPONSE_FIELD_NUMBER: _Final = 2
    @property
    def infer_response(self) -> ModelInferResponse: ...
    def __init__(
        self,
        *,
        error_message: str | None = ...,
        infer_response: ModelInferResponse | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['infer_response']) -> bool: ...
    def ClearField(self, field_name: _Literal['error_message', 'infer_response']) -> None: ...

class ModelConfigRequest(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    version: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'version']) -> None: ...

class ModelConfigResponse(_Message):
    CONFIG_FIELD_NUMBER: _Final = 1
    @property
    def config(self) -> ModelConfig: ...
    def __init__(
        self,
        *,
        config: ModelConfig | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['config']) -> bool: ...
    def ClearField(self, field_name: _Literal['config']) -> None: ...

class ModelStatisticsRequest(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    version: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['name', 'version']) -> None: ...

class StatisticDuration(_Message):
    COUNT_FIELD_NUMBER: _Final = 1
    count: int
    NS_FIELD_NUMBER: _Final = 2
    ns: int
    def __init__(
        self,
        *,
        count: int | None = ...,
        ns: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['count', 'ns']) -> None: ...

class InferStatistics(_Message):
    SUCCESS_FIELD_NUMBER: _Final = 1
    @property
    def success(self) -> StatisticDuration: ...
    FAIL_FIELD_NUMBER: _Final = 2
    @property
    def fail(self) -> StatisticDuration: ...
    QUEUE_FIELD_NUMBER: _Final = 3
    @property
    def queue(self) -> StatisticDuration: ...
    COMPUTE_INPUT_FIELD_NUMBER: _Final = 4
    @property
    def compute_input(self) -> StatisticDuration: ...
    COMPUTE_INFER_FIELD_NUMBER: _Final = 5
    @property
    def compute_infer(self) -> StatisticDuration: ...
    COMPUTE_OUTPUT_FIELD_NUMBER: _Final = 6
    @property
    def compute_output(self) -> StatisticDuration: ...
    CACHE_HIT_FIELD_NUMBER: _Final = 7
    @property
    def cache_hit(self) -> StatisticDuration: ...
    CACHE_MISS_FIELD_NUMBER: _Final = 8
    @property
    def cache_miss(self) -> StatisticDuration: ...
    def __init__(
        self,
        *,
        success: StatisticDuration | None = ...,
        fail: StatisticDuration | None = ...,
        queue: StatisticDuration | None = ...,
        compute_input: StatisticDuration | None = ...,
        compute_infer: StatisticDuration | None = ...,
        compute_output: StatisticDuration | None = ...,
        cache_hit: StatisticDuration | None = ...,
        cache_miss: StatisticDuration | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss']) -> bool: ...
    def ClearField(self, field_name: _Literal['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss']) -> None: ...

class InferResponseStatistics(_Message):
    COMPUTE_INFER_FIELD_NUMBER: _Final = 1
    @property
    def compute_infer(self) -> StatisticDuration: ...
    COMPUTE_OUTPUT_FIELD_NUMBER: _Final = 2
    @property
    def compute_output(self) -> StatisticDuration: ...
    SUCCESS_FIELD_NUMBER: _Final = 3
    @property
    def success(self) -> StatisticDuration: ...
    FAIL_FIELD_NUMBER: _Final = 4
    @property
    def fail(self) -> StatisticDuration: ...
    EMPTY_RESPONSE_FIELD_NUMBER: _Final = 5
    @property
    def empty_response(self) -> StatisticDuration: ...
    CANCEL_FIELD_NUMBER: _Final = 6
    @property
    def cancel(self) -> StatisticDuration: ...
    def __init__(
        self,
        *,
        compute_infer: StatisticDuration | None = ...,
        compute_output: StatisticDuration | None = ...,
        success: StatisticDuration | None = ...,
        fail: StatisticDuration | None = ...,
        empty_response: StatisticDuration | None = ...,
        cancel: StatisticDuration | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['compute_infer', 'compute_output', 'success', 'fail', 'empty_response', 'cancel']) -> bool: ...
    def ClearField(self, field_name: _Literal['compute_infer', 'compute_output', 'success', 'fail', 'empty_response', 'cancel']) -> None: ...

class InferBatchStatistics(_Message):
    BATCH_SIZE_FIELD_NUMBER: _Final = 1
    batch_size: int
    COMPUTE_INPUT_FIELD_NUMBER: _Final = 2
    @property
    def compute_input(self) -> StatisticDuration: ...
    COMPUTE_INFER_FIELD_NUMBER: _Final = 3
    @property
    def compute_infer(self) -> StatisticDuration: ...
    COMPUTE_OUTPUT_FIELD_NUMBER: _Final = 4
    @property
    def compute_output(self) -> StatisticDuration: ...
    def __init__(
        self,
        *,
        batch_size: int | None = ...,
        compute_input: StatisticDuration | None = ...,
        compute_infer: StatisticDuration | None = ...,
        compute_output: StatisticDuration | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['compute_input', 'compute_infer', 'compute_output']) -> bool: ...
    def ClearField(self, field_name: _Literal['batch_size', 'compute_input', 'compute_infer', 'compute_output']) -> None: ...

class MemoryUsage(_Message):
    TYPE_FIELD_NUMBER: _Final = 1
    type: str
    ID_FIELD_NUMBER: _Final = 2
    id: int
    BYTE_SIZE_FIELD_NUMBER: _Final = 3
    byte_size: int
    def __init__(
        self,
        *,
        type: str | None = ...,
        id: int | None = ...,
        byte_size: int | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['type', 'id', 'byte_size']) -> None: ...

class ModelStatistics(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    version: str
    LAST_INFERENCE_FIELD_NUMBER: _Final = 3
    last_inference: int
    INFERENCE_COUNT_FIELD_NUMBER: _Final = 4
    inference_count: int
    EXECUTION_COUNT_FIELD_NUMBER: _Final = 5
    execution_count: int
    INFERENCE_STATS_FIELD_NUMBER: _Final = 6
    @property
    def inference_stats(self) -> InferStatistics: ...
    BATCH_STATS_FIELD_NUMBER: _Final = 7
    @property
    def batch_stats(self) -> _containers.RepeatedCompositeFieldContainer[InferBatchStatistics]: ...
    MEMORY_USAGE_FIELD_NUMBER: _Final = 8
    @property
    def memory_usage(self) -> _containers.RepeatedCompositeFieldContainer[MemoryUsage]: ...
    RESPONSE_STATS_FIELD_NUMBER: _Final = 9
    @property
    def response_stats(self) -> _containers.MessageMap[str, InferResponseStatistics]: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: str | None = ...,
        last_inference: int | None = ...,
        inference_count: int | None = ...,
        execution_count: int | None = ...,
        inference_stats: InferStatistics | None = ...,
        batch_stats: _Iterable[InferBatchStatistics] | None = ...,
        memory_usage: _Iterable[MemoryUsage] | None = ...,
        response_stats: _Mapping[str, InferResponseStatistics] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['inference_stats']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'version', 'last_inference', 'inference_count', 'execution_count', 'inference_stats', 'batch_stats', 'memory_usage', 'response_stats']) -> None: ...

class ModelStatisticsResponse(_Message):
    MODEL_STATS_FIELD_NUMBER: _Final = 1
    @property
    def model_stats(self) -> _containers.RepeatedCompositeFieldContainer[ModelStatistics]: ...
    def __init__(
        self,
        *,
        model_stats: _Iterable[ModelStatistics] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['model_stats']) -> None: ...

class ModelRepositoryParameter(_Message):
    BOOL_PARAM_FIELD_NUMBER: _Final = 1
    bool_param: bool
    INT64_PARAM_FIELD_NUMBER: _Final = 2
    int64_param: int
    STRING_PARAM_FIELD_NUMBER: _Final = 3
    string_param: str
    BYTES_PARAM_FIELD_NUMBER: _Final = 4
    bytes_param: bytes
    def __init__(
        self,
        *,
        bool_param: bool | None = ...,
        int64_param: int | None = ...,
        string_param: str | None = ...,
        bytes_param: bytes | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['bool_param', 'int64_param', 'string_param', 'bytes_param', 'parameter_choice']) -> bool: ...
    def ClearField(self, field_name: _Literal['bool_param', 'int64_param', 'string_param', 'bytes_param', 'parameter_choice']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['parameter_choice']) -> _Literal['bool_param', 'int64_param', 'string_param', 'bytes_param'] | None: ...

class RepositoryIndexRequest(_Message):
    REPOSITORY_NAME_FIELD_NUMBER: _Final = 1
    repository_name: str
    READY_FIELD_NUMBER: _Final = 2
    ready: bool
    def __init__(
        self,
        *,
        repository_name: str | None = ...,
        ready: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['repository_name', 'ready']) -> None: ...

class RepositoryIndexResponse(_Message):
    class ModelIndex(_Message):
        NAME_FIELD_NUMBER: _Final = 1
        name: str
        VERSION_FIELD_NUMBER: _Final = 2
        version: str
        STATE_FIELD_NUMBER: _Final = 3
        state: str
        REASON_FIELD_NUMBER: _Final = 4
        reason: str
        def __init__(
            self,
            *,
            name: str | None = ...,
            version: str | None = ...,
            state: str | None = ...,
            reason: str | None = ...,
        ) -> None: ...
        def ClearField(self, field_name: _Literal['name', 'version', 'state', 'reason']) -> None: ...
    MODELS_FIELD_NUMBER: _Final = 1
    @property
    def models(self) -> _containers.RepeatedCompositeFieldContainer[RepositoryIndexResponse.ModelIndex]: ...
    def __init__(
        self,
        *,
        models: _Iterable[RepositoryIndexResponse.ModelIndex] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['models']) -> None: ...

class RepositoryModelLoadRequest(_Message):
    REPOSITORY_NAME_FIELD_NUMBER: _Final = 1
    repository_name: str
    MODEL_NAME_FIELD_NUMBER: _Final = 2
    model_name: str
    PARAMETERS_FIELD_NUMBER: _Final = 3
    @property
    def parameters(self) -> _containers.MessageMap[str, ModelRepositoryParameter]: ...
    def __init__(
        self,
        *,
        repository_name: str | None = ...,
        model_name: str | None = ...,
        parameters: _Mapping[str, ModelRepositoryParameter] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['repository_name', 'model_name', 'parameters']) -> None: ...

class RepositoryModelLoadResponse(_Message):
    def __init__(self) -> None: ...

class RepositoryModelUnloadRequest(_Message):
    REPOSITORY_NAME_FIELD_NUMBER: _Final = 1
    repository_name: str
    MODEL_NAME_FIELD_NUMBER: _Final = 2
    model_name: str
    PARAMETERS_FIELD_NUMBER: _Final = 3
    @property
    def parameters(self) -> _containers.MessageMap[str, ModelRepositoryParameter]: ...
    def __init__(
        self,
        *,
        repository_name: str | None = ...,
        model_name: str | None = ...,
        parameters: _Mapping[str, ModelRepositoryParameter] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['repository_name', 'model_name', 'parameters']) -> None: ...

class RepositoryModelUnloadResponse(_Message):
    def __init__(self) -> None: ...
