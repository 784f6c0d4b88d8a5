"""grpcio, Pillow and onnxruntime: the plain server that most teams write."""

from __future__ import annotations

import sys

from benchmarks.serving.peers.onnxruntime_session import loaded
from benchmarks.serving.peers.task import Task
from benchmarks.serving.peers.tf_serving import serve


def main() -> None:
    """Serve the task of the command line."""
    task = Task.from_json(sys.argv[1])
    serve(loaded(task), task.name, task.descriptors)


if __name__ == "__main__":
    main()
