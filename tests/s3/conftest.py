"""An S3 server, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator

import pytest

# moto's boto3 and s3fs' aiobotocore want different botocores, so that moto lives in an environment of its own.
MOTO_PYTHON = os.environ.get("ACCELSERVE_MOTO_PYTHON", "")


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """URL of moto's server, on a port of the system's choice."""
    if not MOTO_PYTHON:
        pytest.skip("these tests have environments of their own: make test-s3")
    process = subprocess.Popen(
        [MOTO_PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    url = next(match[0] for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
    # Whoever logs to a pipe that nobody reads stops when it is full.
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    yield url
    process.terminate()
    process.wait(60)
    drain.join()
    process.stderr.close()


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells every S3 client where its server is and who it is."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
