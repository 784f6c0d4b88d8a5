"""How clients find the pods, how many there are, and what they prove themselves by."""

from __future__ import annotations

import base64
from typing import Any

from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
from accelserve.deployment.service import KEYS_FILE, TLS_CERTIFICATE, TLS_KEY

QUEUE_METRIC = "accelserve_queue_seconds_mean"
"""What ``adapter_rules`` makes of the server's histogram ``accelserve_queue_seconds``."""


def headless_service(configuration: KubernetesConfiguration) -> dict[str, Any]:
    """A name that means every pod that is ready: a client keeps a connection to each, and balances itself."""
    service = configuration.service
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": configuration.metadata(),
        "spec": {
            "clusterIP": "None",
            "selector": configuration.labels,
            "ports": [
                {"name": "grpc", "port": service.grpc_port, "targetPort": "grpc", "appProtocol": "grpc"},
                {"name": "http", "port": service.rest_port, "targetPort": "http"},
            ],
        },
    }


def autoscaler(configuration: KubernetesConfiguration) -> dict[str, Any]:
    """More pods when pictures wait; the processor's load would say nothing about a device that is not the processor."""
    target = {"type": "AverageValue", "averageValue": f"{round(configuration.queue_seconds * 1000)}m"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": configuration.metadata(),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": configuration.service.name,
            },
            "minReplicas": configuration.replicas,
            "maxReplicas": configuration.max_replicas,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": QUEUE_METRIC}, "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def adapter_rules() -> dict[str, Any]:
    """For prometheus-adapter, which offers the metric to the autoscaler: a part of its configuration, no manifest."""
    per_second = "sum(rate(accelserve_queue_seconds_{}{{<<.LabelMatchers>>}}[2m])) by (<<.GroupBy>>)"
    mean = f"{per_second.format('sum')} / clamp_min({per_second.format('count')}, 1e-9)"  # idle pods: 0
    return {
        "rules": [
            {
                "seriesQuery": 'accelserve_queue_seconds_sum{namespace!="",pod!=""}',
                "resources": {
                    "overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}
                },
                "name": {"matches": "accelserve_queue_seconds_sum", "as": QUEUE_METRIC},
                "metricsQuery": mean,
            }
        ]
    }


def disruption_budget(configuration: KubernetesConfiguration) -> dict[str, Any]:
    """Nodes are drained one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": configuration.metadata(),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": configuration.labels}},
    }


def secrets(configuration: KubernetesConfiguration) -> list[dict[str, Any]]:
    """Secrets of the files that were given; in ``data``, which every engine takes."""
    made = []
    if configuration.keys:
        made.append(_secret(configuration, "-keys", "Opaque", {KEYS_FILE: configuration.keys}))
    if configuration.tls_key:
        pair = {TLS_CERTIFICATE: configuration.tls_certificate, TLS_KEY: configuration.tls_key}
        made.append(_secret(configuration, "-tls", "kubernetes.io/tls", pair))
    return made


def _secret(
    configuration: KubernetesConfiguration, suffix: str, kind: str, files: dict[str, bytes]
) -> dict[str, Any]:
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": configuration.metadata(suffix),
        "type": kind,
        "data": data,
    }
