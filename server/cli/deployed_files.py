"""What a deployment is given for its server, looked at before it is written: nobody should find out in a pod."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import click

from accelserve.server.cli.flag_sources import flag_of

_NOT_TO_SERVE = frozenset(("help", "version", "config", "cluster"))


def serve_flags(given: Sequence[str]) -> tuple[str, ...]:
    """Flags of ``accelserve serve``, ``--NAME=VALUE``; click.UsageError if that command would not take them."""
    from accelserve.server.cli.serve import serve

    known = {flag_of(each) for each in serve.params if isinstance(each, click.Option)} - _NOT_TO_SERVE
    for flag in given:
        name = flag.partition("=")[0].removeprefix("--").replace("-", "_")
        if name not in known:
            raise click.UsageError(f"--flag '{flag}': 'accelserve serve' has no such flag for a deployment.")
    try:
        serve.make_context("serve", list(given))
    except click.UsageError as error:
        raise click.UsageError(f"--flag: {error.format_message()}") from error
    return tuple(given)


def keys_content(path: Path | None) -> bytes:
    """A keys file, empty for none; ConfigurationError if it is none."""
    from accelserve.server.auth.keys_file import decode_keys

    if path is None:
        return b""
    content = path.read_bytes()
    decode_keys(content, path)
    return content


def pair_content(key: Path | None, certificate: Path | None) -> tuple[bytes, bytes]:
    """A TLS key and its certificate, as PEM, empty for none.

    Raises:
        click.UsageError: one without the other.
        ConfigurationError: they are no PEM, or the certificate is not the key's.
    """
    from accelserve.server.errors import ConfigurationError

    if key is None and certificate is None:
        return b"", b""
    if key is None or certificate is None:
        raise click.UsageError("--tls-key and --tls-certificate go together.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=b"")
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        raise ConfigurationError(
            f"{key} and {certificate} are no private key without a password and its certificate, as PEM: {reason}"
        ) from error
    return key.read_bytes(), certificate.read_bytes()
