"""The server's own account of a measurement: what its Prometheus metrics counted between two looks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Target
from accelserve.loadgen.senders import tls_settings

_HTTP_OK = 200
_TIMEOUT_SECONDS = 10.0
_WHOLE = ":tensorflow:serving:request_latency"
_RUNTIME = ":tensorflow:serving:runtime_latency"
# In the order in which a request passes them.
_STAGES = ("decode", "preprocess", "queue", "compute", "postprocess", "serialize")
_MICROSECONDS = 1e-6

Samples = Mapping[str, float]
"""Sums and counts of histograms, summed over the series of the model."""


class Look(Protocol):
    """Reads the page once."""

    def __call__(self) -> Samples:
        """The page's sums and counts; LoadError if it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the server's work, as a mean over the requests that passed it.

    Attributes:
        name: as the server's metric has it.
        milliseconds: a request.
        requests: that were counted.
    """

    name: str
    milliseconds: float
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """What the server measured.

    Attributes:
        stages: in the order in which a request passes them; what else it took is in none of them.
        whole: from the parsed request to the answer; None where the server does not say.
    """

    stages: Sequence[Stage]
    whole: Stage | None


def look_at(url: str, target: Target) -> Look:
    """A reader of a metrics page; the key goes along only where it is the target's own host.

    Args:
        url: of the page.
        target: whose model is read; all models' if it has no name.
    """
    own = urlsplit(url).hostname == urlsplit(_with_scheme(target.address)).hostname
    headers = {"authorization": f"Bearer {target.token}"} if own and target.token else {}
    pool = urllib3.PoolManager(
        timeout=_TIMEOUT_SECONDS, retries=False, headers=headers, **tls_settings(url, target.tls)
    )

    def look() -> Samples:
        try:
            response = pool.request("GET", url)
        except (urllib3.exceptions.HTTPError, UnicodeError) as error:
            raise LoadError(f"--metrics {url} cannot be read: {error}") from error
        if response.status != _HTTP_OK:
            raise LoadError(f"--metrics {url} answers {response.status}; expected Prometheus's text")
        return samples_of(response.data.decode(errors="replace"), target.model)

    return look


def samples_of(page: str, model: str) -> dict[str, float]:
    """The sums and counts of a page's histograms for a model, or for all if it is empty.

    Raises:
        LoadError: the page is no Prometheus text.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                of_model = sample.labels.get("model_name", model) == model
                if sample.name.endswith(("_sum", "_count")) and (not model or of_model):
                    sums[sample.name] += sample.value
    except ValueError as error:
        raise LoadError(f"--metrics: that is no Prometheus text: {error}") from error
    return dict(sums)


def breakdown(before: Samples, after: Samples) -> Breakdown | None:
    """What was counted between two looks; None where the server offers none of the metrics that are known here.

    They are accelserve's ``accelserve_STAGE_seconds`` and TensorFlow Serving's request and runtime latency.
    """
    found = [_stage(stage, f"accelserve_{stage}_seconds", 1.0, before, after) for stage in _STAGES]
    stages = [stage for stage in found if stage is not None]
    if not stages:
        runtime = _stage("runtime", _RUNTIME, _MICROSECONDS, before, after)
        stages = [] if runtime is None else [runtime]
    whole = _stage("request", _WHOLE, _MICROSECONDS, before, after)
    return Breakdown(stages=stages, whole=whole) if stages or whole is not None else None


def _stage(name: str, metric: str, unit: float, before: Samples, after: Samples) -> Stage | None:
    count = after.get(f"{metric}_count", 0.0) - before.get(f"{metric}_count", 0.0)
    total = after.get(f"{metric}_sum", 0.0) - before.get(f"{metric}_sum", 0.0)
    # A server that was started again in between counts from zero.
    if not (count >= 1 and total >= 0 and math.isfinite(total)):
        return None
    return Stage(name=name, milliseconds=1000 * unit * total / count, requests=int(count))


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"grpc://{address}"
