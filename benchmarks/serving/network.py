"""All measurements of one network: everyone is started, asked, put under load in turn, and ended."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from accelserve.loadgen.plan import Closed, Pictures
from benchmarks.networks import CACHE
from benchmarks.serving.answers import Judge, answers, decoders_differ, pillow_reads_ms
from benchmarks.serving.contenders import OURS, PEERS, command_of_ours, command_of_peer, title_of
from benchmarks.serving.effort import Effort
from benchmarks.serving.environments import PeerUnavailableError, python_of, versions
from benchmarks.serving.goodput import prober, search
from benchmarks.serving.loads import loader
from benchmarks.serving.record import of_taken, ratios, stages
from benchmarks.serving.rounds import Field, answered, in_turn, is_close, take_rounds
from benchmarks.serving.running import Running, StartError, run_to_the_end
from benchmarks.serving.subjects import Subject, photographs, subject

PATIENCE_SECONDS = 180.0
PLANS = CACHE / "serving" / "plans"
"""What ours compiles for the networks whose first start is not measured; kept, so that it is made once."""
BOUND = 4.0
"""Times a lone request's median: what goodput's ninety-nine in a hundred have to keep."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is measured how.

    Attributes:
        network: its name.
        peers: who runs beside ours.
        cores: that every server may use; the client shares them.
        isa: that all are held to; None is the processor's best.
        effort: how long.
    """

    network: str
    peers: tuple[str, ...]
    cores: int
    isa: str | None
    effort: Effort


@dataclass(slots=True)
class Servers:
    """Those that run.

    Attributes:
        running: contender -> its process.
        rows: contender -> what is known of it; ``error`` says why one does not run.
        metrics: where ours has its own account.
    """

    running: dict[str, Running] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: str = ""


def measure(course: Course, say: Say) -> dict[str, Any]:
    """Everything of one network; a peer that fails has a row that says why.

    Raises:
        StartError: our server does not answer.
    """
    served, pictures = subject(course.network), photographs()
    record = profile(served, course)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=CACHE.absolute(), prefix="serving-"))
        )
        servers = stack.enter_context(_servers(course, served, pictures, folder, say))
        say("comparing answers")
        record |= _compare(servers, served, pictures.files[: course.effort.compared], course.cores)
        loaders = {
            name: stack.enter_context(
                loader(running, pictures, metrics=servers.metrics if name == OURS else "")
            )
            for name, running in servers.running.items()
        }
        _under_load(servers, Field(loaders, {}), course, record, say)
        for name, running in servers.running.items():
            servers.rows[name]["memory_mb"] = running.memory_mb()
        _batches(servers, pictures, course.effort, say)
    if course.effort.floor_rounds:
        say("the floor")
        record["floor"] = floor(course)
    record["contenders"] = servers.rows
    record["ratios"] = ratios(servers.rows)
    return record


def profile(served: Subject, course: Course) -> dict[str, Any]:
    """The network's multiplications and the processor's peak, as our profiler has them."""
    command = [
        sys.executable,
        "-m",
        "accelserve.server.cli",
        "profile",
        str(served.model),
        "--json",
        "--runs=20",
    ]
    command += [f"--threads={course.cores}", f"--device=cpu:{course.isa}" if course.isa else "--device=cpu"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "device": found["device"],
        "gmac_per_image": found["gmac_per_second"] * found["ms"] / 1000,
        "peak_gmac_per_second": found["peak_gmac_per_second"],
        "compute_alone_ms": found["ms"],
    }


def floor(course: Course) -> dict[str, Any] | None:
    """What ``benchmarks.floor`` says of time outside compute; None where it does not know the network, or is not there."""
    if find_spec("benchmarks.floor") is None:
        return None
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        results = Path(folder) / "floor.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks.floor",
            "--networks",
            course.network,
            f"--results={results}",
        ]
        command += [
            f"--rounds={course.effort.floor_rounds}",
            *([f"--isa={course.isa}"] if course.isa else []),
        ]
        if run_to_the_end(command):
            return None
        return dict(json.loads(results.read_text(encoding="utf-8"))["networks"][course.network])


@contextmanager
def _servers(
    course: Course, served: Subject, pictures: Pictures, folder: Path, say: Say
) -> Iterator[Servers]:
    servers = Servers()
    with ExitStack() as stack:
        cold = course.effort.cold
        plans = None if cold else PLANS
        say("starting accelserve, without a cache and with one")
        command, _ = command_of_ours(served, course.cores, course.isa, folder, plans)
        with Running(command, pictures.files[0], PATIENCE_SECONDS) as first:
            without_cache = {"start_without_cache_seconds": first.start_seconds} if cold else {}
        command, servers.metrics = command_of_ours(served, course.cores, course.isa, folder, plans)
        ours = stack.enter_context(Running(command, pictures.files[0], PATIENCE_SECONDS))
        servers.running[OURS] = ours
        servers.rows[OURS] = {
            "title": title_of(OURS),
            "start_seconds": ours.start_seconds,
            **without_cache,
            "versions": versions(Path(sys.executable), ("accelserve", "numba", "grpcio", "numpy")),
        }
        for name in course.peers:
            say(f"starting {title_of(name)}")
            servers.rows[name] = {"title": title_of(name)}
            try:
                python = python_of(PEERS[name].environment, say)
                command = command_of_peer(name, python, served, course.cores, course.isa, folder)
                running = stack.enter_context(Running(command, pictures.files[0], PATIENCE_SECONDS))
            except (PeerUnavailableError, StartError) as error:
                servers.rows[name]["error"] = str(error)
                say(f"{title_of(name)}: {error}")
                continue
            servers.running[name] = running
            servers.rows[name] |= {
                "start_seconds": running.start_seconds,
                "versions": versions(python, PEERS[name].packages),
            }
        yield servers


def _compare(servers: Servers, served: Subject, photographs: Sequence[bytes], cores: int) -> dict[str, float]:
    """Everyone's answers.

    Returns:
        ``decoders_differ_by``: how far apart TensorFlow's and Pillow's readings of a photograph are, in levels of 255;
        ``pillow_reads_ms``: what the peers' reading takes, the median.
    """
    judge = Judge(served, photographs, cores)
    for name, running in servers.running.items():
        said = answers(running.target, photographs)
        servers.rows[name]["answers"] = judge.verdict(said, by_pillow=name != OURS)
    return {
        "decoders_differ_by": decoders_differ(judge, served, photographs[0]),
        "pillow_reads_ms": pillow_reads_ms(served, photographs),
    }


def _under_load(servers: Servers, running: Field, course: Course, record: dict[str, Any], say: Say) -> None:
    """The knee of ours, the rounds, and the search for goodput."""
    effort = course.effort
    say("the knee of accelserve")
    knee = record["knee"] = running.loaders[OURS].knee(effort.lone)
    taken = take_rounds(running, effort, knee, say)
    for name in list(running.loaders):
        servers.rows[name] |= of_taken(taken[name], knee, effort)
    servers.rows[OURS]["stages_ms"] = stages(taken[OURS])
    bound = record["bound_ms"] = BOUND * min(
        (row["lone"]["p50_ms"] for name, row in servers.rows.items() if name != OURS and "lone" in row),
        default=servers.rows[OURS]["lone"]["p50_ms"],
    )
    if effort.probes:
        for name in searched(servers.rows, list(running.loaders), effort.searched):
            say(f"goodput within {bound:.0f} ms: {title_of(name)}")
            with running.attempting(name):
                capacity = servers.rows[name]["many"]["requests_per_second"]
                found = search(prober(running.loaders[name], effort, bound), capacity, effort.probes)
                servers.rows[name]["goodput"] = found.to_json()
    for name, why in running.failures.items():
        say(f"{title_of(name)}: {why}")
        servers.rows[name] = {**servers.rows[name], "error": why}


def searched(rows: Mapping[str, Any], up: Sequence[str], count: int) -> list[str]:
    """Ours, and so many peers: those that decide the ratios and answer most to eight callers."""
    peers = [name for name in up if name != OURS and is_close(name)]
    peers.sort(key=lambda name: -rows[name]["many"]["requests_per_second"])
    return [name for name in (OURS, *peers[:count]) if name in up]


def _batches(servers: Servers, pictures: Pictures, effort: Effort, say: Say) -> None:
    """Several pictures a request, one caller."""
    for size in effort.batches:
        say(f"batches of {size}")
        for name, rates in _batches_of(size, servers, pictures, effort).items():
            servers.rows[name].setdefault("batches", {})[str(size)] = {
                "images_per_second": float(np.median(rates)),
                "rounds": rates,
            }


def _batches_of(size: int, servers: Servers, pictures: Pictures, effort: Effort) -> dict[str, list[float]]:
    """Contender -> images a second of each round; without those that fail."""
    up = [name for name in servers.running if "error" not in servers.rows[name]]
    seen: defaultdict[str, list[float]] = defaultdict(list)
    running = Field({}, {})
    with ExitStack() as stack:
        for name in up:
            with running.attempting(name):
                running.loaders[name] = stack.enter_context(loader(servers.running[name], pictures, size))
        for turn in range(effort.batch_rounds):
            for name in in_turn(list(running.loaders), turn, effort.batch_rounds):
                with running.attempting(name):
                    found = answered(running.loaders[name].take(Closed(callers=1), effort.batch))
                    seen[name].append(found.throughput * size)
    for name, why in running.failures.items():
        servers.rows[name].setdefault("notes", []).append(f"batches of {size}: {why}")
    return {name: rates for name, rates in seen.items() if name not in running.failures}
