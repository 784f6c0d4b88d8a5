"""What a server says of photographs, beside unoptimised onnxruntime on the pixels that this server's own reading makes.

Two decoders of JPEG differ by a level or two, and a reading is a matter of taste; what the arithmetic is off by is not. So
the judge gets TensorFlow's decoding for ours, which is what ours promises, and Pillow's for those that read by Pillow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import grpc
import numpy as np
import urllib3
from numpy.typing import NDArray

from accelserve.client.prediction import ModelSelection, images_request
from accelserve.kernels.preprocess import PreprocessSpec, preprocess_float
from accelserve.loadgen.plan import Target
from accelserve.loadgen.requests import body_of, path_of
from accelserve.protos import inference
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import to_array
from benchmarks.contenders import probabilities
from benchmarks.serving.peers.pictures import normalizer, reader
from benchmarks.serving.subjects import Subject

Outputs = Mapping[str, NDArray[np.float32]]
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_INFER = "/inference.GRPCInferenceService/ModelInfer"
_PASSES = 5
_SIZES = [("grpc.max_receive_message_length", 2**28)]


def answers(target: Target, files: Sequence[bytes]) -> list[Outputs]:
    """Every output of each photograph, asked for one by one."""
    if target.over_http:
        return [_by_http(target, file) for file in files]
    with grpc.insecure_channel(target.address, _SIZES) as channel:
        ask = _predict if target.api == "tfserving" else _infer
        return [ask(channel, target, file) for file in files]


def _predict(channel: grpc.Channel, target: Target, file: bytes) -> Outputs:
    model = ModelSelection(name=target.model)
    request = images_request([file], input_name=target.input_name, model=model, outputs=None)
    call: Any = channel.unary_unary(_PREDICT, response_deserializer=serving.PredictResponse.FromString)
    response = call(request.SerializeToString(), timeout=target.timeout_seconds)
    return {name: to_array(tensor) for name, tensor in response.outputs.items()}


def _infer(channel: grpc.Channel, target: Target, file: bytes) -> Outputs:
    call: Any = channel.unary_unary(_INFER, response_deserializer=inference.ModelInferResponse.FromString)
    response = call(body_of(target, [file]).content, timeout=target.timeout_seconds)
    raw = list(response.raw_output_contents)
    values = [np.frombuffer(each, np.float32) for each in raw] or [
        np.array(output.contents.fp32_contents, np.float32) for output in response.outputs
    ]
    return {
        output.name: value.reshape(output.shape)
        for output, value in zip(response.outputs, values, strict=True)
    }


def _by_http(target: Target, file: bytes) -> Outputs:
    body = body_of(target, [file])
    response = urllib3.request(
        "POST", target.address + path_of(target), body=body.content, headers=dict(body.headers)
    )
    found = json.loads(response.data)["predictions"]
    return {name: np.array([row[name] for row in found], np.float32) for name in found[0]}


class Judge:
    """onnxruntime without optimizations: it computes what the file says, in float32, on every processor."""

    def __init__(self, subject: Subject, files: Sequence[bytes], threads: int) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(subject.model, options, providers=["CPUExecutionProvider"])
        self._subject, self._files = subject, files
        self.right = cache(self._right)

    def _right(self, *, by_pillow: bool) -> list[NDArray[np.float64]]:
        return [self._run(self.tensor(file, by_pillow=by_pillow)) for file in self._files]

    def tensor(self, file: bytes, *, by_pillow: bool) -> NDArray[np.float32]:
        """A photograph as the network takes it, float32 [1, 3, H, W]."""
        spec = dict(self._subject.preprocess)
        if by_pillow:
            return normalizer(spec)([reader(spec)(file)])
        image = preprocess_float(PreprocessSpec.parse_json(json.dumps(spec)), file)
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None])

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float64]:
        names = list(self._subject.outputs.values())
        return probabilities(self._session.run(names, {self._session.get_inputs()[0].name: tensor}))

    def verdict(self, said: Sequence[Outputs], *, by_pillow: bool) -> dict[str, Any]:
        """How far answers are from the judge's.

        Returns:
            ``differs_by``: the greatest difference of a probability; ``same_top1``: photographs whose best class is the
            judge's; ``photographs``.
        """
        right = self.right(by_pillow=by_pillow)
        found = [probabilities(list(outputs.values())) for outputs in said]
        return {
            "differs_by": max(
                float(np.abs(a.ravel() - b.ravel()).max()) for a, b in zip(found, right, strict=True)
            ),
            "same_top1": sum(bool(a.argmax() == b.argmax()) for a, b in zip(found, right, strict=True)),
            "photographs": len(right),
        }


def pillow_reads_ms(subject: Subject, files: Sequence[bytes]) -> float:
    """What Pillow's decoding, resizing and cropping takes on an idle core, the median of a few passes."""
    read = reader(subject.preprocess)
    seconds = []
    for file in [*files] * _PASSES:
        begin = time.perf_counter()
        read(file)
        seconds.append(time.perf_counter() - begin)
    return 1000 * float(np.median(seconds))


def decoders_differ(judge: Judge, subject: Subject, file: bytes) -> float:
    """How far the two readings of a photograph are apart at most, in levels of 255."""
    scale = np.array(subject.preprocess.get("scale") or [1.0] * 3, np.float32)[:, None, None]
    apart = judge.tensor(file, by_pillow=True) - judge.tensor(file, by_pillow=False)
    return float(np.abs(apart / scale).max())
