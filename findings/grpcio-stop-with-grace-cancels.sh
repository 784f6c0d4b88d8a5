#!/usr/bin/env bash
# grpcio 1.85.1. server.stop(grace) "will stop accepting new RPCs": of callers that ask one thing after the other, a quarter to a third see
# their next call end with CANCELLED, which means "cancelled, typically by the caller" and which no retry policy expects,
# although the server has 30 seconds of grace and nothing else to do. The others see UNAVAILABLE.
# https://github.com/grpc/grpc/issues/41785
# Seen: of 120 callers: CANCELLED 27, UNAVAILABLE 93; the shares vary.
# Exits with 0 while some see CANCELLED.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import threading
from collections import Counter
from concurrent import futures

import grpc

CALLERS, ANSWERS_EACH, ROUNDS = 6, 50, 20


class Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


def ask_until_it_fails(port: int, busy: threading.Barrier, codes: "Counter[str]") -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = channel.unary_unary("/example.Echo/Ask")
        for _ in range(ANSWERS_EACH):
            ask(b"", timeout=60)
        busy.wait()
        while True:
            try:
                ask(b"", timeout=60)
            except grpc.RpcError as error:
                codes[error.code().name] += 1
                return


found: "Counter[str]" = Counter()
for _ in range(ROUNDS):
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers([Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    busy = threading.Barrier(CALLERS + 1)
    callers = [threading.Thread(target=ask_until_it_fails, args=(port, busy, found)) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    busy.wait()
    server.stop(30).wait()
    for caller in callers:
        caller.join()
print(f"of {CALLERS * ROUNDS} callers: {', '.join(f'{code} {count}' for code, count in sorted(found.items()))}")
if not found["CANCELLED"]:
    raise SystemExit("grpcio has changed")
PYTHON
