"""The server's identity now: what a new connection is shown. Connections that are open keep what they were shown."""

from __future__ import annotations

import logging
import os
import ssl
from typing import Any

import grpc

from accelserve.server.errors import ConfigurationError
from accelserve.server.tls.files import TlsFiles, TlsMaterial

_LOG = logging.getLogger(__name__)


class TlsIdentity:
    """Credentials for both frontends, from files that may change. Thread-safe."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; ConfigurationError if they make no sense, or key and certificate do not belong together."""
        self.files = files
        material = files.read()
        self._verify_clients = material.verify_clients
        self._context = RenewedContext(_context(material, files))
        self._certificates = _certificates(material)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For gRPC; every new connection asks for the certificate of the moment."""
        return grpc.dynamic_ssl_server_credentials(
            self._certificates, lambda: self._certificates, self._verify_clients
        )

    def http_context(self) -> ssl.SSLContext:
        """For asyncio; every new connection uses the certificate of the moment."""
        return self._context

    def reload(self) -> None:
        """Read the files again. Files that make no sense change nothing, as in the middle of a replacement."""
        try:
            material = self.files.read()
            context = _context(material, self.files)
        except ConfigurationError as error:
            _LOG.error("the certificate stays as it was: %s", error)
            return
        if material.verify_clients != self._verify_clients:
            _LOG.error("whether clients need a certificate changes with the next start of the server only")
            return
        self._context.renew(context)
        self._certificates = _certificates(material)
        _LOG.info("read key and certificate again")


class RenewedContext(ssl.SSLContext):
    """Hands every new connection to the newest context: asyncio asks a listening socket's context for each."""

    def __new__(cls, _current: ssl.SSLContext) -> RenewedContext:  # noqa: PYI034 - SSLContext's own signature differs
        """A context that never speaks itself."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, current: ssl.SSLContext) -> None:
        self._current = current

    def renew(self, context: ssl.SSLContext) -> None:
        """From now on, new connections use ``context``."""
        self._current = context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """As asyncio calls it."""
        return self._current.wrap_bio(*args, **kwargs)


def _certificates(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], root_certificates=material.authorities
    )


def _context(material: TlsMaterial, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        _load_chain(context, material)
        if material.verify_clients and material.authorities is not None:
            context.load_verify_locations(cadata=material.authorities.decode())
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        where = ", ".join(map(str, files.paths))
        raise ConfigurationError(
            f"{where}: key, certificate or authorities cannot be used: {error}"
        ) from error
    return context


def _load_chain(context: ssl.SSLContext, material: TlsMaterial) -> None:
    """OpenSSL's binding wants files; one in memory keeps the private key off the disk."""
    descriptor = os.memfd_create("tls")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(material.certificate + b"\n" + material.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
