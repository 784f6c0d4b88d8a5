#!/usr/bin/env bash
# grpcio 1.85.1. A status whose message is long reaches the client with another code: RESOURCE_EXHAUSTED, which retry policies
# take for a reason to try again. Messages travel in HTTP/2 trailers, of which grpcio's clients refuse what is over 16 KiB,
# and between 8 and 16 KiB each with a probability that grows: the same call fails with one code now and with another one
# then. The limit is of the percent-encoded form, in which a character of Chinese has nine bytes: 1,300 are enough.
# Servers get no error and log nothing.
# Seen, of 100 calls that a server aborts with INVALID_ARGUMENT:
#   8,000 times 'x': {'INVALID_ARGUMENT': 100}
#   12,000 times 'x': {'INVALID_ARGUMENT': 58, 'RESOURCE_EXHAUSTED': 42}
#   17,000 times 'x': {'RESOURCE_EXHAUSTED': 100}
#   1,300 times '图': {'INVALID_ARGUMENT': 56, 'RESOURCE_EXHAUSTED': 44}
#   2,000 times '图': {'RESOURCE_EXHAUSTED': 100}
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
from collections import Counter
from concurrent import futures

import grpc


class Refusing(grpc.GenericRpcHandler):
    """Aborts with the request as the message."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, request.decode())

        return grpc.unary_unary_rpc_method_handler(refuse)


def codes(call: grpc.UnaryUnaryMultiCallable, message: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(100):
        try:
            call(message.encode(), timeout=60)
        except grpc.RpcError as error:
            found[error.code().name] += 1
    return found


server = grpc.server(futures.ThreadPoolExecutor(1))
server.add_generic_rpc_handlers([Refusing()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
WRONG, RIGHT = "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    call = channel.unary_unary("/example.Service/Method")
    for count, character, expected in (
        (8_000, "x", {RIGHT}), (12_000, "x", {RIGHT, WRONG}), (17_000, "x", {WRONG}), (1_300, "图", {RIGHT, WRONG}), (2_000, "图", {WRONG}),
    ):
        found = codes(call, count * character)
        print(f"{count:,} times {character!r}: {dict(found)}")
        if set(found) != expected:
            raise SystemExit("grpcio has changed")
server.stop(None).wait()
PYTHON
