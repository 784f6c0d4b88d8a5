"""What the client promises to those who import it."""

import inspect
import json
import subprocess
import sys

import accelserve.client as room
from accelserve.client import AsyncPredictionClient, PredictionClient


def test_the_public_names_are_these() -> None:
    assert room.__all__ == [
        "DEFAULT_MAX_MESSAGE_BYTES",
        "AccessDeniedError",
        "AsyncPredictionClient",
        "CallError",
        "CancelledError",
        "ClientClosedError",
        "ClientError",
        "DeadlineError",
        "InvalidRequestError",
        "MessageTooLargeError",
        "ModelDescription",
        "ModelNotFoundError",
        "ModelSelection",
        "OverloadedError",
        "PredictionClient",
        "RawTensor",
        "RetryPolicy",
        "Scores",
        "ServerError",
        "SignatureDescription",
        "TensorDescription",
        "TlsOptions",
        "UnavailableError",
        "UnexpectedResponseError",
        "VersionStatus",
    ]
    assert all(hasattr(room, name) for name in room.__all__)


def test_both_clients_take_the_same_arguments() -> None:
    def surface(client: type) -> dict[str, list[str]]:
        members = inspect.getmembers(client, inspect.isfunction)
        public = [
            (name, function) for name, function in members if not name.startswith("_") or name == "__init__"
        ]
        return {
            name: [str(each) for each in inspect.signature(function).parameters.values()]
            for name, function in public
        }

    assert surface(PredictionClient) == surface(AsyncPredictionClient)


def test_the_azure_sdks_calls_work_as_they_are_written() -> None:
    parameters = inspect.signature(PredictionClient).parameters
    assert list(parameters)[:5] == ["address", "port", "use_ssl", "access_token", "service_name"]
    for name, expected in {
        "score_file": ["self", "path", "input_name", "outputs", "timeout"],
        "score_numpy_arrays": ["self", "input_map", "outputs"],
        "score_tensors": ["self", "input_map", "outputs", "timeout"],
    }.items():
        accepted = list(inspect.signature(getattr(PredictionClient, name)).parameters)
        assert accepted[: len(expected)] == expected


def test_importing_the_client_imports_grpc_protobuf_numpy_and_nothing_else() -> None:
    program = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        "import accelserve.client\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(new - set(sys.stdlib_module_names))))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=240
    )
    imported = {name for name in json.loads(result.stdout) if not name.startswith("_")}
    # grpc imports its add-ons by itself where they are installed.
    add_ons = {"grpc_health", "grpc_reflection", "grpc_status", "grpc_tools"}
    assert imported - add_ons <= {
        "accelserve",
        "google",
        "grpc",
        "numpy",
        "typing_extensions",
        "cython_runtime",
    }
