"""What a cluster is given. Judge: Kubernetes' own schemas, strict, of the oldest and the newest version at hand."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import yaml

from accelserve.deployment.errors import ServiceError
from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
from accelserve.deployment.kubernetes.render import render_kserve, render_kubernetes
from accelserve.deployment.service import Service

CPU = KubernetesConfiguration(service=Service(name="resnet50", image="resnet50:3", drain_delay_seconds=5))
FPGA = KubernetesConfiguration(
    service=Service(
        name="edge",
        image="registry.example/vision/resnet50:3",
        device="fpga",
        others="cpu",
        models_folder="/srv/models",
        flags=("--max_images=32",),
    ),
    namespace="vision",
    replicas=1,
    max_replicas=1,
    device_resource="intel.com/fpga-a10",
    node_selector={"vision/fpga": "a10"},
    keys=b'{"owners": []}',
    tls_key=b"key",
    tls_certificate=b"certificate",
    host_network=True,
    pull_policy="Never",
)
FPGA_ALONE = replace(
    FPGA,
    service=replace(FPGA.service, models_folder="", environment={"BOARD": "a10"}),
    keys=b"",
    tls_key=b"",
    tls_certificate=b"",
    host_network=False,
)
SECRETS = replace(CPU, keys_secret="keys", tls_secret="tls")  # noqa: S106 - names
CONFIGURATIONS = pytest.mark.parametrize(
    "configuration", [CPU, FPGA, SECRETS], ids=["cpu", "fpga", "secrets"]
)


def objects(configuration: KubernetesConfiguration) -> dict[str, list[dict[str, Any]]]:
    """File -> its objects."""
    rendered = render_kubernetes(configuration)
    return {name: list(yaml.safe_load_all(each.text)) for name, each in rendered.items()}


def pod(configuration: KubernetesConfiguration) -> dict[str, Any]:
    (found,) = objects(configuration)["deployment.yaml"]
    spec = found["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def container(configuration: KubernetesConfiguration) -> dict[str, Any]:
    (found,) = pod(configuration)["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", ["1.27", "1.37"])
@CONFIGURATIONS
def test_kubernetes_knows_every_field(
    configuration: KubernetesConfiguration, version: str, kubernetes_validate: ModuleType
) -> None:
    files = objects(configuration)
    (kustomization,) = files.pop("kustomization.yaml")
    files.pop("prometheus-adapter-rules.yaml", None)
    assert set(kustomization["resources"]) == set(files)
    for found in files.values():
        for each in found:
            kubernetes_validate.validate(each, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found(kubernetes_validate: ModuleType) -> None:
    """So that the test above can fail."""
    (deployment,) = objects(CPU)["deployment.yaml"]
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnly"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.37", strict=True)


@CONFIGURATIONS
def test_the_same_configuration_gives_the_same_bytes(configuration: KubernetesConfiguration) -> None:
    assert render_kubernetes(configuration) == render_kubernetes(replace(configuration))


@CONFIGURATIONS
def test_it_is_what_the_restricted_pod_security_standard_asks_for(
    configuration: KubernetesConfiguration,
) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, folders of the node aside."""
    context, own = pod(configuration)["securityContext"], container(configuration)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] != 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert own["readOnlyRootFilesystem"] is True


def test_a_pod_is_given_longer_than_its_drain_takes() -> None:
    assert pod(CPU)["terminationGracePeriodSeconds"] == 45
    assert {"--drain_delay_seconds=5", "--drain_timeout_seconds=30"} <= set(container(CPU)["args"])


def test_probes_ask_grpc_and_over_tls_http() -> None:
    """Kubernetes' gRPC probes speak plain text only."""
    plain, encrypted = container(CPU), container(SECRETS)
    assert plain["readinessProbe"]["grpc"] == plain["startupProbe"]["grpc"] == {"port": 8500}
    live = {"path": "/v2/health/live", "port": 8501}
    assert plain["livenessProbe"]["httpGet"] == live
    assert encrypted["livenessProbe"]["httpGet"] == {**live, "scheme": "HTTPS"}
    assert encrypted["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert "grpc" not in encrypted["readinessProbe"]


def test_clients_see_every_pod_and_balance_themselves() -> None:
    (service,) = objects(CPU)["service.yaml"]
    (deployment,) = objects(CPU)["deployment.yaml"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_the_autoscaler_asks_for_what_the_adapter_makes_of_our_histogram() -> None:
    files = objects(CPU)
    ((autoscaler,), (rules,)) = files["autoscaler.yaml"], files["prometheus-adapter-rules.yaml"]
    (metric,) = autoscaler["spec"]["metrics"]
    (rule,) = rules["rules"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"] == "accelserve_queue_seconds_mean"
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "50m"}
    series = set(re.findall(r"accelserve_\w+", rule["metricsQuery"]))
    assert series == {"accelserve_queue_seconds_sum", "accelserve_queue_seconds_count"}
    (deployment,) = files["deployment.yaml"]
    assert "replicas" not in deployment["spec"]  # an apply would set the autoscaler's number back


def test_a_fixed_number_of_pods_has_no_autoscaler() -> None:
    files = objects(FPGA)
    assert "autoscaler.yaml" not in files
    assert files["deployment.yaml"][0]["spec"]["replicas"] == 1


def test_an_fpga_is_asked_for_and_shared_by_leases() -> None:
    found = container(FPGA)
    assert found["resources"]["limits"]["intel.com/fpga-a10"] == "1"
    assert pod(FPGA)["nodeSelector"] == {"vision/fpga": "a10"}
    assert "--device=fpga:others=cpu,lease_folder=/leases" in found["args"]
    folders = {each["name"]: each["hostPath"]["path"] for each in pod(FPGA)["volumes"] if "hostPath" in each}
    assert folders == {"models": "/srv/models", "leases": "/var/lib/accelserve/leases"}
    strategy = objects(FPGA)["deployment.yaml"][0]["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}  # the new pod waits for the old one's device


def test_secrets_are_rendered_for_their_owner_alone() -> None:
    assert render_kubernetes(FPGA)["secrets.yaml"].secret
    keys, tls = objects(FPGA)["secrets.yaml"]
    assert base64.b64decode(keys["data"]["keys.json"]) == b'{"owners": []}'
    assert tls["type"] == "kubernetes.io/tls"
    assert {name: base64.b64decode(text) for name, text in tls["data"].items()} == {
        "tls.crt": b"certificate",
        "tls.key": b"key",
    }
    mounted = {
        each["name"]: each["secret"]["secretName"] for each in pod(FPGA)["volumes"] if "secret" in each
    }
    assert mounted == {"keys": keys["metadata"]["name"], "tls": tls["metadata"]["name"]}
    assert "secrets.yaml" not in render_kubernetes(SECRETS)


def test_with_keys_prometheus_reads_a_port_that_asks_for_none() -> None:
    """The HTTP port shows the metrics to administrators only, so that the autoscaler would see nothing."""
    scraped = objects(SECRETS)["deployment.yaml"][0]["spec"]["template"]["metadata"]["annotations"]
    assert (scraped["prometheus.io/port"], scraped["prometheus.io/scheme"]) == ("8502", "https")
    assert "--metrics_port=8502" in container(SECRETS)["args"]
    assert {"name": "metrics", "containerPort": 8502} in container(SECRETS)["ports"]
    assert "metrics_port" not in str(objects(CPU))
    chosen = replace(SECRETS, service=replace(SECRETS.service, flags=("--metrics-port=9102",)))
    assert [flag for flag in container(chosen)["args"] if "metrics" in flag] == ["--metrics-port=9102"]
    assert {"name": "metrics", "containerPort": 9102} in container(chosen)["ports"]


@pytest.mark.parametrize(
    ("wrong", "storage", "said"),
    [
        ({"keys": b"x"}, "s3://models/x", "keys with KServe: expected none: KServe's ingress checks callers"),
        ({"tls_secret": "x"}, "s3://models/x", "TLS with KServe: expected none: KServe's ingress ends it"),
        ({"host_network": True}, "s3://models/x", "the node's network with KServe: expected KServe's own"),
        ({"service": replace(CPU.service, grpc_port=9)}, "s3://models/x", "ports with KServe: expected"),
        (
            {"service": replace(CPU.service, models_folder="/x")},
            "s3://models/x",
            "a models folder with KServe",
        ),
        ({}, "", "storage '': expected a URI"),
        ({}, "s3://a b", "storage 's3://a b': expected a URI"),
        ({}, "models/x", "storage 'models/x': expected a URI"),
    ],
)
def test_what_kserve_would_silently_leave_out_is_refused(
    wrong: dict[str, Any], storage: str, said: str
) -> None:
    with pytest.raises(ServiceError, match=re.escape(said)):
        render_kserve(replace(CPU, **wrong), storage)


def test_kserves_pair_is_applied_and_deleted_as_a_whole_and_is_nobody_elses() -> None:
    """A runtime is the whole cluster's: two deployments of one name for it would exchange each other's image."""
    files = {
        name: yaml.safe_load(each.text) for name, each in render_kserve(FPGA_ALONE, "s3://models/x").items()
    }
    assert files.keys() == {"kustomization.yaml", *files["kustomization.yaml"]["resources"]}
    runtime, service = files["serving-runtime.yaml"], files["inference-service.yaml"]
    assert runtime["metadata"]["name"] == "accelserve-vision-edge"
    assert service["spec"]["predictor"]["model"]["runtime"] == "accelserve-vision-edge"
    (other,) = [
        yaml.safe_load(each.text)
        for name, each in render_kserve(CPU, "s3://models/x").items()
        if name == "serving-runtime.yaml"
    ]
    assert other["metadata"]["name"] == "accelserve-resnet50"


def test_kserves_pods_get_variables_nodes_and_leases() -> None:
    rendered = render_kserve(FPGA_ALONE, "s3://models/x")["serving-runtime.yaml"]
    runtime = yaml.safe_load(rendered.text)["spec"]
    (only,) = runtime["containers"]
    assert only["env"] == [{"name": "BOARD", "value": "a10"}]
    assert runtime["nodeSelector"] == {"vision/fpga": "a10"}
    assert {"name": "leases", "mountPath": "/leases"} in only["volumeMounts"]
    assert [each["name"] for each in runtime["volumes"]] == ["tmp", "leases"]


def test_kserve_runs_it_with_the_arguments_of_tensorflow_serving() -> None:
    """Those of KServe's own config/runtimes/kserve-tensorflow-serving.yaml."""
    files = {name: yaml.safe_load(each.text) for name, each in render_kserve(CPU, "pvc://models/x").items()}
    runtime, service = files["serving-runtime.yaml"], files["inference-service.yaml"]
    assert runtime["spec"]["containers"][0]["args"] == [
        "--model_name={{.Name}}",
        "--port=9000",
        "--rest_api_port=8080",
        "--model_base_path=/mnt/models",
        "--rest_api_timeout_in_ms=60000",
    ]
    predictor = service["spec"]["predictor"]
    assert predictor["model"]["runtime"] == runtime["metadata"]["name"]
    assert predictor["model"]["storageUri"] == "pvc://models/x"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"replicas": 0}, "0 to 10 replicas: expected at least 1"),
        ({"replicas": 11}, "11 to 10 replicas: expected"),
        ({"queue_seconds": 0.0}, "queue time 0.0: expected 0.001 to 3600 seconds"),
        ({"queue_seconds": float("nan")}, "queue time nan: expected"),
        ({"device_resource": "intel.com/fpga"}, "device resource 'intel.com/fpga' for cpu: expected"),
        ({"namespace": "Vision"}, "namespace 'Vision': expected"),
        ({"keys_secret": "a/b"}, "secret 'a/b': expected"),
        ({"node_selector": {"a b": "c"}}, "label 'a b=c': expected KEY=VALUE"),
        ({"memory": "much"}, "memory 'much': expected a quantity"),
        ({"memory": "0"}, "memory '0': expected a quantity above 0"),
        ({"memory": "1m"}, "memory '1m': expected a quantity"),
        ({"cpu": "0.0001"}, "cpu '0.0001': expected a quantity of 1m or more"),
        ({"cpu": "1Gi"}, "cpu '1Gi': expected a quantity"),
        ({"namespace": "a.b"}, "namespace 'a.b': expected at most 63"),
        ({"namespace": "a" * 64}, "expected at most 63"),
        ({"tls_key": b"x"}, "TLS: expected both key and certificate"),
        ({"keys": b"x", "keys_secret": "x"}, "keys: expected a file or the name of a Secret"),
        ({"pull_policy": "Sometimes"}, "pull policy 'Sometimes': expected IfNotPresent, Always, Never"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceError, match=re.escape(said)):
        replace(CPU, **wrong)
