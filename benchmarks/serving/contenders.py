"""The servers that are compared: how each is started, with which settings, and why those.

A new one is an entry of ``PEERS``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from accelserve.loadgen.plan import Api, Target
from benchmarks.kernels import ONEDNN_NAMES
from benchmarks.serving.peers.task import Task
from benchmarks.serving.running import Command, free_port
from benchmarks.serving.subjects import Subject

OURS = "accelserve"
DESCRIPTORS = Path("protos/generated/descriptors.binpb")
TIMEOUT_SECONDS = 20.0
Wire = Literal["predict", "infer", "predict-json"]
"""TensorFlow Serving's Predict over gRPC, the Open Inference Protocol over gRPC, TensorFlow Serving's JSON over HTTP."""
_WIRES: Mapping[Wire, tuple[str, Api]] = {
    "predict": ("TensorFlow Serving's Predict over gRPC", "tfserving"),
    "infer": ("Open Inference Protocol over gRPC", "kserve"),
    "predict-json": ("base64 in JSON over HTTP", "tfserving"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server that is not ours.

    Attributes:
        title: what the tables call it.
        environment: of ``environments``; its program is ``benchmarks.serving.peers.ENVIRONMENT_server``.
        frameworks: packages whose versions the report names, besides Pillow, numpy and what carries the requests.
        settings: what was set, and whose advice that is, for the report.
        wire: what it speaks.
        is_close: whether it takes part in every round and in the search for goodput; the others in one round, so
            that the time goes where the ratios are decided.
        hint: OpenVINO's.
        spinning: onnxruntime's.
        isa_variable: of the environment, which holds it down to an instruction set; empty if nothing does.
    """

    title: str
    environment: str
    frameworks: Sequence[str]
    settings: str
    wire: Wire = "predict"
    is_close: bool = True
    hint: str = ""
    spinning: bool = True
    isa_variable: str = ""

    @property
    def packages(self) -> list[str]:
        """Those whose versions the report names."""
        carrier = [] if self.wire == "predict-json" else ["grpcio"]
        return [*self.frameworks, "pillow", *carrier, "numpy"]


_ONNXRUNTIME = Peer(
    title="onnxruntime int8",
    environment="onnxruntime",
    frameworks=["onnxruntime"],
    settings="grpcio + Pillow; one session, intra_op_num_threads = cores (onnxruntime, Thread management), all graph "
    "optimizations (the default), shared by 10 gRPC workers; a batch is one call, its pictures decoded side by side",
)


def _openvino(hint: str) -> Peer:
    return Peer(
        title=f"OpenVINO int8, {hint.lower()}",
        environment="openvino",
        frameworks=["openvino"],
        settings=f"grpcio + Pillow; PERFORMANCE_HINT={hint} and as many infer requests as OPTIMAL_NUMBER_OF_INFER_REQUESTS "
        "says (OpenVINO, High-level Performance Hints), INFERENCE_NUM_THREADS = cores, normalization and layout built into "
        "the network by PrePostProcessor (Optimize Preprocessing); 10 gRPC workers; pictures of a batch side by side",
        hint=hint,
        isa_variable="ONEDNN_MAX_CPU_ISA",
    )


PEERS: Mapping[str, Peer] = {
    "onnxruntime": _ONNXRUNTIME,
    "onnxruntime-no-spinning": replace(
        _ONNXRUNTIME,
        title="onnxruntime int8, no spinning",
        settings="as onnxruntime int8, with session.intra_op.allow_spinning=0 (Thread management, where processor time matters)",
        spinning=False,
    ),
    "openvino-latency": _openvino("LATENCY"),
    "openvino-throughput": _openvino("THROUGHPUT"),
    "mlserver": Peer(
        title="MLServer, onnxruntime int8",
        environment="mlserver",
        frameworks=["mlserver", "onnxruntime"],
        settings="a custom runtime (MLServer, Custom Inference Runtimes) around the session and the Pillow of the plain "
        "server, run off the event loop, without spinning, since its processes share the cores; parallel_workers=1 and no adaptive "
        "batching (the defaults), debug off",
        wire="infer",
        spinning=False,
        is_close=False,
    ),
    "tensorflow": Peer(
        title="TensorFlow float32",
        environment="tensorflow",
        frameworks=["tensorflow-cpu"],
        settings="grpcio + Pillow; a tf.function with the file's weights, dequantized, as constants, oneDNN on (the default), "
        "intra-op threads = cores; in the server's own process, since TensorFlow Serving is no Python package",
        is_close=False,
    ),
    "litserve": Peer(
        title="LitServe, onnxruntime int8",
        environment="litserve",
        frameworks=["litserve", "onnxruntime"],
        settings="a LitAPI around the session and the Pillow of the plain server, without spinning; workers_per_device=1 with "
        "all cores (the defaults), no batching",
        wire="predict-json",
        spinning=False,
        is_close=False,
    ),
}


def peers_at(isa: str | None, best: str) -> list[str]:
    """Peers that can be measured at an instruction set; None is the processor's best."""
    held = isa is not None and isa != best
    return [name for name, peer in PEERS.items() if not held or (peer.isa_variable and isa in ONEDNN_NAMES)]


def title_of(name: str) -> str:
    """What the tables call a contender."""
    return "accelserve" if name == OURS else PEERS[name].title


def wire_of(name: str) -> str:
    """What a contender is spoken to in."""
    return _WIRES["predict" if name == OURS else PEERS[name].wire][0]


def command_of_ours(
    subject: Subject, cores: int, isa: str | None, folder: Path, cache: Path | None = None
) -> tuple[Command, str]:
    """How our server is started, as its documentation says; and the address of its metrics.

    Args:
        subject: what it serves.
        cores: that it may use.
        isa: that it is held to; None is the best.
        folder: for its log, and its cache.
        cache: another folder for that.
    """
    metrics = free_port()
    words = [sys.executable, "-m", "accelserve.server.cli", "serve", "--port=0", f"--rest_api_port={metrics}"]
    words += [f"--model_name={subject.name}", f"--model_base_path={subject.folder.parent.resolve()}"]
    words += [f"--cache_dir={(cache or folder / 'cache').resolve()}", f"--threads={cores}"]
    words += [f"--device=cpu:{isa}" if isa else "--device=cpu"]
    command = Command(
        words=words,
        environment={},
        target=_target("predict", subject.name, 0),
        log=folder / "accelserve.log",
    )
    return command, f"http://127.0.0.1:{metrics}/monitoring/prometheus/metrics"


def command_of_peer(
    name: str, python: Path, subject: Subject, cores: int, isa: str | None, folder: Path
) -> Command:
    """How a peer is started; the arguments are ``command_of_ours``', and the interpreter of its environment."""
    peer = PEERS[name]
    port = 0 if peer.wire == "predict" else free_port()
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    task = Task(
        name=subject.name,
        model=str(subject.model.resolve()),
        preprocess=dict(subject.preprocess),
        outputs=list(subject.outputs.values()),
        threads=cores,
        descriptors=str(DESCRIPTORS.resolve()),
        port=port,
        folder=str(own.resolve()),
        hint=peer.hint,
        spinning=peer.spinning,
    )
    held = {peer.isa_variable: ONEDNN_NAMES[isa]} if isa in ONEDNN_NAMES and peer.isa_variable else {}
    return Command(
        words=[str(python), "-m", f"benchmarks.serving.peers.{peer.environment}_server", task.to_json()],
        environment=held,
        target=_target(peer.wire, subject.name, port),
        log=folder / f"{name}.log",
    )


def _target(wire: Wire, model: str, port: int) -> Target:
    scheme = "http://" if wire == "predict-json" else ""
    return Target(
        address=f"{scheme}127.0.0.1:{port}",
        api=_WIRES[wire][1],
        model=model,
        timeout_seconds=TIMEOUT_SECONDS,
    )
