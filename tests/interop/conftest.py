"""Other people's clients; they live in an environment of their own, which `make test-interop` builds.

Elsewhere these tests are collected and skipped.
"""

import contextlib
import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import grpc
import pytest
from tests.ports import held_ports

ELSEWHERE = "needs other people's clients: run `make test-interop`"
SERVER_PYTHON_VARIABLE = "ACCELSERVE_SERVER_PYTHON"
MODEL_VARIABLE = "ACCELSERVE_INTEROP_MODEL_BASE_PATH"
START_TIMEOUT_S = 240
STOP_TIMEOUT_S = 240


def foreign_module(name: str) -> ModuleType:
    """Imports a module of another project, without its warnings; skips the test where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(name.partition(".")[0], reason=ELSEWHERE)
        return importlib.import_module(name)


def run_program(program: str, *arguments: str) -> None:
    """Runs Python source in a process of its own; its own assertions are the test."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="session")
def server_address(server_addresses: tuple[str, str]) -> str:
    """HOST:PORT of the gRPC door of a running server."""
    return server_addresses[0]


@pytest.fixture(scope="session")
def http_address(server_addresses: tuple[str, str]) -> str:
    """HOST:PORT of the HTTP door of a running server."""
    return server_addresses[1]


@pytest.fixture(scope="session")
def served_model() -> str:
    """Name of the model that the running server serves."""
    return Path(os.environ.get(MODEL_VARIABLE, "")).name


@pytest.fixture(scope="session")
def server_addresses() -> Iterator[tuple[str, str]]:
    """HOST:PORT of gRPC and of HTTP of a running `accelserve serve`, in the environment of the server.

    Takes the server's Python from ACCELSERVE_SERVER_PYTHON (or its own) and the servable's directory from
    ACCELSERVE_INTEROP_MODEL_BASE_PATH; the model is served under that directory's name.
    """
    base_path = os.environ.get(MODEL_VARIABLE)
    if base_path is None:
        pytest.skip(f"{MODEL_VARIABLE} names no servable")
    python = os.environ.get(SERVER_PYTHON_VARIABLE, sys.executable)
    arguments = ["--model_base_path", base_path, "--model_name", Path(base_path).name]
    with held_ports(2) as (port, http_port):
        arguments += ["--port", str(port), "--rest_api_port", str(http_port)]
        command = [python, "-m", "accelserve.server.cli", "serve", *arguments]
        yield from _served(command, f"127.0.0.1:{port}", f"127.0.0.1:{http_port}")


def _served(command: Sequence[str], address: str, http_address: str) -> Iterator[tuple[str, str]]:
    with subprocess.Popen(command) as process:
        try:
            _wait_until_ready(address, process)
            yield address, http_address
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
            process.kill()
    assert process.returncode == 0, f"the server ended with {process.returncode} on SIGTERM"


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    with grpc.insecure_channel(address) as channel:
        ready = grpc.channel_ready_future(channel)
        for _ in range(START_TIMEOUT_S):
            assert process.poll() is None, f"the server ended with {process.returncode} before it was ready"
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(1)
                return
    raise AssertionError(f"no server at {address} after {START_TIMEOUT_S} s")
