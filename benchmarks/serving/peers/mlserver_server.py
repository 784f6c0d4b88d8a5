"""MLServer with a custom runtime: its settings files are written, then it takes this process over."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from benchmarks.serving.peers.task import Task


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def main() -> None:
    """Serve the task of the command line."""
    task = Task.from_json(sys.argv[1])
    folder = Path(task.folder)
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "grpc_port": task.port,
        "http_port": _free_port(),
        "metrics_port": _free_port(),
        "metrics_dir": str(folder / "metrics"),
        "grpc_max_message_length": 256 * 2**20,
    }
    model = {
        "name": task.name,
        "implementation": "benchmarks.serving.peers.mlserver_model.Pictures",
        "parameters": {"extra": {"task": sys.argv[1]}},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = [str(Path(sys.executable).with_name("mlserver")), "start", str(folder)]
    os.execve(command[0], command, {**os.environ, "PYTHONPATH": str(Path.cwd())})


if __name__ == "__main__":
    main()
