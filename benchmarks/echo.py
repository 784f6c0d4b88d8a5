"""The smallest gRPC server in Python: it answers so many bytes, whatever it is sent. Ends with its standard input.

python -m benchmarks.echo BYTES
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

METHOD = "/echo/Echo"


class _Echo(grpc.GenericRpcHandler):
    def __init__(self, answer: bytes) -> None:
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
            lambda _request, _context: answer
        )

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return self._handler


def main(answer_bytes: str) -> None:
    """Say the port, and answer until standard input ends."""
    server = grpc.server(ThreadPoolExecutor(8), handlers=[_Echo(bytes(int(answer_bytes)))])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
