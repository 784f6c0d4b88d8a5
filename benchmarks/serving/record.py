"""What was seen of a network's servers, as the results file keeps it. Milliseconds, requests or images a second, MB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from accelserve.loadgen.recorder import Times
from benchmarks.serving.contenders import OURS
from benchmarks.serving.effort import Effort
from benchmarks.serving.loads import CLIENT_PROCESSES, Seen
from benchmarks.serving.rounds import SHARES, Taken, seconds_at
from benchmarks.serving.simulation import arrivals, simulated_p99

KEEPS_UP = 0.9
"""Of the arrivals' rate: a server that answers less than that is past its capacity, and its latency grows with time."""


def pooled(seen: Iterable[Seen], service: bool = False) -> Times:
    """All rounds' times in one histogram."""
    whole = Times()
    for each in seen:
        whole.merge((each.measured.service if service else each.measured.latency).encoded())
    return whole


def of_taken(taken: Taken, knee: float, effort: Effort) -> dict[str, Any]:
    """The loads of all rounds.

    Args:
        taken: of a server.
        knee: of ours, requests a second.
        effort: how long they were.
    """
    lone, many = pooled(taken.lone), pooled(taken.many)
    return {
        "rounds": taken.rounds,
        "lone": {
            "p50_ms": lone.percentile_ms(50),
            "p99_ms": lone.percentile_ms(99),
            "requests": lone.count,
            "rounds_p50_ms": [each.measured.latency.percentile_ms(50) for each in taken.lone],
            "cpu_seconds_per_1000": _median(each.cpu_seconds_per_1000 for each in taken.lone),
        },
        "many": {
            "requests_per_second": _median(each.throughput for each in taken.many),
            "p50_ms": many.percentile_ms(50),
            "p99_ms": many.percentile_ms(99),
            "rounds_requests_per_second": [each.throughput for each in taken.many],
            "cpu_seconds_per_1000": _median(each.cpu_seconds_per_1000 for each in taken.many),
            "rounds_cpu_seconds_per_1000": [each.cpu_seconds_per_1000 for each in taken.many],
        },
        "arrivals": {
            f"{share:.0%}": _of_arrivals(taken, share, knee, effort)
            for share in SHARES
            if taken.arrivals[share]
        },
        "notes": sorted({_kind(note) for each in _all(taken) for note in each.notes}),
    }


def _of_arrivals(taken: Taken, share: float, knee: float, effort: Effort) -> dict[str, Any]:
    seen, rate = taken.arrivals[share], knee * share
    seconds = seconds_at(rate, effort, share)
    latency = pooled(seen)
    times = [arrivals(rate, seconds, turn, CLIENT_PROCESSES) for turn in taken.rounds[: len(seen)]]
    services = [each / 1000 for each in pooled(taken.lone, service=True).milliseconds()]
    measured = [each.measured.latency.percentile_ms(99) for each in seen]
    simulated = [1000 * simulated_p99([each], services) for each in times]
    throughput = _median(each.throughput for each in seen)
    offered = float(np.median([len(each) / seconds for each in times]))
    return {
        "rate": rate,
        "p50_ms": latency.percentile_ms(50),
        "p99_ms": latency.percentile_ms(99),
        "rounds_p99_ms": measured,
        "simulated_p99_ms": 1000 * simulated_p99(times, services),
        "rounds_simulated_p99_ms": simulated,
        "by_simulation": _of_rounds([mine / model for mine, model in zip(measured, simulated, strict=True)]),
        "requests": latency.count,
        "failed": sum(each.measured.failed for each in seen),
        "keeps_up": throughput >= KEEPS_UP * offered,
    }


def stages(taken: Taken) -> dict[str, dict[str, float]]:
    """Where our server's time goes, a mean of all rounds in milliseconds a request: with one caller, and with eight."""
    return {"lone": _stages(taken.lone), "many": _stages(taken.many)}


def _stages(seen: Sequence[Seen]) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    requests: defaultdict[str, int] = defaultdict(int)
    for each in seen:
        if each.server is None:
            continue
        whole = [] if each.server.whole is None else [each.server.whole]
        for stage in (*each.server.stages, *whole):
            sums[stage.name] += stage.milliseconds * stage.requests
            requests[stage.name] += stage.requests
    return {name: sums[name] / requests[name] for name in sums}


def ratios(contenders: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ours beside every peer: above 1 ours is better, but for ``cpu`` and ``p99``, where ours is divided by the peer's.

    Returns:
        Peer -> ratio -> the median over the rounds that both took part in, and the least and the greatest of them.
    """
    ours = contenders[OURS]
    return {
        name: _ratios(ours, row)
        for name, row in contenders.items()
        if name != OURS and "error" not in row and "error" not in ours
    }


def _ratios(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "lone_p50": _over_rounds(
            ours, peer, lambda row: row["lone"]["rounds_p50_ms"], lambda mine, other: other / mine
        ),
        "many_requests": _over_rounds(
            ours,
            peer,
            lambda row: row["many"]["rounds_requests_per_second"],
            lambda mine, other: mine / other,
        ),
        "cpu": _over_rounds(
            ours,
            peer,
            lambda row: row["many"]["rounds_cpu_seconds_per_1000"],
            lambda mine, other: mine / other,
        ),
    }
    for share in peer["arrivals"]:
        found[f"p99_at_{share}"] = _over_rounds(
            ours,
            peer,
            lambda row, at=share: row["arrivals"][at]["rounds_p99_ms"],
            lambda mine, other: mine / other,
        )
    if peer.get("goodput") and peer["goodput"]["goodput"]:
        found["goodput"] = {"median": ours["goodput"]["goodput"] / peer["goodput"]["goodput"]}
    for size, batch in peer.get("batches", {}).items():
        if size in ours.get("batches", {}):
            found[f"batch_{size}"] = {
                "median": ours["batches"][size]["images_per_second"] / batch["images_per_second"]
            }
    return found


def _over_rounds(ours: Mapping[str, Any], peer: Mapping[str, Any], series: Any, ratio: Any) -> dict[str, Any]:
    mine = dict(zip(ours["rounds"], series(ours), strict=True))
    other = dict(zip(peer["rounds"], series(peer), strict=True))
    return _of_rounds([float(ratio(mine[turn], other[turn])) for turn in mine if turn in other])


def _of_rounds(each: Sequence[float]) -> dict[str, Any]:
    """The middle of the rounds' ratios: a stall of the machine decides the round that it is in, and no other."""
    return {"median": float(np.median(each)), "least": min(each), "most": max(each), "rounds": len(each)}


def _all(taken: Taken) -> list[Seen]:
    return [
        *taken.lone,
        *taken.many,
        *(each for share in SHARES for each in taken.arrivals[share]),
    ]


def _kind(note: str) -> str:
    """Notes without their figures, which differ from round to round."""
    return "".join("#" if letter.isdigit() else letter for letter in note)


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))
