"""``accelserve bench`` proves itself as the other commands do: certificates and keys, over both transports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accelserve.server.auth.keys_file import KeysFile, Owner, change_keys, new_key, with_key
from accelserve.server.cli.group import run
from accelserve.server.config import RestConfig, SecurityConfig
from accelserve.server.tls.files import TlsFiles

KEY = new_key()


@pytest.fixture
def server(serve: Callable[..., SimpleNamespace], tmp_path: Path, authority: Any) -> SimpleNamespace:
    """Wants a client's certificate and a key."""
    identity, client = authority.sign("server"), authority.sign("client")
    pem = {
        "server.key": identity.key_pem, "server.crt": identity.pem, "ca.crt": authority.pem,
        "client.key": client.key_pem, "client.crt": client.pem,
    }  # fmt: skip
    for name, content in pem.items():
        (tmp_path / name).write_bytes(content)
    keys = tmp_path / "keys.json"
    change_keys(keys, lambda _: KeysFile(owners=(with_key(Owner(name="all", admin=True), "primary", KEY),)))
    tls = TlsFiles(
        key=tmp_path / "server.key", certificate=tmp_path / "server.crt", authorities=tmp_path / "ca.crt"
    )
    security = SecurityConfig(tls=tls, keys_file=keys, poll_seconds=60)
    running = serve(
        rest=RestConfig(address="127.0.0.1", port=0), server_settings={"security": security}
    ).server
    http = f"https://127.0.0.1:{running.rest_port}"
    return SimpleNamespace(grpc=f"127.0.0.1:{running.port}", http=http, folder=tmp_path)


def bench(server: SimpleNamespace, address: str, *words: str) -> int:
    proof = [f"--tls_ca={server.folder}/ca.crt", f"--tls_client_key={server.folder}/client.key"]
    proof += [f"--tls_client_certificate={server.folder}/client.crt", f"--json={server.folder}/found.json"]
    short = ["--model=colour", "--duration=0.5", "--warm_up=0", "--processes=1", "--sizes=32", "--timeout=20"]
    return run(["bench", address, *short, *proof, *words])


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_a_certificate_and_a_key_open_the_server_and_its_metrics(
    server: SimpleNamespace, transport: str
) -> None:
    metrics = f"--metrics={server.http}/monitoring/prometheus/metrics"
    assert bench(server, getattr(server, transport), f"--token={KEY}", metrics) == 0
    (step,) = json.loads((server.folder / "found.json").read_text())["steps"]
    assert step["errors"] == {}
    assert step["server"]["requests"] == step["requests"] > 0


@pytest.mark.parametrize(("transport", "code"), [("grpc", "UNAUTHENTICATED"), ("http", "401")])
def test_without_the_key_nothing_is_measured(
    server: SimpleNamespace, capsys: pytest.CaptureFixture[str], transport: str, code: str
) -> None:
    assert bench(server, getattr(server, transport)) == 1
    assert f"did not answer a first request: {code}: " in capsys.readouterr().err


def test_plain_http_with_a_certificate_is_refused(
    server: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(server, server.http.replace("https", "http")) == 2
    assert "with TLS it begins with https://" in capsys.readouterr().err
