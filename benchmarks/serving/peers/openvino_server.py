"""grpcio, Pillow and OpenVINO, with a performance hint."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from benchmarks.serving.peers.pictures import Pixels, reader
from benchmarks.serving.peers.task import Task
from benchmarks.serving.peers.tf_serving import Answer, serve


def compiled_model(task: Task) -> ov.CompiledModel:
    """The file with normalization and layout built in, as the documentation of preprocessing recommends, one picture a call.

    Batches are not one call of N: the performance hints decide how many requests run at once, which the documentation
    recommends over batches on a CPU.
    """
    core = ov.Core()
    network = core.read_model(task.model)
    height, width = task.preprocess["crop_height"], task.preprocess["crop_width"]
    network.reshape([1, 3, height, width])
    steps = ov.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    scale = task.preprocess.get("scale") or [1.0] * 3
    chain = steps.input().preprocess().convert_element_type(ov.Type.f32)
    chain.mean(task.preprocess["mean"]).scale([1 / each for each in scale])
    settings = {"PERFORMANCE_HINT": task.hint, "INFERENCE_NUM_THREADS": task.threads}
    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        # It would go on in bfloat16 where the processor has that and oneDNN may not use it.
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    return core.compile_model(steps.build(), "CPU", settings)


def loaded(task: Task) -> Answer:
    """As many infer requests as OpenVINO calls optimal, warmed, which callers take in turn."""
    model = compiled_model(task)
    read = reader(task.preprocess)
    requests: SimpleQueue[Any] = SimpleQueue()
    count = model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    decoders = ThreadPoolExecutor(task.threads)
    runners = ThreadPoolExecutor(count)
    outputs = {name: model.output(name) for name in task.outputs}

    def infer(pixels: Pixels) -> dict[str, NDArray[np.float32]]:
        request = requests.get()
        try:
            request.infer({0: pixels[None]})
            return {name: request.get_tensor(output).data.copy() for name, output in outputs.items()}
        finally:
            requests.put(request)

    def answer(pictures: list[bytes]) -> Mapping[str, NDArray[np.float32]]:
        if len(pictures) == 1:
            return infer(read(pictures[0]))
        each = list(runners.map(infer, decoders.map(read, pictures)))
        return {name: np.concatenate([one[name] for one in each]) for name in task.outputs}

    shape = task.preprocess["crop_height"], task.preprocess["crop_width"], 3
    for _ in range(count):
        requests.put(model.create_infer_request())
    for _ in range(count):  # the queue hands each out once
        infer(np.zeros(shape, np.uint8))
    return answer


def main() -> None:
    """Serve the task of the command line."""
    task = Task.from_json(sys.argv[1])
    serve(loaded(task), task.name, task.descriptors)


if __name__ == "__main__":
    main()
