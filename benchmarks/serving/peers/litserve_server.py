"""LitServe: pictures as base64 in JSON, in the rows that TensorFlow Serving's REST API has; onnxruntime behind."""

import base64  # no "from __future__ import annotations": LitServe reads those of decode_request as they are
import sys
from collections.abc import Mapping
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.peers.onnxruntime_session import loaded
from benchmarks.serving.peers.task import Task


class Pictures(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    """As LitServe's page on image models has it."""

    def __init__(self, task: Task) -> None:
        super().__init__(api_path=f"/v1/models/{task.name}:predict")
        self._task = task

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Make the session, in the worker's process."""
        self._answer = loaded(self._task)

    def decode_request(self, request: dict[str, Any]) -> list[bytes]:
        """JSON to encoded pictures."""
        return [base64.b64decode(row["images"]["b64"]) for row in request["instances"]]

    def predict(self, pictures: list[bytes]) -> Mapping[str, NDArray[np.float32]]:
        """Pictures to arrays."""
        return self._answer(pictures)

    def encode_response(self, output: Mapping[str, NDArray[np.float32]]) -> dict[str, Any]:
        """Arrays to JSON."""
        columns = {name: array.tolist() for name, array in output.items()}
        rows = zip(*columns.values(), strict=True)
        return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def main() -> None:
    """Serve the task of the command line."""
    task = Task.from_json(sys.argv[1])
    server = litserve.LitServer(Pictures(task), accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port=task.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
