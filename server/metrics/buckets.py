"""Histograms as the status page reads them: counts in buckets, and quantiles interpolated within one."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from prometheus_client import Histogram

_MICROSECONDS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """The time within which a share of all requests was done.

    Attributes:
        seconds: that time.
        at_least: it lies beyond the last limit, of which ``seconds`` is the value.
    """

    seconds: float
    at_least: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """How long something took.

    Attributes:
        limits_seconds: upper limits of the buckets, included; the last one is infinity.
        counts: in each bucket, not cumulated; at least one is not zero.
        sum_seconds: of all.
    """

    limits_seconds: Sequence[float]
    counts: Sequence[int]
    sum_seconds: float

    @property
    def total(self) -> int:
        """In all buckets."""
        return sum(self.counts)

    @property
    def mean_seconds(self) -> float:
        """Exact: it needs no buckets."""
        return self.sum_seconds / self.total

    def quantile(self, share: float) -> Quantile:
        """What Prometheus's ``histogram_quantile(share, ...)`` computes.

        Within the bucket that holds the rank ``share * total``, values are taken to be spread evenly; the first bucket
        begins at zero, and where the last one holds it, all that is known is its lower limit
        (https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile).

        Args:
            share: more than 0, at most 1.
        """
        rank = share * self.total
        cumulated = list(accumulate(self.counts))
        index = bisect_left(cumulated, rank)
        if index == len(self.counts) - 1:
            return Quantile(seconds=self.limits_seconds[-2], at_least=True)
        begin, before = (self.limits_seconds[index - 1], cumulated[index - 1]) if index else (0.0, 0)
        inside = (rank - before) / self.counts[index]
        seconds = begin + (self.limits_seconds[index] - begin) * inside
        return Quantile(seconds=seconds, at_least=False)


def by_model(histogram: Histogram, *, microseconds: bool = False) -> dict[str, Buckets]:
    """The buckets of every model that has answered, summed over the other labels.

    Args:
        histogram: with a label ``model_name``.
        microseconds: in which it counts; else seconds.
    """
    unit = _MICROSECONDS if microseconds else 1.0
    cumulated: dict[str, defaultdict[float, int]] = defaultdict(lambda: defaultdict(int))
    sums: defaultdict[str, float] = defaultdict(float)
    (family,) = histogram.collect()
    for sample in family.samples:
        model = sample.labels["model_name"]
        if sample.name.endswith("_bucket"):
            cumulated[model][float(sample.labels["le"]) * unit] += int(sample.value)
        elif sample.name.endswith("_sum"):
            sums[model] += sample.value * unit
    return {
        model: Buckets(
            limits_seconds=list(limits),
            counts=[after - before for before, after in pairwise([0, *limits.values()])],
            sum_seconds=sums[model],
        )
        for model, limits in cumulated.items()
        if any(limits.values())
    }
