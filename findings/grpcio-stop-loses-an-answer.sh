#!/usr/bin/env bash
# grpcio 1.85.1. server.stop(grace) is documented to let what is in flight finish, for so long. A call counts as finished once its
# answer is with the operating system: the connection is closed at that moment, whatever of the answer still waits to be sent. The
# next word of the client, which tells over HTTP/2 how much it has read, then meets a closed socket, TCP resets the connection
# (RFC 9293, section 3.6.1), and the rest is gone. So a client behind a slow line loses an answer that the server believes
# sent, with a minute of grace left. An answer of 60,000 bytes, below HTTP/2's first window, is enough; larger ones are lost the
# more easily. Closing only when the connection's send queue is empty (tx_queue in proc_pid_net(5)) avoids it.
# Seen, an answer of 60,000 bytes, behind a line that takes 4 KiB at a time:
#   server runs on: 60000 bytes
#   server stops with 60 s of grace: ended with bytes unsent, client UNAVAILABLE
# Exits with 0 while that is so, and with 77 where the system is not Linux.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

if not sys.platform.startswith("linux"):
    raise SystemExit(77)

SIZE = 60_000
GREETING = 1000  # bytes, more than HTTP/2's settings take


def unsent(port):
    tables = (Path(f"/proc/net/{name}") for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[0], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] != "0A")


def forth(client, server):
    with contextlib.suppress(OSError):
        while said := client.recv(65536):
            server.sendall(said)


def back(server, client, may_go_on):
    heard = 0
    with contextlib.suppress(OSError):
        while said := server.recv(4096):
            heard += len(said)
            if heard > GREETING:
                may_go_on.wait()
                time.sleep(0.02)  # a slow line: the client says what it has read before the rest is there
            client.sendall(said)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def outcome(stops):
    handler = grpc.method_handlers_generic_handler(
        "findings.Bytes", {"Get": grpc.unary_unary_rpc_method_handler(lambda request, context: bytes(SIZE))}
    )
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    line, may_go_on = socket.create_server(("127.0.0.1", 0)), threading.Event()
    to_server = socket.socket()
    to_server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    to_server.connect(("127.0.0.1", port))
    with grpc.insecure_channel(f"127.0.0.1:{line.getsockname()[1]}") as channel:
        answer = channel.unary_unary("/findings.Bytes/Get").future(b"", timeout=60)
        client, _ = line.accept()
        line.close()
        threads = [
            threading.Thread(target=forth, args=(client, to_server)),
            threading.Thread(target=back, args=(to_server, client, may_go_on)),
        ]
        for each in threads:
            each.start()
        while unsent(port) < SIZE // 4:  # the whole answer is with the system, and nobody reads it yet
            time.sleep(0.01)
        begin = time.monotonic()
        if stops:
            server.stop(60).wait()
        assert time.monotonic() - begin < 30
        left = unsent(port)
        may_go_on.set()
        code = answer.code()
        found = f"{len(answer.result())} bytes" if code is grpc.StatusCode.OK else f"client {code.name}"
    server.stop(None).wait()
    for each in (client, to_server):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    for each in threads:
        each.join()
    return found, left > 0


kept, lost = outcome(stops=False), outcome(stops=True)
print(f"server runs on: {kept[0]}")
print(f"server stops with 60 s of grace: ended {'with bytes unsent' if lost[1] else 'with everything sent'}, {lost[0]}")
raise SystemExit((kept[0], lost) != (f"{SIZE} bytes", ("client UNAVAILABLE", True)))
PYTHON
