"""The cycle model against arithmetic by hand, against what the compiler emits, and against its own promises."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Window
from accelserve.kernels.opencl.compiler.compile import compile_segment
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.estimate.model import (
    MOST_PIXELS,
    Estimate,
    best_configuration,
    estimate,
    fits,
    resources,
)
from accelserve.kernels.opencl.estimate.parts import PARTS, example_part, find_part
from accelserve.kernels.opencl.estimate.roofline import draw_roofline
from accelserve.kernels.opencl.estimate.workload import Convolution, Vector, Workload, workload_of
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

ARRIA = PARTS["arria10-gx1150"]
ENGINE = EngineConfiguration(vec=16, lane=32, px=4)


def convolution(**changes: object) -> Convolution:
    sizes = {
        "name": "conv", "rows": 14, "columns": 14, "outputs": 256, "input_rows": 14, "input_columns": 14,
        "channels": 256, "window": Window(kernel=(3, 3), padding=(1, 1, 1, 1)), "groups": 1, "residual": False,
        "reads_image": False,
    }  # fmt: skip
    return Convolution(**{**sizes, **changes})  # type: ignore[arg-type]


def predicted(layer: Convolution | Vector, engine: EngineConfiguration = ENGINE) -> Estimate:
    return estimate(Workload((layer,), 0), engine, ARRIA)


def test_a_convolution_by_hand() -> None:
    (layer,) = predicted(convolution()).layers
    taps = 3 * 3 * 16
    compute = 8 * 49 * taps  # blocks of 32 outputs, groups of four pixels
    bytes_per_cycle = 34.1e3 * 0.8 / 300
    loading = -(-14 * 14 * 256 // 64)
    weights = 256 * 9 * 256
    assert weights / bytes_per_cycle < compute
    assert layer.cycles == compute + loading + taps + 400
    assert layer.bound == "compute"
    assert layer.macs == 14 * 14 * 256 * 256 * 9


def test_a_fully_connected_layer_waits_for_its_weights() -> None:
    point = Window(kernel=(1, 1))
    sizes = {"rows": 1, "columns": 1, "input_rows": 1, "input_columns": 1, "window": point}
    (layer,) = predicted(convolution(channels=25088, outputs=4096, **sizes)).layers
    assert layer.bound == "memory"
    assert layer.cycles > 25088 * 4096 / (34.1e3 * 0.8 / 300)


def test_the_first_layer_folds_its_columns_into_channels() -> None:
    stem = {
        "rows": 112, "columns": 112, "outputs": 64, "input_rows": 224, "input_columns": 224, "channels": 3,
        "window": Window(kernel=(7, 7), strides=(2, 2), padding=(3, 3, 3, 3)),
    }  # fmt: skip
    (folded,) = predicted(convolution(reads_image=True, **stem)).layers
    (plain,) = predicted(convolution(reads_image=False, **stem)).layers
    assert folded.cycles < plain.cycles / 3, "two vectors a row instead of seven"


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(3, 20),
    channels=st.integers(1, 70),
    multiple=st.integers(1, 3),
    groups=st.sampled_from([1, 1, 2, 5]),
    kernel=st.integers(1, 3),
    image=st.booleans(),
)
def test_the_model_counts_what_the_compiler_emits(
    side: int, channels: int, multiple: int, groups: int, kernel: int, image: bool
) -> None:
    channels, outputs = channels * groups, channels * groups * multiple
    g = IntegerGraphBuilder(0)
    x = g.input(side, side, channels)
    x = x if image else g.lookup(x)
    graph = g.graph(y=g.conv(x, outputs, kernel, groups=groups))
    engine = replace(ENGINE, strip_vectors=4096)
    record = compile_segment(graph, engine, EnginePath.CHANNELS, in_turn=False).program[-1]
    taps = int(record["tap_rows"] * record["tap_columns"] * record["vectors"])
    groups_of_pixels = sum(
        -(
            -min(int(record["strip_rows"]), int(record["rows_end"]) - row)
            * int(record["columns"])
            // engine.px
        )
        for row in range(0, int(record["rows_end"]), int(record["strip_rows"]))
    )
    work = workload_of(graph)
    layer = estimate(work, engine, replace(ARRIA, memory_gbps=1e6)).layers[-1]
    compute = int(record["blocks_end"]) * groups_of_pixels * max(taps, engine.px)
    loading = layer.cycles - compute - taps - 400
    assert 0 <= loading <= side * side * (-(-channels // 16) * 16) * kernel // 64 + 1


def test_resources_by_hand() -> None:
    taken = resources(ENGINE, replace(ARRIA, shell_share=0.0))
    assert taken.dsps == 16 * 32 * 4 // 2 + 4 * 32 + 6 * 16
    weights = 2 * 103 * 2  # two banks, 4096 bits wide, 640 deep
    strip = 2 * 4 * 128  # two copies for four readers, 128 bits wide, 65536 deep
    assert taken.m20ks == weights + strip + 103 * 2 + 13 + 103


@pytest.mark.parametrize("name", PARTS)
def test_the_best_configuration_fits_its_part_and_beats_its_neighbours(name: str) -> None:
    part = PARTS[name]
    large = {"rows": 56, "columns": 56, "input_rows": 56, "input_columns": 56}
    work = Workload((convolution(), convolution(channels=64, outputs=64, **large)), 0)
    best = best_configuration([work], part)
    assert fits(best, part)
    cycles = estimate(work, best, part).cycles
    for px in range(1, MOST_PIXELS + 1):
        other = replace(best, px=px)
        assert not fits(other, part) or estimate(work, other, part).cycles >= cycles


def test_one_configuration_serves_several_networks() -> None:
    small, large = Workload((convolution(outputs=16),), 0), Workload((convolution(channels=1024),), 0)
    both = best_configuration([small, large], ARRIA)
    alone = best_configuration([small], ARRIA)
    assert sum(estimate(w, both, ARRIA).cycles for w in (small, large)) <= sum(
        estimate(w, alone, ARRIA).cycles for w in (small, large)
    )


def test_a_larger_part_is_never_slower() -> None:
    work = Workload((convolution(),), 0)
    arria, stratix = (
        estimate(work, best_configuration([work], PARTS[name]), PARTS[name])
        for name in ("arria10-gx1150", "stratix10-2800")
    )
    assert stratix.ideal_ms < arria.ideal_ms < arria.calibrated_ms


def test_a_part_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "part.json"
    file.write_text(example_part())
    assert find_part(str(file)) == ARRIA
    file.write_text(json.dumps({**asdict(ARRIA), "colour": "blue"}))
    with pytest.raises(PlanError, match="colour"):
        find_part(str(file))
    with pytest.raises(PlanError, match="arria10-gx1150"):
        find_part("virtex-2")


def test_a_part_too_small_is_refused_in_words() -> None:
    tiny = replace(ARRIA, name="tiny", dsps=20, m20ks=10)
    with pytest.raises(PlanError, match="no configuration of the engine fits tiny"):
        best_configuration([Workload((convolution(),), 0)], tiny)


def test_the_roofline_is_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "roofline.svg"
    draw_roofline(predicted(convolution()), picture)
    assert "predicted" in picture.read_text()
