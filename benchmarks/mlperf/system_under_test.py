"""LoadGen and, as its system under test, a server at the other end of a gRPC channel. Runs in ``.venv-mlperf``.

A query is sent as it comes: one request of one photograph, in MultiStream of its eight. Offline's samples are the client's
to order, so they go in requests of eight, four in flight. Decoding is the server's, within the measured time, where the
rules would let it be done before.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import mlperf_loadgen as lg

from benchmarks.mlperf.scenario import MULTI_STREAM_SAMPLES, SERVER_BOUND_MS, Scenario, verdict_of
from benchmarks.serving.peers.tf_serving import MAX_MESSAGE_BYTES, messages

PREDICT = "/tensorflow.serving.PredictionService/Predict"
DT_STRING = 7
OFFLINE_BATCH = 8
OFFLINE_IN_FLIGHT = 4
_NANO = 10**9


class Server:
    """Sends photographs and tells LoadGen when their answers are there.

    Args:
        scenario: whom to ask, and what.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._request = messages(scenario.descriptors)("PredictRequest")
        self._model = scenario.model
        self._pictures = [Path(path).read_bytes() for path in scenario.pictures]
        sizes = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("receive", "send")]
        self._channel = grpc.insecure_channel(scenario.address, sizes)
        self._call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(PREDICT)
        self._is_offline = scenario.name == "Offline"
        self._free = threading.Semaphore(OFFLINE_IN_FLIGHT)
        self.failed = 0

    @property
    def pictures(self) -> int:
        """How many there are."""
        return len(self._pictures)

    def warm_up(self) -> None:
        """Ask once for each photograph, as the rules allow before a run."""
        for index in range(self.pictures):
            self._call.future(self._body([index])).exception()

    def issue(self, samples: Sequence[Any]) -> None:
        """LoadGen's ``issue_queries``: send, and return before the answer."""
        if not self._is_offline:
            self._send(samples)
            return
        for begin in range(0, len(samples), OFFLINE_BATCH):
            self._free.acquire()
            self._send(samples[begin : begin + OFFLINE_BATCH])

    def flush(self) -> None:
        """LoadGen's ``flush_queries``: nothing is held back."""

    def _body(self, indices: Sequence[int]) -> bytes:
        request = self._request()
        request.model_spec.name = self._model
        tensor = request.inputs["images"]
        tensor.dtype = DT_STRING
        tensor.tensor_shape.dim.add(size=len(indices))
        tensor.string_val.extend(self._pictures[index] for index in indices)
        return bytes(request.SerializeToString())

    def _send(self, samples: Sequence[Any]) -> None:
        numbers = [sample.id for sample in samples]
        future = self._call.future(self._body([sample.index for sample in samples]))
        future.add_done_callback(lambda done: self._complete(numbers, done))

    def _complete(self, numbers: Sequence[int], done: Any) -> None:
        if self._is_offline:
            self._free.release()
        if done.exception() is not None:
            self.failed += 1
        lg.QuerySamplesComplete([lg.QuerySampleResponse(number, 0, 0) for number in numbers])

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def settings_of(scenario: Scenario) -> Any:
    """LoadGen's settings: MLPerf's percentiles and bound, and as many queries as the time holds."""
    settings = lg.TestSettings()
    settings.mode = lg.TestMode.PerformanceOnly
    settings.scenario = getattr(lg.TestScenario, scenario.name)
    settings.min_duration_ms = round(1000 * scenario.seconds)
    settings.min_query_count = 1  # early stopping says by itself whether they were enough
    settings.single_stream_expected_latency_ns = round(_NANO / scenario.expected_qps)
    settings.single_stream_target_latency_percentile = 0.9
    settings.multi_stream_samples_per_query = MULTI_STREAM_SAMPLES
    settings.multi_stream_expected_latency_ns = round(_NANO * MULTI_STREAM_SAMPLES / scenario.expected_qps)
    settings.multi_stream_target_latency_percentile = 0.99
    settings.server_target_qps = scenario.expected_qps
    settings.server_target_latency_ns = round(SERVER_BOUND_MS * 1e6)
    settings.server_target_latency_percentile = 0.99
    settings.offline_expected_qps = scenario.expected_qps
    return settings


def main() -> None:
    """Run the scenario of the command line; the last line of the output is LoadGen's verdict as JSON."""
    scenario = Scenario.from_json(sys.argv[1])
    folder = Path(scenario.folder)
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(scenario)
    server.warm_up()
    logs = lg.LogSettings()
    logs.log_output.outdir = str(folder)
    logs.log_output.copy_summary_to_stdout = False
    logs.enable_trace = False
    under_test = lg.ConstructSUT(server.issue, server.flush)
    library = lg.ConstructQSL(server.pictures, server.pictures, lambda _: None, lambda _: None)
    lg.StartTestWithLogSettings(under_test, library, settings_of(scenario), logs)
    lg.DestroyQSL(library)
    lg.DestroySUT(under_test)
    server.close()
    detail, summary = (
        (folder / f"mlperf_log_{name}.txt").read_text(encoding="utf-8") for name in ("detail", "summary")
    )
    print(json.dumps(verdict_of(detail, summary, server.failed).to_json()))


if __name__ == "__main__":
    main()
