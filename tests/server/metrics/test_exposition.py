"""The page for Prometheus, as TensorFlow Serving's dashboards expect it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_strings
from accelserve.server.config import RestConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.loading.recorded_requests import WARM_UP_FILE
from accelserve.server.metrics.server_metrics import exponential
from accelserve.server.warm_up.record_file import frame

Serve = Callable[..., SimpleNamespace]
PATH = "/monitoring/prometheus/metrics"
OPEN = RestConfig(address="127.0.0.1", port=0)


@pytest.fixture
def served(serve: Serve) -> SimpleNamespace:
    return serve(rest=OPEN)


def predict(server: SimpleNamespace, *pictures: bytes, name: str = "colour") -> None:
    PredictionService.PREDICT.stub(server.channel)(
        serving.PredictRequest(
            model_spec=serving.ModelSpec(name=name), inputs={"images": from_strings(pictures)}
        ),
        timeout=240,
    )


def page(server: SimpleNamespace, path: str = PATH) -> str:
    response = httpx.get(f"http://127.0.0.1:{server.server.rest_port}{path}", timeout=60)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return response.text


def values(text: str) -> dict[str, float]:
    """``name{sorted labels}`` -> value, as Prometheus's own parser reads them."""
    return {
        f"{sample.name}{{{','.join(f'{key}={value}' for key, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_model_and_status(served: SimpleNamespace, jpeg: bytes) -> None:
    predict(served, jpeg)
    predict(served, jpeg, jpeg)
    for name, picture in (("colour", b"no picture"), ("M1", jpeg), ("M2", jpeg)):
        with pytest.raises(grpc.RpcError):
            predict(served, picture, name=name)
    text = page(served)
    assert '\n:tensorflow:serving:request_count{model_name="colour",status="OK"} 2\n' in text
    assert '\n:tensorflow:serving:request_count{model_name="colour",status="INVALID_ARGUMENT"} 1\n' in text
    # Whatever callers make up is one series.
    assert '\n:tensorflow:serving:request_count{model_name="(unknown)",status="NOT_FOUND"} 2\n' in text
    assert "\n# TYPE :tensorflow:serving:request_count counter\n" in text


def test_every_series_of_a_request_stands_at_zero_before_the_first_one(
    served: SimpleNamespace, jpeg: bytes
) -> None:
    before = values(page(served))
    predict(served, jpeg)
    after = values(page(served))
    assert before.keys() == after.keys()
    counted = {name for name in after if after[name] != before[name] and "_count{" in name}
    assert len(counted) == 10  # request, runtime and queuing latency, images of the batch, six stages
    assert {before[name] for name in counted} == {0}
    assert before[":tensorflow:serving:request_count_total{model_name=colour,status=OK}"] == 0
    assert before["accelserve_images_total{device=numpy,model_name=colour}"] == 0


def test_a_warm_up_is_no_request(serve: Serve, publish: Callable[..., Path], jpeg: bytes) -> None:
    server = serve(rest=OPEN)
    hidden = publish(server.folder / "hidden", 2)
    request = serving.PredictRequest(inputs={"images": from_strings([jpeg])})
    log = serving.PredictionLog(predict_log=serving.PredictLog(request=request))
    (hidden / WARM_UP_FILE).parent.mkdir()
    (hidden / WARM_UP_FILE).write_bytes(frame(log.SerializeToString()))
    hidden.rename(server.folder / "colour" / "2")
    server.server.registry.reload(server.server.config.models)
    assert server.loader.loaded[ServableId("colour", 2)].batches == [1]
    read = values(page(server))
    assert read[":tensorflow:serving:request_count_total{model_name=colour,status=OK}"] == 0
    assert read["accelserve_images_total{device=numpy,model_name=colour}"] == 0
    assert read["accelserve_compute_seconds_count{device=numpy,model_name=colour}"] == 0


def test_latencies_have_tensorflow_servings_buckets(served: SimpleNamespace, jpeg: bytes) -> None:
    predict(served, jpeg)
    body: dict[str, list[object]] = {"examples": []}
    httpx.post(f"http://127.0.0.1:{served.server.rest_port}/v1/models/colour:classify", json=body)
    text = page(served)
    latency = ":tensorflow:serving:request_latency"
    assert f"\n# TYPE {latency} histogram\n" in text
    for limit in ("10", "18", "32.4", "58.32", "104.976", "188.957", "1.27482e+06", "+Inf"):
        assert (
            f'\n{latency}_bucket{{model_name="colour",API="Predict",entrypoint="GRPC",le="{limit}"}} ' in text
        ), limit
    read = values(text)
    assert read[f"{latency}_count{{API=Predict,entrypoint=GRPC,model_name=colour}}"] == 1
    assert read[f"{latency}_count{{API=Classify,entrypoint=REST,model_name=colour}}"] == 1
    assert read[":tensorflow:serving:runtime_latency_count{API=Predict,model_name=colour,runtime=numpy}"] == 1
    assert read[":tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name=colour}"] == 1


def test_our_own_histograms_are_by_model_and_device(served: SimpleNamespace, jpeg: bytes) -> None:
    predict(served, jpeg, jpeg, jpeg)
    read = values(page(served))
    for stage in ("queue", "decode", "preprocess", "compute", "postprocess"):
        assert read[f"accelserve_{stage}_seconds_count{{device=numpy,model_name=colour}}"] == 1
    assert read["accelserve_decode_seconds_sum{device=numpy,model_name=colour}"] > 0
    assert read["accelserve_preprocess_seconds_sum{device=numpy,model_name=colour}"] > 0
    assert read["accelserve_images_total{device=numpy,model_name=colour}"] == 3
    assert read["accelserve_batch_images_sum{device=numpy,model_name=colour}"] == 3
    assert read["accelserve_waiting_images{model_name=colour}"] == 0
    assert read["accelserve_model_version_state{model_name=colour,state=AVAILABLE,version=1}"] == 1
    assert read["accelserve_model_version_state{model_name=colour,state=LOADING,version=1}"] == 0
    assert read["accelserve_model_memory_bytes{model_name=colour,version=1}"] == 0
    assert read["process_resident_memory_bytes{}"] > 0


def test_no_series_of_opentelemetrys_kind(served: SimpleNamespace, jpeg: bytes) -> None:
    predict(served, jpeg)
    assert "_created" not in page(served)


def test_two_servers_in_one_process_count_for_themselves(serve: Serve, jpeg: bytes) -> None:
    first = serve(rest=OPEN)
    second = serve(rest=OPEN, models={"other": {1: "1.0"}})
    predict(second, jpeg, name="other")
    assert 'model_name="other"' in page(second)
    assert 'model_name="other"' not in page(first)


def test_the_path_can_be_moved_or_shut(serve: Serve) -> None:
    moved = serve(rest=RestConfig(address="127.0.0.1", port=0, metrics_path="/m"))
    assert "accelserve_info" in page(moved, "/m")
    shut = serve(rest=RestConfig(address="127.0.0.1", port=0, metrics_path=None), models={"other": {1: "1"}})
    response = httpx.get(f"http://127.0.0.1:{shut.server.rest_port}{PATH}")
    assert response.status_code == 400


def test_buckets_grow_as_tensorflows_do() -> None:
    assert exponential(10, 1.8, 4) == (10, 18, 32.4, 58.32)
    assert len(exponential(10, 1.8, 33)) == 33
