"""Where keys and certificates come from: TensorFlow Serving's text file, or PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.errors import ConfigurationError
from accelserve.server.text_format_file import read_text_format


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """PEM texts.

    Attributes:
        key: private key of the server.
        certificate: of the server, and the chain above it.
        authorities: that sign clients' certificates; None for the system's.
        verify_clients: a client needs a certificate.
    """

    key: bytes
    certificate: bytes
    authorities: bytes | None = None
    verify_clients: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files to read, again after every change: either ``ssl_config``, or ``key`` and ``certificate``.

    Attributes:
        ssl_config: SSLConfig in text format, which holds PEM texts.
        key, certificate: PEM files.
        authorities: PEM file; clients then need a certificate that one of these signed.
    """

    ssl_config: Path | None = None
    key: Path | None = None
    certificate: Path | None = None
    authorities: Path | None = None

    def __post_init__(self) -> None:
        if self.ssl_config is not None and (self.key or self.certificate or self.authorities):
            raise ConfigurationError("give either --ssl_config_file or --tls_key with --tls_certificate")
        if self.ssl_config is None and not (self.key and self.certificate):
            raise ConfigurationError("TLS needs --tls_key and --tls_certificate")

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file."""
        return tuple(
            path
            for path in (self.ssl_config, self.key, self.certificate, self.authorities)
            if path is not None
        )

    def read(self) -> TlsMaterial:
        """The files' content; ConfigurationError if one cannot be read or holds no PEM."""
        material = self._of_text() if self.ssl_config is not None else self._of_pem()
        where = ", ".join(map(str, self.paths))
        if (
            b"PRIVATE KEY-----" not in material.key
            or b"-----BEGIN CERTIFICATE-----" not in material.certificate
        ):
            raise ConfigurationError(f"{where}: the server's key and certificate must be PEM texts")
        if material.verify_clients and not material.authorities:
            raise ConfigurationError(
                f"{where}: client_verify needs custom_ca, who signs clients' certificates"
            )
        return material

    def _of_text(self) -> TlsMaterial:
        assert self.ssl_config is not None  # noqa: S101 - for the type checker; the caller saw to it
        config = read_text_format(self.ssl_config, serving.SSLConfig)
        return TlsMaterial(
            key=config.server_key.encode(),
            certificate=config.server_cert.encode(),
            authorities=config.custom_ca.encode() or None,
            verify_clients=config.client_verify,
        )

    def _of_pem(self) -> TlsMaterial:
        return TlsMaterial(
            key=_bytes(self.key),
            certificate=_bytes(self.certificate),
            authorities=_bytes(self.authorities) if self.authorities is not None else None,
            verify_clients=self.authorities is not None,
        )


def _bytes(path: Path | None) -> bytes:
    assert path is not None  # noqa: S101 - for the type checker; the constructor saw to it
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
