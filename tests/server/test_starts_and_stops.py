"""How a server process starts and stops when something is in its way: signals, caches, ports."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import limited_files
from tests.ports import held_ports
from tests.server.serve_process import (
    PATIENCE,
    PHOTOS,
    SERVE,
    SPEC,
    Process,
    network,
    publish,
    run_here,
    train,
)

from accelserve.client import ModelSelection, PredictionClient, RetryPolicy
from accelserve.models.importing import export_onnx

Start = Callable[..., Process]
CANNOT_KEEP = "the cache cannot be used"
NOBODY = 65534


@pytest.fixture(scope="module")
def repository() -> Iterator[Path]:
    """Where another user may read it, whatever this one's umask is."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        models = publish(train(Path(folder)))
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield models


@pytest.fixture
def start(repository: Path) -> Iterator[Start]:
    started: list[Process] = []

    def launch(cache: Path, *flags: str, **settings: Any) -> Process:
        model = (f"--model_base_path={repository}/tiny", "--model_name=tiny")
        started.append(Process("--port=0", f"--cache_dir={cache}", *model, *flags, **settings))
        return started[-1]

    yield launch
    for one in started:
        one.end()


HOLD = """
import os, select, sys
if "accelserve.models.serving.compile_apart" in sys.orig_argv:
    # Until the test opens the gate, or the server ends.
    select.select([os.open(os.environ["COMPILE_GATE"], os.O_RDONLY | os.O_NONBLOCK), sys.stdin], [], [])
"""


class HeldCompile:
    """Processes that compile for a server with this environment begin when they may."""

    def __init__(self, folder: Path) -> None:
        self._gate = folder / "gate"
        os.mkfifo(self._gate)
        (folder / "sitecustomize.py").write_text(HOLD)
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "COMPILE_GATE": str(self._gate)}

    def go_on(self) -> None:
        self._gate.open("w").close()


@pytest.fixture
def held_compile(tmp_path: Path) -> HeldCompile:
    folder = tmp_path / "hold"
    folder.mkdir()
    return HeldCompile(folder)


HOLD_OPENING = """
import logging, os

def hold(record):
    if record.getMessage().startswith("Status page"):
        open(os.environ["OPENING_GATE"]).close()
    return True

logging.getLogger("accelserve.server.cli.serving").addFilter(hold)
"""


class HeldOpening:
    """A server with this environment has opened its ports and stays in the middle of its start until it may go on."""

    def __init__(self, folder: Path) -> None:
        self._gate = folder / "opening"
        os.mkfifo(self._gate)
        (folder / "sitecustomize.py").write_text(HOLD_OPENING)
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "OPENING_GATE": str(self._gate)}

    @contextlib.contextmanager
    def ends(self) -> Iterator[None]:
        """It goes on inside the block, whether it has come to the gate yet or not."""
        writing = os.open(self._gate, os.O_RDWR)
        try:
            yield
        finally:
            os.close(writing)


COMPANY = (
    "max_batch_size { value: 8 } batch_timeout_micros { value: 2000000 } max_enqueued_batches { value: 8 }"
)
"""Batching by which a lone request is in flight for two seconds."""


def waiting_request(server: Process, rest_port: int, pool: ThreadPoolExecutor) -> Future[Any]:
    """A request to ``tiny`` that the server has taken and not answered."""

    def ask() -> Any:
        once = RetryPolicy(max_attempts=1)
        with PredictionClient(
            "127.0.0.1", server.port, model=ModelSelection(name="tiny"), retry=once
        ) as client:
            return client.score_file(PHOTOS[0], outputs="probabilities", timeout=PATIENCE)

    server.wait_for("Running gRPC")
    answer = pool.submit(ask)
    page = f"http://127.0.0.1:{rest_port}/monitoring/prometheus/metrics"
    taken = r'accelserve_waiting_images{[^}]*"tiny"[^}]*} 1'
    while not answer.done() and not re.search(taken, httpx.get(page, timeout=PATIENCE).text):
        pass
    return answer


def compiled(server: Process) -> list[str]:
    """The functions that the serving process compiled itself."""
    return [match[1] for line in server.lines if (match := re.search(r" compiled (\S+) in [\d.]+ s", line))]


def said(server: Process, words: str) -> int:
    return sum(words in line for line in server.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_first_compile(
    start: Start, tmp_path: Path, held_compile: HeldCompile, number: int
) -> None:
    server = start(tmp_path / "cache", env=held_compile.environment)
    server.wait_for("compiling for cpu, once")
    assert server.stop(number) == 0
    server.wait_for("stopped while starting")
    assert not said(server, "loaded tiny/1")
    assert not list(tmp_path.glob("cache/plans/*"))  # nor did it compile to the end


@pytest.mark.usefixtures("compiles_itself")  # which takes longer than a look at the log
def test_a_signal_ends_a_compile_in_the_serving_process_too(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = start(tmp_path / "file" / "cache")
    server.wait_for(CANNOT_KEEP)
    assert server.stop() == 0
    assert not said(server, "loaded tiny/1")


TWO_SIGNALS = """
import os, signal, sys
from accelserve.server.cli.stop_signals import StoppedWhileStarting, StopSignals
StopSignals()
try:
    signal.raise_signal(signal.Signals[sys.argv[1]])
except StoppedWhileStarting:
    signal.raise_signal(signal.Signals[sys.argv[2]])
"""


@pytest.mark.parametrize(
    ("first", "second"), [("SIGTERM", "SIGTERM"), ("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT")]
)
def test_a_second_signal_while_starting_ends_it_at_once(first: str, second: str) -> None:
    done = subprocess.run([sys.executable, "-c", TWO_SIGNALS, first, second], timeout=240, check=False)
    assert done.returncode == -signal.Signals[second]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_opening_finishes_what_came_in(
    start: Start, tmp_path: Path, number: int
) -> None:
    held = HeldOpening(tmp_path)
    batching = tmp_path / "batching.config"
    batching.write_text(COMPANY)
    flags = ("--enable_batching", f"--batching_parameters_file={batching}")
    with held_ports() as (port,), ThreadPoolExecutor(1) as pool:
        server = start(tmp_path / "cache", f"--rest_api_port={port}", *flags, env=held.environment)
        answer = waiting_request(server, port, pool)
        server.process.send_signal(number)
        server.process.send_signal(number)  # a second one loses nothing either
        with held.ends():
            assert answer.result().shape == (4,)
            assert server.wait() == 0
    server.wait_for("no new requests; finishing those in flight")
    server.wait_for("stopped$")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The folder of another model, which no cache knows."""
    (tmp_path / "other.onnx").write_bytes(export_onnx(network(seed=8)))
    words = ("--name=other", f"--repository={tmp_path}/models", "--preprocess", json.dumps(SPEC.to_json()))
    assert run_here("convert", tmp_path / "other.onnx", *words).returncode == 0
    return tmp_path / "models" / "other"


def configure(file: Path, *models: Path) -> None:
    entries = " ".join(f'config {{ name: "{base.name}" base_path: "{base}" }}' for base in models)
    file.write_text(f"model_config_list {{ {entries} }}")


def test_a_signal_while_other_models_load_finishes_what_came_in(
    start: Start, repository: Path, tmp_path: Path, held_compile: HeldCompile, other: Path
) -> None:
    cache = tmp_path / "cache"
    assert start(cache).port  # compiles tiny
    configure(tmp_path / "models.config", repository / "tiny", other)
    (tmp_path / "batching.config").write_text(COMPANY)
    command = (
        *("--start_before_ready", f"--model_config_file={tmp_path}/models.config"),
        *("--enable_batching", f"--batching_parameters_file={tmp_path}/batching.config"),
    )
    with held_ports() as (port,), ThreadPoolExecutor(1) as pool:
        server = Process(
            "--port=0",
            f"--rest_api_port={port}",
            f"--cache_dir={cache}",
            *command,
            env=held_compile.environment,
        )
        try:
            server.wait_for("loaded tiny/1")
            answer = waiting_request(server, port, pool)
            server.process.send_signal(signal.SIGTERM)
            assert answer.result().shape == (4,)
            assert server.wait() == 0
        finally:
            server.end()
    server.wait_for("stopped while starting")
    assert not said(server, "loaded other/1")


def test_a_signal_does_not_wait_for_what_a_reload_loads(
    start: Start, repository: Path, tmp_path: Path, held_compile: HeldCompile, other: Path
) -> None:
    cache, file = tmp_path / "cache", tmp_path / "models.config"
    assert start(cache).port  # compiles tiny
    configure(file, repository / "tiny")
    flags = (f"--model_config_file={file}", f"--cache_dir={cache}")
    server = Process("--port=0", *flags, env=held_compile.environment)
    try:
        assert server.port
        configure(file, repository / "tiny", other)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("compiling for cpu, once")
        assert server.stop() == 0
    finally:
        server.end()
    server.wait_for("stopped$")
    assert not said(server, "loaded other/1")
    assert not said(server, "Traceback")


HOLD_END = """
import os, sys

class AtTheVeryEnd:
    def __del__(self, open=os.open, read=os.read, gate=os.environ["END_GATE"], flags=os.O_RDONLY):
        read(open(gate, flags), 1)

if "serve" in sys.orig_argv:
    sys.held = AtTheVeryEnd()  # goes with the modules, after Python has given up its signal handlers
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_python_ends_does_not_change_the_exit_code(
    start: Start, repository: Path, tmp_path: Path, number: int
) -> None:
    gate = tmp_path / "end"
    os.mkfifo(gate)
    (tmp_path / "sitecustomize.py").write_text(HOLD_END)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "END_GATE": str(gate)}
    server = start(repository.parent / "kept", env=environment)
    assert server.port
    server.process.send_signal(signal.SIGTERM)
    with gate.open("w"):  # once it is there
        server.process.send_signal(number)
    assert server.wait() == 0


@pytest.mark.parametrize("how", ["poll", "file"])
def test_a_signal_while_a_version_compiles_beside_one_that_serves_waits_for_neither(
    start: Start, repository: Path, tmp_path: Path, held_compile: HeldCompile, how: str
) -> None:
    """Whether it was found in the folder, or by a model configuration file that is being applied."""
    cache, models, config = tmp_path / "cache", tmp_path / "models", tmp_path / "models.config"
    assert start(cache).port  # compiles version 1
    shutil.copytree(repository / "tiny" / "1", models / "tiny" / "1")
    entry = f'config {{ name: "NAME" base_path: "{models}/NAME" }}'
    config.write_text(f"model_config_list {{ {entry.replace('NAME', 'tiny')} }}")
    command = [*SERVE, "--port=0", f"--cache_dir={cache}", f"--model_config_file={config}"]
    polls = ("--file_system_poll_wait_seconds=1", "--model_config_file_poll_wait_seconds=1")
    server = Process(*polls, command=command, env=held_compile.environment)
    try:
        server.wait_for("Running gRPC")
        name = "tiny" if how == "poll" else "other"
        new = tmp_path / "new.onnx"
        new.write_bytes(export_onnx(network(seed=9)))
        words = (f"--name={name}", f"--repository={models}", "--preprocess", json.dumps(SPEC.to_json()))
        assert run_here("convert", new, *words).returncode == 0
        if how == "file":
            both = entry.replace("NAME", "tiny") + entry.replace("NAME", "other")
            config.write_text(f"model_config_list {{ {both} }}")
        server.wait_for("compiling for cpu, once")
        assert server.stop() == 0
    finally:
        server.end()
    server.wait_for("stopped$")
    assert said(server, " loaded ") == 1
    assert not list(cache.rglob(".partial-*"))


def test_a_cache_that_is_full_costs_one_compile_and_one_warning(start: Start, tmp_path: Path) -> None:
    room = 4097  # the probe of the cache fits, with its 4 KiB, and machine code does not
    server = start(tmp_path / "cache", command=(*limited_files(room), *SERVE))
    with PredictionClient("127.0.0.1", server.port) as client:
        client.score_file(PHOTOS[0])
    assert server.stop() == 0
    assert said(server, CANNOT_KEEP) == 1
    functions = compiled(server)
    assert functions
    assert len(functions) == len(set(functions))
    assert not said(server, ": compiled in")  # elsewhere, for nothing


AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def may_run_as_nobody() -> bool:
    """Only root becomes somebody else, and this Python may lie where nobody else reads."""
    if os.geteuid() != 0 or shutil.which(AS_NOBODY[0]) is None:
        return False
    command = [*AS_NOBODY, sys.executable, "-c", "import accelserve.server.cli.serving"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_a_cache_that_root_filled_serves_another_user(start: Start, repository: Path) -> None:
    """As in an image: the build compiles as root, the server runs as nobody."""
    if not may_run_as_nobody():
        pytest.skip("needs root, and Python where nobody may read it")
    cache = repository.parent / "baked"
    assert start(cache, umask=0o022).port
    server = start(cache, command=(*AS_NOBODY, *SERVE))
    assert server.port
    assert server.stop() == 0
    assert compiled(server) == []
    assert not said(server, "compiling")
    assert not said(server, CANNOT_KEEP)


@pytest.mark.parametrize("flag", ["port", "rest_api_port", "metrics_port"])
def test_a_port_in_use_is_found_before_anything_is_compiled(start: Start, tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start(tmp_path / "cache", f"--{flag}={port}")
        assert server.wait() == 1
        failure = server.wait_for(r"Failed to start server\. Error: (.*)$")
    assert failure[1] == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert not said(server, "compiling")
    assert not (tmp_path / "cache").exists()


def test_while_models_load_a_port_is_held_and_closed_and_what_is_kept_can_be_shared(
    start: Start, tmp_path: Path, held_compile: HeldCompile
) -> None:
    with held_ports() as (port,):
        server = start(tmp_path / "cache", f"--port={port}", umask=0o027, env=held_compile.environment)
        server.wait_for("compiling for cpu, once")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=60)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    held_compile.go_on()
    assert server.port == port
    assert said(server, "tiny/1: compiled in ") == 1
    assert compiled(server) == []
    with PredictionClient("127.0.0.1", port) as client:
        client.score_file(PHOTOS[0])
    assert server.stop() == 0
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
    assert not list((tmp_path / "cache").rglob(".partial-*"))
