#!/usr/bin/env bash
# grpcio 1.85.1. timeout=math.inf, which asyncio takes for "no limit" and locks refuse, ends a call before it begins:
# DEADLINE_EXCEEDED. So does any timeout that ends more than 2^63 nanoseconds (292 years) after 1970, threading.TIMEOUT_MAX,
# "the maximum value allowed for the timeout parameter" of locks, among them: a time that overflows is a time long past.
# grpc.aio does the same; None means no limit.
# Seen:
#   timeout=1e+09: answered
#   timeout=threading.TIMEOUT_MAX: DEADLINE_EXCEEDED
#   timeout=inf: DEADLINE_EXCEEDED
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import math
import threading
from concurrent import futures

import grpc
import grpc.aio


class Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


server = grpc.server(futures.ThreadPoolExecutor(1))
server.add_generic_rpc_handlers([Echo()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()


def outcome(timeout: float | None) -> str:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary("/example.Echo/Ask")(b"", timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            return error.code().name
        return "answered"


async def awaited(timeout: float | None) -> str:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            await channel.unary_unary("/example.Echo/Ask")(b"", timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            return error.code().name
        return "answered"


for name, timeout, seen in (
    ("None", None, "answered"),
    ("1e+09", 1e9, "answered"),
    ("threading.TIMEOUT_MAX", threading.TIMEOUT_MAX, "DEADLINE_EXCEEDED"),
    ("inf", math.inf, "DEADLINE_EXCEEDED"),
):
    found = outcome(timeout)
    print(f"timeout={name}: {found}")
    if {found, asyncio.run(awaited(timeout))} != {seen}:
        raise SystemExit("grpcio has changed")
server.stop(None).wait()
PYTHON
