"""`accelserve serve --cluster ray://...` on two nodes; the server without a cluster is the judge of every answer.

The tests stand in the order in which they may run: the last of them take the cluster apart.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.ray.conftest import Caller, Cluster, Repository, predict_request, until, write_config
from tests.ray.load import Load
from tests.ray.nodes import marked
from tests.server.serve_process import PHOTOS, Process

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import inference
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import (
    HealthService,
    InferenceService,
    ModelService,
    PredictionService,
    UnaryMethod,
)
from accelserve.server.cluster.passage import REFUSED
from accelserve.server.cluster.replica_call import ReplicaCall

INTEROP_PYTHON = os.environ.get("ACCELSERVE_INTEROP_PYTHON", "")
_TIMEOUT_SECONDS = 60


def predict(channel: grpc.Channel, metadata: Any, request: serving.PredictRequest | None = None) -> Any:
    call = PredictionService.PREDICT.stub(channel)
    return call(request or predict_request(), timeout=_TIMEOUT_SECONDS, metadata=metadata)


def outcome(channel: grpc.Channel, method: UnaryMethod[Any, Any], message: bytes, metadata: Any) -> Any:
    """The answer, or the status's code and words."""
    call: Any = channel.unary_unary(method.path)
    try:
        answer = method.response.FromString(call(message, timeout=_TIMEOUT_SECONDS, metadata=metadata))
    except grpc.RpcError as error:
        return error.code(), error.details()
    if not isinstance(answer, serving.GetModelMetadataResponse):
        return answer
    signatures = serving.SignatureDefMap()  # packed as bytes, in which a map's entries have no order
    assert answer.metadata["signature_def"].Unpack(signatures)
    return [answer.model_spec, signatures]


def test_a_stock_client_gets_the_bytes_that_the_server_sends(
    caller: Caller, cluster: Cluster, repository: Repository, server: str
) -> None:
    if not INTEROP_PYTHON:
        pytest.skip("ACCELSERVE_INTEROP_PYTHON names no environment with tensorflow-serving-api")
    addresses = [server, *(f"127.0.0.1:{port}" for port in cluster.ports)]
    client = [INTEROP_PYTHON, "-W", "ignore", str(Path(__file__).with_name("stock_client.py"))]
    answers = [
        subprocess.run(
            [*client, address, repository.key, str(PHOTOS[0])],
            capture_output=True, text=True, timeout=240, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        ).stdout
        for address in addresses
    ]  # fmt: skip
    assert answers[0] == answers[1] == answers[2]


def _requests() -> Iterable[Any]:
    predictions = PredictionService
    with_key, without, wrong = "key", "", "Bearer nobody's"
    bad = predict_request()
    bad.inputs["images"].string_val[0] = b"no picture"
    unnamed = serving.PredictRequest()
    unnamed.inputs["images"].CopyFrom(predict_request().inputs["images"])
    elsewhere = predict_request()
    elsewhere.inputs["pictures"].CopyFrom(elsewhere.inputs.pop("images"))
    old = predict_request()
    old.model_spec.version.value = 77
    many = serving.PredictRequest(model_spec=serving.ModelSpec(name="tiny"))
    many.inputs["images"].CopyFrom(predict_request().inputs["images"])
    many.inputs["images"].tensor_shape.dim[0].size = 2
    classify = serving.ClassificationRequest(model_spec=serving.ModelSpec(name="tiny"))
    metadata = serving.GetModelMetadataRequest(model_spec=serving.ModelSpec(name="tiny"))
    metadata.metadata_field.append("signature_def")
    status = serving.GetModelStatusRequest(model_spec=serving.ModelSpec(name="tiny"))
    unknown = serving.GetModelStatusRequest(model_spec=serving.ModelSpec(name="none"))
    infer = inference.ModelInferRequest(model_name="tiny")
    ready = inference.ModelReadyRequest(name="tiny")
    return [
        pytest.param(predictions.PREDICT, predict_request(3), with_key, "OK", id="three-photographs"),
        pytest.param(predictions.PREDICT, predict_request(signature="features"), with_key, "OK", id="features"),
        pytest.param(predictions.GET_MODEL_METADATA, metadata, with_key, "OK", id="metadata"),
        pytest.param(ModelService.GET_MODEL_STATUS, status, with_key, "OK", id="status"),
        pytest.param(InferenceService.MODEL_READY, ready, with_key, "OK", id="model-ready"),
        pytest.param(InferenceService.SERVER_READY, inference.ServerReadyRequest(), without, "OK", id="server-ready"),
        pytest.param(HealthService.CHECK, health.HealthCheckRequest(service="tiny"), without, "OK", id="health"),
        pytest.param(HealthService.LIST, health.HealthListRequest(), without, "OK", id="health-of-all"),
        pytest.param(HealthService.CHECK, health.HealthCheckRequest(service="x"), without, "NOT_FOUND", id="health-of-none"),
        pytest.param(predictions.PREDICT, predict_request(name="none"), with_key, "PERMISSION_DENIED", id="closed-name"),
        pytest.param(predictions.PREDICT, predict_request(name="closed"), with_key, "PERMISSION_DENIED", id="other-model"),
        pytest.param(predictions.PREDICT, predict_request(), without, "UNAUTHENTICATED", id="no-key"),
        pytest.param(predictions.PREDICT, predict_request(), wrong, "UNAUTHENTICATED", id="wrong-key"),
        pytest.param(ModelService.GET_MODEL_STATUS, unknown, with_key, "PERMISSION_DENIED", id="status-of-none"),
        pytest.param(predictions.PREDICT, old, with_key, "NOT_FOUND", id="no-such-version"),
        pytest.param(predictions.PREDICT, predict_request(signature="none"), with_key, "FAILED_PRECONDITION", id="no-signature"),
        pytest.param(predictions.PREDICT, bad, with_key, "INVALID_ARGUMENT", id="no-picture"),
        pytest.param(predictions.PREDICT, unnamed, with_key, "INVALID_ARGUMENT", id="no-model"),
        pytest.param(predictions.PREDICT, elsewhere, with_key, "INVALID_ARGUMENT", id="no-such-input"),
        pytest.param(predictions.PREDICT, many, with_key, "INVALID_ARGUMENT", id="shape-of-two"),
        pytest.param(predictions.PREDICT, b"\xff", with_key, "INVALID_ARGUMENT", id="no-message"),
        pytest.param(predictions.CLASSIFY, classify, with_key, "INVALID_ARGUMENT", id="classify-nothing"),
        pytest.param(InferenceService.MODEL_INFER, infer, with_key, "INVALID_ARGUMENT", id="infer-nothing"),
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "request_message", "key", "code"), _requests())
def test_answers_and_errors_are_the_servers(
    caller: Caller, server: str, method: UnaryMethod[Any, Any], request_message: Any, key: str, code: str
) -> None:
    raw = request_message if isinstance(request_message, bytes) else request_message.SerializeToString()
    metadata = caller.metadata if key == "key" else (("authorization", key),) if key else ()
    with grpc.insecure_channel(server) as channel:
        expected = outcome(channel, method, raw, metadata)
    assert (expected[0].name if isinstance(expected, tuple) else "OK") == code
    for each in caller.channels:
        assert outcome(each, method, raw, metadata) == expected


@pytest.mark.parametrize("path", REFUSED)
def test_what_the_proxy_cannot_carry_is_refused_with_the_reason(caller: Caller, path: str) -> None:
    call: Any = caller.channels[0].stream_stream(path)
    with pytest.raises(grpc.RpcError) as refused:
        list(call(iter([b""]), timeout=_TIMEOUT_SECONDS))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert refused.value.details() == REFUSED[path]


def test_an_answer_carries_the_request_id_of_its_caller(caller: Caller) -> None:
    call = PredictionService.PREDICT.stub(caller.channels[0])
    _, done = call.with_call(
        predict_request(), timeout=_TIMEOUT_SECONDS, metadata=(*caller.metadata, ("x-request-id", "of-mine"))
    )
    assert ("x-request-id", "of-mine") in [tuple(each) for each in done.trailing_metadata()]


def test_what_is_too_much_is_refused_with_a_hint(caller: Caller) -> None:
    request = predict_request(len(PHOTOS))

    def ask(_: int) -> Any:
        try:
            predict(caller.channels[0], caller.metadata, request)
        except grpc.RpcError as error:
            return error
        return None

    with ThreadPoolExecutor(24) as pool:
        errors = [error for error in pool.map(ask, range(48)) if error is not None]
    assert errors
    assert {error.code() for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    # Which of the two queues is full first is a matter of how fast the machine is at the moment.
    full = ("model tiny is overloaded", "every replica is busy and the proxy's queue is full")
    assert all(any(words in error.details() for words in full) for error in errors)
    assert all("grpc-retry-pushback-ms" in dict(error.trailing_metadata()) for error in errors)


def test_a_deadline_reaches_the_replica(caller: Caller) -> None:
    with pytest.raises(grpc.RpcError) as late:
        PredictionService.PREDICT.stub(caller.channels[0])(
            predict_request(), timeout=0.001, metadata=caller.metadata
        )
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert predict(caller.channels[0], caller.metadata).outputs  # and it goes on


def test_hangup_has_every_replica_read_the_configuration_again(
    caller: Caller, command: Process, repository: Repository
) -> None:
    labelled = predict_request()
    labelled.model_spec.version_label = "stable"
    for channel in caller.channels:
        with pytest.raises(grpc.RpcError, match="Unrecognized servable version label"):
            predict(channel, caller.metadata, labelled)
    write_config(
        repository.config, repository.models, "version_labels { key: 'stable' value: 1 } "
        "model_version_policy { latest { num_versions: 2 } }",
    )  # fmt: skip
    command.process.send_signal(signal.SIGHUP)

    def answered() -> bool:
        try:
            return all(predict(channel, caller.metadata, labelled) for channel in caller.channels)
        except grpc.RpcError:
            return False

    until(answered, "the label does not reach every replica")


def test_a_new_version_reaches_every_replica_without_a_failed_call(
    caller: Caller, repository: Repository
) -> None:
    new = repository.models / "tiny" / ".2"
    shutil.copytree(repository.models / "tiny" / "1", new)
    calls = [partial(predict, channel, caller.metadata) for channel in caller.channels]

    def newest() -> bool:
        return all(call().model_spec.version.value == 2 for call in calls for _ in range(8))

    with Load([(call, call) for call in calls]) as load:
        load.wait_for(10)
        new.rename(new.with_name("2"))
        until(newest, "version 2 does not reach every replica")
        load.wait_for(10)
    versions = Counter(int(answer.model_spec.version.value) for answer in load.answers)
    assert (load.lost, load.retried) == ([], {})
    assert set(versions) == {1, 2}


def test_a_second_command_takes_over_without_a_failed_call(
    caller: Caller, cluster: Cluster, command: Process, request: pytest.FixtureRequest
) -> None:
    old = {*cluster.head.replicas(), *cluster.worker.replicas()}
    calls = [partial(predict, channel, caller.metadata) for channel in caller.channels]
    with Load([(call, call) for call in calls]) as load:
        load.wait_for(10)
        request.getfixturevalue("successor")
        until(lambda: not old & {*cluster.head.replicas(), *cluster.worker.replicas()}, "old replicas stay")
        assert command.stop() == 0, command.lines  # and leaves what is no longer its own
        load.wait_for(50)
    assert (load.lost, load.retried) == ([], {})


def test_a_killed_replica_loses_nothing_that_a_retry_does_not_get_back(
    caller: Caller, cluster: Cluster
) -> None:
    calls = [partial(predict, channel, caller.metadata) for channel in caller.channels]
    until(lambda: len(cluster.head.replicas()) == 1, "the head has no replica, or two")
    (victim,) = cluster.head.replicas()
    with Load([(call, call) for call in calls * 2]) as load:
        load.wait_for(100)
        os.kill(victim, signal.SIGKILL)
        load.wait_for(300)
        until(lambda: set(cluster.head.replicas()) - {victim} != set(), "no replica takes its place")
        load.wait_for(100)
    assert load.lost == []
    assert all("replica that had this request ended" in words for words in load.retried), load.retried


def test_a_killed_node_loses_nothing_that_a_retry_does_not_get_back(caller: Caller, cluster: Cluster) -> None:
    until(lambda: len(cluster.head.replicas()) == 1, "the head has no replica")
    head, worker = (partial(predict, channel, caller.metadata) for channel in caller.channels)
    with Load([(head, head), (worker, head)] * 2) as load:
        load.wait_for(100)
        cluster.worker.end()
        load.wait_for(300)
    assert load.lost == []
    assert load.retried  # the node was in use


def test_the_command_takes_its_replicas_down(caller: Caller, cluster: Cluster, successor: Process) -> None:
    assert successor.stop() == 0, successor.lines
    until(lambda: not cluster.head.replicas(), "replicas stay behind")
    cluster.head.end()
    assert not marked(cluster.head.mark)


def test_a_call_knows_its_deadline_and_its_end() -> None:
    class Carried:
        def set_trailing_metadata(self, metadata: object) -> None:
            self.trailing = metadata

    call = ReplicaCall(Carried(), remaining_seconds=100.0)
    remaining = call.time_remaining()
    assert remaining is not None
    assert 99 < remaining <= 100
    ended = threading.Event()
    assert call.add_callback(ended.set)
    call.caller_left()
    assert ended.is_set()
    assert not call.add_callback(ended.set)
