"""How an edge box runs a service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelserve.deployment.errors import ServiceError
from accelserve.deployment.service import (
    COMMAND,
    KEYS_FILE,
    KEYS_FOLDER,
    LEASES,
    LOCAL_SOCKET,
    MODELS,
    TLS_CERTIFICATE,
    TLS_FOLDER,
    TLS_KEY,
    Service,
    require_path,
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the box in the container.

    Attributes:
        source: on the box.
        target: in the container.
        writable: whether the container may write to it.
    """

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfiguration:
    """See each attribute; paths are the box's.

    Attributes:
        service: what runs.
        device_files: device nodes and folders of the FPGA, ``/dev/acla10_ref0``.
        mounts: further folders that the container reads, such as a board's runtime or a bitstream.
        keys_file: of ``accelserve keys``; empty lets everybody in.
        tls_key: PEM file; empty for plain text.
        tls_certificate: PEM file, with ``tls_key``.
        watchdog_seconds: of the unit; longer than the largest batch takes.
        start_seconds: that the unit waits for the models.

    Raises:
        ServiceError: one of them makes no sense.
    """

    service: Service
    device_files: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    keys_file: str = ""
    tls_key: str = ""
    tls_certificate: str = ""
    watchdog_seconds: int = 60
    start_seconds: int = 900

    def __post_init__(self) -> None:
        paths = {
            "device file": self.device_files,
            "mount": (*(each.source for each in self.mounts), *(each.target for each in self.mounts)),
            "file": filter(None, (self.keys_file, self.tls_key, self.tls_certificate)),
        }
        for what, each in paths.items():
            for path in each:
                require_path(what, path)
        targets = [each.target for each in self.all_mounts()]
        for target in targets:
            if targets.count(target) > 1:
                raise ServiceError(f"two mounts at '{target}'", "one")
        if bool(self.tls_key) != bool(self.tls_certificate):
            raise ServiceError("TLS", "both --tls_key and --tls_certificate, or neither")
        if self.watchdog_seconds < 1 or self.start_seconds < 1:
            raise ServiceError("watchdog and start", "1 second or more")

    @property
    def flags(self) -> list[str]:
        """Of ``accelserve serve``."""
        flags = self.service.serve_flags(keys=bool(self.keys_file), tls=bool(self.tls_key))
        return [*flags, f"--grpc_socket_path={LOCAL_SOCKET}"] if self.tls_key else flags

    @property
    def healthcheck(self) -> list[str]:
        """Command within the container; with TLS over a socket of its own, since no name is in every certificate."""
        address = f"unix:{LOCAL_SOCKET}" if self.tls_key else f"127.0.0.1:{self.service.grpc_port}"
        return [COMMAND, "healthcheck", f"--address={address}"]

    def all_mounts(self) -> Iterator[Mount]:
        """Everything of the box that the container sees, devices aside."""
        if self.service.device == "fpga":
            yield Mount(self.service.lease_folder, LEASES, writable=True)
        if self.service.models_folder:
            yield Mount(self.service.models_folder, MODELS)
        if self.keys_file:
            yield Mount(self.keys_file, f"{KEYS_FOLDER}/{KEYS_FILE}")
        if self.tls_key:
            yield Mount(self.tls_key, f"{TLS_FOLDER}/{TLS_KEY}")
            yield Mount(self.tls_certificate, f"{TLS_FOLDER}/{TLS_CERTIFICATE}")
        yield from self.mounts
