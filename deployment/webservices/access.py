"""The files that say who may ask a service, and what it proves itself by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from accelserve.deployment.errors import ServiceError
from accelserve.deployment.service import (
    KEYS_FILE,
    KEYS_FOLDER,
    TLS_CERTIFICATE,
    TLS_FOLDER,
    TLS_KEY,
    require_path,
)


@dataclass(frozen=True, slots=True)
class AccessFiles:
    """Files of this machine.

    Attributes:
        keys_file: of ``accelserve keys``; None for none.
        tls_key: PEM; None for plain text.
        tls_certificate: PEM, with ``tls_key``.
    """

    keys_file: Path | None
    tls_key: Path | None
    tls_certificate: Path | None

    @classmethod
    def checked(cls, keys_file: Path | None, tls_key: Path | None, tls_certificate: Path | None) -> Self:
        """Absolute, since the server lives in another folder; ServiceError if one is missing."""
        if bool(tls_key) != bool(tls_certificate):
            raise ServiceError("TLS", "both --tls-key and --tls-certificate, or neither")
        given = [None if path is None else path.resolve() for path in (keys_file, tls_key, tls_certificate)]
        for path in filter(None, given):
            require_path("file", str(path))
            if not (path.is_file() and os.access(path, os.R_OK)):
                raise ServiceError(f"file '{path}'", "a file that can be read")
        return cls(*given)

    @property
    def tls(self) -> bool:
        """Whether both ports speak it."""
        return self.tls_key is not None

    def flags(self) -> list[str]:
        """Of ``accelserve serve``, for a process of this machine."""
        return [f"--{flag}={path}" for flag, path, _ in self._all()]

    def flags_in_container(self) -> list[str]:
        """Of ``accelserve serve``, where ``mounts`` are."""
        return [f"--{flag}={target}" for flag, _, target in self._all()]

    def mounts(self) -> dict[Path, str]:
        """File of this machine -> where a container reads it."""
        return {path: target for _, path, target in self._all()}

    def _all(self) -> Iterator[tuple[str, Path, str]]:
        for flag, path, target in (
            ("auth_keys_file", self.keys_file, f"{KEYS_FOLDER}/{KEYS_FILE}"),
            ("tls_key", self.tls_key, f"{TLS_FOLDER}/{TLS_KEY}"),
            ("tls_certificate", self.tls_certificate, f"{TLS_FOLDER}/{TLS_CERTIFICATE}"),
        ):
            if path is not None:
                yield flag, path, target
