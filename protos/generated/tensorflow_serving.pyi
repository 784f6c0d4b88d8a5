"""Package tensorflow.serving. Written by accelserve.protos.compile; do not edit."""

from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Final as _Final, Literal as _Literal

from google.protobuf.internal import containers as _containers, enum_type_wrapper as _enums
from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.message import Message as _Message
from accelserve.protos.generated import google_protobuf as _google_protobuf
from accelserve.protos.generated import tensorflow as _tensorflow

class ExampleList(_Message):
    EXAMPLES_FIELD_NUMBER: _Final = 1
    @property
    def examples(self) -> _containers.RepeatedCompositeFieldContainer[_tensorflow.Example]: ...
    def __init__(
        self,
        *,
        examples: _Iterable[_tensorflow.Example] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['examples']) -> None: ...

class ExampleListWithContext(_Message):
    EXAMPLES_FIELD_NUMBER: _Final = 1
    @property
    def examples(self) -> _containers.RepeatedCompositeFieldContainer[_tensorflow.Example]: ...
    CONTEXT_FIELD_NUMBER: _Final = 2
    @property
    def context(self) -> _tensorflow.Example: ...
    def __init__(
        self,
        *,
        examples: _Iterable[_tensorflow.Example] | None = ...,
        context: _tensorflow.Example | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['context']) -> bool: ...
    def ClearField(self, field_name: _Literal['examples', 'context']) -> None: ...

class Input(_Message):
    EXAMPLE_LIST_FIELD_NUMBER: _Final = 1
    @property
    def example_list(self) -> ExampleList: ...
    EXAMPLE_LIST_WITH_CONTEXT_FIELD_NUMBER: _Final = 2
    @property
    def example_list_with_context(self) -> ExampleListWithContext: ...
    def __init__(
        self,
        *,
        example_list: ExampleList | None = ...,
        example_list_with_context: ExampleListWithContext | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['example_list', 'example_list_with_context', 'kind']) -> bool: ...
    def ClearField(self, field_name: _Literal['example_list', 'example_list_with_context', 'kind']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['kind']) -> _Literal['example_list', 'example_list_with_context'] | None: ...

class ModelSpec(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    VERSION_FIELD_NUMBER: _Final = 2
    @property
    def version(self) -> _google_protobuf.Int64Value: ...
    VERSION_LABEL_FIELD_NUMBER: _Final = 4
    version_label: str
    SIGNATURE_NAME_FIELD_NUMBER: _Final = 3
    signature_name: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        version: _google_protobuf.Int64Value | None = ...,
        version_label: str | None = ...,
        signature_name: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['version', 'version_label', 'version_choice']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'version', 'version_label', 'signature_name', 'version_choice']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['version_choice']) -> _Literal['version', 'version_label'] | None: ...

class Class(_Message):
    LABEL_FIELD_NUMBER: _Final = 1
    label: str
    SCORE_FIELD_NUMBER: _Final = 2
    score: float
    def __init__(
        self,
        *,
        label: str | None = ...,
        score: float | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['label', 'score']) -> None: ...

class Classifications(_Message):
    CLASSES_FIELD_NUMBER: _Final = 1
    @property
    def classes(self) -> _containers.RepeatedCompositeFieldContainer[Class]: ...
    def __init__(
        self,
        *,
        classes: _Iterable[Class] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['classes']) -> None: ...

class ClassificationResult(_Message):
    CLASSIFICATIONS_FIELD_NUMBER: _Final = 1
    @property
    def classifications(self) -> _containers.RepeatedCompositeFieldContainer[Classifications]: ...
    def __init__(
        self,
        *,
        classifications: _Iterable[Classifications] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['classifications']) -> None: ...

class ClassificationRequest(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    INPUT_FIELD_NUMBER: _Final = 2
    @property
    def input(self) -> Input: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        input: Input | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec', 'input']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'input']) -> None: ...

class ClassificationResponse(_Message):
    RESULT_FIELD_NUMBER: _Final = 1
    @property
    def result(self) -> ClassificationResult: ...
    MODEL_SPEC_FIELD_NUMBER: _Final = 2
    @property
    def model_spec(self) -> ModelSpec: ...
    def __init__(
        self,
        *,
        result: ClassificationResult | None = ...,
        model_spec: ModelSpec | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['result', 'model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['result', 'model_spec']) -> None: ...

class SignatureDefMap(_Message):
    SIGNATURE_DEF_FIELD_NUMBER: _Final = 1
    @property
    def signature_def(self) -> _containers.MessageMap[str, _tensorflow.SignatureDef]: ...
    def __init__(
        self,
        *,
        signature_def: _Mapping[str, _tensorflow.SignatureDef] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['signature_def']) -> None: ...

class GetModelMetadataRequest(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    METADATA_FIELD_FIELD_NUMBER: _Final = 2
    @property
    def metadata_field(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        metadata_field: _Iterable[str] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'metadata_field']) -> None: ...

class GetModelMetadataResponse(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    METADATA_FIELD_NUMBER: _Final = 2
    @property
    def metadata(self) -> _containers.MessageMap[str, _google_protobuf.Any]: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        metadata: _Mapping[str, _google_protobuf.Any] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'metadata']) -> None: ...

class StatusProto(_Message):
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

class GetModelStatusRequest(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec']) -> None: ...

class ModelVersionStatus(_Message):
    class _StateEnum(_enums.EnumTypeWrapper):
        UNKNOWN: _Final = 0
        START: _Final = 10
        LOADING: _Final = 20
        AVAILABLE: _Final = 30
        UNLOADING: _Final = 40
        END: _Final = 50
    State: _StateEnum
    UNKNOWN: _Final = 0
    START: _Final = 10
    LOADING: _Final = 20
    AVAILABLE: _Final = 30
    UNLOADING: _Final = 40
    END: _Final = 50
    VERSION_FIELD_NUMBER: _Final = 1
    version: int
    STATE_FIELD_NUMBER: _Final = 2
    state: int
    STATUS_FIELD_NUMBER: _Final = 3
    @property
    def status(self) -> StatusProto: ...
    def __init__(
        self,
        *,
        version: int | None = ...,
        state: int | None = ...,
        status: StatusProto | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['status']) -> bool: ...
    def ClearField(self, field_name: _Literal['version', 'state', 'status']) -> None: ...

class GetModelStatusResponse(_Message):
    MODEL_VERSION_STATUS_FIELD_NUMBER: _Final = 1
    @property
    def model_version_status(self) -> _containers.RepeatedCompositeFieldContainer[ModelVersionStatus]: ...
    def __init__(
        self,
        *,
        model_version_status: _Iterable[ModelVersionStatus] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['model_version_status']) -> None: ...

class Regression(_Message):
    VALUE_FIELD_NUMBER: _Final = 1
    value: float
    def __init__(
        self,
        *,
        value: float | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['value']) -> None: ...

class RegressionResult(_Message):
    REGRESSIONS_FIELD_NUMBER: _Final = 1
    @property
    def regressions(self) -> _containers.RepeatedCompositeFieldContainer[Regression]: ...
    def __init__(
        self,
        *,
        regressions: _Iterable[Regression] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['regressions']) -> None: ...

class RegressionRequest(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    INPUT_FIELD_NUMBER: _Final = 2
    @property
    def input(self) -> Input: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        input: Input | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec', 'input']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'input']) -> None: ...

class RegressionResponse(_Message):
    RESULT_FIELD_NUMBER: _Final = 1
    @property
    def result(self) -> RegressionResult: ...
    MODEL_SPEC_FIELD_NUMBER: _Final = 2
    @property
    def model_spec(self) -> ModelSpec: ...
    def __init__(
        self,
        *,
        result: RegressionResult | None = ...,
        model_spec: ModelSpec | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['result', 'model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['result', 'model_spec']) -> None: ...

class InferenceTask(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    METHOD_NAME_FIELD_NUMBER: _Final = 2
    method_name: str
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        method_name: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'method_name']) -> None: ...

class InferenceResult(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    CLASSIFICATION_RESULT_FIELD_NUMBER: _Final = 2
    @property
    def classification_result(self) -> ClassificationResult: ...
    REGRESSION_RESULT_FIELD_NUMBER: _Final = 3
    @property
    def regression_result(self) -> RegressionResult: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        classification_result: ClassificationResult | None = ...,
        regression_result: RegressionResult | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec', 'classification_result', 'regression_result', 'result']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'classification_result', 'regression_result', 'result']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['result']) -> _Literal['classification_result', 'regression_result'] | None: ...

class MultiInferenceRequest(_Message):
    TASKS_FIELD_NUMBER: _Final = 1
    @property
    def tasks(self) -> _containers.RepeatedCompositeFieldContainer[InferenceTask]: ...
    INPUT_FIELD_NUMBER: _Final = 2
    @property
    def input(self) -> Input: ...
    def __init__(
        self,
        *,
        tasks: _Iterable[InferenceTask] | None = ...,
        input: Input | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['input']) -> bool: ...
    def ClearField(self, field_name: _Literal['tasks', 'input']) -> None: ...

class MultiInferenceResponse(_Message):
    RESULTS_FIELD_NUMBER: _Final = 1
    @property
    def results(self) -> _containers.RepeatedCompositeFieldContainer[InferenceResult]: ...
    def __init__(
        self,
        *,
        results: _Iterable[InferenceResult] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['results']) -> None: ...

class LogCollectorConfig(_Message):
    TYPE_FIELD_NUMBER: _Final = 1
    type: str
    FILENAME_PREFIX_FIELD_NUMBER: _Final = 2
    filename_prefix: str
    def __init__(
        self,
        *,
        type: str | None = ...,
        filename_prefix: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['type', 'filename_prefix']) -> None: ...

class PerTaskSamplingConfig(_Message):
    DC_FIELD_NUMBER: _Final = 1
    dc: str
    TASK_INDEX_FIELD_NUMBER: _Final = 2
    task_index: int
    SAMPLING_RATE_FIELD_NUMBER: _Final = 3
    sampling_rate: float
    def __init__(
        self,
        *,
        dc: str | None = ...,
        task_index: int | None = ...,
        sampling_rate: float | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['task_index']) -> bool: ...
    def ClearField(self, field_name: _Literal['dc', 'task_index', 'sampling_rate']) -> None: ...

class SamplingConfig(_Message):
    class _AttributesEnum(_enums.EnumTypeWrapper):
        ATTR_DEFAULT: _Final = 0
        ATTR_REQUEST_ORIGIN: _Final = 1
        ATTR_REQUEST_CRITICALITY: _Final = 2
    Attributes: _AttributesEnum
    ATTR_DEFAULT: _Final = 0
    ATTR_REQUEST_ORIGIN: _Final = 1
    ATTR_REQUEST_CRITICALITY: _Final = 2
    SAMPLING_RATE_FIELD_NUMBER: _Final = 1
    sampling_rate: float
    ATTRIBUTES_FIELD_NUMBER: _Final = 2
    attributes: int
    PER_TASK_SAMPLING_CONFIGS_FIELD_NUMBER: _Final = 3
    @property
    def per_task_sampling_configs(self) -> _containers.RepeatedCompositeFieldContainer[PerTaskSamplingConfig]: ...
    def __init__(
        self,
        *,
        sampling_rate: float | None = ...,
        attributes: int | None = ...,
        per_task_sampling_configs: _Iterable[PerTaskSamplingConfig] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['sampling_rate', 'attributes', 'per_task_sampling_configs']) -> None: ...

class LoggingConfig(_Message):
    LOG_COLLECTOR_CONFIG_FIELD_NUMBER: _Final = 1
    @property
    def log_collector_config(self) -> LogCollectorConfig: ...
    SAMPLING_CONFIG_FIELD_NUMBER: _Final = 2
    @property
    def sampling_config(self) -> SamplingConfig: ...
    CUSTOM_LOGGING_CONFIG_FIELD_NUMBER: _Final = 3
    @property
    def custom_logging_config(self) -> _google_protobuf.Any: ...
    def __init__(
        self,
        *,
        log_collector_config: LogCollectorConfig | None = ...,
        sampling_config: SamplingConfig | None = ...,
        custom_logging_config: _google_protobuf.Any | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['log_collector_config', 'sampling_config', 'custom_logging_config']) -> bool: ...
    def ClearField(self, field_name: _Literal['log_collector_config', 'sampling_config', 'custom_logging_config']) -> None: ...

class LogMetadata(_Message):
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    SAMPLING_CONFIG_FIELD_NUMBER: _Final = 2
    @property
    def sampling_config(self) -> SamplingConfig: ...
    SAVED_MODEL_TAGS_FIELD_NUMBER: _Final = 3
    @property
    def saved_model_tags(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
    TIMESTAMP_SECS_FIELD_NUMBER: _Final = 4
    timestamp_secs: int
    DC_FIELD_NUMBER: _Final = 5
    dc: str
    REQUEST_ORIGIN_FIELD_NUMBER: _Final = 6
    request_origin: str
    REQUEST_CRITICALITY_FIELD_NUMBER: _Final = 7
    request_criticality: str
    SAFE_AGGREGATION_PRIVACY_KEY_FIELD_NUMBER: _Final = 8
    safe_aggregation_privacy_key: int
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        sampling_config: SamplingConfig | None = ...,
        saved_model_tags: _Iterable[str] | None = ...,
        timestamp_secs: int | None = ...,
        dc: str | None = ...,
        request_origin: str | None = ...,
        request_criticality: str | None = ...,
        safe_aggregation_privacy_key: int | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec', 'sampling_config']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'sampling_config', 'saved_model_tags', 'timestamp_secs', 'dc', 'request_origin', 'request_criticality', 'safe_aggregation_privacy_key']) -> None: ...

class FileSystemStoragePathSourceConfig(_Message):
    class ServableVersionPolicy(_Message):
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
        LATEST_FIELD_NUMBER: _Final = 100
        @property
        def latest(self) -> FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest: ...
        ALL_FIELD_NUMBER: _Final = 101
        @property
        def all(self) -> FileSystemStoragePathSourceConfig.ServableVersionPolicy.All: ...
        SPECIFIC_FIELD_NUMBER: _Final = 102
        @property
        def specific(self) -> FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific: ...
        def __init__(
            self,
            *,
            latest: FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest | None = ...,
            all: FileSystemStoragePathSourceConfig.ServableVersionPolicy.All | None = ...,
            specific: FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['latest', 'all', 'specific', 'policy_choice']) -> bool: ...
        def ClearField(self, field_name: _Literal['latest', 'all', 'specific', 'policy_choice']) -> None: ...
        def WhichOneof(self, oneof_group: _Literal['policy_choice']) -> _Literal['latest', 'all', 'specific'] | None: ...
    class ServableToMonitor(_Message):
        SERVABLE_NAME_FIELD_NUMBER: _Final = 1
        servable_name: str
        BASE_PATH_FIELD_NUMBER: _Final = 2
        base_path: str
        SERVABLE_VERSION_POLICY_FIELD_NUMBER: _Final = 4
        @property
        def servable_version_policy(self) -> FileSystemStoragePathSourceConfig.ServableVersionPolicy: ...
        def __init__(
            self,
            *,
            servable_name: str | None = ...,
            base_path: str | None = ...,
            servable_version_policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['servable_version_policy']) -> bool: ...
        def ClearField(self, field_name: _Literal['servable_name', 'base_path', 'servable_version_policy']) -> None: ...
    SERVABLES_FIELD_NUMBER: _Final = 5
    @property
    def servables(self) -> _containers.RepeatedCompositeFieldContainer[FileSystemStoragePathSourceConfig.ServableToMonitor]: ...
    FILE_SYSTEM_POLL_WAIT_SECONDS_FIELD_NUMBER: _Final = 3
    file_system_poll_wait_seconds: int
    FAIL_IF_ZERO_VERSIONS_AT_STARTUP_FIELD_NUMBER: _Final = 4
    fail_if_zero_versions_at_startup: bool
    SERVABLE_VERSIONS_ALWAYS_PRESENT_FIELD_NUMBER: _Final = 6
    servable_versions_always_present: bool
    def __init__(
        self,
        *,
        servables: _Iterable[FileSystemStoragePathSourceConfig.ServableToMonitor] | None = ...,
        file_system_poll_wait_seconds: int | None = ...,
        fail_if_zero_versions_at_startup: bool | None = ...,
        servable_versions_always_present: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['servables', 'file_system_poll_wait_seconds', 'fail_if_zero_versions_at_startup', 'servable_versions_always_present']) -> None: ...

class _ModelTypeEnum(_enums.EnumTypeWrapper):
    MODEL_TYPE_UNSPECIFIED: _Final = 0
    TENSORFLOW: _Final = 1
    OTHER: _Final = 2
ModelType: _ModelTypeEnum
MODEL_TYPE_UNSPECIFIED: _Final = 0
TENSORFLOW: _Final = 1
OTHER: _Final = 2

class ModelConfig(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    BASE_PATH_FIELD_NUMBER: _Final = 2
    base_path: str
    MODEL_TYPE_FIELD_NUMBER: _Final = 3
    model_type: int
    MODEL_PLATFORM_FIELD_NUMBER: _Final = 4
    model_platform: str
    LOGGING_CONFIG_FIELD_NUMBER: _Final = 6
    @property
    def logging_config(self) -> LoggingConfig: ...
    MODEL_VERSION_POLICY_FIELD_NUMBER: _Final = 7
    @property
    def model_version_policy(self) -> FileSystemStoragePathSourceConfig.ServableVersionPolicy: ...
    VERSION_LABELS_FIELD_NUMBER: _Final = 8
    @property
    def version_labels(self) -> _containers.ScalarMap[str, int]: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        base_path: str | None = ...,
        model_type: int | None = ...,
        model_platform: str | None = ...,
        logging_config: LoggingConfig | None = ...,
        model_version_policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy | None = ...,
        version_labels: _Mapping[str, int] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['logging_config', 'model_version_policy']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'base_path', 'model_type', 'model_platform', 'logging_config', 'model_version_policy', 'version_labels']) -> None: ...

class ModelConfigList(_Message):
    CONFIG_FIELD_NUMBER: _Final = 1
    @property
    def config(self) -> _containers.RepeatedCompositeFieldContainer[ModelConfig]: ...
    def __init__(
        self,
        *,
        config: _Iterable[ModelConfig] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['config']) -> None: ...

class ModelServerConfig(_Message):
    MODEL_CONFIG_LIST_FIELD_NUMBER: _Final = 1
    @property
    def model_config_list(self) -> ModelConfigList: ...
    CUSTOM_MODEL_CONFIG_FIELD_NUMBER: _Final = 2
    @property
    def custom_model_config(self) -> _google_protobuf.Any: ...
    def __init__(
        self,
        *,
        model_config_list: ModelConfigList | None = ...,
        custom_model_config: _google_protobuf.Any | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_config_list', 'custom_model_config', 'config']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_config_list', 'custom_model_config', 'config']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['config']) -> _Literal['model_config_list', 'custom_model_config'] | None: ...

class ReloadConfigRequest(_Message):
    CONFIG_FIELD_NUMBER: _Final = 1
    @property
    def config(self) -> ModelServerConfig: ...
    METRIC_NAMES_FIELD_NUMBER: _Final = 2
    @property
    def metric_names(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self,
        *,
        config: ModelServerConfig | None = ...,
        metric_names: _Iterable[str] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['config']) -> bool: ...
    def ClearField(self, field_name: _Literal['config', 'metric_names']) -> None: ...

class ReloadConfigResponse(_Message):
    STATUS_FIELD_NUMBER: _Final = 1
    @property
    def status(self) -> StatusProto: ...
    METRIC_FIELD_NUMBER: _Final = 2
    @property
    def metric(self) -> _containers.RepeatedCompositeFieldContainer[Metric]: ...
    def __init__(
        self,
        *,
        status: StatusProto | None = ...,
        metric: _Iterable[Metric] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['status']) -> bool: ...
    def ClearField(self, field_name: _Literal['status', 'metric']) -> None: ...

class Metric(_Message):
    NAME_FIELD_NUMBER: _Final = 1
    name: str
    INT64_VALUE_INCREASE_FIELD_NUMBER: _Final = 2
    int64_value_increase: int
    def __init__(
        self,
        *,
        name: str | None = ...,
        int64_value_increase: int | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['int64_value_increase', 'value_increase']) -> bool: ...
    def ClearField(self, field_name: _Literal['name', 'int64_value_increase', 'value_increase']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['value_increase']) -> _Literal['int64_value_increase'] | None: ...

class PredictRequest(_Message):
    class RequestOptions(_Message):
        class _DeterministicModeEnum(_enums.EnumTypeWrapper):
            DETERMINISTIC_MODE_UNSPECIFIED: _Final = 0
            FIXED_DECODER_SLOT: _Final = 1
        DeterministicMode: _DeterministicModeEnum
        DETERMINISTIC_MODE_UNSPECIFIED: _Final = 0
        FIXED_DECODER_SLOT: _Final = 1
        class Handshake(_Message):
            ESTIMATED_PAYLOAD_BYTES_FIELD_NUMBER: _Final = 1
            estimated_payload_bytes: int
            def __init__(
                self,
                *,
                estimated_payload_bytes: int | None = ...,
            ) -> None: ...
            def ClearField(self, field_name: _Literal['estimated_payload_bytes']) -> None: ...
        CLIENT_ID_FIELD_NUMBER: _Final = 1
        client_id: bytes
        DETERMINISTIC_MODE_FIELD_NUMBER: _Final = 2
        deterministic_mode: int
        RETURN_ADDITIONAL_ARRAYS_FROM_PREFILL_FIELD_NUMBER: _Final = 3
        return_additional_arrays_from_prefill: bool
        RETURN_STOPTOKENS_FIELD_NUMBER: _Final = 4
        @property
        def return_stoptokens(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
        MAX_CACHE_LENGTH_FIELD_NUMBER: _Final = 6
        max_cache_length: int
        RETURN_ALL_STOPTOKENS_FIELD_NUMBER: _Final = 9
        return_all_stoptokens: bool
        HANDSHAKE_FIELD_NUMBER: _Final = 13
        @property
        def handshake(self) -> PredictRequest.RequestOptions.Handshake: ...
        def __init__(
            self,
            *,
            client_id: bytes | None = ...,
            deterministic_mode: int | None = ...,
            return_additional_arrays_from_prefill: bool | None = ...,
            return_stoptokens: _Iterable[int] | None = ...,
            max_cache_length: int | None = ...,
            return_all_stoptokens: bool | None = ...,
            handshake: PredictRequest.RequestOptions.Handshake | None = ...,
        ) -> None: ...
        def HasField(self, field_name: _Literal['client_id', 'deterministic_mode', 'return_additional_arrays_from_prefill', 'max_cache_length', 'return_all_stoptokens', 'handshake']) -> bool: ...
        def ClearField(self, field_name: _Literal['client_id', 'deterministic_mode', 'return_additional_arrays_from_prefill', 'return_stoptokens', 'max_cache_length', 'return_all_stoptokens', 'handshake']) -> None: ...
    MODEL_SPEC_FIELD_NUMBER: _Final = 1
    @property
    def model_spec(self) -> ModelSpec: ...
    INPUTS_FIELD_NUMBER: _Final = 2
    @property
    def inputs(self) -> _containers.MessageMap[str, _tensorflow.TensorProto]: ...
    OUTPUT_FILTER_FIELD_NUMBER: _Final = 3
    @property
    def output_filter(self) -> _containers.RepeatedScalarFieldContainer[str]: ...
    PREDICT_STREAMED_OPTIONS_FIELD_NUMBER: _Final = 5
    @property
    def predict_streamed_options(self) -> PredictStreamedOptions: ...
    CLIENT_ID_FIELD_NUMBER: _Final = 6
    client_id: bytes
    REQUEST_OPTIONS_FIELD_NUMBER: _Final = 7
    @property
    def request_options(self) -> PredictRequest.RequestOptions: ...
    def __init__(
        self,
        *,
        model_spec: ModelSpec | None = ...,
        inputs: _Mapping[str, _tensorflow.TensorProto] | None = ...,
        output_filter: _Iterable[str] | None = ...,
        predict_streamed_options: PredictStreamedOptions | None = ...,
        client_id: bytes | None = ...,
        request_options: PredictRequest.RequestOptions | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec', 'predict_streamed_options', 'client_id', 'request_options']) -> bool: ...
    def ClearField(self, field_name: _Literal['model_spec', 'inputs', 'output_filter', 'predict_streamed_options', 'client_id', 'request_options']) -> None: ...

class PredictStreamedOptions(_Message):
    class _RequestStateEnum(_enums.EnumTypeWrapper):
        NONE: _Final = 0
        SPLIT: _Final = 1
        END_SPLIT: _Final = 2
        CANCEL: _Final = 3
    RequestState: _RequestStateEnum
    NONE: _Final = 0
    SPLIT: _Final = 1
    END_SPLIT: _Final = 2
    CANCEL: _Final = 3
    REQUEST_STATE_FIELD_NUMBER: _Final = 1
    request_state: int
    SPLIT_DIMENSIONS_FIELD_NUMBER: _Final = 2
    @property
    def split_dimensions(self) -> _containers.ScalarMap[str, int]: ...
    RETURN_SINGLE_RESPONSE_FIELD_NUMBER: _Final = 3
    return_single_response: bool
    def __init__(
        self,
        *,
        request_state: int | None = ...,
        split_dimensions: _Mapping[str, int] | None = ...,
        return_single_response: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['request_state', 'split_dimensions', 'return_single_response']) -> None: ...

class PredictResponse(_Message):
    OUTPUTS_FIELD_NUMBER: _Final = 1
    @property
    def outputs(self) -> _containers.MessageMap[str, _tensorflow.TensorProto]: ...
    MODEL_SPEC_FIELD_NUMBER: _Final = 2
    @property
    def model_spec(self) -> ModelSpec: ...
    def __init__(
        self,
        *,
        outputs: _Mapping[str, _tensorflow.TensorProto] | None = ...,
        model_spec: ModelSpec | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['model_spec']) -> bool: ...
    def ClearField(self, field_name: _Literal['outputs', 'model_spec']) -> None: ...

class ClassifyLog(_Message):
    REQUEST_FIELD_NUMBER: _Final = 1
    @property
    def request(self) -> ClassificationRequest: ...
    RESPONSE_FIELD_NUMBER: _Final = 2
    @property
    def response(self) -> ClassificationResponse: ...
    def __init__(
        self,
        *,
        request: ClassificationRequest | None = ...,
        response: ClassificationResponse | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['request', 'response']) -> bool: ...
    def ClearField(self, field_name: _Literal['request', 'response']) -> None: ...

class RegressLog(_Message):
    REQUEST_FIELD_NUMBER: _Final = 1
    @property
    def request(self) -> RegressionRequest: ...
    RESPONSE_FIELD_NUMBER: _Final = 2
    @property
    def response(self) -> RegressionResponse: ...
    def __init__(
        self,
        *,
        request: RegressionRequest | None = ...,
        response: RegressionResponse | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['request', 'response']) -> bool: ...
    def ClearField(self, field_name: _Literal['request', 'response']) -> None: ...

class PredictLog(_Message):
    REQUEST_FIELD_NUMBER: _Final = 1
    @property
    def request(self) -> PredictRequest: ...
    RESPONSE_FIELD_NUMBER: _Final = 2
    @property
    def response(self) -> PredictResponse: ...
    def __init__(
        self,
        *,
        request: PredictRequest | None = ...,
        response: PredictResponse | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['request', 'response']) -> bool: ...
    def ClearField(self, field_name: _Literal['request', 'response']) -> None: ...

class PredictStreamedLog(_Message):
    REQUEST_FIELD_NUMBER: _Final = 1
    @property
    def request(self) -> _containers.RepeatedCompositeFieldContainer[PredictRequest]: ...
    RESPONSE_FIELD_NUMBER: _Final = 2
    @property
    def response(self) -> _containers.RepeatedCompositeFieldContainer[PredictResponse]: ...
    def __init__(
        self,
        *,
        request: _Iterable[PredictRequest] | None = ...,
        response: _Iterable[PredictResponse] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['request', 'response']) -> None: ...

class MultiInferenceLog(_Message):
    REQUEST_FIELD_NUMBER: _Final = 1
    @property
    def request(self) -> MultiInferenceRequest: ...
    RESPONSE_FIELD_NUMBER: _Final = 2
    @property
    def response(self) -> MultiInferenceResponse: ...
    def __init__(
        self,
        *,
        request: MultiInferenceRequest | None = ...,
        response: MultiInferenceResponse | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['request', 'response']) -> bool: ...
    def ClearField(self, field_name: _Literal['request', 'response']) -> None: ...

class PredictionLog(_Message):
    LOG_METADATA_FIELD_NUMBER: _Final = 1
    @property
    def log_metadata(self) -> LogMetadata: ...
    CLASSIFY_LOG_FIELD_NUMBER: _Final = 2
    @property
    def classify_log(self) -> ClassifyLog: ...
    REGRESS_LOG_FIELD_NUMBER: _Final = 3
    @property
    def regress_log(self) -> RegressLog: ...
    MULTI_INFERENCE_LOG_FIELD_NUMBER: _Final = 4
    @property
    def multi_inference_log(self) -> MultiInferenceLog: ...
    PREDICT_LOG_FIELD_NUMBER: _Final = 6
    @property
    def predict_log(self) -> PredictLog: ...
    PREDICT_STREAMED_LOG_FIELD_NUMBER: _Final = 7
    @property
    def predict_streamed_log(self) -> PredictStreamedLog: ...
    def __init__(
        self,
        *,
        log_metadata: LogMetadata | None = ...,
        classify_log: ClassifyLog | None = ...,
        regress_log: RegressLog | None = ...,
        multi_inference_log: MultiInferenceLog | None = ...,
        predict_log: PredictLog | None = ...,
        predict_streamed_log: PredictStreamedLog | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['log_metadata', 'classify_log', 'regress_log', 'multi_inference_log', 'predict_log', 'predict_streamed_log', 'log_type']) -> bool: ...
    def ClearField(self, field_name: _Literal['log_metadata', 'classify_log', 'regress_log', 'multi_inference_log', 'predict_log', 'predict_streamed_log', 'log_type']) -> None: ...
    def WhichOneof(self, oneof_group: _Literal['log_type']) -> _Literal['classify_log', 'regress_log', 'multi_inference_log', 'predict_log', 'predict_streamed_log'] | None: ...

class PrometheusConfig(_Message):
    ENABLE_FIELD_NUMBER: _Final = 1
    enable: bool
    PATH_FIELD_NUMBER: _Final = 2
    path: str
    def __init__(
        self,
        *,
        enable: bool | None = ...,
        path: str | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['enable', 'path']) -> None: ...

class MonitoringConfig(_Message):
    PROMETHEUS_CONFIG_FIELD_NUMBER: _Final = 1
    @property
    def prometheus_config(self) -> PrometheusConfig: ...
    def __init__(
        self,
        *,
        prometheus_config: PrometheusConfig | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['prometheus_config']) -> bool: ...
    def ClearField(self, field_name: _Literal['prometheus_config']) -> None: ...

class PlatformConfig(_Message):
    SOURCE_ADAPTER_CONFIG_FIELD_NUMBER: _Final = 1
    @property
    def source_adapter_config(self) -> _google_protobuf.Any: ...
    def __init__(
        self,
        *,
        source_adapter_config: _google_protobuf.Any | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['source_adapter_config']) -> bool: ...
    def ClearField(self, field_name: _Literal['source_adapter_config']) -> None: ...

class PlatformConfigMap(_Message):
    PLATFORM_CONFIGS_FIELD_NUMBER: _Final = 1
    @property
    def platform_configs(self) -> _containers.MessageMap[str, PlatformConfig]: ...
    def __init__(
        self,
        *,
        platform_configs: _Mapping[str, PlatformConfig] | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['platform_configs']) -> None: ...

class SSLConfig(_Message):
    SERVER_KEY_FIELD_NUMBER: _Final = 1
    server_key: str
    SERVER_CERT_FIELD_NUMBER: _Final = 2
    server_cert: str
    CUSTOM_CA_FIELD_NUMBER: _Final = 3
    custom_ca: str
    CLIENT_VERIFY_FIELD_NUMBER: _Final = 4
    client_verify: bool
    def __init__(
        self,
        *,
        server_key: str | None = ...,
        server_cert: str | None = ...,
        custom_ca: str | None = ...,
        client_verify: bool | None = ...,
    ) -> None: ...
    def ClearField(self, field_name: _Literal['server_key', 'server_cert', 'custom_ca', 'client_verify']) -> None: ...

class SessionBundleConfig(_Message):
    SESSION_TARGET_FIELD_NUMBER: _Final = 1
    session_target: str
    BATCHING_PARAMETERS_FIELD_NUMBER: _Final = 3
    @property
    def batching_parameters(self) -> BatchingParameters: ...
    def __init__(
        self,
        *,
        session_target: str | None = ...,
        batching_parameters: BatchingParameters | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['batching_parameters']) -> bool: ...
    def ClearField(self, field_name: _Literal['session_target', 'batching_parameters']) -> None: ...

class BatchingParameters(_Message):
    MAX_BATCH_SIZE_FIELD_NUMBER: _Final = 1
    @property
    def max_batch_size(self) -> _google_protobuf.Int64Value: ...
    BATCH_TIMEOUT_MICROS_FIELD_NUMBER: _Final = 2
    @property
    def batch_timeout_micros(self) -> _google_protobuf.Int64Value: ...
    MAX_ENQUEUED_BATCHES_FIELD_NUMBER: _Final = 3
    @property
    def max_enqueued_batches(self) -> _google_protobuf.Int64Value: ...
    NUM_BATCH_THREADS_FIELD_NUMBER: _Final = 4
    @property
    def num_batch_threads(self) -> _google_protobuf.Int64Value: ...
    THREAD_POOL_NAME_FIELD_NUMBER: _Final = 5
    @property
    def thread_pool_name(self) -> _google_protobuf.StringValue: ...
    ALLOWED_BATCH_SIZES_FIELD_NUMBER: _Final = 6
    @property
    def allowed_batch_sizes(self) -> _containers.RepeatedScalarFieldContainer[int]: ...
    PAD_VARIABLE_LENGTH_INPUTS_FIELD_NUMBER: _Final = 7
    pad_variable_length_inputs: bool
    def __init__(
        self,
        *,
        max_batch_size: _google_protobuf.Int64Value | None = ...,
        batch_timeout_micros: _google_protobuf.Int64Value | None = ...,
        max_enqueued_batches: _google_protobuf.Int64Value | None = ...,
        num_batch_threads: _google_protobuf.Int64Value | None = ...,
        thread_pool_name: _google_protobuf.StringValue | None = ...,
        allowed_batch_sizes: _Iterable[int] | None = ...,
        pad_variable_length_inputs: bool | None = ...,
    ) -> None: ...
    def HasField(self, field_name: _Literal['max_batch_size', 'batch_timeout_micros', 'max_enqueued_batches', 'num_batch_threads', 'thread_pool_name']) -> bool: ...
    def ClearField(self, field_name: _Literal['max_batch_size', 'batch_timeout_micros', 'max_enqueued_batches', 'num_batch_threads', 'thread_pool_name', 'allowed_batch_sizes', 'pad_variable_length_inputs']) -> None: ...
