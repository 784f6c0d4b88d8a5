"""The image, built of the checkout and run for real: read-only, as nobody in particular, drained at the end."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from accelserve.client import PredictionClient
from accelserve.deployment.images.context import SBOM
from accelserve.deployment.images.image import Image
from accelserve.models.errors import RecordExistsError, StillUsedError
from accelserve.models.registry.records import DeploymentRecord, Records
from tests.deployment.conftest import BASE, MODEL, BuiltImage, podman
from tests.server.serve_process import PATIENCE, Process, run

pytestmark = pytest.mark.containers

MOST_BYTES_ABOVE_BASE = 400 * 10**6


def pictures(built: BuiltImage) -> list[bytes]:
    return [path.read_bytes() for path in sorted(built.photographs.glob("*.jpg"))]


def scores(server: Process, images: Sequence[bytes]) -> NDArray[Any]:
    with PredictionClient("127.0.0.1", server.port) as client:
        found = client.score_images(images, timeout=PATIENCE)
    assert not isinstance(found, dict)
    return found


def inspected(built: BuiltImage) -> dict[str, Any]:
    (document,) = json.loads(podman("image", "inspect", built.reference))
    assert isinstance(document, dict)
    return document


def test_it_answers_over_grpc_and_rest_as_outside(
    start: Callable[..., Process], built_image: BuiltImage, free_port: Callable[[], int]
) -> None:
    rest_port = free_port()
    inside = start(flags=("--port=0", f"--rest_api_port={rest_port}"))
    images = pictures(built_image)
    found = scores(inside, images)
    outside = Process(
        "--port=0", f"--model_base_path={built_image.repository}/{MODEL}", f"--model_name={MODEL}"
    )
    try:
        np.testing.assert_array_equal(found, scores(outside, images))
    finally:
        outside.stop()
        outside.end()
    body = {"instances": [{"b64": base64.b64encode(image).decode()} for image in images]}
    inside.wait_for("Exporting HTTP/REST API")
    answer = httpx.post(f"http://127.0.0.1:{rest_port}/v1/models/{MODEL}:predict", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(answer.json()["predictions"], found, rtol=1e-6)
    assert not [line for line in inside.lines if "Traceback" in line]


def test_its_first_start_compiles_nothing(start: Callable[..., Process]) -> None:
    server = start()
    server.wait_for("Running gRPC ModelServer")
    assert not [line for line in server.lines if "compil" in line or "cache" in line]


def test_it_runs_as_nobody_in_particular_and_can_write_nowhere(
    start: Callable[..., Process], built_image: BuiltImage
) -> None:
    name = "accelserve-test-user"
    server = start("--name", name)
    server.wait_for("Running gRPC ModelServer")
    status = podman("exec", name, "cat", "/proc/1/status")
    assert re.findall(r"^[UG]id:\s(.*)$", status, re.MULTILINE) == ["10001\t10001\t10001\t10001"] * 2
    script = "import tempfile; tempfile.TemporaryFile()"
    writing = ["podman", "exec", name, "python", "-c", script]
    done = subprocess.run(writing, capture_output=True, text=True, check=False)
    assert "No usable temporary directory" in done.stderr
    assert inspected(built_image)["Config"]["User"] == "10001:10001"


def test_it_needs_no_shell(built_image: BuiltImage) -> None:
    config = inspected(built_image)["Config"]
    assert config["Entrypoint"] == ["/opt/accelserve/bin/accelserve", "serve"]
    assert config.get("Cmd") in (None, [])
    health = inspected(built_image)["Healthcheck"]
    assert health["Test"] == ["CMD", "/opt/accelserve/bin/accelserve", "healthcheck"]


def test_its_health_check_tells_whether_it_serves(start: Callable[..., Process]) -> None:
    name = "accelserve-test-health"
    server = start("--name", name)
    check = ["podman", "exec", name, "accelserve", "healthcheck", "--address"]
    address = f"127.0.0.1:{server.port}"
    done = subprocess.run([*check, address], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "SERVING\n"), done.stderr
    done = subprocess.run([*check, "127.0.0.1:1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_sigterm_finishes_what_is_in_flight(
    start: Callable[..., Process], built_image: BuiltImage, free_port: Callable[[], int]
) -> None:
    rest_port = free_port()
    server = start(flags=("--port=0", f"--rest_api_port={rest_port}", f"--drain_timeout_seconds={PATIENCE}"))
    many = pictures(built_image) * 100
    server.wait_for("Exporting HTTP/REST API")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(scores, server, many)
        page = f"http://127.0.0.1:{rest_port}/monitoring/prometheus/metrics"
        waiting = rf'accelserve_waiting_images{{[^}}]*"{MODEL}"[^}}]*}} [1-9]'
        while not answer.done() and not re.search(waiting, httpx.get(page, timeout=60).text):
            pass
        server.process.send_signal(signal.SIGTERM)
        assert len(answer.result()) == len(many)
    assert server.wait() == 0, server.lines
    server.wait_for("stopped")


def test_a_model_that_is_mounted_is_served_instead(
    start: Callable[..., Process], built_image: BuiltImage
) -> None:
    server = start("--volume", f"{built_image.repository}:/models:ro")
    server.wait_for(f"loaded {MODEL}/1")
    server.wait_for("Running gRPC ModelServer")


def test_it_is_small(built_image: BuiltImage) -> None:
    (base,) = json.loads(podman("image", "inspect", BASE))
    model = sum(path.stat().st_size for path in (built_image.repository / MODEL / "1").iterdir())
    assert built_image.image.record.size_bytes == inspected(built_image)["Size"]
    assert inspected(built_image)["Size"] - base["Size"] - model < MOST_BYTES_ABOVE_BASE


def test_its_labels_say_which_model_it_holds_to_the_byte(built_image: BuiltImage) -> None:
    labels = inspected(built_image)["Labels"]
    assert (labels["accelserve.model"], labels["accelserve.model.version"]) == (MODEL, "1")
    for path in (built_image.repository / MODEL / "1").iterdir():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert labels[f"accelserve.model.sha256.{path.name}"] == digest
    bill = podman("run", "--rm", "--entrypoint", "/bin/cat", built_image.reference, labels["accelserve.sbom"])
    assert labels["accelserve.sbom.sha256"] == hashlib.sha256(bill.encode()).hexdigest()


def test_its_bill_of_materials_is_cyclonedx_and_names_what_is_installed(built_image: BuiltImage) -> None:
    """Judges: the schema, by CycloneDX's own library; and the packages' metadata in the image."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bill = podman("run", "--rm", "--entrypoint", "/bin/cat", built_image.reference, SBOM)
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill) is None
    script = (
        "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
    )
    python = "/opt/accelserve/bin/python"
    installed = podman("run", "--rm", "--entrypoint", python, built_image.reference, "-c", script).split()
    named = sorted(
        f"{each['name']}=={each['version']}"
        for each in json.loads(bill)["components"]
        if each["type"] == "library"
    )
    assert named == installed


def test_the_engine_and_the_repository_agree(built_image: BuiltImage) -> None:
    done = run("image", "list", f"--repository={built_image.repository}", "--json")
    (listed,) = json.loads(done.stdout)
    assert (listed["state"], listed["location"]) == ("succeeded", "podman")
    assert listed["digest"] == f"sha256:{inspected(built_image)['Id']}"
    done = run("image", "show", built_image.reference, f"--repository={built_image.repository}", "--log")
    assert "COMMIT" in done.stdout


def test_a_name_that_is_taken_is_refused(built_image: BuiltImage) -> None:
    with pytest.raises(RecordExistsError, match="is recorded already"):
        Image.create(built_image.repository, built_image.reference, MODEL, engine="podman")
    done = run("image", "build", f"--model={MODEL}", f"--repository={built_image.repository}",
               f"--name={built_image.reference}", "--engine=podman")  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_an_image_that_is_deployed_is_not_deleted(built_image: BuiltImage) -> None:
    records = Records(str(built_image.repository))
    name = "accelserve-test"
    records.add_deployment(
        DeploymentRecord(name=name, kind="edge", model=MODEL, version=1, image=built_image.reference)
    )
    try:
        with pytest.raises(StillUsedError, match=name):
            built_image.image.delete()
    finally:
        records.delete_deployment(name)
    assert podman("image", "inspect", built_image.reference)


def test_a_build_that_fails_leaves_its_log_and_no_image(
    base_image: str, repository: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "accelserve-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("accelserve-0.dist-info/METADATA", "Name: accelserve\nVersion: 0\n")
    (tmp_path / "pip-0-py3-none-any.whl").write_bytes(b"no archive")
    done = run("image", "build", f"--model={MODEL}", f"--repository={repository}", "--name=localhost/broken:1",
               f"--base={base_image}", "--engine=podman", f"--wheels={tmp_path}")  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    found = Image.get(repository, "localhost/broken:1")
    assert found.creation_state == "failed"
    found.delete()
    assert "broken" not in podman("images", "--format", "{{.Repository}}")
    assert not list((repository / ".accelserve" / "logs").rglob("broken*"))
