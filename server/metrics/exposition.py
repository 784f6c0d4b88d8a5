"""The text that Prometheus reads, with the names exactly as TensorFlow Serving writes them.

prometheus_client would add ``_total`` to every counter's name; dashboards made for TensorFlow Serving ask for
``:tensorflow:serving:request_count`` without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def page(registry: CollectorRegistry, bare_counters: Collection[str]) -> str:
    """Every metric of a registry in Prometheus's text format 0.0.4.

    Args:
        registry: what to write.
        bare_counters: names of counters that get no ``_total``.
    """
    lines = [line for metric in registry.collect() for line in _lines(metric, metric.name in bare_counters)]
    return "\n".join(lines) + "\n"


def _lines(metric: Metric, bare: bool) -> Iterator[str]:
    suffixed = metric.type == "counter" and not bare
    name = f"{metric.name}_total" if suffixed else metric.name
    yield f"# HELP {name} {_escaped(metric.documentation)}"
    yield f"# TYPE {name} {metric.type}"
    for sample in metric.samples:
        if sample.name.endswith("_created"):  # an invention of OpenMetrics that this format does not know
            continue
        sample_name = metric.name if bare else sample.name
        yield f"{sample_name}{_labels(sample.labels)} {_number(sample.value)}"


def _labels(labels: dict[str, str]) -> str:
    pairs = (
        f'{key}="{_bound(value) if key == "le" else _escaped(value, quotes=True)}"'
        for key, value in labels.items()
    )
    return "{" + ",".join(pairs) + "}" if labels else ""


def _bound(value: str) -> str:
    """A bucket's limit with six digits, as TensorFlow Serving prints it: ``10``, ``18.5``, ``1.18e+06``, ``+Inf``."""
    return value if value == "+Inf" else f"{float(value):.6g}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else _go(value)


def _go(value: float) -> str:
    """A number as Go, and so Prometheus, spells it: ``0.5``, ``+Inf``, ``NaN``."""
    spelled: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    return spelled


def _escaped(text: str, *, quotes: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quotes else escaped
