"""The whole server as a process: a real quantised network, real flags, real signals."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.ports import held_ports
from tests.server.serve_process import CLASSES, PHOTOS, SPEC, Process, publish, run, train

from accelserve.client import ModelSelection, PredictionClient
from accelserve.client.errors import CallError
from accelserve.client.prediction import Scores
from accelserve.models.repository import MODEL_FILE
from accelserve.server.cli.serving import status_page_url
from accelserve.server.config import RestConfig, SecurityConfig, ServerConfig, model_at
from accelserve.server.tls.files import TlsFiles


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def repository(trained: Path) -> Path:
    return publish(trained)


def test_convert_refuses_labels_that_do_not_fit(trained: Path) -> None:
    (trained / "two.txt").write_text("a\nb")
    done = run(
        "convert", trained / "tiny.onnx", "--name=other", f"--repository={trained}/models",
        f"--labels={trained}/two.txt", "--preprocess", json.dumps(SPEC.to_json()),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "accelserve: 2 labels for an output of 4 elements"
    assert not (trained / "models" / "other").exists()


@pytest.fixture
def start(trained: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def launch(*flags: str) -> Process:
        started.append(Process("--port=0", f"--cache_dir={trained}/cache", *flags))
        return started[-1]

    yield launch
    for one in started:
        one.end()


def test_sigterm_before_the_ports_are_open_ends_it_well_too(
    start: Callable[..., Process], repository: Path
) -> None:
    server = start(f"--model_base_path={repository}/tiny", "--xla_cpu_compilation_enabled")
    server.wait_for("does nothing here")
    assert server.stop() == 0


def one(scores: Scores) -> NDArray[Any]:
    """The array of a model with one output."""
    assert not isinstance(scores, dict)
    return scores


def test_photographs_are_answered_and_sigterm_ends_it_well(
    start: Callable[..., Process], repository: Path
) -> None:
    server = start(f"--model_base_path={repository}/tiny", "--model_name=tiny")
    loaded = server.wait_for(r"tiny/1: (.+), \d+\.\d MB, signatures serving_default, features")
    assert loaded[1].startswith("cpu ")
    with PredictionClient("127.0.0.1", server.port) as client:
        scores = np.stack([one(client.score_file(photo)) for photo in PHOTOS])
        together = one(client.score_images([photo.read_bytes() for photo in PHOTOS]))
        features = one(client.score_file(PHOTOS[0], model=ModelSelection(signature_name="features")))
    np.testing.assert_array_equal(scores, together)
    np.testing.assert_allclose(np.sum(scores, axis=1), 1, rtol=1e-5)
    assert features.shape == (1, 1, 16)
    assert server.stop() == 0
    assert not any("Traceback" in line for line in server.lines)


def test_the_log_links_to_the_status_page(start: Callable[..., Process], repository: Path) -> None:
    with held_ports() as (port,):
        server = start(f"--model_base_path={repository}/tiny", "--model_name=tiny", f"--rest_api_port={port}")
        link = server.wait_for(r"Status page: (http://127\.0\.0\.1:\d+/)$")[1]
        assert "<h1>accelserve</h1>" in httpx.get(link, timeout=60).text
        assert server.stop() == 0


PEM = TlsFiles(key=Path("k"), certificate=Path("c"))


@pytest.mark.parametrize(
    ("address", "security", "url"),
    [
        ("0.0.0.0", SecurityConfig(), "http://localhost:8501/"),  # noqa: S104  # nothing is bound
        ("[::]", SecurityConfig(), "http://localhost:8501/"),
        ("fd00::1", SecurityConfig(), "http://[fd00::1]:8501/"),
        ("gpu-7.example", SecurityConfig(tls=PEM), "https://gpu-7.example:8501/"),
        ("gpu-7.example", SecurityConfig(tls=PEM, rest_tls=False), "http://gpu-7.example:8501/"),
    ],
)
def test_the_link_is_one_that_a_browser_opens(address: str, security: SecurityConfig, url: str) -> None:
    models = (model_at("tiny", "/models/tiny"),)
    config = ServerConfig(models=models, rest=RestConfig(address=address, port=8501), security=security)
    assert status_page_url(config, 8501) == url


def test_every_device_answers_with_the_same_bytes(start: Callable[..., Process], repository: Path) -> None:
    answers = []
    for device in ("cpu", "reference"):
        server = start(f"--model_base_path={repository}/tiny", f"--device={device}")
        with PredictionClient("127.0.0.1", server.port) as client:
            answers.append(one(client.score_images([photo.read_bytes() for photo in PHOTOS])))
        assert server.stop(signal.SIGINT) == 0
    np.testing.assert_array_equal(answers[0], answers[1])


def test_a_corrupt_version_is_not_served_and_says_why(
    start: Callable[..., Process], repository: Path, tmp_path: Path
) -> None:
    version = tmp_path / "tiny" / "1"
    version.mkdir(parents=True)
    for file in (repository / "tiny" / "1").iterdir():
        data = bytearray(file.read_bytes())
        if file.name == MODEL_FILE:
            data[len(data) // 2] ^= 1
        (version / file.name).write_bytes(data)
    server = start(f"--model_base_path={tmp_path}/tiny", "--model_name=tiny")
    assert server.wait() == 1
    failure = server.wait_for(r"Failed to start server\. Error: (.*)$")
    assert "model.onnx has SHA-256" in failure[1]
    assert sum("has SHA-256" in line for line in server.lines) == 1
    assert not any("retry" in line for line in server.lines)
    assert not any("Traceback" in line for line in server.lines)


def test_sighup_applies_the_configuration_file(
    start: Callable[..., Process], repository: Path, tmp_path: Path
) -> None:
    config = tmp_path / "models.config"
    entry = "config {{ name: '{}' base_path: '{}/tiny' }}"
    config.write_text(f"model_config_list {{ {entry.format('one', repository)} }}")
    server = start(f"--model_config_file={config}", "--device=reference")
    with PredictionClient("127.0.0.1", server.port) as client:
        with pytest.raises(CallError, match=r"Servable not found for request: Latest\(two\)"):
            client.score_file(PHOTOS[0], model=ModelSelection(name="two"))
        both = entry.format("one", repository) + entry.format("two", repository)
        config.write_text(f"model_config_list {{ {both} }}")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("applied .*: one, two")
        assert one(client.score_file(PHOTOS[0], model=ModelSelection(name="two"))).shape == (4,)
    assert server.stop() == 0


def test_predict_prints_the_models_own_labels(start: Callable[..., Process], repository: Path) -> None:
    server = start(f"--model_base_path={repository}/tiny", "--model_name=tiny", "--device=reference")
    done = run("predict", "--address", f"127.0.0.1:{server.port}", *PHOTOS)
    assert done.returncode == 0, done.stderr
    for name in (*CLASSES, *(photo.name for photo in PHOTOS)):
        assert name in done.stdout
    assert server.stop() == 0
