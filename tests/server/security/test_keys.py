"""A server with a keys file answers who holds a key, for the models that the key opens, over both protocols."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import grpc
import httpx
import numpy as np
import pytest

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import inference
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import HealthService, InferenceService, ModelService, PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.auth.keyring import KeyRing, key_of
from accelserve.server.auth.keys_file import (
    KeysFile,
    Owner,
    change_keys,
    hash_of,
    new_key,
    read_keys,
    with_key,
)
from accelserve.server.config import RestConfig, SecurityConfig
from accelserve.server.errors import ConfigurationError, UnauthenticatedError

Serve = Callable[..., SimpleNamespace]
CODE = grpc.StatusCode
PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))
KEYS = {name: new_key() for name in ("everything", "colour", "colour-spare", "operator", "half-operator")}


def owners() -> KeysFile:
    colour = with_key(Owner(name="colour", models=("colour",)), "primary", KEYS["colour"])
    return KeysFile(
        owners=(
            with_key(Owner(name="everything"), "primary", KEYS["everything"]),
            with_key(colour, "secondary", KEYS["colour-spare"]),
            with_key(Owner(name="operator", admin=True), "primary", KEYS["operator"]),
            with_key(Owner(name="half", admin=True, models=("other",)), "primary", KEYS["half-operator"]),
        )
    )


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    change_keys(path, lambda _: owners())
    return path


@pytest.fixture
def server(serve: Serve, keys_file: Path) -> SimpleNamespace:
    """Two models, both frontends, keys looked at often."""
    started = serve(
        models={"colour": {1: "1.0"}, "other": {1: "2.0"}},
        rest=RestConfig(address="127.0.0.1", port=0),
        server_settings={"security": SecurityConfig(keys_file=keys_file, poll_seconds=0.02)},
    )
    started.url = f"http://127.0.0.1:{started.server.rest_port}"
    return started


def predict(
    server: SimpleNamespace, *metadata: tuple[str, str], model: str | None = "colour"
) -> serving.PredictResponse:
    spec = None if model is None else serving.ModelSpec(name=model)
    request = serving.PredictRequest(model_spec=spec, inputs={"images": PIXEL})
    return PredictionService.PREDICT.stub(server.channel)(request, timeout=60, metadata=metadata)


def refusal(server: SimpleNamespace, *metadata: tuple[str, str], model: str = "colour") -> tuple[CODE, str]:
    with pytest.raises(grpc.RpcError) as caught:
        predict(server, *metadata, model=model)
    return caught.value.code(), str(caught.value.details())


@pytest.mark.parametrize("form", ["{}", "bearer {}", "Bearer {}", "BEARER {}", "Bearer   {}"])
def test_every_form_of_the_header(server: SimpleNamespace, form: str) -> None:
    predict(server, ("authorization", form.format(KEYS["colour"])))


@pytest.mark.parametrize("slot", ["colour", "colour-spare"])
def test_primary_and_secondary_open_the_same(server: SimpleNamespace, slot: str) -> None:
    predict(server, ("authorization", KEYS[slot]))


@pytest.mark.parametrize("value", ["", "Bearer ", "bearer", "Bearer"])
def test_no_key(server: SimpleNamespace, value: str) -> None:
    words = "no key in 'authorization'; send 'Bearer KEY'"
    assert refusal(server, ("authorization", value)) == (CODE.UNAUTHENTICATED, words)
    assert refusal(server) == (CODE.UNAUTHENTICATED, words)


@pytest.mark.parametrize(
    "key",
    ["wrong", KEYS["colour"][:-1], KEYS["colour"] + "a", hash_of(KEYS["colour"])],
    ids=["another word", "a character short", "a character long", "its hash"],
)
def test_a_wrong_key(server: SimpleNamespace, key: str) -> None:
    words = "the key in 'authorization' is not valid"
    assert refusal(server, ("authorization", f"Bearer {key}")) == (CODE.UNAUTHENTICATED, words)


def test_a_key_of_absurd_length_is_not_even_hashed(keys_file: Path) -> None:
    with pytest.raises(UnauthenticatedError, match="longer than 1024 characters"):
        KeyRing(keys_file).caller("Bearer " + "a" * 1025)


def test_a_key_opens_its_models_only(server: SimpleNamespace) -> None:
    key = ("authorization", KEYS["colour"])
    code, words = refusal(server, key, model="other")
    assert (code, words) == (CODE.PERMISSION_DENIED, "the key of 'colour' does not open model other")
    # Not even whether a model exists is told.
    assert refusal(server, key, model="nothing")[0] is CODE.PERMISSION_DENIED
    predict(server, ("authorization", KEYS["everything"]), model="other")


@pytest.mark.parametrize(
    ("method", "request_message"),
    [
        (
            PredictionService.GET_MODEL_METADATA,
            serving.GetModelMetadataRequest(metadata_field=["signature_def"]),
        ),
        (ModelService.GET_MODEL_STATUS, serving.GetModelStatusRequest()),
    ],
    ids=["metadata", "status"],
)
def test_scopes_hold_for_every_method(
    server: SimpleNamespace, method: object, request_message: object
) -> None:
    request_message.model_spec.name = "other"  # type: ignore[attr-defined]
    with pytest.raises(grpc.RpcError) as caught:
        method.stub(server.channel)(  # type: ignore[attr-defined]
            request_message, timeout=60, metadata=(("authorization", KEYS["colour"]),)
        )
    assert caught.value.code() is CODE.PERMISSION_DENIED


def test_scopes_hold_for_the_open_inference_protocol(server: SimpleNamespace) -> None:
    request = inference.ModelMetadataRequest(name="other")
    with pytest.raises(grpc.RpcError) as caught:
        InferenceService.MODEL_METADATA.stub(server.channel)(
            request, timeout=60, metadata=(("authorization", KEYS["colour"]),)
        )
    assert caught.value.code() is CODE.PERMISSION_DENIED


def test_reloading_needs_an_operators_key(server: SimpleNamespace) -> None:
    stub = ModelService.HANDLE_RELOAD_CONFIG_REQUEST.stub(server.channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub(serving.ReloadConfigRequest(), timeout=60, metadata=(("authorization", KEYS["everything"]),))
    assert caught.value.code() is CODE.PERMISSION_DENIED
    with pytest.raises(grpc.RpcError) as caught:
        stub(serving.ReloadConfigRequest(), timeout=60, metadata=(("authorization", KEYS["operator"]),))
    assert caught.value.code() is CODE.INVALID_ARGUMENT  # the key opens it; the message makes no sense


def test_health_needs_no_key(server: SimpleNamespace) -> None:
    answer = HealthService.CHECK.stub(server.channel)(health.HealthCheckRequest(), timeout=60)
    assert answer.status == health.HealthCheckResponse.SERVING
    watched = HealthService.WATCH.stub(server.channel)(health.HealthCheckRequest(), timeout=60)
    assert next(iter(watched)).status == health.HealthCheckResponse.SERVING
    watched.cancel()
    assert httpx.get(f"{server.url}/v2/health/ready", timeout=60).status_code == 200


def test_the_azure_route_may_choose_the_model(server: SimpleNamespace) -> None:
    key = ("authorization", f"Bearer {KEYS['everything']}")
    route = "x-ms-aml-grpc-service-route"
    assert predict(server, key, (route, "/api/v1/service/other"), model=None).model_spec.name == "other"
    # What the request itself says counts more, and what makes no sense is overlooked.
    assert predict(server, key, (route, "/api/v1/service/other"), model="colour").model_spec.name == "colour"
    for tolerated in ("", "/somewhere", "/api/v1/service/unknown"):
        assert predict(server, key, (route, tolerated)).model_spec.name == "colour"
    code, _ = refusal(server, ("authorization", KEYS["colour"]), (route, "/api/v1/service/other"), model="")
    assert code is CODE.PERMISSION_DENIED


def test_a_route_needs_no_keys_file(serve: Serve) -> None:
    server = serve(models={"colour": {1: "1.0"}, "other": {1: "2.0"}})
    answer = predict(server, ("x-ms-aml-grpc-service-route", "/api/v1/service/other"), model=None)
    assert answer.model_spec.name == "other"


def test_http_asks_for_the_same_keys(server: SimpleNamespace) -> None:
    def get(path: str, key: str | None) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.get(server.url + path, headers=headers, timeout=60)

    assert get("/v1/models/colour", KEYS["colour"]).status_code == 200
    unknown = get("/v1/models/colour", None)
    assert (unknown.status_code, unknown.json()) == (
        401,
        {"error": "no key in 'authorization'; send 'Bearer KEY'"},
    )
    assert unknown.headers["www-authenticate"] == "Bearer"
    denied = get("/v1/models/other", KEYS["colour"])
    assert (denied.status_code, denied.json()) == (
        403,
        {"error": "the key of 'colour' does not open model other"},
    )
    assert get("/V1/Models/colour", KEYS["colour"]).status_code == 200
    assert get("/V1/Models/other", KEYS["colour"]).status_code == 403
    assert get("/v2/models/other", KEYS["colour"]).status_code == 403
    body = {"instances": np.zeros((1, 8, 8, 3)).tolist()}
    for model, expected in (("colour", 200), ("other", 403)):
        answer = httpx.post(
            f"{server.url}/v1/models/{model}:predict",
            json=body,
            headers={"authorization": KEYS["colour"]},
            timeout=240,
        )
        assert answer.status_code == expected, answer.text


@pytest.mark.parametrize(
    ("key", "models"), [("everything", ["colour", "other"]), ("colour", ["colour"])], ids=["all", "one"]
)
def test_lists_hold_the_callers_models(server: SimpleNamespace, key: str, models: list[str]) -> None:
    headers = {"authorization": KEYS[key]}
    listed = httpx.get(f"{server.url}/v1/models", headers=headers, timeout=60).json()["models"]
    assert [model["name"] for model in listed] == models
    indexed = httpx.post(f"{server.url}/v2/repository/index", headers=headers, timeout=60).json()
    assert [entry["name"] for entry in indexed] == models
    answer = InferenceService.REPOSITORY_INDEX.stub(server.channel)(
        inference.RepositoryIndexRequest(), timeout=60, metadata=(("authorization", KEYS[key]),)
    )
    assert [entry.name for entry in answer.models] == models


@pytest.mark.parametrize(
    ("key", "models"), [("operator", ["colour", "other"]), ("half-operator", ["other"])], ids=["all", "one"]
)
def test_the_status_page_shows_the_operators_models(
    server: SimpleNamespace, key: str, models: list[str]
) -> None:
    auth = ("anybody", KEYS[key])
    shown = httpx.get(f"{server.url}/status/models", auth=auth, timeout=60).json()["models"]
    assert [model["name"] for model in shown] == models
    tried = httpx.post(f"{server.url}/status/try/colour", content=b"", auth=auth, timeout=60)
    assert (tried.status_code == 403) is ("colour" not in models)
    assert httpx.get(f"{server.url}/monitoring/prometheus/metrics", auth=auth, timeout=60).status_code == 200


@pytest.mark.parametrize("path", ["/", "/monitoring/prometheus/metrics", "/status/models"])
def test_pages_about_the_whole_server_are_the_operators(server: SimpleNamespace, path: str) -> None:
    url = server.url + path
    asked = httpx.get(url, timeout=60)
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic")  # a browser asks its person
    assert httpx.get(url, auth=("anybody", KEYS["everything"]), timeout=60).status_code == 403
    assert httpx.get(url, auth=("anybody", KEYS["operator"]), timeout=60).status_code == 200


def wait_until(holds: Callable[[], bool]) -> None:
    """Every round trip gives the server time; the test's own timeout ends a server that never notices."""
    while not holds():
        pass


def test_changes_of_the_file_count_without_a_restart(server: SimpleNamespace, keys_file: Path) -> None:
    fresh = new_key()
    with pytest.raises(grpc.RpcError):
        predict(server, ("authorization", fresh))
    change_keys(keys_file, lambda file: file.with_owner(with_key(Owner(name="new"), "primary", fresh)))

    def opens(key: str) -> bool:
        try:
            predict(server, ("authorization", key))
        except grpc.RpcError:
            return False
        return True

    wait_until(lambda: opens(fresh))
    change_keys(keys_file, lambda file: file.without("new"))
    wait_until(lambda: not opens(fresh))
    assert opens(KEYS["colour"])


def test_a_broken_file_leaves_the_keys_as_they_were(
    keys_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring = KeyRing(keys_file)
    keys_file.write_text("{")
    ring.reload()
    assert ring.caller(KEYS["colour"]).owner.name == "colour"
    assert "the keys stay as they were" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no keys file"),
        ('{"format": 2}', "has format 2; this server reads format 1"),
        ('{"owners": [{"name": "a"}, {"name": "a"}]}', "lists an owner twice"),
        ('{"owners": [{"name": "a", "key": "x"}]}', "unknown field `key`"),
    ],
)
def test_what_is_no_keys_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        read_keys(tmp_path / "keys")


def test_a_bare_key_and_a_bearers_are_the_same() -> None:
    assert key_of("Bearer abc") == key_of("abc") == "abc"


def keys(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelserve.server.cli", "keys", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=240, check=False)


def test_the_command_adds_lists_rotates_and_removes(tmp_path: Path) -> None:
    file = f"--file={tmp_path}/keys.json"
    added = keys("add", "camera", file, "--model=colour")
    assert added.returncode == 0, added.stderr
    made = dict(line.split() for line in added.stdout.splitlines())
    ring = KeyRing(tmp_path / "keys.json")
    for slot in ("primary", "secondary"):
        assert ring.caller(made[slot]).owner.models == ("colour",)
        assert made[slot] not in (tmp_path / "keys.json").read_text()
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0

    listed = keys("list", file).stdout
    assert listed == (
        f"camera: colour; primary {hash_of(made['primary'])[:8]}, secondary {hash_of(made['secondary'])[:8]}\n"
    )
    rotated = keys("rotate", "camera", file, "--slot=primary").stdout.split()[1]
    ring.reload()
    assert ring.caller(rotated).owner.name == ring.caller(made["secondary"]).owner.name == "camera"
    with pytest.raises(UnauthenticatedError):
        ring.caller(made["primary"])

    assert keys("add", "camera", file).returncode == 1
    assert keys("remove", "camera", file).returncode == 0
    gone = keys("rotate", "camera", file)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "'camera' has no keys in" in gone.stderr


def test_a_key_that_clients_hold_already_can_be_brought_along(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    short = keys("add", "old", f"--file={path}", "--key-from-stdin", stdin="secret\n")
    assert (short.returncode, path.exists()) == (1, False)
    assert "at least 32 characters, got 6" in short.stderr
    brought = "0123456789abcdef0123456789abcdef"
    done = keys("add", "old", f"--file={path}", "--key-from-stdin", stdin=f"{brought}\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert KeyRing(path).caller(f"bearer {brought}").owner.name == "old"
