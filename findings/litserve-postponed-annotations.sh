#!/usr/bin/env bash
# litserve 0.2.19. An API whose decode_request says the type of its request answers every POST with 422, "Field required"
# in the *query*, once its module has `from __future__ import annotations`: litserve hands the method's annotation to
# FastAPI as it is, a string then, which FastAPI cannot look up in litserve's own module, so that it takes the body for a
# query parameter. Without that import, or without the annotation, the same module answers. FastAPI's own decorators
# do resolve postponed annotations.
# Seen:
#   with the import: 422 {'detail': [{'type': 'missing', 'loc': ['query', 'request'], ...
#   without it: 200 {'double': 6}
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
# The job has a process group of its own, which ends with this script, however that ends.
end() { [ -z "${job:-}" ] || kill -KILL -- "-$job" 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install litserve==0.2.19 httpx==0.28.1
cat >"$folder/doubling.py" <<'PYTHON'
from typing import Any

import litserve


class Doubling(litserve.LitAPI):
    def setup(self, device: str) -> None:
        pass

    def decode_request(self, request: dict[str, Any]) -> int:
        return int(request["number"])

    def predict(self, number: int) -> int:
        return 2 * number

    def encode_response(self, number: int) -> dict[str, int]:
        return {"double": number}
PYTHON
{ echo 'from __future__ import annotations'; cat "$folder/doubling.py"; } >"$folder/doubling_postponed.py"
cat >"$folder/serve.py" <<'PYTHON'
import importlib
import sys

import litserve

if __name__ == "__main__":
    api = importlib.import_module(sys.argv[1]).Doubling()
    litserve.LitServer(api, accelerator="cpu").run(port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False)
PYTHON
cat >"$folder/ask.py" <<'PYTHON'
import socket
import subprocess
import sys
import time

import httpx


def ask(module: str) -> httpx.Response:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "serve.py", module, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                return httpx.post(f"http://127.0.0.1:{port}/predict", json={"number": 3})
            except httpx.ConnectError:
                time.sleep(0.1)
        raise SystemExit("the server did not start")
    finally:
        server.terminate()
        server.wait(60)


postponed, plain = ask("doubling_postponed"), ask("doubling")
print("with the import:", postponed.status_code, postponed.json())
print("without it:", plain.status_code, plain.json())
seen = postponed.status_code == 422 and postponed.json()["detail"][0]["loc"] == ["query", "request"]
raise SystemExit(0 if seen and plain.json() == {"double": 6} else 1)
PYTHON
cd "$folder"
set -m
venv/bin/python ask.py &
job=$!
wait "$job"
