"""What an operator can set, validated once. Read from flags and environment in ``cli`` only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from accelserve.models.repository.location import is_remote, local_path
from accelserve.server.errors import ConfigurationError
from accelserve.server.tls.files import TlsFiles
from accelserve.server.version_policy import Latest, VersionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        name: what requests call it.
        base_path: folder whose numeric children are versions.
        policy: which of those versions are wanted.
        labels: label -> version, for example ``stable`` -> 42.
        origin: URI of a remote base path, ``s3://bucket/models/resnet50``; ``base_path`` is then set by whoever keeps
            it locally. Empty for a folder.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    origin: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigurationError("a model needs a name; set --model_name or 'name' in the config file")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingConfig:
    """How versions are found and loaded.

    Attributes:
        poll_seconds: between looks at the file system; 0 looks once, as TensorFlow Serving does.
        load_threads: loads at once.
        unload_threads: unloads at once.
        max_retries: tries after the first failure of a version.
        retry_seconds: from a failure to the next try.
        warm_up: run a version once, and replay its warm-up requests, before it is available.
        warm_up_iterations: how often each of those requests is replayed.
        remote_cache: folder for versions of remote base paths; None refuses such base paths.
        remote_poll_seconds: between looks at those; 0 looks once.
    """

    poll_seconds: float = 1.0
    load_threads: int = 1
    unload_threads: int = 1
    max_retries: int = 5
    retry_seconds: float = 60.0
    warm_up: bool = True
    warm_up_iterations: int = 1
    remote_cache: Path | None = None
    remote_poll_seconds: float = 30.0

    def __post_init__(self) -> None:
        if min(self.poll_seconds, self.remote_poll_seconds, self.retry_seconds, self.max_retries) < 0:
            raise ConfigurationError(
                "file_system_poll_wait_seconds, remote_poll_wait_seconds, max_num_load_retries and "
                "load_retry_interval_micros must not be negative"
            )
        if self.load_threads < 1 or self.unload_threads < 1:
            raise ConfigurationError("loading needs at least one thread")
        if self.warm_up_iterations < 1:
            raise ConfigurationError("num_request_iterations_for_warmup must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingConfig:
    """How requests become batches.

    Attributes:
        max_batch_images: images per call of the device; larger requests are split.
        batch_timeout_us: how long an idle device waits for a batch to fill. 0, the default, never waits: batches
            then form only from what queued up while the device was busy.
        max_queued_images: images of one model that may wait or compute at once.
        max_queue_delay_ms: estimated time in the queue above which a request is refused at once.
        explicit: the numbers come from TensorFlow Serving's batching parameters, so refusals use its words, and a
            request larger than a batch is refused.
        per_model: a version may bring parameters of its own, in ``batching_params.pbtxt``.
    """

    max_batch_images: int = 8
    batch_timeout_us: int = 0
    max_queued_images: int = 256
    max_queue_delay_ms: int = 5000
    explicit: bool = False
    per_model: bool = False

    def __post_init__(self) -> None:
        if self.max_batch_images < 1 or self.max_queued_images < 1:
            raise ConfigurationError("max_batch_size and the queue bound must be at least 1")
        if self.batch_timeout_us < 0 or self.max_queue_delay_ms < 0:
            raise ConfigurationError("batch_timeout_micros and max_queue_delay_ms must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one request may ask for.

    Attributes:
        max_message_bytes: of one gRPC message, either way.
        max_images: in one request.
        max_pixels: in one picture, decoded; checked from its header, before any memory is taken.
        max_streams: calls at once on one gRPC connection; further ones wait in the client.
        receive_seconds: from a call's start to its whole message; a caller that takes longer is cut off.
        late_seconds: the same while half of the threads wait for messages.
    """

    max_message_bytes: int = 2**31 - 1
    max_images: int = 1024
    max_pixels: int = 64_000_000
    max_streams: int = 1024
    receive_seconds: float = 60.0
    late_seconds: float = 5.0

    def __post_init__(self) -> None:
        if min(self.max_message_bytes, self.max_images, self.max_pixels, self.max_streams) < 1:
            raise ConfigurationError(
                "max_message_bytes, max_images, max_pixels, max_streams must be at least 1"
            )
        if self.receive_seconds <= 0 or self.late_seconds <= 0:
            raise ConfigurationError("receive_timeout_seconds must be more than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityConfig:
    """Who may come in, and over what.

    Attributes:
        keys_file: of ``accelserve keys``; None lets everybody in.
        tls: key, certificate, authorities; None speaks plain text.
        rest_tls: the HTTP ports use it too.
        poll_seconds: between looks whether these files changed.
    """

    keys_file: Path | None = None
    tls: TlsFiles | None = None
    rest_tls: bool = True
    poll_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcConfig:
    """The gRPC frontend.

    Attributes:
        address: host name or IP to listen on.
        port: 0 lets the system choose one, which is then printed.
        socket_path: unix socket to listen on as well; empty for none.
        max_threads: requests handled at once; waiting for the device counts.
        channel_arguments: gRPC's own ``key=value`` settings.
        tensor_content: answer in ``tensor_content`` instead of typed fields.
    """

    address: str = "0.0.0.0"  # noqa: S104 - a server in a container must be reachable; --grpc_address narrows it
    port: int = 8500
    socket_path: str = ""
    max_threads: int = 0
    channel_arguments: tuple[tuple[str, int | str], ...] = ()
    tensor_content: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"--port must be in 0..65535, got {self.port}")


METRICS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestConfig:
    """The HTTP frontend.

    Attributes:
        address: host name or IP to listen on.
        port: None opens none; 0 lets the system choose.
        threads: requests handled at once; 0 takes a few more than images may be queued, so that there is always one to
            refuse the next request on.
        timeout_ms: from a request's arrival to giving it up.
        cors: any page may call.
        max_body_bytes: of one request, decompressed.
        max_gzip_ratio: decompressed to compressed; a photograph in base64 reaches about 1.3.
        max_connections: at once; requests on those beyond are answered with 503.
        header_seconds: from a connection, or the answer before, to the end of a request's header.
        metrics_path: of the page for Prometheus; None for no such page.
    """

    address: str = "0.0.0.0"  # noqa: S104 - as for GrpcConfig
    port: int | None = None
    threads: int = 0
    timeout_ms: int = 30_000
    cors: bool = False
    max_body_bytes: int = 256 << 20
    max_gzip_ratio: int = 100
    max_connections: int = 1024
    header_seconds: float = 10.0
    metrics_path: str | None = METRICS_PATH

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ConfigurationError(f"--rest_api_port must be in 0..65535, got {self.port}")
        if self.threads < 0 or self.timeout_ms < 1:
            raise ConfigurationError(
                "rest_api_num_threads must be at least 0, rest_api_timeout_in_ms at least 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """Where networks run.

    Attributes:
        name: ``auto``, ``cpu``, ``cpu:generic``, ``fpga:0``, ``reference``.
        threads: that one image may use; 0 takes every core this process may run on.
        cache: folder for packed weights and compiled code; None keeps nothing.
    """

    name: str = "cpu"
    threads: int = 0
    cache: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The whole server.

    Attributes:
        models: at least one, unless a configuration file may bring some later.
        model_config_file: where the models came from, if they did; read again on change.
        model_config_poll_seconds: between looks at that file; 0 looks only when told to.
        allow_unavailable_labels: a reload may label versions that do not serve.
        metrics_port: another port for the page for Prometheus alone; 0 lets the system choose, None is none.
        drain_seconds: from SIGTERM until requests still in flight are cut off.
        drain_delay_seconds: from SIGTERM, which turns health to NOT_SERVING, until new requests are refused: the time
            that load balancers take to notice.
        start_before_ready: open the ports first, then load; health tells when the models are there.
        log_requests: one line in the log for every gRPC and HTTP request.
        otel_endpoint: host:port of an OpenTelemetry collector; empty sends no traces.
        security: keys and TLS.
        usage_notes: note in the models' folders which versions are loaded, where they may be written.
    """

    models: tuple[ModelConfig, ...]
    model_config_file: Path | None = None
    model_config_poll_seconds: float = 0.0
    allow_unavailable_labels: bool = False
    device: DeviceConfig = field(default_factory=DeviceConfig)
    grpc: GrpcConfig = field(default_factory=GrpcConfig)
    rest: RestConfig = field(default_factory=RestConfig)
    loading: LoadingConfig = field(default_factory=LoadingConfig)
    batching: BatchingConfig = field(default_factory=BatchingConfig)
    limits: RequestLimits = field(default_factory=RequestLimits)
    metrics_port: int | None = None
    drain_seconds: float = 30.0
    drain_delay_seconds: float = 0.0
    start_before_ready: bool = False
    log_requests: bool = False
    otel_endpoint: str = ""
    security: SecurityConfig = field(default_factory=SecurityConfig)
    usage_notes: bool = True

    def __post_init__(self) -> None:
        if not self.models and self.model_config_file is None:
            raise ConfigurationError("nothing to serve: set --model_base_path, or --model_config_file")
        if self.metrics_port is not None and not 0 <= self.metrics_port <= 65535:
            raise ConfigurationError(f"--metrics_port must be in 0..65535, got {self.metrics_port}")
        # "not a >= 0" is true of NaN too
        if not self.drain_seconds >= 0 or not self.drain_delay_seconds >= 0:
            raise ConfigurationError("drain_seconds and drain_delay_seconds must not be negative")
        refuse_duplicates(self.models)


def model_at(name: str, base_path: str, **rest: Any) -> ModelConfig:
    """A model whose base path may be a folder, a ``file://`` URI or a remote URI; the rest as ``ModelConfig``."""
    if is_remote(base_path):
        return ModelConfig(name=name, base_path=Path(), origin=base_path, **rest)
    return ModelConfig(name=name, base_path=local_path(base_path), **rest)


def refuse_duplicates(models: Sequence[ModelConfig]) -> None:
    """ConfigurationError if two models have one name."""
    seen: set[str] = set()
    for model in models:
        if model.name in seen:
            raise ConfigurationError(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
