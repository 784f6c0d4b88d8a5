"""What the serving benchmark computes of what it saw. Judges: queueing theory, the loader's own arrivals, and a written-out queue."""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.page_sections import END, begin_of
from benchmarks.serving.campaign import taking_part
from benchmarks.serving.check import worse
from benchmarks.serving.contenders import OURS, PEERS, peers_at
from benchmarks.serving.effort import QUICK, SHORT, WHOLE, effort_for
from benchmarks.serving.environments import REQUIREMENTS
from benchmarks.serving.goals import verdicts
from benchmarks.serving.goodput import search
from benchmarks.serving.loads import Seen
from benchmarks.serving.peers.pictures import normalizer, reader
from benchmarks.serving.performance_page import MODULE, rewrite
from benchmarks.serving.record import ratios
from benchmarks.serving.rounds import LEAST_ARRIVALS, in_turn, seconds_at
from benchmarks.serving.running import run_to_the_end
from benchmarks.serving.simulation import arrivals, latencies, simulated_p99

from accelserve.kernels.preprocess import PRESETS, preprocess_float
from accelserve.loadgen.recorder import Merged, Times
from accelserve.models.samples import write_sample_photographs


def test_a_queue_written_out() -> None:
    assert latencies([0.0, 1.0, 5.0], [2.0, 2.0, 2.0]) == [2.0, 3.0, 2.0]


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7])
def test_the_simulation_waits_as_long_as_pollaczek_and_khinchin_say(load: float) -> None:
    """M/D/1: the mean wait is load / (2 (1 - load)) services."""
    times = arrivals(load, 400_000.0, 0, 1)
    waits = np.array(latencies(times, [1.0] * len(times))) - 1.0
    assert waits.mean() == pytest.approx(load / (2 * (1 - load)), rel=0.05)


def test_a_99th_percentile_of_an_exponential_queue() -> None:
    """M/M/1: the time in the system is exponential with rate 1 - load."""
    draw = random.Random(1)
    services = [draw.expovariate(1.0) for _ in range(20_000)]
    p99 = simulated_p99([arrivals(0.5, 20_000.0, 0, 1)], services)
    assert p99 == pytest.approx(-math.log(0.01) / 0.5, rel=0.1)


def seen(good: int, sent: int, seconds: float) -> Seen:
    latency = Times()
    for _ in range(sent):
        latency.add(0.01)
    measured = Merged(latency=latency, good=good, began=0.0, ended=seconds)
    return Seen(measured=measured, server_cpu_seconds=0.0, notes=(), server=None)


@pytest.mark.parametrize("most", [30.0, 55.0, 90.0])
def test_the_search_ends_at_the_highest_rate_that_keeps_the_bound(most: float) -> None:
    def probe(rate: float, _seed: int) -> Seen:
        return seen(good=1000 if rate <= most else 500, sent=1000, seconds=1000 / rate)

    found = search(probe, 100.0, 8)
    assert found.kept <= most < found.broken
    assert found.broken - found.kept == pytest.approx(100.0 / 2**8)
    assert found.goodput == pytest.approx(found.kept)


def test_one_stall_does_not_decide() -> None:
    asked: list[int] = []

    def probe(_rate: float, seed: int) -> Seen:
        asked.append(seed)
        return seen(good=970 if len(asked) == 1 else 1000, sent=1000, seconds=10.0)

    assert search(probe, 100.0, 2).kept > 70
    assert len(set(asked)) == 3


def test_a_server_that_never_keeps_the_bound_has_no_goodput() -> None:
    found = search(lambda _rate, _seed: seen(good=0, sent=100, seconds=1.0), 100.0, 4)
    assert (found.goodput, found.kept) == (0.0, 0.0)


def test_an_open_loop_of_a_slow_network_lasts_until_some_have_arrived() -> None:
    assert seconds_at(1000.0, WHOLE, 0.5) == seconds_at(1000.0, WHOLE, 0.8) == WHOLE.arrivals
    assert seconds_at(2.0, WHOLE, 0.8) == seconds_at(2.0, SHORT, 0.5) == LEAST_ARRIVALS / 2.0
    assert all(arrivals(2.0, seconds_at(2.0, SHORT, 0.8), seed, 1) for seed in range(20))


def test_the_open_loop_of_the_goals_has_a_99th_percentile() -> None:
    found = [len(arrivals(20.0, seconds_at(20.0, WHOLE, 0.5), seed, 1)) for seed in range(50)]
    assert np.mean(found) == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_rounds_reverse_and_the_slower_ones_take_part_in_the_middle_one(rounds: int) -> None:
    names = [OURS, *PEERS]
    close = [name for name in names if name == OURS or PEERS[name].is_close]
    for turn in range(rounds):
        taking = names if turn == rounds // 2 else close
        assert in_turn(names, turn, rounds) == (taking[::-1] if turn % 2 else taking)


def row(p50: list[float], rate: list[float], cpu: list[float], rounds: list[int]) -> dict[str, Any]:
    return {
        "title": "a server",
        "rounds": rounds,
        "start_seconds": 1.0,
        "memory_mb": 100.0,
        "answers": {"differs_by": 0.001, "same_top1": 7, "photographs": 7},
        "versions": {"package": "1.0"},
        "lone": {"p50_ms": p50[0], "p99_ms": 30.0, "rounds_p50_ms": p50},
        "many": {
            "requests_per_second": rate[0],
            "p50_ms": 90.0,
            "p99_ms": 120.0,
            "rounds_requests_per_second": rate,
            "cpu_seconds_per_1000": cpu[0],
            "rounds_cpu_seconds_per_1000": cpu,
        },
        "arrivals": {
            share: {
                "rate": 20.0,
                "p99_ms": p50[0] * 2,
                "rounds_p99_ms": [2 * each for each in p50],
                "by_simulation": {"median": 1.3, "least": 1.1, "most": 3.0, "rounds": len(p50)},
                "simulated_p99_ms": p50[0] * 2,
                "failed": 0,
                "keeps_up": True,
            }
            for share in ("50%", "80%")
        },
        "goodput": {"goodput": rate[0], "kept_rate": rate[0], "broken_rate": rate[0] + 5},
        "batches": {"8": {"images_per_second": rate[0], "rounds": rate}},
        "notes": [],
    }


def results() -> dict[str, Any]:
    ours = row([10.0, 20.0, 10.0], [100.0, 50.0, 100.0], [20.0, 20.0, 20.0], [0, 1, 2])
    ours["stages_ms"] = {"lone": {"decode": 1.0, "compute": 8.0}, "many": {}}
    ours["start_without_cache_seconds"] = 9.0
    rows = {
        OURS: ours,
        "onnxruntime": row([15.0, 30.0, 15.0], [50.0, 25.0, 50.0], [40.0, 40.0, 40.0], [0, 1, 2]),
        "openvino-latency": row([11.0, 11.0], [99.0, 99.0], [21.0, 21.0], [0, 2]),
        "litserve": {"title": "LitServe", "error": "it ended with code 1"},
    }
    return {
        "date": "2026-01-01T00:00:00+00:00",
        "machine": {"cpu": "a processor", "system": "Linux", "python": "3.11"},
        "isa": "avx2",
        "held_to_isa": True,
        "cores": 2,
        "command": "python -m benchmarks.serving",
        "photographs": "7 photographs",
        "contenders": {OURS: {"title": "accelserve", "wire": "gRPC", "settings": "none"}},
        "left_out": {},
        "networks": {
            "resnet50": {
                "contenders": rows,
                "ratios": ratios(rows),
                "knee": 40.0,
                "bound_ms": 44.0,
                "gmac_per_image": 4.1,
                "peak_gmac_per_second": 500.0,
                "compute_alone_ms": 8.0,
                "decoders_differ_by": 5.0,
                "pillow_reads_ms": 2.5,
                "floor": {
                    "outside_by_floor": 1.5,
                    "floor_us": {"p50": 2000.0},
                    "parts_us": {"decode": 900.0, "metrics": 0.2},
                },
                "load_average": 0.1,
            }
        },
    }


def test_ratios_pair_the_rounds_that_both_took_part_in() -> None:
    found = results()["networks"]["resnet50"]["ratios"]
    assert found["onnxruntime"]["lone_p50"] == {"median": 1.5, "least": 1.5, "most": 1.5, "rounds": 3}
    assert found["openvino-latency"]["lone_p50"]["rounds"] == 2
    assert found["onnxruntime"]["cpu"]["median"] == 0.5
    assert found["openvino-latency"]["p99_at_50%"]["median"] == pytest.approx(10 / 11)
    assert "litserve" not in found


def test_goals_are_judged_by_the_best_peer() -> None:
    found = {(each.what, each.beside): each for each in verdicts(results(), "resnet50")}
    latency = found["p50, one caller", "OpenVINO int8, latency"]
    assert latency.found == pytest.approx(1.1)
    assert latency.reached is False
    assert latency.missed_by == pytest.approx(1 - 1.1 / 1.15)
    assert found["CPU seconds per 1,000 requests", "onnxruntime int8"].reached is True
    assert found["p99, arrivals at 50% of our knee", "the simulation"].found == 1.3
    assert found["time outside compute", "the floor"].missed_by == pytest.approx(1.5 / 1.3 - 1)


def test_the_page_says_who_is_missing_and_why(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    begin = begin_of(MODULE)
    page.write_text(f"before\n{begin}\nold\n{END}\nafter\n{END}\n")
    (tmp_path / "serving-avx2.json").write_text(json.dumps(results()))
    rewrite(page, tmp_path)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"after\n{END}\n")
    assert "old" not in text
    assert "LitServe is missing: it ended with code 1" in text
    assert "missed by 4%" in text
    assert "decode 900; the floor, libjpeg-turbo and an echo, is 2000" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| resnet50 |")}
    assert len(widths) == 1


def test_check_fails_beyond_the_tolerance_alone() -> None:
    before, now = results(), results()
    assert not any(bad for _, bad in worse(before, now, 0.2))
    ratio = now["networks"]["resnet50"]["ratios"]["onnxruntime"]
    ratio["lone_p50"]["median"] = 1.5 / 1.1
    ratio["cpu"]["median"] = 0.5 * 1.3
    bad = [words for words, is_bad in worse(before, now, 0.2) if is_bad]
    assert bad == ["resnet50, cpu beside onnxruntime: 0.65x, committed 0.50x"]


@pytest.mark.parametrize("preset", ["imagenet-torch", "open-nsfw", "ssd300-torch"])
def test_the_peers_read_pictures_as_we_do(preset: str, tmp_path: Path) -> None:
    """But for the decoder: TensorFlow's fast DCT against Pillow's exact one is some levels, in few pixels."""
    spec = PRESETS[preset]
    fields = spec.to_json()
    for path in write_sample_photographs(tmp_path):
        theirs = normalizer(fields)([reader(fields)(path.read_bytes())])[0]
        ours = preprocess_float(spec, path.read_bytes()).transpose(2, 0, 1)
        levels = np.abs(theirs - ours) / np.array(fields.get("scale") or [1.0] * 3)[:, None, None]
        assert levels.mean() < 1.5
        assert levels.max() < 12


def test_every_peer_has_pinned_requirements_and_a_program() -> None:
    for name, peer in PEERS.items():
        lines = (REQUIREMENTS / f"{peer.environment}.txt").read_text().splitlines()
        assert lines[0].startswith("#"), name
        pinned = dict(line.lower().replace("_", "-").split("==") for line in lines[1:])
        assert not [each for each in peer.packages if each not in pinned], name
        assert Path(f"benchmarks/serving/peers/{peer.environment}_server.py").is_file()


def test_a_program_that_is_run_to_the_end_leaves_nothing() -> None:
    seconds = f"6{os.getpid()}"  # nobody else sleeps so long
    code = run_to_the_end(["sh", "-c", f"sleep {seconds} & echo $! > /dev/null; exit 3"])
    assert code == 3
    words = f"sleep\0{seconds}\0".encode()
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if words == _words(path)]


def _words(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_only_who_can_be_held_down_runs_below_the_best() -> None:
    assert peers_at("avx2", "avx512vnni") == ["openvino-latency", "openvino-throughput"]
    assert peers_at("avx2", "avx2") == list(PEERS)
    assert peers_at(None, "amx") == list(PEERS)


def test_the_networks_of_the_goals_get_the_most() -> None:
    assert effort_for("resnet50", 1.0, full=False) == WHOLE
    assert effort_for("vgg16", 1.0, full=False) == SHORT
    assert effort_for("vgg16", 0.5, full=True) == WHOLE.times(0.5)


def test_a_short_run_has_the_peers_that_decide_goals_and_those_that_were_named() -> None:
    peers = ("onnxruntime", "litserve", "openvino-latency")
    assert taking_part(peers, WHOLE, named=False) == peers
    for effort in (QUICK, SHORT):
        assert taking_part(peers, effort, named=False) == ("onnxruntime", "openvino-latency")
        assert taking_part(peers, effort, named=True) == peers
