"""A runtime for KServe, and a model that it serves: https://kserve.github.io/website/docs/.

The runtime's arguments are those of KServe's own runtime for TensorFlow Serving, unchanged.
"""

from __future__ import annotations

import re
from typing import Any

from accelserve.deployment.errors import ServiceError
from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
from accelserve.deployment.kubernetes.workload import METRICS_PATH
from accelserve.deployment.service import LEASES, USER, Service

_GRPC, _HTTP = 9000, 8080
_STORAGE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/]\S*")


def check_kserve(configuration: KubernetesConfiguration, storage: str) -> None:
    """ServiceError for what KServe decides by itself, so that nobody believes it was done; or no storage's URI."""
    if not _STORAGE.fullmatch(storage):
        raise ServiceError(
            f"storage '{storage}'", "a URI such as pvc://models/resnet50 or s3://models/resnet50"
        )
    service, plain = configuration.service, Service(name="plain", image="plain")
    ports = (service.grpc_port, service.rest_port) != (plain.grpc_port, plain.rest_port)
    for given, what, instead in (
        (configuration.keys_from, "keys", "none: KServe's ingress checks callers"),
        (configuration.tls_from, "TLS", "none: KServe's ingress ends it"),
        (service.models_folder, "a models folder", "none beside --kserve-storage"),
        (configuration.host_network, "the node's network", "KServe's own"),
        (ports, "ports", f"KServe's own, {_GRPC} and {_HTTP}"),
    ):
        if given:
            raise ServiceError(f"{what} with KServe", instead)


def runtime_name(configuration: KubernetesConfiguration) -> str:
    """Of the runtime, which the whole cluster sees: another deployment's image and flags are another runtime."""
    words = ("accelserve", configuration.namespace, configuration.service.name)
    return "-".join(word for word in words if word)


def serving_runtime(configuration: KubernetesConfiguration) -> dict[str, Any]:
    """How KServe runs a model of ours."""
    service = configuration.service
    flags = ([service.device_flag] if service.device != "cpu" else []) + list(service.flags)
    resources = {"cpu": configuration.cpu, "memory": configuration.memory}
    limits = {"memory": configuration.memory}
    if configuration.device_resource:
        limits[configuration.device_resource] = "1"
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of the container
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    if service.device == "fpga":
        mounts.append({"name": "leases", "mountPath": LEASES})
        volumes.append({"name": "leases", "hostPath": {"path": service.lease_folder, "type": "Directory"}})
    nodes = {"nodeSelector": dict(configuration.node_selector)} if configuration.node_selector else {}
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": runtime_name(configuration), "labels": configuration.labels},
        "spec": {
            "annotations": {
                "prometheus.kserve.io/port": str(_HTTP),
                "prometheus.kserve.io/path": METRICS_PATH,
            },
            "supportedModelFormats": [{"name": "accelserve", "version": "1", "autoSelect": True}],
            "protocolVersions": ["v1", "v2", "grpc-v2"],
            "containers": [
                {
                    "name": "kserve-container",
                    "image": service.image,
                    "imagePullPolicy": configuration.pull_policy,
                    "args": [
                        "--model_name={{.Name}}",
                        f"--port={_GRPC}",
                        f"--rest_api_port={_HTTP}",
                        "--model_base_path=/mnt/models",
                        "--rest_api_timeout_in_ms=60000",
                        *flags,
                    ],
                    "env": [{"name": name, "value": value} for name, value in service.environment.items()],
                    "resources": {"requests": resources, "limits": limits},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "runAsUser": USER,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": mounts,
                }
            ],
            "volumes": volumes,
            **nodes,
        },
    }


def inference_service(configuration: KubernetesConfiguration, storage: str) -> dict[str, Any]:
    """A model of that runtime.

    Args:
        configuration: what runs.
        storage: URI of the model's folder, whose numeric children are versions: ``pvc://models/resnet50``, ``s3://...``.
    """
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": configuration.metadata(),
        "spec": {
            "predictor": {
                "minReplicas": configuration.replicas,
                "maxReplicas": configuration.max_replicas,
                "model": {
                    "modelFormat": {"name": "accelserve"},
                    "runtime": runtime_name(configuration),
                    "storageUri": storage,
                },
            }
        },
    }
