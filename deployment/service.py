"""What is deployed, whatever carries it: an image, and how its server is to be run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from accelserve.deployment.errors import ServiceError

DEVICES = ("cpu", "fpga")
POLICIES = ("refuse", "queue", "cpu")
"""What a server does about an FPGA that another server has: ``others`` of ``--device fpga:``."""

# Inside the container, as images are built.
USER = 10001
COMMAND = "/opt/accelserve/bin/accelserve"
MODELS = "/models"
LEASES = "/leases"
KEYS_FOLDER = "/etc/accelserve/keys"
TLS_FOLDER = "/etc/accelserve/tls"
KEYS_FILE = "keys.json"
TLS_KEY, TLS_CERTIFICATE = "tls.key", "tls.crt"
SERVICE_LABEL = "accelserve.service"
"""Label of every container that a deployment made: whose it is, so that nobody takes another one of that name down."""
LOCAL_SOCKET = "/tmp/accelserve.sock"  # noqa: S108 - of the container's own file system in memory

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,511}(@sha256:[0-9a-f]{64})?")
_OPTION = re.compile(r"[A-Za-z0-9_./=-]+(,[A-Za-z0-9_./=-]+)*")
_FLAG = re.compile(r"--[a-z][a-z0-9_-]*(=[^\s$%\"'\\]*)?")
# Flags that a deployment sets by itself, and what sets them.
_OWN_FLAGS = {
    "port": "--port",
    "rest_api_port": "--rest-api-port",
    "device": "--device",
    "grpc_address": "nothing: a deployment listens where it publishes",
    "grpc_socket_path": "nothing: health checks have it",
    "auth_keys_file": "--auth-keys-file",
    "tls_key": "--tls-key",
    "tls_certificate": "--tls-certificate",
    "ssl_config_file": "--tls-key and --tls-certificate",
    "drain_delay_seconds": "--drain-delay-seconds",
    "drain_timeout_seconds": "--drain-timeout-seconds",
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE = re.compile(r"[^\s$%\"'\\]*")
_SPARE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """See each attribute.

    Attributes:
        name: of the deployment and of all that is made for it; a DNS label (RFC 1035), which Kubernetes asks of Services.
        image: reference that the engine or the cluster pulls.
        device: ``cpu`` or ``fpga``.
        device_options: further ones of ``--device fpga:``, ``bitstream=/bitstreams/engine``; see docs/fpga.md.
        others: what is done about an FPGA that another server has: ``refuse``, ``queue`` or ``cpu``.
        lease_folder: on the machine; every container that shares its FPGA mounts it.
        models_folder: folder on the machine whose models are served instead of the image's own; empty for those.
        grpc_port: outside and inside.
        rest_port: likewise.
        drain_delay_seconds: from the order to stop until new requests are refused.
        drain_timeout_seconds: from then until requests in flight are cut off.
        environment: variables of the server's process, as a board's runtime wants them.
        flags: of ``accelserve serve``, beside those that follow from the above; TensorFlow Serving's are taken unchanged.

    Raises:
        ServiceError: one of them makes no sense.
    """

    name: str
    image: str
    device: str = "cpu"
    device_options: str = ""
    others: str = "refuse"
    lease_folder: str = "/var/lib/accelserve/leases"
    models_folder: str = ""
    grpc_port: int = 8500
    rest_port: int = 8501
    drain_delay_seconds: float = 0.0
    drain_timeout_seconds: float = 30.0
    environment: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(
            _LABEL.fullmatch(self.name),
            f"name '{self.name}'",
            "at most 53 lower case letters, digits and '-', beginning with a letter and not ending with '-'",
        )
        _require(
            _IMAGE.fullmatch(self.image),
            f"image '{self.image}'",
            "a name such as resnet50:3, behind which '@sha256:' and 64 hexadecimal digits may pin it",
        )
        _require(self.device in DEVICES, f"device '{self.device}'", f"one of {', '.join(DEVICES)}")
        _require(self.others in POLICIES, f"policy '{self.others}'", f"one of {', '.join(POLICIES)}")
        if self.device_options:
            _require(self.device == "fpga", "device options", "none without --device fpga")
            _require(
                _OPTION.fullmatch(self.device_options),
                f"device options '{self.device_options}'",
                "KEY=VALUE,...",
            )
        for what, path in (("lease folder", self.lease_folder), ("models folder", self.models_folder)):
            if path:
                require_path(what, path)
        for what, port in (("gRPC port", self.grpc_port), ("HTTP port", self.rest_port)):
            _require(1 <= port <= 65535, f"{what} {port}", "1 to 65535")
        _require(self.grpc_port != self.rest_port, f"port {self.grpc_port} for gRPC and HTTP", "two ports")
        for what, seconds in (("delay", self.drain_delay_seconds), ("timeout", self.drain_timeout_seconds)):
            _require(0 <= seconds <= 86400, f"drain {what} {seconds}", "0 to 86400 seconds")
        for name, value in self.environment.items():
            good = _VARIABLE.fullmatch(name) and _VALUE.fullmatch(value)
            _require(good, f"variable '{name}={value}'", "NAME=VALUE, without blanks, quotes, '%' and '$'")
        for flag in self.flags:
            _require(
                _FLAG.fullmatch(flag),
                f"flag '{flag}'",
                "--NAME=VALUE of 'accelserve serve', without blanks and quotes",
            )
            instead = _OWN_FLAGS.get(flag_name(flag))
            _require(instead is None, f"flag '{flag}'", f"{instead}, since the deployment sets this one")

    @property
    def grace_seconds(self) -> int:
        """From the order to stop to the kill: longer than the whole drain."""
        return round(self.drain_delay_seconds + self.drain_timeout_seconds + _SPARE_SECONDS)

    @property
    def device_flag(self) -> str:
        """Of ``accelserve serve``."""
        if self.device == "cpu":
            return "--device=cpu"
        options = [f"others={self.others}", f"lease_folder={LEASES}", *filter(None, [self.device_options])]
        return f"--device=fpga:{','.join(options)}"

    def serve_flags(self, *, keys: bool, tls: bool) -> list[str]:
        """Of ``accelserve serve``, with the keys file and the TLS files where containers have them."""
        flags = [f"--port={self.grpc_port}", f"--rest_api_port={self.rest_port}", self.device_flag]
        if keys:
            flags.append(f"--auth_keys_file={KEYS_FOLDER}/{KEYS_FILE}")
        if tls:
            flags += [
                f"--tls_key={TLS_FOLDER}/{TLS_KEY}",
                f"--tls_certificate={TLS_FOLDER}/{TLS_CERTIFICATE}",
            ]
        flags.append(f"--drain_delay_seconds={self.drain_delay_seconds:g}")
        flags.append(f"--drain_timeout_seconds={self.drain_timeout_seconds:g}")
        return [*flags, *self.flags]


def flag_name(flag: str) -> str:
    """Of ``--NAME=VALUE``, with underscores: either spelling is taken."""
    return flag.partition("=")[0].removeprefix("--").replace("-", "_")


def require_path(what: str, path: str) -> None:
    """ServiceError unless it is an absolute path, without anything that a mount's syntax or a line would end at."""
    plain = path.isprintable() and not set(path) & set(":,$%\"'\\ ")
    whole = PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts
    _require(
        plain and whole, f"{what} '{path}'", "an absolute path without '..', blanks, quotes, and : , $ % \\"
    )


def _require(holds: object, what: str, expected: str) -> None:
    if not holds:
        raise ServiceError(what, expected)
