"""The Deployment: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/."""

from __future__ import annotations

from typing import Any

from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
from accelserve.deployment.service import KEYS_FOLDER, LEASES, MODELS, TLS_FOLDER, USER, flag_name

_START_SECONDS, _START_PERIOD = 900, 5
_CHANNEL = "--grpc_channel_arguments"
_CONNECTION_AGE_MS = 60_000
"""After that a client connects anew, which is when it looks for pods that came meanwhile."""
METRICS_PATH = "/monitoring/prometheus/metrics"


def deployment(configuration: KubernetesConfiguration) -> dict[str, Any]:
    """Pods of one container, replaced one after the other."""
    fpga = configuration.service.device == "fpga"
    # A new pod beside the old one needs room on a node; a new pod beside an old one's FPGA never gets it.
    surge, unavailable = (0, 1) if fpga else (1, 0)
    alone = (
        {"replicas": configuration.replicas} if configuration.max_replicas == configuration.replicas else {}
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": configuration.metadata(),
        "spec": {
            **alone,  # else the autoscaler's, which every other apply would set back
            "selector": {"matchLabels": configuration.labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
            },
            "template": {
                "metadata": {"labels": configuration.labels, "annotations": _scraped(configuration)},
                "spec": _pod(configuration),
            },
        },
    }


def _scraped(configuration: KubernetesConfiguration) -> dict[str, str]:
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/scheme": "https" if configuration.tls_from else "http",
        # With keys the HTTP port shows the metrics to administrators only.
        "prometheus.io/port": str(configuration.metrics_port or configuration.service.rest_port),
        "prometheus.io/path": METRICS_PATH,
    }


def _pod(configuration: KubernetesConfiguration) -> dict[str, Any]:
    service = configuration.service
    mounts, volumes = _volumes(configuration)
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": service.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(configuration, mounts)],
        "volumes": volumes,
    }
    if configuration.node_selector:
        pod["nodeSelector"] = dict(configuration.node_selector)
    if configuration.host_network:
        pod["hostNetwork"] = True
    return pod


def _container(configuration: KubernetesConfiguration, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    service = configuration.service
    limits = {"memory": configuration.memory}
    if configuration.device_resource:
        limits[configuration.device_resource] = "1"
    flags = service.serve_flags(keys=bool(configuration.keys_from), tls=bool(configuration.tls_from))
    if not any(flag_name(flag) == flag_name(_CHANNEL) for flag in flags):
        flags.append(f"{_CHANNEL}=grpc.max_connection_age_ms={_CONNECTION_AGE_MS}")
    ports = {"grpc": service.grpc_port, "http": service.rest_port}
    if configuration.metrics_port:
        ports["metrics"] = configuration.metrics_port
        if not any(flag_name(flag) == "metrics_port" for flag in flags):
            flags.append(f"--metrics_port={configuration.metrics_port}")
    return {
        "name": "accelserve",
        "image": service.image,
        "imagePullPolicy": configuration.pull_policy,
        "args": flags,
        "env": [{"name": name, "value": value} for name, value in service.environment.items()],
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        "resources": {
            "requests": {"cpu": configuration.cpu, "memory": configuration.memory},
            "limits": limits,  # none of the processor: it would be taken away in the middle of a picture
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **_probes(configuration),
        "volumeMounts": mounts,
    }


def _probes(configuration: KubernetesConfiguration) -> dict[str, Any]:
    """Ready by gRPC's health; alive by HTTP's, which says so while models load and while the server drains.

    Kubernetes asks gRPC in plain text only, and over HTTPS looks at no certificate: so with TLS it asks over that.
    """
    port = configuration.service.rest_port
    https = {"scheme": "HTTPS"} if configuration.tls_from else {}
    alive = {"httpGet": {"path": "/v2/health/live", "port": port, **https}}
    ready: dict[str, Any] = {"grpc": {"port": configuration.service.grpc_port}}
    if configuration.tls_from:
        ready = {"httpGet": {"path": "/v2/health/ready", "port": port, **https}}
    return {
        "startupProbe": {
            **ready,
            "periodSeconds": _START_PERIOD,
            "failureThreshold": _START_SECONDS // _START_PERIOD,
        },
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 2},
        "livenessProbe": {**alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def _volumes(
    configuration: KubernetesConfiguration,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is mounted, and where it comes from."""
    service = configuration.service
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of the container
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    for name, secret, folder in (
        ("keys", configuration.keys_from, KEYS_FOLDER),
        ("tls", configuration.tls_from, TLS_FOLDER),
    ):
        if secret:
            mounts.append({"name": name, "mountPath": folder, "readOnly": True})
            # A pod without its secret does not start; podman 4.3 wants that said.
            volumes.append({"name": name, "secret": {"secretName": secret, "optional": False}})
    if service.models_folder:
        mounts.append({"name": "models", "mountPath": MODELS, "readOnly": True})
        volumes.append({"name": "models", "hostPath": {"path": service.models_folder, "type": "Directory"}})
    if service.device == "fpga":
        mounts.append({"name": "leases", "mountPath": LEASES})
        volumes.append({"name": "leases", "hostPath": {"path": service.lease_folder, "type": "Directory"}})
    return mounts, volumes
