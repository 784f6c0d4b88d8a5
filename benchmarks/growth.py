"""How latency and memory grow: with the batch, the pictures' size, the models loaded, the callers, and reloads.

    python -m benchmarks.growth                 # and a plot of each in docs/images
    python -m benchmarks.growth --short         # a few minutes on two idle cores

Each curve has a server of its own, started from a filled cache. Its points come in ascending order, and memory is read behind
each of them, so that what the server does not give back stays in the rest of the curve. Models are copies of one
network under several names: packed weights are mapped from one file, and count once.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from examples import open_nsfw
from PIL import Image
from rich.console import Console
from rich.table import Table

from accelserve.client.prediction import ModelSelection, images_request
from accelserve.kernels.cpu.isa import choose
from accelserve.loadgen.plan import Closed, Pictures, Target
from accelserve.loadgen.run import Wish
from accelserve.loadgen.run import measure as make_load
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService
from benchmarks.arguments import instruction_set
from benchmarks.floor import SIZE, photograph, version_of
from benchmarks.networks import CACHE, NETWORKS
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving_process import ServingProcess

IMAGES = Path("docs/images")
BATCHES = (1, 2, 4, 8, 16, 32, 64)
SIDES = (125, 250, 500, 1000, 2000, 4000)
MODELS = (1, 2, 4, 8, 16)
CALLERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_WARM_UP = 10

Point = dict[str, float]


class Subject:
    """A network to be served, again and again.

    Args:
        name: of ``benchmarks.networks``, or ``open-nsfw``.
        flags: of the server.
    """

    def __init__(self, name: str, flags: Sequence[str]) -> None:
        self.name = name
        self.version = version_of(name)
        self._flags = flags

    @contextmanager
    def served(self, *flags: str) -> Iterator[ServingProcess]:
        """A fresh server that has answered some requests."""
        with ServingProcess(self.version, CACHE / "serving" / self.name, *self._flags, *flags) as server:
            yield server

    @contextmanager
    def copies(self, count: int) -> Iterator[dict[str, Path]]:
        """Base paths of the network under so many names."""
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="copies-") as folder:
            paths = {f"model-{number}": Path(folder).resolve() / f"model-{number}" for number in range(count)}
            for path in paths.values():
                shutil.copytree(self.version, path / "1", copy_function=os.link)
            yield paths


def request_of(name: str, pictures: Sequence[bytes]) -> bytes:
    """A Predict request, ready to be sent."""
    model = ModelSelection(name=name)
    return images_request(pictures, input_name="images", model=model, outputs=None).SerializeToString()


def of_size(side: int) -> bytes:
    """The photograph, its longer side so many pixels."""
    encoded = io.BytesIO()
    with Image.open(io.BytesIO(photograph())) as opened:
        shape = (side, round(side * SIZE[1] / SIZE[0]))
        opened.resize(shape, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def point(server: ServingProcess, x: float, milliseconds: Sequence[float], **more: float) -> Point:
    """A point of a curve: what was measured, and the server's memory now."""
    memory = {f"{key}_mb": value for key, value in asdict(server.memory()).items()}
    p50, p90 = np.percentile(milliseconds, (50, 90))
    return {"x": x, "p50_ms": float(p50), "p90_ms": float(p90), **memory, **more}


def _asked(server: ServingProcess, request: bytes, times: int) -> list[float]:
    return [server.milliseconds(request) for _ in range(times)]


def against_batch(subject: Subject, times: int) -> list[Point]:
    """Requests of several pictures."""
    points = []
    with subject.served() as server:
        _asked(server, request_of(subject.name, [photograph()]), _WARM_UP)
        for batch in BATCHES:
            measured = _asked(server, request_of(subject.name, [photograph()] * batch), times)
            points.append(
                point(server, batch, measured, images_per_second=1e3 * batch / float(np.median(measured)))
            )
    return points


def against_size(subject: Subject, times: int) -> list[Point]:
    """Pictures of several sizes, by their longer side in pixels."""
    with subject.served() as server:
        _asked(server, request_of(subject.name, [photograph()]), _WARM_UP)
        return [
            point(server, side, _asked(server, request_of(subject.name, [of_size(side)]), times))
            for side in SIDES
        ]


def against_models(subject: Subject, times: int) -> list[Point]:
    """Several models in one server, asked in turn; ``ready_seconds`` is from the start of the process."""
    points = []
    for count in MODELS:
        with subject.copies(count) as paths, tempfile.NamedTemporaryFile("w", suffix=".config") as file:
            file.write(str(_config(paths)))
            file.flush()
            with subject.served(f"--model_config_file={file.name}") as server:
                requests = [request_of(name, [photograph()]) for name in paths]
                for request in requests:
                    server.predict(request)
                measured = [server.milliseconds(each) for _ in range(times) for each in requests]
                points.append(point(server, count, measured, ready_seconds=server.ready_seconds))
    return points


def against_callers(subject: Subject, seconds: float) -> list[Point]:
    """Closed loops of several callers, made by ``accelserve bench``'s own load generator."""
    points = []
    pictures = Pictures(files=[photograph()], order=[0], description="one photograph")
    with subject.served() as server:
        target = Target(address=f"127.0.0.1:{server.port}", model=subject.name, timeout_seconds=60.0)
        for callers in CALLERS:
            result = make_load(_wish(target, pictures, callers, seconds), lambda *_: None).results[0]
            latency = result.measured.latency
            rate, failed = result.throughput, float(result.measured.failed)
            points.append(
                point(
                    server,
                    callers,
                    [latency.percentile_ms(50)],
                    p90_ms=latency.percentile_ms(90),
                    p99_ms=latency.percentile_ms(99),
                    images_per_second=rate,
                    failed=failed,
                )
            )
    return points


def _wish(target: Target, pictures: Pictures, callers: int, seconds: float) -> Wish:
    return Wish(
        target=target,
        pictures=pictures,
        batch_size=1,
        load=Closed(callers=callers),
        is_ramp=False,
        seconds=seconds,
        warm_up_seconds=0.5,
        deadline_ms=None,
        processes=2,
        seed=0,
        metrics="",
    )


def against_reloads(subject: Subject, reloads: int, times: int) -> list[Point]:
    """One model leaves and another comes, again and again; ``reload_seconds`` is until the new one serves."""
    points = []
    with subject.copies(2) as paths:
        configs = [{name: path} for name, path in paths.items()]
        with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
            file.write(str(_config(configs[0])))
            file.flush()
            with subject.served(f"--model_config_file={file.name}") as server:
                reload_config = ModelService.HANDLE_RELOAD_CONFIG_REQUEST.stub(server.channel)
                for number in range(reloads):
                    wanted = configs[(number + 1) % 2]
                    began = time.perf_counter()
                    reload_config(serving.ReloadConfigRequest(config=_config(wanted)), timeout=120)
                    took = time.perf_counter() - began
                    (name,) = wanted
                    measured = _asked(server, request_of(name, [photograph()]), times)
                    points.append(point(server, number + 1, measured, reload_seconds=took))
    return points


def _config(paths: Mapping[str, Path]) -> serving.ModelServerConfig:
    config = serving.ModelServerConfig()
    for name, path in paths.items():
        config.model_config_list.config.add(name=name, base_path=str(path), model_platform="tensorflow")
    return config


# Curve -> what its axis counts, and whether the axis is logarithmic.
AXES: Mapping[str, tuple[str, bool]] = {
    "batch": ("pictures in a request", True),
    "size": ("longer side of the picture, pixels", True),
    "models": ("models loaded", True),
    "callers": ("callers, each waiting for its answer", True),
    "reloads": ("reloads", False),
}


def draw(curve: str, points: Sequence[Point], title: str, file: Path) -> None:
    """A plot: latency on the left, memory on the right."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.fonttype"] = "none"  # letters as letters: a plot takes 20 KB
    mpl.rcParams["svg.hashsalt"] = curve  # the same plot, the same bytes
    label, logarithmic = AXES[curve]
    x = [each["x"] for each in points]
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(x, [each["p50_ms"] for each in points], marker=".", label="p50")
    tail = "p99_ms" if "p99_ms" in points[0] else "p90_ms"
    left.plot(x, [each[tail] for each in points], marker=".", linestyle=":", label=tail[:3])
    right.plot(x, [each["resident_mb"] for each in points], marker=".", label="resident")
    right.plot(x, [each["private_mb"] for each in points], marker=".", linestyle=":", label="private")
    left.set_ylabel("milliseconds")
    right.set_ylabel("MB")
    for axes in (left, right):
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
        axes.legend()
        if logarithmic:
            axes.set_xscale("log", base=2)
            axes.set_xticks(x, [f"{each:.0f}" for each in x])
    if logarithmic and points[-1]["p50_ms"] > 4 * points[0]["p50_ms"]:
        left.set_yscale("log")
    else:
        left.set_ylim(bottom=0)
    right.set_ylim(bottom=0)
    figure.suptitle(title, fontsize="medium")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print a table of each curve."""
    for curve, points in results["curves"].items():
        table = Table(title=f"{AXES[curve][0]}: {results['network']}, {results['isa']}")
        columns = [key for key in points[0] if key not in ("peak_mb", "mapped_mb")]
        for column in columns:
            table.add_column(column.replace("_", " "), justify="right")
        for each in points:
            table.add_row(*(f"{each[column]:.4g}" for column in columns))
        console.print(table)


@owned_processes()
def main() -> None:
    """Measure, write, draw and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet50", choices=[*NETWORKS, open_nsfw.NAME])
    parser.add_argument("--curves", nargs="+", default=list(AXES), choices=list(AXES))
    parser.add_argument("--short", action="store_true", help="fewer requests a point")
    parser.add_argument(
        "--isa", type=instruction_set, help="instruction set; the processor's best if not given"
    )
    parser.add_argument("--results", type=Path, help="default: benchmarks/results/growth.json")
    parser.add_argument("--images", type=Path, default=IMAGES, help="folder of the plots, growth-CURVE.svg")
    options = parser.parse_args()
    isa = choose(options.isa).name
    times, seconds, reloads = (5, 2.0, 12) if options.short else (25, 8.0, 50)
    subject = Subject(options.network, [f"--device=cpu:{isa}"])
    curves: dict[str, Callable[[], list[Point]]] = {
        "batch": lambda: against_batch(subject, times),
        "size": lambda: against_size(subject, times),
        "models": lambda: against_models(subject, times),
        "callers": lambda: against_callers(subject, seconds),
        "reloads": lambda: against_reloads(subject, reloads, times),
    }
    console = Console()
    results: dict[str, Any] = heading() | {
        "isa": isa,
        "cores": len(os.sched_getaffinity(0)),
        "network": options.network,
        "curves": {},
    }
    CACHE.mkdir(parents=True, exist_ok=True)
    for curve in options.curves:
        console.print(f"{curve} ...")
        results["curves"][curve] = curves[curve]()
        title = f"{options.network}, {isa}, {results['cores']} cores"
        draw(curve, results["curves"][curve], title, options.images / f"growth-{curve}.svg")
    write(results, options.results or RESULTS / "growth.json")
    show(results, console)


if __name__ == "__main__":
    main()
