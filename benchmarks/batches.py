"""Images a second: one after the other on all cores, in batches, one image a core without barriers; and over gRPC.

    python -m benchmarks.batches

The runner decides by the queue: what waits when the device is free is the next batch. An image that waits alone is
shared by all cores; of several, each core takes one, and what is left over is shared.

Ways of one network take turns in one process for many rounds. A rate is that of the best round, since what others do on
the machine only ever takes away; a ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array
from accelserve.kernels.program import LoadOptions
from accelserve.models.serving.servable import Servable
from benchmarks.arguments import count, positive
from benchmarks.networks import CACHE, NETWORKS
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving_process import ServingProcess, jpeg_request, published

BATCH = 8
CALLERS = (1, 2, 4, 8)
OTHERS = ("batch_1", "one_a_core")
CORES = len(os.sched_getaffinity(0))

Way = Callable[[Array], None]


def in_process(name: str, rounds: int) -> dict[str, float]:
    """Images a second of each way to run a batch on the device."""
    model, cache = published(name), CACHE / "serving" / name
    device = CpuDevice()
    with ExitStack() as stack:

        def loaded(threads: int) -> Servable:
            options = LoadOptions(threads=threads, cache=cache)
            return stack.enter_context(closing(Servable.load(model, device=device, options=options)))

        together, alone = loaded(CORES), [loaded(1) for _ in range(CORES)]
        pool = stack.enter_context(ThreadPoolExecutor(CORES))

        def one_after_the_other(batch: Array) -> None:
            for image in range(BATCH):
                together.run(batch[image : image + 1])

        def as_a_batch(batch: Array) -> None:
            together.run(batch)

        def one_a_core(batch: Array) -> None:
            def share(core: int) -> None:
                for image in range(core, BATCH, CORES):
                    alone[core].run(batch[image : image + 1])

            list(pool.map(share, range(CORES)))

        ways = {"batch_1": one_after_the_other, f"batch_{BATCH}": as_a_batch, "one_a_core": one_a_core}
        batch = np.zeros((BATCH, *together.input_shape), np.uint8)
        return best_rates(ways, batch, rounds)


def best_rates(ways: Mapping[str, Way], batch: Array, rounds: int) -> dict[str, float]:
    """Images a second of each way, and how many times as many the batch answers as the others; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            began = time.perf_counter()
            run(batch)
            seconds[name].append(time.perf_counter() - began)
    rates = {name: len(batch) / min(each) for name, each in seconds.items()}
    batched = np.array(seconds[f"batch_{BATCH}"])
    ratios = {f"batch_by_{name}": float(np.median(seconds[name] / batched)) for name in OTHERS}
    return rates | ratios


def over_grpc(name: str, seconds: float, rounds: int) -> dict[str, float]:
    """JPEGs a second that so many callers get answered who each wait for their answer, in the best round."""
    request = jpeg_request(name)
    best = dict.fromkeys(CALLERS, 0.0)
    with ServingProcess(published(name), CACHE / "serving" / name) as server:
        for _ in range(rounds):
            for callers in CALLERS:
                best[callers] = max(best[callers], answered(server, request, callers, seconds) / seconds)
    return {str(callers): rate for callers, rate in best.items()}


def answered(server: ServingProcess, request: bytes, callers: int, seconds: float) -> int:
    """Answers that the callers got within the time."""
    counts = [0] * callers
    end = time.perf_counter() + seconds

    def call(caller: int) -> None:
        while time.perf_counter() < end:
            server.predict(request)
            counts[caller] += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    ways = ("batch_1", f"batch_{BATCH}", "one_a_core")
    columns = (*ways, *(f"batch_by_{name}" for name in OTHERS))
    table = Table(title=f"images a second, {CORES} cores; ratios: above 1 the batch is faster")
    headings: Sequence[str] = [column.replace("_", " ") for column in columns]
    for column in ("network", *headings, *(f"gRPC, {callers} callers" for callers in CALLERS)):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, row in results["networks"].items():
        figures = [f"{row['device'][column]:.{0 if column in ways else 2}f}" for column in columns]
        table.add_row(name, *figures, *(f"{rate:.0f}" for rate in row["grpc"].values()))
    console.print(table)


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=count, default=30)
    parser.add_argument("--grpc-rounds", type=count, default=4)
    parser.add_argument("--seconds", type=positive, default=1.0, help="of each number of callers in a round")
    parser.add_argument("--results", type=Path, default=RESULTS / "batches.json")
    options = parser.parse_args()
    console = Console()
    results: dict[str, Any] = heading() | {"cores": CORES, "networks": {}}
    for name in options.networks:
        console.print(f"{name} ...")
        results["networks"][name] = {
            "device": in_process(name, options.rounds),
            "grpc": over_grpc(name, options.seconds, options.grpc_rounds),
        }
    write(results, options.results)
    show(results, console)


if __name__ == "__main__":
    main()
