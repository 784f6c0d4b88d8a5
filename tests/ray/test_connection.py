"""What a head node answers that cannot serve a client. Ray's own words, said by nobody: no real head node fails at will."""

from __future__ import annotations

import pytest

from accelserve.server.cluster.connection import ExistingCluster
from accelserve.server.errors import ConfigurationError

ray = pytest.importorskip("ray", reason="these tests have an environment of their own: make test-ray")

BUSY = ConnectionAbortedError(
    "Initialization failure from server:\n"
    "Traceback (most recent call last):\n"
    '  File "proxier.py", line 773, in Datapath\n'
    "    raise RuntimeError(\n"
    "RuntimeError: Starting Ray client server failed. See ray_client_server_23000.err for detailed logs.\n"
)


def connect(monkeypatch: pytest.MonkeyPatch, *answers: Exception | None) -> int:
    """How often a head node with these answers is asked."""
    left = list(answers)

    def init(*_: object, **__: object) -> None:
        if (error := left.pop(0)) is not None:
            raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    ExistingCluster("ray://head:10001").connect()
    return len(answers) - len(left)


def test_a_head_node_that_was_too_busy_for_a_client_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect(monkeypatch, BUSY, None) == 2


def test_a_head_node_that_fails_again_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="RuntimeError: Starting Ray client server failed") as caught:
        connect(monkeypatch, BUSY, BUSY, None)
    assert "\n" not in str(caught.value)


def test_what_no_second_try_helps_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no Ray cluster answers at ray://head:10001: refused; "):
        connect(monkeypatch, ConnectionError("refused\nby nobody"), None)
