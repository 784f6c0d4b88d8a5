"""The custom runtime that MLServer loads: pictures as BYTES, onnxruntime behind."""

from __future__ import annotations

import asyncio

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.serving.peers.onnxruntime_session import loaded
from benchmarks.serving.peers.task import Task


class Pictures(MLModel):  # type: ignore[misc, unused-ignore]
    """As MLServer's page on custom inference runtimes has it; what computes runs in a thread, off the event loop."""

    async def load(self) -> bool:
        """Make the session."""
        self._answer = loaded(Task.from_json(self.settings.parameters.extra["task"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request for any number of pictures."""
        pictures = list(payload.inputs[0].data.root)
        found = await asyncio.to_thread(self._answer, pictures)
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output(name, array) for name, array in found.items()],
        )
