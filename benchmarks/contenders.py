"""One contender in a process of its own, kept alive between rounds.

Run as ``python contenders.py KIND[:OPTION=VALUE,...] MODEL THREADS`` (ours take ``isa``); it says ``ready`` with what it
loaded and, if it can tell, by which ``primitives`` it computes, then reads one JSON request a line and answers one JSON
line:

* ``{"time": n, "clock": "wall"}`` -> ``{"ms": [...]}``: n inferences of one image, each timed by itself, after two that
  are not. The clock ``cpu`` counts what the process has of the processor, whatever competes; for one thread.
* ``{"answer": path}`` -> ``{"probabilities": [...]}``: class probabilities, flat, for the float32 image in that ``.npy`` file.

It must run in an environment that holds only the peer, so it imports nothing of this project unless it is asked to
time it. Every contender gets the same QDQ file and the same float32 image in the layout that it takes (ours NHWC, the file's own
NCHW for the peers), so quantizing the input is part of what is timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Infer = Callable[[Image], list[NDArray[Any]]]
NO_COMPUTATION = {"Const", "Input", "Output", "Reshape"}
"""Layer types of OpenVINO's runtime model that run nothing."""


class Loaded(NamedTuple):
    """A contender that is ready.

    Attributes:
        infer: outputs for an image.
        shape: of the image that it takes.
        description: its name, version and what it runs on.
        primitives: what it computes by, ``LAYER TYPE PRIMITIVE`` -> how many layers; empty where it does not say.
    """

    infer: Infer
    shape: tuple[int, ...]
    description: str
    primitives: Mapping[str, int] = {}


def accelserve(model: Path, threads: int, isa: str | None = None) -> Loaded:
    """Our CPU device, through the same calls as the server's, on its best instruction set or the named one."""
    return _accelserve(model, threads, isa, fast=False)


def accelserve_fast(model: Path, threads: int, isa: str | None = None) -> Loaded:
    """The same with the layers in the Winograd domain that the file beside the model names."""
    return _accelserve(model, threads, isa, fast=True)


def _accelserve(model: Path, threads: int, isa: str | None, *, fast: bool) -> Loaded:
    from accelserve.kernels.compiler.lower import lower
    from accelserve.kernels.devices.cpu import CpuDevice
    from accelserve.kernels.preprocess import PRESETS, Preprocessor
    from accelserve.kernels.program import LoadOptions
    from accelserve.models.importing import import_onnx
    from accelserve.models.repository.numerics import decode, taps_of

    winograd = {}
    if fast:
        beside = model.with_suffix(".winograd.json")
        winograd = taps_of(model.parent, decode(model.parent, beside.read_bytes()).layers)
    lowered = lower(import_onnx(model).graph, winograd)
    program = CpuDevice(isa).load(lowered, LoadOptions(threads=threads, cache=Path(".cache/plans")))
    (name, kind), (_, params) = (
        next(iter(program.inputs.items())),
        next(iter(lowered.input_quantization.items())),
    )
    quantize = Preprocessor(
        PRESETS["imagenet-caffe"], input_scale=params.scale, input_zero_point=params.zero_point
    ).quantize

    def infer(image: Image) -> list[NDArray[Any]]:
        return list(program.run({name: quantize(image)}).values())

    return Loaded(infer, kind.shape, program.description)


def openvino(model: Path, threads: int) -> Loaded:
    """OpenVINO's CPU plugin with its latency hint; ``ONEDNN_MAX_CPU_ISA`` holds its oneDNN down."""
    import openvino as ov

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        # It would go on in bfloat16 where the processor has that and oneDNN may not use it, and answer with noise.
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    core = ov.Core()
    network = core.read_model(model)
    network.reshape([1, *list(network.inputs[0].partial_shape)[1:]])
    compiled = core.compile_model(network, "CPU", settings)
    layers = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    primitives = Counter(
        f"{layer['layerType'].value} {layer['primitiveType'].value}"
        for layer in layers
        if layer["layerType"].value not in NO_COMPUTATION
    )
    request = compiled.create_infer_request()
    shape = tuple(d.get_length() if d.is_static else 1 for d in request.model_inputs[0].partial_shape)

    def infer(image: Image) -> list[NDArray[Any]]:
        return list(request.infer({0: image}).values())

    return Loaded(infer, shape, f"openvino {ov.__version__.split('-')[0]}", dict(primitives))


def onnxruntime(model: Path, threads: int) -> Loaded:
    """The CPU provider with every graph optimisation."""
    return _onnxruntime(model, threads, optimised=True)


def onnxruntime_unoptimised(model: Path, threads: int) -> Loaded:
    """The CPU provider without any: it computes what the file says, in float32, on every processor."""
    return _onnxruntime(model, threads, optimised=False)


def _onnxruntime(model: Path, threads: int, *, optimised: bool) -> Loaded:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]

    def infer(image: Image) -> list[NDArray[Any]]:
        return list(session.run(None, {given.name: image}))

    return Loaded(infer, tuple(given.shape), f"onnxruntime {ort.__version__}")


CONTENDERS: dict[str, Callable[..., Loaded]] = {
    "accelserve": accelserve,
    "accelserve-fast": accelserve_fast,
    "openvino": openvino,
    "onnxruntime": onnxruntime,
    "onnxruntime-unoptimised": onnxruntime_unoptimised,
}


def serve(infer: Infer, shape: tuple[int, ...]) -> None:
    """Answer requests until the input ends."""
    drawn = np.random.default_rng(1).uniform(-120, 120, [d if isinstance(d, int) else 1 for d in shape])
    image = drawn.astype(np.float32)
    for line in sys.stdin:
        request = json.loads(line)
        if "answer" in request:
            picture = np.load(request["answer"])
            outputs = infer(picture if picture.shape == image.shape else picture.transpose(0, 3, 1, 2))
            print(json.dumps({"probabilities": probabilities(outputs).ravel().tolist()}), flush=True)
            continue
        infer(image)
        infer(image)
        times = []
        clock = time.process_time if request.get("clock") == "cpu" else time.perf_counter
        for _ in range(request["time"]):
            began = clock()
            infer(image)
            times.append((clock() - began) * 1e3)
        print(json.dumps({"ms": times}), flush=True)


def probabilities(outputs: list[NDArray[Any]]) -> NDArray[np.float64]:
    """What an answer says of classes: a classifier's output as it is, a detector's logits [..., classes] by softmax."""
    values = np.asarray(max(outputs, key=lambda output: output.shape[-1]), np.float64)
    if values.min() >= 0:
        return values
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def main() -> None:
    """Load the contender named on the command line and serve it."""
    kind, model, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    name, _, listed = kind.partition(":")
    options = dict(each.split("=") for each in listed.split(",")) if listed else {}
    loaded = CONTENDERS[name](model, threads, **options)
    print(json.dumps({"ready": loaded.description, "primitives": loaded.primitives}), flush=True)
    serve(loaded.infer, loaded.shape)


if __name__ == "__main__":
    main()
