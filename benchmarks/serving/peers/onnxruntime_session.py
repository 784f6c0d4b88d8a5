"""A session of onnxruntime behind Pillow, as every server of onnxruntime here has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.serving.peers.pictures import normalizer, reader
from benchmarks.serving.peers.task import Task

Answer = Callable[[list[bytes]], Mapping[str, NDArray[np.float32]]]


def loaded(task: Task) -> Answer:
    """A warmed session that takes a batch of any size as one call; the pictures of a batch are decoded side by side.

    Thread count as onnxruntime's documentation of thread management has it: a pool of as many as there are cores, which
    all callers' runs share; every graph optimization, which is the default.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = task.threads
    if not task.spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(task.model, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    read, normalize = reader(task.preprocess), normalizer(task.preprocess)
    decoders = ThreadPoolExecutor(task.threads)

    def answer(pictures: list[bytes]) -> Mapping[str, NDArray[np.float32]]:
        several = len(pictures) > 1
        pixels = list(decoders.map(read, pictures)) if several else [read(pictures[0])]
        values = session.run(task.outputs, {given: normalize(pixels)})
        return dict(zip(task.outputs, values, strict=True))

    shape = task.preprocess["crop_height"], task.preprocess["crop_width"], 3
    session.run(task.outputs, {given: normalize([np.zeros(shape, np.uint8)])})
    return answer
