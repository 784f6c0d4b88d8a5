"""Many versions load side by side while callers call from the first moment, over every frontend: every start survives it."""

from __future__ import annotations

import base64
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from PIL import Image
from tests.models.tiny_classifier import publish_tiny_classifier
from tests.ports import held_ports

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array

MODELS, VERSIONS = ("one", "two", "three", "four"), (1, 2)
ANSWERS = 3
"""Of every version, over every frontend."""
PIXELS = np.random.default_rng(5).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
REFUSALS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND}
"""Of a server that is not there yet, or that has not loaded the version yet."""
LATER = {400, 404, 503}
PAUSE_SECONDS = 0.02
"""Two dozen callers who wait so long ask a thousand times a second, and leave the server half of the machine."""

Ask = Callable[[str, int], bytes | None]
"""Model and version to the answer's bytes; None if the server refused."""


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)).save(file, "PNG")
    return file.getvalue()


PICTURE = base64.b64encode(picture()).decode()


def by_grpc(channel: grpc.Channel) -> Ask:
    predict = PredictionService.PREDICT.stub(channel)

    def ask(model: str, version: int) -> bytes | None:
        spec = serving.ModelSpec(name=model)
        spec.version.value = version
        request = serving.PredictRequest(model_spec=spec, inputs={"images": from_array(PIXELS)})
        try:
            answer = predict(request, timeout=60)
        except grpc.RpcError as error:
            if error.code() in REFUSALS:
                return None
            raise
        return bytes(answer.outputs["output_alias"].SerializeToString(deterministic=True))

    return ask


def by_http(client: httpx.Client, path: str, body: dict[str, object]) -> Ask:
    def ask(model: str, version: int) -> bytes | None:
        try:
            answer = client.post(path.format(model=model, version=version), json=body)
        except httpx.TransportError:
            return None
        if answer.status_code in LATER:
            return None
        assert answer.status_code == 200, answer.text
        return answer.content

    return ask


@dataclass(slots=True)
class Callers:
    """Threads that ask every version until each has answered; they begin before the server does."""

    frontends: dict[str, Ask]
    died: threading.Event = field(default_factory=threading.Event)
    answers: dict[tuple[str, str, int], set[bytes]] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for frontend in self.frontends:
            for model in MODELS:
                for version in VERSIONS:
                    self.answers[frontend, model, version] = set()
                    self.threads.append(threading.Thread(target=self._call, args=(frontend, model, version)))
        for each in self.threads:
            each.start()

    def _call(self, frontend: str, model: str, version: int) -> None:
        answered, pause = 0, threading.Event()
        try:
            while answered < ANSWERS and not self.died.is_set():
                answer = self.frontends[frontend](model, version)
                if answer is None:
                    pause.wait(PAUSE_SECONDS)
                else:
                    answered += 1
                    self.answers[frontend, model, version].add(answer)
        except BaseException as error:  # noqa: BLE001 - the test's thread tells it
            self.failures.append(error)


def tell_of_the_end(process: subprocess.Popen[str], died: threading.Event) -> None:
    process.wait()
    died.set()


def one_start(config: Path, cache: Path, loads_at_once: int) -> dict[tuple[str, str, int], set[bytes]]:
    """Start a server under fire, let every version answer over every frontend, end it."""
    with ExitStack() as stack:
        port, rest_port = stack.enter_context(held_ports(2))
        soon = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50)]
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", options=soon))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{rest_port}", timeout=60))
        tensor = {
            "name": "images",
            "datatype": "FP32",
            "shape": [1, 16, 16, 3],
            "data": PIXELS.ravel().tolist(),
        }
        callers = Callers(
            {
                "gRPC": by_grpc(channel),
                "REST": by_http(
                    client,
                    "/v1/models/{model}/versions/{version}:predict",
                    {"instances": [{"b64": PICTURE}]},
                ),
                "v2": by_http(client, "/v2/models/{model}/versions/{version}/infer", {"inputs": [tensor]}),
            }
        )
        callers.start()
        process = subprocess.Popen(
            [
                *(sys.executable, "-X", "faulthandler", "-m", "accelserve.server.cli", "serve"),
                *("--grpc_address=127.0.0.1", f"--port={port}", f"--rest_api_port={rest_port}"),
                *(f"--model_config_file={config}", f"--cache_dir={cache}", "--log_level=warning"),
                *("--start_before_ready", f"--num_load_threads={loads_at_once}"),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        watch = threading.Thread(target=tell_of_the_end, args=(process, callers.died))
        watch.start()
        for each in callers.threads:
            each.join()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
        watch.join()
    assert process.returncode == 0, log
    assert callers.failures == [], log
    return callers.answers


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models of two versions each, and the file that serves all of them."""
    folder = tmp_path_factory.mktemp("starts")
    entries = []
    for name in MODELS:
        for _ in VERSIONS:
            publish_tiny_classifier(folder, name)
        base = folder / "models" / name
        entries.append(f"config {{ name: '{name}' base_path: '{base}' model_version_policy {{ all {{}} }} }}")
    (folder / "models.config").write_text(f"model_config_list {{ {' '.join(entries)} }}")
    return folder / "models.config"


@pytest.mark.parametrize("starts", [2, pytest.param(50, marks=pytest.mark.soak)])
def test_a_start_under_fire_is_survived_and_answers_as_every_other(starts: int, config: Path) -> None:
    cache = config.parent / "cache"
    wanted = one_start(config, cache, 1)  # fills the cache, so that the others load in no time
    assert all(len(answers) == 1 for answers in wanted.values())
    for _ in range(starts):
        assert one_start(config, cache, 8) == wanted
