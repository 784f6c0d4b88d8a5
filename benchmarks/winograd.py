"""Whether the choice between direct and Winograd convolution is right: its model beside a timed run of single layers.

    python -m benchmarks.winograd --isa avx2 avx512vnni

Every layer is computed each way, in turn, on one thread; times are the least of all turns, since neighbours only add to
them. ``lost`` is what the chosen way takes more than the fastest one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from accelserve.kernels import ir
from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.compiler.convolution.exact_winograd import ExactWinogradConvolution, parts_of
from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.ops import convolution
from accelserve.kernels.cpu.microkernels.winograd_forms import FORMS, Form
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.program import LoadOptions, Lowered, Program
from benchmarks.arguments import count
from benchmarks.results_file import RESULTS, heading, write

LAYERS = (
    (224, 64, 64),
    (112, 64, 128),
    (112, 128, 128),
    (56, 256, 256),
    (28, 512, 512),
    (14, 512, 512),
    (56, 64, 64),
    (28, 128, 128),
    (14, 256, 256),
    (7, 512, 512),
    (38, 512, 512),
    (56, 128, 32),
    (14, 128, 32),
    (7, 128, 32),
)
"""Rows and columns, channels, output channels: of VGG-16, ResNet, SSD-VGG and DenseNet."""
DIRECT = "direct"


def layer_graph(side: int, channels: int, outputs: int) -> ir.Graph:
    """One padded 3x3 layer with weights of a normal distribution, as trained ones nearly have."""
    rng = np.random.default_rng(0)
    weights = np.clip(rng.normal(0, 34, (outputs, 3, 3, channels)), -127, 127).astype(np.int8)
    window = ir.Window(kernel=(3, 3), strides=(1, 1), padding=(1, 1, 1, 1), dilations=(1, 1))
    op = ir.QConv2d(
        window, 1, 0, ir.Epilogue(zero_point=0, low=0, high=255, residual=None, intermediate=None)
    )
    constants: dict[str, ir.Array] = {
        "w": weights,
        "b": np.zeros(outputs, np.int32),
        "s": np.full(outputs, 1e-5 / channels**0.5, np.float32),
    }
    return ir.Graph(
        inputs={"x": ir.TensorType((1, side, side, channels), ir.DType.U8)},
        constants=constants,
        nodes=(ir.Node("layer", op, ("x", "w", "b", "s"), "y"),),
        outputs={"y": "y"},
    )


@contextmanager
def forced(form: Form | None) -> Iterator[None]:
    """Layers take this form, or none, as far as it is exact for them."""

    def chosen(layer: Layer) -> ExactWinogradConvolution | None:
        parts = None if form is None else parts_of(layer, form)
        return None if form is None or parts is None else ExactWinogradConvolution(layer, form, parts)

    with patch.object(convolution, "by_winograd", chosen):
        yield


def milliseconds(program: Program, feeds: Mapping[str, Any]) -> float:
    """Of the layer's own steps."""
    return sum(step.seconds for step in program.profile(feeds, 1)[1:-1]) * 1e3


def measure(layer: tuple[int, int, int], name: str, turns: int) -> dict[str, Any]:
    """Time one layer each way, and see which way is chosen."""
    side, channels, _ = layer
    graph, options = layer_graph(*layer), LoadOptions(threads=1, cache=None)
    feeds = {"x": np.random.default_rng(1).integers(0, 256, (1, side, side, channels)).astype(np.uint8)}
    with ExitStack() as stack:
        programs = {}
        for way, form in ((DIRECT, None), *((str(form), form) for form in FORMS)):
            with forced(form):
                programs[way] = CpuDevice(name).load(Lowered(graph, {}), options)
            stack.callback(programs[way].close)
        chosen = CpuDevice(name).load(Lowered(graph, {}), options)
        stack.callback(chosen.close)
        operator = max(chosen.profile(feeds, 1)[1:-1], key=lambda step: step.macs).operator
        times: dict[str, list[float]] = {way: [] for way in programs}
        for _ in range(turns):
            for way, program in programs.items():
                times[way].append(milliseconds(program, feeds))
    least = {way: min(each) for way, each in times.items()}
    taken = next((str(form) for form in FORMS if operator.startswith(f"winograd{form}_")), DIRECT)
    return {
        "layer": list(layer),
        "ms": least,
        "chosen": taken,
        "lost": least[taken] / min(least.values()) - 1,
    }


def main() -> None:
    """Measure what the command line asks for; write and show it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--isa", nargs="+", default=[isa.choose().name], help="instruction sets; the best if not given"
    )
    parser.add_argument("--turns", type=count, default=60)
    parser.add_argument("--results", type=Path, default=RESULTS / "winograd.json")
    options = parser.parse_args()
    results: dict[str, Any] = heading() | {"instruction_sets": {}}
    console = Console(width=120)
    for name in options.isa:
        rows = [measure(layer, name, options.turns) for layer in LAYERS]
        results["instruction_sets"][name] = rows
        table = Table(title=f"{name}, one thread, least milliseconds; GMAC/s of the definition")
        for column in ("layer", DIRECT, *map(str, FORMS), "chosen", "GMAC/s", "lost"):
            table.add_column(column, justify="right")
        for row in rows:
            side, channels, outputs = row["layer"]
            rate = 9e-6 * side * side * channels * outputs / row["ms"][row["chosen"]]
            table.add_row(
                f"{side}x{side} {channels}->{outputs}",
                *(f"{value:.3f}" for value in row["ms"].values()),
                row["chosen"],
                f"{rate:.0f}",
                f"{row['lost']:.0%}",
            )
        console.print(table)
    write(results, options.results)


if __name__ == "__main__":
    main()
