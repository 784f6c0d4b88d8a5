"""Quantiles of histograms. Prometheus is the judge: promtool 2.42's answers are written down, and asked for anew where
it is installed (Debian's package ``prometheus``); numpy's interpolation judges whatever hypothesis makes up."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import accumulate
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from accelserve.server.metrics.buckets import Buckets, Quantile, by_model

LIMITS = (0.001, 0.002, 0.004, 0.008, inf)

# Counts of the five buckets, share, histogram_quantile.
PROMETHEUS = [
    ((0, 0, 4, 0, 0), 0.5, 0.003),
    ((0, 0, 4, 0, 0), 0.99, 0.00398),
    ((1, 0, 0, 0, 0), 0.5, 0.0005),  # the first bucket begins at zero
    ((2, 3, 5, 7, 0), 0.5, 0.0034000000000000002),
    ((2, 3, 5, 7, 0), 0.99, 0.007902857142857142),
    ((5, 0, 5, 0, 0), 0.5, 0.001),  # exactly at a limit
    ((9, 0, 0, 1, 0), 0.95, 0.006),
    ((90, 5, 0, 0, 5), 0.99, 0.008),  # beyond the last limit
    ((0, 0, 0, 0, 3), 0.5, 0.008),
]


@pytest.mark.parametrize(("counts", "share", "seconds"), PROMETHEUS)
def test_quantiles_are_prometheuss(counts: tuple[int, ...], share: float, seconds: float) -> None:
    buckets = Buckets(limits_seconds=LIMITS, counts=counts, sum_seconds=1)
    beyond = share * sum(counts) > sum(counts[:-1])
    assert buckets.quantile(share) == Quantile(seconds=seconds, at_least=beyond)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus")
def test_prometheus_says_so_itself(tmp_path: Path) -> None:
    tests = []
    for counts, share, seconds in PROMETHEUS:
        series = [
            {"series": f'h_bucket{{le="{limit if limit < inf else "+Inf"}"}}', "values": str(total)}
            for limit, total in zip(LIMITS, accumulate(counts), strict=True)
        ]
        sample = {"labels": "{}", "value": seconds}
        question = {
            "expr": f"histogram_quantile({share}, h_bucket)",
            "eval_time": "0m",
            "exp_samples": [sample],
        }
        tests.append({"interval": "1m", "input_series": series, "promql_expr_test": [question]})
    (tmp_path / "rules.yaml").write_text(json.dumps({"evaluation_interval": "1m", "tests": tests}))
    command = ["promtool", "test", "rules", str(tmp_path / "rules.yaml")]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


@given(
    counts=st.lists(st.integers(0, 10**6), min_size=2, max_size=20).filter(any),
    share=st.floats(0.001, 1.0),
)
def test_quantiles_lie_on_the_line_through_the_cumulated_counts(counts: list[int], share: float) -> None:
    limits = [0.001 * 2**power for power in range(len(counts) - 1)] + [inf]
    found = Buckets(limits_seconds=limits, counts=counts, sum_seconds=1).quantile(share)
    cumulated = np.cumsum([0, *counts[:-1]])
    rank = share * sum(counts)
    assert found.at_least is bool(rank > cumulated[-1])
    # Where buckets are empty the line is level: any of its times has that rank.
    reached = np.interp(found.seconds, [0, *limits[:-1]], cumulated)
    assert reached == pytest.approx(min(rank, cumulated[-1]), rel=1e-9)


@pytest.fixture
def histogram() -> Histogram:
    names = ["model_name", "device"]
    return Histogram("h", "A histogram.", names, buckets=(0.1, 0.2), registry=CollectorRegistry())


def test_devices_of_a_model_are_summed(histogram: Histogram) -> None:
    for device, seconds in (("cpu", 0.05), ("cpu", 0.15), ("fpga", 0.15), ("fpga", 7.0)):
        histogram.labels("colour", device).observe(seconds)
    histogram.labels("other", "cpu").observe(0.1)
    read = by_model(histogram)
    assert read.keys() == {"colour", "other"}
    colour = read["colour"]
    assert (colour.limits_seconds, colour.counts, colour.total) == ([0.1, 0.2, inf], [1, 2, 1], 4)
    assert colour.sum_seconds == pytest.approx(7.35)
    assert colour.mean_seconds == pytest.approx(1.8375)
    assert read["other"].counts == [1, 0, 0]  # a limit belongs to its bucket


def test_microseconds_become_seconds(histogram: Histogram) -> None:
    histogram.labels("colour", "cpu").observe(0.15)
    read = by_model(histogram, microseconds=True)["colour"]
    assert read.limits_seconds[:2] == pytest.approx([0.1e-6, 0.2e-6])
    assert read.sum_seconds == pytest.approx(0.15e-6)


def test_a_model_that_has_not_answered_has_no_buckets(histogram: Histogram) -> None:
    histogram.labels("colour", "cpu")
    assert by_model(histogram) == {}
