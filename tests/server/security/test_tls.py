"""TLS and mutual TLS on both ports, with certificates that change while connections are open."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf import text_format

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.cli.group import run
from accelserve.server.config import RestConfig, SecurityConfig
from accelserve.server.errors import ConfigurationError
from accelserve.server.tls.files import TlsFiles
from accelserve.server.tls.identity import TlsIdentity

Serve = Callable[..., SimpleNamespace]
PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))


def pem_files(folder: Path, identity: Any, authorities: bytes | None = None) -> TlsFiles:
    (folder / "server.key").write_bytes(identity.key_pem)
    (folder / "server.crt").write_bytes(identity.pem)
    if authorities is not None:
        (folder / "ca.crt").write_bytes(authorities)
    return TlsFiles(
        key=folder / "server.key",
        certificate=folder / "server.crt",
        authorities=None if authorities is None else folder / "ca.crt",
    )


def text_file(folder: Path, identity: Any, authorities: bytes = b"", *, verify: bool = False) -> TlsFiles:
    config = serving.SSLConfig(
        server_key=identity.key_pem.decode(),
        server_cert=identity.pem.decode(),
        custom_ca=authorities.decode(),
        client_verify=verify,
    )
    (folder / "ssl.config").write_text(text_format.MessageToString(config))
    return TlsFiles(ssl_config=folder / "ssl.config")


@pytest.fixture
def serve_tls(serve: Serve) -> Callable[[TlsFiles], SimpleNamespace]:
    def start(files: TlsFiles) -> SimpleNamespace:
        return serve(
            rest=RestConfig(address="127.0.0.1", port=0),
            server_settings={"security": SecurityConfig(tls=files, poll_seconds=0.02)},
        )

    return start


def channel(server: SimpleNamespace, authority: Any, client: Any = None) -> grpc.Channel:
    credentials = (
        grpc.ssl_channel_credentials(authority.pem)
        if client is None
        else grpc.ssl_channel_credentials(authority.pem, client.key_pem, client.pem)
    )
    # One pool of connections a channel, so that a new channel makes a new connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.secure_channel(f"127.0.0.1:{server.server.port}", credentials, options)


def predict(on: grpc.Channel) -> serving.PredictResponse:
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="colour"), inputs={"images": PIXEL})
    return PredictionService.PREDICT.stub(on)(request, timeout=60)


def context(authority: Any, client: Any = None, folder: Path | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=authority.pem.decode())
    if client is not None and folder is not None:
        (folder / "client.pem").write_bytes(client.pem + client.key_pem)
        made.load_cert_chain(folder / "client.pem")
    return made


def get(server: SimpleNamespace, verify: ssl.SSLContext) -> httpx.Response:
    return httpx.get(
        f"https://127.0.0.1:{server.server.rest_port}/v1/models/colour", verify=verify, timeout=60
    )


def shown(server: SimpleNamespace, verify: ssl.SSLContext) -> bytes:
    """The certificate that a new connection to the HTTP port is shown."""
    with (
        socket.create_connection(("127.0.0.1", server.server.rest_port), 20) as plain,
        verify.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("write", [pem_files, text_file], ids=["pem", "ssl_config_file"])
def test_both_ports_speak_tls(
    serve_tls: Callable[..., SimpleNamespace],
    tmp_path: Path,
    authority: Any,
    strangers: Any,
    write: Callable[..., TlsFiles],
) -> None:
    server = serve_tls(write(tmp_path, authority.sign("server")))
    with channel(server, authority) as trusted:
        assert predict(trusted).model_spec.version.value == 1
    assert get(server, context(authority)).status_code == 200
    # A client that trusts others talks to neither port.
    with channel(server, strangers) as wary, pytest.raises(grpc.RpcError) as caught:
        predict(wary)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get(server, context(strangers))
    # And plain text gets no answer.
    with grpc.insecure_channel(f"127.0.0.1:{server.server.port}") as plain, pytest.raises(grpc.RpcError):
        predict(plain)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{server.server.rest_port}/v1/models/colour", timeout=60)


@pytest.mark.parametrize("write", [pem_files, text_file], ids=["pem", "ssl_config_file"])
def test_mutual_tls_wants_a_certificate_that_the_authority_signed(
    serve_tls: Callable[..., SimpleNamespace],
    tmp_path: Path,
    authority: Any,
    strangers: Any,
    write: Callable[..., TlsFiles],
) -> None:
    more = {"verify": True} if write is text_file else {}
    server = serve_tls(write(tmp_path, authority.sign("server"), authority.pem, **more))
    client, stranger = authority.sign("client"), strangers.sign("client")
    with channel(server, authority, client) as known:
        predict(known)
    assert get(server, context(authority, client, tmp_path)).status_code == 200
    for who in (None, stranger):
        with channel(server, authority, who) as unknown, pytest.raises(grpc.RpcError) as caught:
            predict(unknown)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(httpx.HTTPError):
            get(server, context(authority, who, tmp_path))


def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_stay(
    serve_tls: Callable[..., SimpleNamespace], tmp_path: Path, authority: Any, strangers: Any
) -> None:
    server = serve_tls(pem_files(tmp_path, authority.sign("server")))
    trusted = context(authority)
    http = httpx.Client(verify=trusted, timeout=60)
    with channel(server, authority) as open_before, http:
        predict(open_before)
        url = f"https://127.0.0.1:{server.server.rest_port}/v1/models/colour"
        stream_before = http.get(url).extensions["network_stream"].get_extra_info("socket").getsockname()

        renewed = strangers.sign("server")
        pem_files(tmp_path, renewed)
        both = context(authority)
        both.load_verify_locations(cadata=strangers.pem.decode())
        while shown(server, both) != renewed.der:  # the test's timeout ends a server that never notices
            pass
        with channel(server, strangers) as opened_after:
            predict(opened_after)
        with channel(server, authority) as distrusting, pytest.raises(grpc.RpcError):
            predict(distrusting)
        # The connections of before go on.
        predict(open_before)
        stream_after = http.get(url).extensions["network_stream"].get_extra_info("socket").getsockname()
        assert stream_before == stream_after


def test_half_a_replacement_changes_nothing(
    tmp_path: Path, authority: Any, caplog: pytest.LogCaptureFixture
) -> None:
    identity = TlsIdentity(pem_files(tmp_path, authority.sign("server")))
    (tmp_path / "server.key").write_bytes(authority.sign("other").key_pem)  # not the certificate's
    identity.reload()
    assert "the certificate stays as it was" in caplog.text
    (tmp_path / "server.crt").unlink()
    identity.reload()
    assert "server.crt cannot be read: No such file or directory" in caplog.text


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"key": "k"}, "TLS needs --tls_key and --tls_certificate"),
        ({"ssl_config": "s", "key": "k", "certificate": "c"}, "give either --ssl_config_file or"),
        ({"key": "missing", "certificate": "missing"}, "missing cannot be read"),
    ],
)
def test_flags_that_do_not_fit(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TlsFiles(**{name: tmp_path / path for name, path in files.items()}).read()


def test_content_that_does_not_fit(tmp_path: Path, authority: Any) -> None:
    identity = authority.sign("server")
    with pytest.raises(ConfigurationError, match="client_verify needs custom_ca"):
        text_file(tmp_path, identity, verify=True).read()
    (tmp_path / "ssl.config").write_text('server_key: "x"')
    with pytest.raises(ConfigurationError, match="must be PEM texts"):
        TlsFiles(ssl_config=tmp_path / "ssl.config").read()


def healthcheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelserve.server.cli", "healthcheck", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_healthcheck_speaks_tls(
    serve_tls: Callable[..., SimpleNamespace], tmp_path: Path, authority: Any
) -> None:
    server = serve_tls(pem_files(tmp_path, authority.sign("server")))
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    address = f"--address=127.0.0.1:{server.server.port}"
    done = healthcheck(address, f"--tls_ca={tmp_path}/authority.pem")
    assert (done.returncode, done.stdout) == (0, "SERVING\n"), done.stderr
    assert healthcheck(address, "--timeout=2").returncode == 1


def test_the_commands_that_ask_take_the_authority(
    serve_tls: Callable[[TlsFiles], SimpleNamespace], authority: Any, tmp_path: Path, jpeg: bytes
) -> None:
    server = serve_tls(pem_files(tmp_path, authority.sign("server")))
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    trust = ["--address", f"127.0.0.1:{server.server.port}", "--tls_ca", str(tmp_path / "authority.pem")]
    assert run(["healthcheck", *trust]) == 0
    assert run(["predict", *trust, str(tmp_path / "a.jpg")]) == 0
