"""Keys and certificates that a service in a container is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelserve.client import TlsOptions
from tests.deployment.conftest import accelserve
from tests.server.security.conftest import Authority


@dataclass(frozen=True)
class Access:
    """Files that the container's user may read, and what a client needs.

    Attributes:
        keys_file: of ``accelserve keys``.
        tls_key: PEM.
        tls_certificate: PEM.
        key: that opens the server.
        tls: trusts the certificate's authority.
    """

    keys_file: Path
    tls_key: Path
    tls_certificate: Path
    key: str
    tls: TlsOptions


def write_access(folder: Path) -> Access:
    """Make them in a folder."""
    authority = Authority("tests")
    identity = authority.sign("server")
    keys, key, certificate = (folder / name for name in ("keys.json", "key.pem", "certificate.pem"))
    secret = accelserve("keys", "add", "camera", f"--file={keys}").split()[1]
    key.write_bytes(identity.key_pem)
    certificate.write_bytes(identity.pem)
    for path in (keys, key, certificate):
        path.chmod(0o644)  # for the container's user
    return Access(keys, key, certificate, secret, TlsOptions(root_certificates=authority.pem))
