"""How a cluster runs a service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from accelserve.deployment.errors import ServiceError
from accelserve.deployment.service import Service, flag_name

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CPU = re.compile(r"(?=.*[1-9])([0-9]+(\.[0-9]{1,3})?|[0-9]+m)")
_MEMORY = re.compile(r"(?=.*[1-9])[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?")
_METRICS_PORTS = (8502, 8503, 8504)
PULL_POLICIES = ("IfNotPresent", "Always", "Never")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesConfiguration:
    """See each attribute.

    Attributes:
        service: what runs. Its models folder, if it has one, is one of the node.
        namespace: empty for the one that is applied to.
        replicas: at least.
        max_replicas: at most; as ``replicas`` for no autoscaling.
        queue_seconds: that pictures wait on average, above which there is one replica more.
        cpu: cores that one replica asks for.
        memory: that it asks for and may not exceed.
        device_resource: of an FPGA, as the cluster's device plugin calls it: ``intel.com/fpga-a10``; needed with ``fpga``.
        node_selector: labels of nodes.
        keys_secret: name of a Secret with ``keys.json``; empty for none, or for the one made of ``keys``.
        tls_secret: likewise of a Secret of type ``kubernetes.io/tls``.
        keys: content of a keys file, which is rendered as a Secret.
        tls_key: PEM, likewise.
        tls_certificate: PEM, with ``tls_key``.
        host_network: the pods' ports are the node's.
        pull_policy: of the image.

    Raises:
        ServiceError: one of them makes no sense.
    """

    service: Service
    namespace: str = ""
    replicas: int = 2
    max_replicas: int = 10
    queue_seconds: float = 0.05
    cpu: str = "1"
    memory: str = "1Gi"
    device_resource: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    keys_secret: str = ""
    tls_secret: str = ""
    keys: bytes = b""
    tls_key: bytes = b""
    tls_certificate: bytes = b""
    host_network: bool = False
    pull_policy: str = "IfNotPresent"

    def __post_init__(self) -> None:
        _require(
            1 <= self.replicas <= self.max_replicas,
            f"{self.replicas} to {self.max_replicas} replicas",
            "at least 1, and no more at least than at most",
        )
        _require(
            0.001 <= self.queue_seconds <= 3600, f"queue time {self.queue_seconds}", "0.001 to 3600 seconds"
        )
        fpga = self.service.device == "fpga"
        _require(
            fpga == bool(self.device_resource),
            f"device resource '{self.device_resource}' for {self.service.device}",
            "with --device fpga, and only then, the name by which the cluster's device plugin offers it",
        )
        _require(
            not self.namespace or _NAMESPACE.fullmatch(self.namespace),
            f"namespace '{self.namespace}'",
            "at most 63 lower case letters, digits and '-'",
        )
        for name in (self.keys_secret, self.tls_secret):
            _require(
                not name or _NAME.fullmatch(name), f"secret '{name}'", "lower case letters, digits and '-'"
            )
        labels = {**self.node_selector, **({self.device_resource: ""} if fpga else {})}
        for key, value in labels.items():
            good = _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)
            _require(good, f"label '{key}={value}'", "KEY=VALUE as Kubernetes has labels")
        _require(
            _CPU.fullmatch(self.cpu), f"cpu '{self.cpu}'", "a quantity of 1m or more, such as 2, 0.5, 500m"
        )
        _require(
            _MEMORY.fullmatch(self.memory),
            f"memory '{self.memory}'",
            "a quantity above 0, such as 512Mi, 2Gi",
        )
        for flag in self.service.flags:
            port = flag.partition("=")[2]
            fine = flag_name(flag) != "metrics_port" or (port.isdecimal() and 1 <= int(port) <= 65535)
            _require(fine, f"flag '{flag}'", "a port, 1 to 65535")
        _require(
            bool(self.tls_key) == bool(self.tls_certificate), "TLS", "both key and certificate, or neither"
        )
        _require(not (self.keys and self.keys_secret), "keys", "a file or the name of a Secret, not both")
        _require(not (self.tls_key and self.tls_secret), "TLS", "files or the name of a Secret, not both")
        _require(
            self.pull_policy in PULL_POLICIES, f"pull policy '{self.pull_policy}'", ", ".join(PULL_POLICIES)
        )

    @property
    def keys_from(self) -> str:
        """Name of the Secret with the keys; empty for none."""
        return self.keys_secret or (f"{self.service.name}-keys" if self.keys else "")

    @property
    def tls_from(self) -> str:
        """Name of the Secret with key and certificate; empty for plain text."""
        return self.tls_secret or (f"{self.service.name}-tls" if self.tls_key else "")

    @property
    def metrics_port(self) -> int:
        """Of the metrics alone, which Prometheus reads without a key; 0 where the HTTP port asks for none either."""
        for flag in self.service.flags:
            if flag_name(flag) == "metrics_port":
                return int(flag.partition("=")[2])
        taken = (self.service.grpc_port, self.service.rest_port)
        return next(port for port in _METRICS_PORTS if port not in taken) if self.keys_from else 0

    @property
    def labels(self) -> dict[str, str]:
        """What selects the pods."""
        return {"app.kubernetes.io/name": "accelserve", "app.kubernetes.io/instance": self.service.name}

    def metadata(self, suffix: str = "") -> dict[str, object]:
        """Of an object."""
        there = {"namespace": self.namespace} if self.namespace else {}
        return {"name": self.service.name + suffix, **there, "labels": self.labels}


def _require(holds: object, what: str, expected: str) -> None:
    if not holds:
        raise ServiceError(what, expected)
