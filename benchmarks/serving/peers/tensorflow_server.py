"""grpcio, Pillow and TensorFlow in float32, in the server's own process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.serving.peers.float_network import network
from benchmarks.serving.peers.pictures import reader
from benchmarks.serving.peers.task import Task
from benchmarks.serving.peers.tf_serving import Answer, serve


def loaded(task: Task) -> Answer:
    """A traced function whose weights are constants, so that Grappler fuses what it can, with normalization inside; warmed."""
    tf.config.threading.set_intra_op_parallelism_threads(task.threads)
    read, run = reader(task.preprocess), network(task.model, task.outputs)
    height, width = task.preprocess["crop_height"], task.preprocess["crop_width"]
    mean = tf.constant(task.preprocess["mean"], tf.float32)
    scale = tf.constant(task.preprocess.get("scale") or [1.0] * 3, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, height, width, 3], tf.uint8)])  # type: ignore[untyped-decorator, unused-ignore]
    def infer(pixels: Any) -> Any:
        return run((tf.cast(pixels, tf.float32) - mean) * scale)

    graph = infer.get_concrete_function()
    decoders = ThreadPoolExecutor(task.threads)

    def answer(pictures: list[bytes]) -> Mapping[str, NDArray[np.float32]]:
        several = len(pictures) > 1
        pixels = list(decoders.map(read, pictures)) if several else [read(pictures[0])]
        return {name: value.numpy() for name, value in graph(tf.constant(np.stack(pixels))).items()}

    for _ in range(3):
        graph(tf.zeros([1, height, width, 3], tf.uint8))
    return answer


def main() -> None:
    """Serve the task of the command line."""
    task = Task.from_json(sys.argv[1])
    serve(loaded(task), task.name, task.descriptors)


if __name__ == "__main__":
    main()
