"""What a peer is started for: its one command line argument, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A network to serve.

    Attributes:
        name: of the model in requests.
        model: path of the ONNX file.
        preprocess: as ``servable.json`` has it.
        outputs: of the file, which every answer holds.
        threads: cores that there are.
        descriptors: path of a FileDescriptorSet with TensorFlow Serving's messages.
        port: to listen on, of 127.0.0.1; 0 lets the system choose where the framework can.
        folder: empty, for what a framework wants to read or write.
        hint: OpenVINO's performance hint; empty for others.
        spinning: whether onnxruntime's threads wait for work by spinning.
    """

    name: str
    model: str
    preprocess: dict[str, Any]
    outputs: list[str]
    threads: int
    descriptors: str
    port: int
    folder: str
    hint: str = ""
    spinning: bool = True

    def to_json(self) -> str:
        """The argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """The argument read."""
        return cls(**json.loads(text))
