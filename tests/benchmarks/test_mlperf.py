"""LoadGen's logs are read as it means them. Judge: lines that mlcommons-loadgen 6.0.17 wrote."""

from __future__ import annotations

from benchmarks.mlperf.driver import SERVER, SINGLE_STREAM, figure
from benchmarks.mlperf.scenario import Scenario, verdict_of

DETAIL = """\
:::MLLOG {"key": "loadgen_version", "value": "6.0.17", "time_ms": 0.1, "metadata": {}}
:::MLLOG {"key": "result_validity", "value": "INVALID", "time_ms": 1013.471383, "metadata": {}}
:::MLLOG {"key": "result_query_count", "value": 75, "time_ms": 1013.471383, "metadata": {}}
:::MLLOG {"key": "result_completed_samples_per_sec", "value": 73.4027, "time_ms": 1013.4, "metadata": {}}
:::MLLOG {"key": "result_50.00_percentile_latency_ns", "value": 3099767, "time_ms": 1013.4, "metadata": {}}
:::MLLOG {"key": "result_99.00_percentile_latency_ns", "value": 27910918, "time_ms": 1013.4, "metadata": {}}
"""
SUMMARY = """\
================================================
MLPerf Results Summary
================================================
Result is : INVALID
Recommendations:
 * Reduce target QPS to improve latency.
Early Stopping Result:
 * Run unsuccessful.
 * Processed 75 queries.
"""


def test_what_loadgen_says_of_a_server_that_is_too_slow() -> None:
    verdict = verdict_of(DETAIL, SUMMARY, failed=0)
    assert not verdict.valid
    assert verdict.reasons == [
        "Reduce target QPS to improve latency.",
        "Run unsuccessful.",
        "Processed 75 queries.",
    ]
    assert verdict.latency_ms == {"50.00": 3.099767, "99.00": 27.910918}
    assert (verdict.queries, verdict.rate) == (75, 73.4027)
    assert figure(SERVER, verdict.to_json() | {"expected_qps": 70.0}) == "73.4/s, p99 27.9 ms"


def test_an_estimate_of_early_stopping_is_what_counts() -> None:
    lines = ':::MLLOG {"key": "result_validity", "value": "VALID"}\n:::MLLOG {"key": "early_stopping_latency_ss", "value": 5200000}\n'
    verdict = verdict_of(lines, "", failed=0)
    assert verdict.valid
    assert figure(SINGLE_STREAM, verdict.to_json()) == "5.2 ms"
    assert not verdict_of(lines, "", failed=1).valid


def test_a_scenario_crosses_to_loadgens_process() -> None:
    scenario = Scenario(
        name="Server",
        seconds=1.0,
        expected_qps=10.0,
        address="localhost:1",
        model="m",
        pictures=["a.jpg"],
        descriptors="d",
        folder="f",
    )
    assert Scenario.from_json(scenario.to_json()) == scenario
