"""What a lone request costs besides computing, part by part, beside the least that it could cost.

    python -m benchmarks.floor
    python -m benchmarks.floor --isa avx2 --networks open-nsfw

One caller sends one photograph, a JPEG of 500x375 pixels, to ``accelserve serve``. The floor is measured in turn with it:
libjpeg-turbo decodes the same file (simplejpeg, with TensorFlow's settings), and the smallest gRPC server in Python takes
the same bytes and answers as many as ours does, over a channel with the same settings. A round is a request, an echo, a
decode, so that each of them finds the caches that the others leave.

Where the time goes is what ``benchmarks.spans`` notes in the serving process, on the clock that client and server share. A
step counts without the steps inside it, so parts and what no step covers add up to the whole. The parts of the table are
means over the half of the requests that lies around the median, for the same reason.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from examples import open_nsfw
from examples.photographs import package_files
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from accelserve.client.connection import DEFAULT_MAX_MESSAGE_BYTES, connection
from accelserve.client.prediction import ModelSelection, images_request
from accelserve.kernels.cpu.isa import choose
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import to_array
from benchmarks import echo, floor_page, spans
from benchmarks.arguments import count, instruction_set
from benchmarks.networks import CACHE, NETWORKS
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving_process import PREDICT, ServingProcess, published

_Call: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"  # a generic in its stubs only

SIZE = (500, 375)
QUALITY = 90
SUBJECTS = ("resnet50", "open-nsfw")
GOAL = 1.3
WARM_UP = 20
_MICRO = 1e3  # nanoseconds

# Part -> the steps whose own time it is. Between the marks of the client and the first and last step of the server lies
# gRPC: its code in C and in Python, on both sides, and the wire.
PARTS: Mapping[str, tuple[str, ...]] = {
    "client: make and serialize": ("client-serialize",),
    "gRPC: request": ("grpc-request", spans.RECEIVE),
    "keys, request id, route": (spans.INTERCEPT,),
    "parse the request": (spans.PARSE, spans.ARRAYS),
    "check, find the model, admit": (spans.ACQUIRE, spans.PREDICT),
    "decode": (spans.DECODE,),
    "resize, normalize, quantize": (spans.TRANSFORM,),
    "around the pictures": (spans.PREPARE,),
    "queue": (spans.SCHEDULE,),
    "compute": (spans.COMPUTE,),
    "postprocess": (spans.RESPOND,),
    "metrics": (spans.OBSERVE,),
    "build the response": (spans.BUILD,),
    "watch, serialize": (spans.HANDLE,),
    "gRPC: response": ("grpc-response",),
    "client: parse": ("client-parse",),
}
COMPUTE_PART = "compute"
UNACCOUNTED = "unaccounted"
# What the three shares are made of; the rest is our own Python, and the interpreter that runs it.
NATIVE = ("decode", "resize, normalize, quantize")
GRPC = ("gRPC: request", "gRPC: response")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The client's marks of one request, in nanoseconds."""

    began: int
    called: int
    answered: int
    parsed: int


def photograph() -> bytes:
    """A real one, fitted into the size."""
    path = next(path for path in package_files() if path.name == "china.jpg")
    encoded = io.BytesIO()
    with Image.open(path) as opened:
        ImageOps.fit(opened.convert("RGB"), SIZE, Image.Resampling.LANCZOS).save(
            encoded, "JPEG", quality=QUALITY
        )
    return encoded.getvalue()


def version_of(name: str) -> Path:
    """Folder of a published version; made once and kept."""
    if name in NETWORKS:
        return published(name)
    folder = CACHE.parent / "interop"
    model = folder / "models" / open_nsfw.NAME
    return next((model if model.is_dir() else open_nsfw.publish(folder)).glob("[0-9]*"))


def send(call: _Call, name: str, picture: bytes) -> Sent:
    """One request, from a picture's bytes to arrays."""
    began = time.perf_counter_ns()
    model = ModelSelection(name=name)
    request = images_request([picture], input_name="images", model=model, outputs=None).SerializeToString()
    called = time.perf_counter_ns()
    answer = call(request)
    answered = time.perf_counter_ns()
    for tensor in serving.PredictResponse.FromString(answer).outputs.values():
        to_array(tensor)
    return Sent(began=began, called=called, answered=answered, parsed=time.perf_counter_ns())


@contextmanager
def echo_server(answer_bytes: int) -> Iterator[_Call]:
    """A call of it, over a channel as the client makes one."""
    command = [sys.executable, "-m", echo.__name__, str(answer_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with _channel(port) as channel:
            yield channel.unary_unary(echo.METHOD)
        assert process.stdin is not None
        process.stdin.close()


def _channel(port: int) -> grpc.Channel:
    link = connection(
        f"127.0.0.1:{port}",
        None,
        use_ssl=False,
        tls=None,
        access_token="",
        service_name="",
        max_message_bytes=DEFAULT_MAX_MESSAGE_BYTES,
    )
    return link.open()


def decode(picture: bytes) -> None:
    """As the server asks libjpeg-turbo to, and nothing else."""
    simplejpeg.decode_jpeg(picture, "RGB", fastdct=True, fastupsample=False)


def own_times(request: Sequence[spans.Span], sent: Sent) -> dict[str, int]:
    """Nanoseconds of each step of a request without the steps inside it, and of what lies between."""
    own: dict[str, int] = {
        "client-serialize": sent.called - sent.began,
        "client-parse": sent.parsed - sent.answered,
    }
    outer = [span for span in request if span[0] in (spans.INTERCEPT, spans.RECEIVE, spans.HANDLE)]
    by_begin = sorted(request, key=lambda span: (span[1], -span[2]))
    inside: list[spans.Span] = []
    for name, begin, end in by_begin:
        while inside and inside[-1][2] <= begin:
            inside.pop()
        if inside:
            own[inside[-1][0]] -= end - begin
        own[name] = own.get(name, 0) + end - begin
        inside.append((name, begin, end))
    ended = max(end for _, _, end in outer)
    own["grpc-response"] = sent.answered - ended
    own["grpc-request"] = ended - sent.called - sum(end - begin for _, begin, end in outer)
    return own


def parts_of(request: Sequence[spans.Span], sent: Sent) -> dict[str, float]:
    """Microseconds of each part, of what none covers, and of the whole."""
    own = own_times(request, sent)
    found = {part: sum(own.get(step, 0) for step in steps) / _MICRO for part, steps in PARTS.items()}
    whole = (sent.parsed - sent.began) / _MICRO
    return found | {UNACCOUNTED: whole - sum(found.values()), "whole": whole}


def measure(name: str, picture: bytes, rounds: int, flags: Sequence[str]) -> dict[str, Any]:
    """Microseconds of a network's requests, of the floor, and of the parts."""
    model, cache = version_of(name), CACHE / "serving" / name
    sent: list[Sent] = []
    plain: list[float] = []
    echoed: list[float] = []
    decoded: list[float] = []
    with tempfile.TemporaryDirectory(prefix="spans-") as folder:
        file = Path(folder) / "spans.json"
        watched = (spans.__name__, str(file))
        with (
            ServingProcess(model, cache, *flags) as server,
            ServingProcess(model, cache, *flags, program=watched) as noting,
            _channel(server.port) as plain_channel,
            _channel(noting.port) as channel,
        ):
            call: _Call = channel.unary_unary(PREDICT)
            plain_call: _Call = plain_channel.unary_unary(PREDICT)
            request = images_request(
                [picture], input_name="images", model=ModelSelection(name=name), outputs=None
            ).SerializeToString()
            answer = plain_call(request)
            with echo_server(len(answer)) as echo_call:
                for index in range(-WARM_UP, rounds):
                    sent.append(send(call, name, picture))
                    one_round = (_timed(echo_call, request), _timed(decode, picture))
                    each = send(plain_call, name, picture)
                    if index >= 0:
                        echoed.append(one_round[0])
                        decoded.append(one_round[1])
                        plain.append((each.parsed - each.began) / _MICRO)
        noted = json.loads(file.read_text(encoding="utf-8"))
    requests = [parts_of(each, mark) for each, mark in zip(noted, sent, strict=True)][WARM_UP:]
    return {"request_bytes": len(request), "response_bytes": len(answer)} | judged(
        requests, plain, echoed, decoded
    )


def _timed(function: Any, argument: bytes) -> float:
    began = time.perf_counter_ns()
    function(argument)
    return (time.perf_counter_ns() - began) / _MICRO


def judged(
    requests: Sequence[Mapping[str, float]],
    plain: Sequence[float],
    echoed: Sequence[float],
    decoded: Sequence[float],
) -> dict[str, Any]:
    """Medians, the ratio, and the parts of the requests around the median."""
    outside = [each["whole"] - each[COMPUTE_PART] for each in requests]
    floor = [a + b for a, b in zip(echoed, decoded, strict=True)]
    order = np.argsort(outside)
    middle = [requests[index] for index in order[len(order) // 4 : len(order) - len(order) // 4]]
    parts = {name: float(np.mean([each[name] for each in middle])) for name in (*PARTS, UNACCOUNTED)}
    outside_parts = sum(value for name, value in parts.items() if name != COMPUTE_PART)
    native, grpc_ = (sum(parts[name] for name in names) for names in (NATIVE, GRPC))
    return {
        "rounds": len(requests),
        "whole_us": _spread([each["whole"] for each in requests]),
        "whole_without_clocks_us": _spread(plain),
        "compute_us": _spread([each[COMPUTE_PART] for each in requests]),
        "outside_us": _spread(outside),
        "echo_us": _spread(echoed),
        "decode_us": _spread(decoded),
        "floor_us": _spread(floor),
        "outside_by_floor": float(np.median(outside) / np.median(floor)),
        "best_outside_by_best_floor": float(np.percentile(outside, 10) / np.percentile(floor, 10)),
        "parts_us": parts,
        "share_of_outside": {
            "libjpeg-turbo and kernels": native / outside_parts,
            "gRPC": grpc_ / outside_parts,
            "the interpreter and our Python": 1 - (native + grpc_) / outside_parts,
        },
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    p10, p50, p90 = np.percentile(values, (10, 50, 90))
    return {"p10": float(p10), "p50": float(p50), "p90": float(p90)}


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the tables."""
    networks = results["networks"]
    table = Table(title=f"one caller, JPEG of {SIZE[0]}x{SIZE[1]}, {results['isa']}: microseconds, p50")
    table.add_column("part")
    for name in networks:
        table.add_column(name, justify="right")
    for part in (*PARTS, UNACCOUNTED):
        table.add_row(part, *(f"{row['parts_us'][part]:.0f}" for row in networks.values()))
    table.add_section()
    for key, label in (
        ("whole_us", "whole request"),
        ("whole_without_clocks_us", "the same without the clocks"),
        ("compute_us", "compute"),
        ("outside_us", "outside compute"),
        ("decode_us", "floor: libjpeg-turbo"),
        ("echo_us", "floor: echo"),
    ):
        table.add_row(label, *(f"{row[key]['p50']:.0f}" for row in networks.values()))
    ratios = (f"{row['outside_by_floor']:.2f}" for row in networks.values())
    table.add_row(f"outside / floor (goal {GOAL})", *ratios)
    for share in next(iter(networks.values()))["share_of_outside"]:
        table.add_row(
            f"of it: {share}", *(f"{row['share_of_outside'][share]:.0%}" for row in networks.values())
        )
    console.print(table)


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(SUBJECTS), choices=[*NETWORKS, open_nsfw.NAME])
    parser.add_argument("--rounds", type=count, default=400)
    parser.add_argument(
        "--isa", type=instruction_set, help="instruction set; the processor's best if not given"
    )
    parser.add_argument(
        "--results",
        type=Path,
        help="default: benchmarks/results/floor-INSTRUCTION_SET.json, and the tables of docs/performance.md",
    )
    options = parser.parse_args()
    isa = choose(options.isa).name
    console = Console()
    picture = photograph()
    results: dict[str, Any] = heading() | {
        "isa": isa,
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "picture_bytes": len(picture),
        "goal": GOAL,
        "networks": {},
    }
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in options.networks:
        console.print(f"{name} ...")
        results["networks"][name] = measure(name, picture, options.rounds, [f"--device=cpu:{isa}"])
    write(results, options.results or RESULTS / f"floor-{isa}.json")
    show(results, console)
    if options.results is None:
        floor_page.rewrite()


if __name__ == "__main__":
    main()
