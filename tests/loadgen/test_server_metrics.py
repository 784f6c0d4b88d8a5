"""The server's own times between two looks at its Prometheus page."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.server_metrics import breakdown, samples_of

PAGE = """
# TYPE accelserve_compute_seconds histogram
accelserve_compute_seconds_bucket{{model_name="a",device="cpu",le="+Inf"}} {count}
accelserve_compute_seconds_sum{{model_name="a",device="cpu"}} {seconds}
accelserve_compute_seconds_count{{model_name="a",device="cpu"}} {count}
accelserve_compute_seconds_sum{{model_name="b",device="cpu"}} 1000
accelserve_compute_seconds_count{{model_name="b",device="cpu"}} 1
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_sum{{model_name="a",API="Predict",entrypoint="GRPC"}} {microseconds}
:tensorflow:serving:request_latency_count{{model_name="a",API="Predict",entrypoint="GRPC"}} {count}
"""


def page(count: int, seconds: float, microseconds: float) -> str:
    return PAGE.format(count=count, seconds=seconds, microseconds=microseconds)


def test_stages_are_means_of_what_was_counted_in_between() -> None:
    before = samples_of(page(10, 5.0, 9e6), "a")
    after = samples_of(page(30, 5.2, 9e6 + 20 * 15000), "a")
    found = breakdown(before, after)
    assert found is not None
    (compute,) = found.stages
    assert (compute.name, compute.requests) == ("compute", 20)
    assert compute.milliseconds == pytest.approx(10)
    assert found.whole is not None
    assert found.whole.milliseconds == pytest.approx(15)


def test_without_a_name_all_models_count() -> None:
    found = breakdown({}, samples_of(page(9, 0.0, 0), ""))
    assert found is not None
    assert found.stages[0].requests == 10


def test_a_server_that_began_again_or_did_nothing_has_no_breakdown() -> None:
    once = samples_of(page(10, 5.0, 9e6), "a")
    assert breakdown(once, once) is None
    assert breakdown(once, samples_of(page(1, 0.1, 1e3), "a")) is None


def test_tensorflow_serving_offers_two_times() -> None:
    text = "\n".join(
        f':tensorflow:serving:{name}_{kind}{{model_name="half_plus_two"}} {value}'
        for name, total in (("request_latency", 5000), ("runtime_latency", 3000))
        for kind, value in (("sum", total), ("count", 2))
    )
    found = breakdown({}, samples_of(text + "\n", "half_plus_two"))
    assert found is not None
    assert [(stage.name, stage.milliseconds) for stage in found.stages] == [("runtime", 1.5)]
    assert found.whole is not None
    assert found.whole.milliseconds == 2.5


def test_other_servers_offer_nothing_that_is_known_here() -> None:
    assert breakdown({}, samples_of('nv_inference_count{model="a"} 7\n', "a")) is None


@given(st.text(max_size=200))
def test_a_page_of_anything_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(LoadError):
        samples_of(text, "a")
