"""How long a server takes in a container of its image until it is ready, and what memory it has, beside the same one outside.

    python -m benchmarks.image_start localhost/resnet50:1 models/resnet50/1

The image is podman's and was built of that version, with kernels for this processor and its number of cores. Time counts from the
start of the first process inside, as the kernel has it, to the line in the log: what an engine takes before that is not the
image's. Starts inside and outside take turns; outside the cache is filled before.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from examples.photographs import package_files

from accelserve.client import PredictionClient
from benchmarks.arguments import count
from benchmarks.owned_processes import owned_processes, stat_of
from benchmarks.serving_process import ProcessMemory

_READY = re.compile(r"^(\S+ \S+) I Running gRPC ModelServer at \S+:(\d+)")
_REQUESTS = 20
_NAME = "accelserve-image-start"


class Start(NamedTuple):
    """One start: seconds until ready, and megabytes resident after some requests."""

    seconds: float
    resident: float


def inside(image: str) -> Start:
    """In a container, read-only."""
    command = ["podman", "run", "--rm", "--name", _NAME, "--network=host", "--read-only", image, "--port=0"]
    with _running(command) as process:
        moment, port = _ready(process.stderr)
        inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", _NAME]
        first = int(subprocess.run(inspect, capture_output=True, text=True, check=True).stdout)
        server = int(Path(f"/proc/{first}/task/{first}/children").read_text().split()[0])
        return _ended(process, Start(moment - _began(first), _resident(server, port)))


def outside(model: Path, cache: Path) -> Start:
    """By this environment."""
    flags = [f"--model_name={model.parent.name}", f"--model_base_path={model.parent.resolve()}"]
    command = [sys.executable, "-m", "accelserve.server.cli", "serve", "--port=0", *flags]
    with _running([*command, "--rest_api_port=8501", f"--cache_dir={cache}"]) as process:
        moment, port = _ready(process.stderr)
        return _ended(process, Start(moment - _began(process.pid), _resident(process.pid, port)))


def _running(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "TZ": "UTC"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def _ended(process: subprocess.Popen[str], start: Start) -> Start:
    process.terminate()
    process.communicate(timeout=60)
    return start


def _ready(log: IO[str] | None) -> tuple[float, int]:
    """When the server was ready, in seconds since 1970, and its port."""
    lines = []
    for line in log or ():
        lines.append(line)
        if found := _READY.search(line):
            moment = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
            return moment.timestamp(), int(found[2])
    raise RuntimeError("the server ended early:\n" + "".join(lines))


def _began(pid: int) -> float:
    """When a process was started, in seconds since 1970."""
    ticks = int(stat_of(pid)[19])
    ago = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - ago


def _resident(pid: int, port: int) -> float:
    photograph = next(path for path in package_files() if path.suffix == ".jpg")
    with closing(PredictionClient("127.0.0.1", port)) as client:
        for _ in range(_REQUESTS):
            client.score_file(photograph)
    return ProcessMemory.of(pid).resident


@owned_processes()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("model", type=Path, help="folder of the version")
    parser.add_argument("--starts", type=count, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        outside(given.model, cache)
        pairs = [(inside(given.image), outside(given.model, cache)) for _ in range(given.starts)]
    for what, unit in (("seconds", "s"), ("resident", "MB")):
        values = [(getattr(a, what), getattr(b, what)) for a, b in pairs]
        ours, theirs = (statistics.median(each) for each in zip(*values, strict=True))
        ratio = statistics.median(a / b for a, b in values)
        print(f"{what}: inside {ours:.3f} {unit}, outside {theirs:.3f} {unit}, ratio {ratio:.3f}")
        print(f"  least: inside {min(a for a, _ in values):.3f}, outside {min(b for _, b in values):.3f}")


if __name__ == "__main__":
    main()
