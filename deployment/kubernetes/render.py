"""What a cluster needs, as files."""

from __future__ import annotations

from accelserve.deployment.files import RenderedFile
from accelserve.deployment.kubernetes.access import (
    adapter_rules,
    autoscaler,
    disruption_budget,
    headless_service,
    secrets,
)
from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
from accelserve.deployment.kubernetes.kserve import check_kserve, inference_service, serving_runtime
from accelserve.deployment.kubernetes.workload import deployment
from accelserve.deployment.yaml_text import Document, yaml_text

HEADING = "Written by 'accelserve deploy kubernetes'."


def render_kubernetes(configuration: KubernetesConfiguration) -> dict[str, RenderedFile]:
    """A kustomization and what it lists, for ``kubectl apply --kustomize FOLDER``."""
    objects: dict[str, Document] = {
        "deployment.yaml": deployment(configuration),
        "service.yaml": headless_service(configuration),
        "disruption-budget.yaml": disruption_budget(configuration),
    }
    rendered: dict[str, RenderedFile] = {}
    if configuration.max_replicas > configuration.replicas:
        objects["autoscaler.yaml"] = autoscaler(configuration)
        where = "A part of prometheus-adapter's configuration: it offers the metric that autoscaler.yaml asks for."
        rendered["prometheus-adapter-rules.yaml"] = RenderedFile(
            yaml_text([adapter_rules()], f"{HEADING}\n{where}")
        )
    made = secrets(configuration)
    if made:
        rendered["secrets.yaml"] = RenderedFile(yaml_text(made, HEADING), secret=True)
    rendered |= {name: RenderedFile(yaml_text([each], HEADING)) for name, each in objects.items()}
    return rendered | _kustomization([*objects, *(["secrets.yaml"] if made else [])])


def render_kserve(configuration: KubernetesConfiguration, storage: str) -> dict[str, RenderedFile]:
    """A kustomization of the runtime and a model of it.

    Args:
        configuration: what runs.
        storage: URI of the model's folder.

    Raises:
        ServiceError: something that KServe decides by itself was asked for, or the storage is no URI.
    """
    check_kserve(configuration, storage)
    objects = {
        "serving-runtime.yaml": serving_runtime(configuration),
        "inference-service.yaml": inference_service(configuration, storage),
    }
    rendered = {name: RenderedFile(yaml_text([each], HEADING)) for name, each in objects.items()}
    return rendered | _kustomization(list(objects))


def _kustomization(resources: list[str]) -> dict[str, RenderedFile]:
    """What kubectl applies, and deletes, as a whole."""
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }
    return {"kustomization.yaml": RenderedFile(yaml_text([document], HEADING))}
