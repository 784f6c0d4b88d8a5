"""OpenTelemetry traces of what the data plane did, for the extra ``otel``. Without it nothing here is imported."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from accelserve.server.core.access import CURRENT_CALL
from accelserve.server.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from accelserve.server.dataplane.predictor import SignatureResult

_NANOSECONDS = 1e9
Record = Callable[["SignatureResult"], None]


class Tracing:
    """Makes a span of every answer, with one below it for decode, queue, compute and post-processing.

    A caller's ``traceparent`` is the parent, and its decision whether to sample counts.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("accelserve", version("accelserve"))
        self._propagator = TraceContextTextMapPropagator()

    def record(self, result: SignatureResult) -> None:
        """The data plane answered a request, just now, on this thread."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        call = CURRENT_CALL.get()
        parent = self._propagator.extract({"traceparent": call.trace_parent} if call else {})
        stages = result.stages
        parts = (
            ("decode", stages.decode),
            ("preprocess", stages.preprocess),
            ("queue", stages.queue),
            ("compute", stages.compute),
            ("postprocess", stages.postprocess),
        )
        # A span's times are wall-clock times; its length is measured on the monotonic clock.
        moment = time.time_ns() - round(sum(seconds for _, seconds in parts) * _NANOSECONDS)
        attributes: dict[str, str | int] = {
            "accelserve.model": result.servable_id.name,
            "accelserve.version": result.servable_id.version,
            "accelserve.signature": result.signature,
            "accelserve.images": result.images,
            "accelserve.batch_images": result.batch_images,
        }
        if call is not None:
            attributes["accelserve.request_id"] = call.request_id
        whole = self._tracer.start_span(
            "predict", parent, SpanKind.SERVER, attributes=attributes, start_time=moment
        )
        below = set_span_in_context(whole)
        for name, seconds in parts:
            span = self._tracer.start_span(name, below, start_time=moment)
            moment += round(seconds * _NANOSECONDS)
            span.end(moment)
        whole.end(moment)

    def close(self) -> None:
        """Send what has not been sent yet."""
        self._provider.shutdown()


def tracing_to(endpoint: str) -> Tracing:
    """Traces for a collector at ``host:port``, or at a URL whose scheme is ``https`` for TLS.

    Raises:
        ConfigurationError: the extra ``otel`` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--otel_endpoint needs the package '{error.name}'; pip install 'accelserve[otel]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "accelserve"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)
