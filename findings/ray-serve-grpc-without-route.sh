#!/usr/bin/env bash
# ray[serve] 2.60.0. serve.run's route_prefix: "If set to None, the deployment is not exposed over HTTP", which reads as
# the setting for an application that is asked over gRPC alone. But then Serve's gRPC proxy does not know it either: a call
# without the metadata "application", which is not needed while there is one application, is NOT_FOUND. With a prefix,
# which no gRPC call ever names, the same call is answered.
# Seen:
#   route_prefix=None: NOT_FOUND
#   route_prefix='/': OK b'answer'
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
# The job has a process group of its own, which ends with this script, however that ends.
end() { [ -z "${job:-}" ] || kill -KILL -- "-$job" 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install 'ray[serve]==2.60.0'
cat >"$folder/echoing.py" <<'PYTHON'
import grpc


def _asked(request: bytes, context: grpc.ServicerContext) -> bytes:
    raise NotImplementedError  # Serve puts its own in this place


def add(servicer: object, server: grpc.Server) -> None:
    method = grpc.unary_unary_rpc_method_handler(_asked, request_deserializer=bytes, response_serializer=lambda x: x.SerializeToString())
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("example.Echo", {"Ask": method})])
PYTHON
cat >"$folder/ask.py" <<'PYTHON'
import os
import socket

os.environ["RAY_AUTH_MODE"] = "disabled"

import grpc
import ray
from google.protobuf.wrappers_pb2 import BytesValue
from ray import serve


@serve.deployment
class Echo:
    def Ask(self, request: bytes) -> BytesValue:
        return BytesValue(value=b"answer")


def ask(port: int) -> str:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/example.Echo/Ask", request_serializer=bytes, response_deserializer=BytesValue.FromString)
        try:
            return f"OK {call(b'', timeout=60, wait_for_ready=True).value!r}"
        except grpc.RpcError as error:
            return error.code().name


with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
    grpc_port, http_port = one.getsockname()[1], two.getsockname()[1]
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
serve.start(http_options={"port": http_port}, grpc_options={"port": grpc_port, "grpc_servicer_functions": ["echoing.add"]})
answers = []
for prefix in (None, "/"):
    serve.run(Echo.bind(), name="echo", route_prefix=prefix)
    answers.append(ask(grpc_port))
    print(f"route_prefix={prefix!r}: {answers[-1]}", flush=True)
    serve.delete("echo")
serve.shutdown()
ray.shutdown()
raise SystemExit(0 if answers == ["NOT_FOUND", "OK b'answer'"] else 1)
PYTHON
cd "$folder"
set -m
PYTHONPATH="$folder" venv/bin/python ask.py 2>"$folder/log" &
job=$!
wait "$job" || { code=$?; tail -5 "$folder/log"; exit "$code"; }
