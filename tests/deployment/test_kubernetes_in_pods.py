"""Rendered manifests, run for real by podman: it takes Deployments, gives replicas one port of the host, and has no
Services. So two manifests stand for two replicas, and their clients balance, as they do over a headless Service. Secrets are held to
the schemas alone (``kubernetes/test_render.py``): podman 4.3 mounts them as base64, so no server could read them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from accelserve.client import PredictionClient
from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
from accelserve.deployment.kubernetes.render import render_kserve, render_kubernetes
from accelserve.deployment.service import Service
from tests.deployment.conftest import ROOT, BuiltImage, podman
from tests.models.tiny_classifier import PHOTOGRAPHS, publish_tiny_classifier
from tests.server.serve_process import PATIENCE, run

pytestmark = pytest.mark.containers

STUBS = ROOT / ".venv-interop" / "bin" / "python"
KSERVE = ROOT / ".venv-kserve" / "bin" / "python"

# Eight callers of TensorFlow Serving's own stubs; a call that finds its pod gone is made once more, a moment later.
CALLER = """
import json, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
import grpc
warnings.simplefilter("ignore")
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tensorflow.core.framework import tensor_pb2, types_pb2
targets, picture, calls = sys.argv[1], open(sys.argv[2], "rb").read(), int(sys.argv[3])
config = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel("ipv4:" + targets, [("grpc.service_config", config)]))
request = predict_pb2.PredictRequest()
request.inputs["images"].CopyFrom(tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[picture], tensor_shape={"dim": [{"size": 1}]}))
again, lost, done, lock = [], [], [], threading.Lock()
def call(number):
    for attempt in range(2):
        try:
            answer = stub.Predict(request, timeout=60)
            break
        except grpc.RpcError as error:
            (lost if attempt else again).append(error.code().name)
            time.sleep(0.1)
    else:
        return b""
    with lock:
        done.append(number)
        if len(done) == calls * 3 // 10:
            print("now", flush=True)
    return b"".join(answer.outputs[name].SerializeToString() for name in sorted(answer.outputs))
with ThreadPoolExecutor(8) as pool:
    answers = set(pool.map(call, range(calls)))
print(json.dumps({"answered": len(done), "again": again, "lost": lost, "different": len(answers)}))
"""


class Pod:
    """One manifest, played."""

    def __init__(self, configuration: KubernetesConfiguration, folder: Path) -> None:
        self.port = configuration.service.grpc_port
        self.name = f"{configuration.service.name}-pod-0"
        self._file = folder / f"{configuration.service.name}.yaml"
        rendered = render_kubernetes(configuration)
        document = yaml.safe_load(rendered["deployment.yaml"].text)
        # On the host's network podman publishes nothing, and takes a list of ports for the wish to.
        del document["spec"]["template"]["spec"]["containers"][0]["ports"]
        self._file.write_text(yaml.safe_dump(document))
        podman("kube", "play", "--network", "host", str(self._file))

    def wait(self) -> None:
        """Until its readiness probe's question is answered."""
        done = run("healthcheck", f"--address=localhost:{self.port}", f"--wait={PATIENCE - 60}")
        assert done.returncode == 0, done.stderr + podman("logs", f"{self.name}-accelserve")

    def kill(self) -> None:
        podman("pod", "kill", self.name)

    def delete(self) -> None:
        down = ["podman", "kube", "down", str(self._file)]
        subprocess.run(down, capture_output=True, timeout=240, check=False)
        podman("pod", "rm", "--force", "--ignore", self.name)  # one that was killed, podman leaves at times


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny``, version 1, where another user may read it."""
    folder = tmp_path_factory.mktemp("models")
    publish_tiny_classifier(folder)
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    return folder / "models"


@pytest.fixture
def configuration(built_image: BuiltImage, models: Path) -> KubernetesConfiguration:
    service = Service(
        name="pod",
        image=built_image.reference,
        models_folder=str(models),
        flags=("--model_name=tiny", "--file_system_poll_wait_seconds=0.2"),
    )
    return KubernetesConfiguration(
        service=service, replicas=1, max_replicas=1, host_network=True, pull_policy="Never"
    )


@pytest.fixture
def play(
    configuration: KubernetesConfiguration, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Callable[..., Pod]]:
    """``play(name)``: a pod on ports of its own, deleted after the test."""
    played: list[Pod] = []

    def start(name: str) -> Pod:
        service = replace(configuration.service, name=name, grpc_port=free_port(), rest_port=free_port())
        played.append(Pod(replace(configuration, service=service), tmp_path))
        return played[-1]

    yield start
    for pod in played:
        pod.delete()
    assert "pod-" not in podman("pod", "ps", "--format", "{{.Name}}")


def test_a_pod_that_is_killed_among_a_thousand_requests_costs_none(play: Callable[..., Pod]) -> None:
    """Two pods, TensorFlow Serving's stubs, one retry."""
    pods = [play("pod-a"), play("pod-b")]
    for pod in pods:
        pod.wait()
    targets = ",".join(f"127.0.0.1:{pod.port}" for pod in pods)
    calling = subprocess.Popen(
        [str(STUBS), "-W", "ignore", "-c", CALLER, targets, str(PHOTOGRAPHS[0]), "1000"],
        stdout=subprocess.PIPE, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, text=True,
    )  # fmt: skip
    assert calling.stdout is not None
    assert calling.stdout.readline() == "now\n"
    pods[0].kill()
    told = json.loads(calling.communicate(timeout=240)[0])
    assert (told["answered"], told["lost"], told["different"]) == (1000, [], 1), told
    assert set(told["again"]) <= {"UNAVAILABLE", "CANCELLED"}


def test_a_new_version_in_the_repository_rolls_through_the_pods(
    play: Callable[..., Pod], models: Path
) -> None:
    pods = [play("pod-a"), play("pod-b")]
    for pod in pods:
        pod.wait()
    shutil.copytree(models / "tiny" / "1", models / "tiny" / ".unfinished")
    (models / "tiny" / ".unfinished").rename(models / "tiny" / "2")
    for pod in pods:
        with PredictionClient("127.0.0.1", pod.port) as client:
            while 2 not in [each.version for each in client.model_status() if each.state == "AVAILABLE"]:
                pass
            assert np.asarray(client.score_file(PHOTOGRAPHS[0])).shape == (3,)
    shutil.rmtree(models / "tiny" / "2")


# The generated models hold what they know: a field that is unknown to them would not come back.
KSERVE_PROGRAM = """
import json, sys, yaml, kserve.models
from kubernetes import client
for name in dir(kserve.models):
    if name.startswith("V1"):
        setattr(client.models, name, getattr(kserve.models, name))
class Document:
    def __init__(self, value):
        self.data = json.dumps(value)
def lacking(ours, theirs, where):
    if isinstance(ours, dict):
        return [e for k in ours for e in (lacking(ours[k], theirs[k], f"{where}.{k}") if k in theirs else [f"{where}.{k}"])]
    if isinstance(ours, list):
        return [e for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) for e in lacking(a, b, f"{where}[{i}]")]
    return [] if ours == theirs else [where]
for path, kind in zip(sys.argv[1::2], sys.argv[2::2]):
    ours = yaml.safe_load(open(path))
    theirs = client.ApiClient().sanitize_for_serialization(client.ApiClient().deserialize(Document(ours), kind))
    print(lacking(ours, theirs, kind))
"""


def test_kserve_knows_every_field(tmp_path: Path) -> None:
    service = Service(name="tiny", image="tiny", device="fpga", environment={"TZ": "UTC"})
    configuration = KubernetesConfiguration(
        service=service,
        replicas=1,
        max_replicas=1,
        node_selector={"board": "arria10"},
        device_resource="intel.com/fpga",
    )
    kinds = {
        "serving-runtime.yaml": "V1alpha1ClusterServingRuntime",
        "inference-service.yaml": "V1beta1InferenceService",
    }
    words: list[str] = []
    rendered = render_kserve(configuration, "pvc://models/tiny")
    for name, kind in kinds.items():
        (tmp_path / name).write_text(rendered[name].text)
        words += [str(tmp_path / name), kind]
    (tmp_path / "wrong.yaml").write_text("kind: InferenceService\nspec: {predictor: {speed: 9}}\n")
    words += [str(tmp_path / "wrong.yaml"), "V1beta1InferenceService"]
    done = subprocess.run(
        [str(KSERVE), "-W", "ignore", "-c", KSERVE_PROGRAM, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "[]", "['V1beta1InferenceService.spec.predictor.speed']"]
