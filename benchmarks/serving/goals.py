"""What the figures are held to, network by network: reached or missed, by how much, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.contenders import OURS, title_of

PLAIN = ("onnxruntime", "onnxruntime-no-spinning")
"""The server that most teams write, in its two settings; the better one counts."""
AT = "50%"
NO_MORE, AT_LEAST = "<=", ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal and what was measured.

    Attributes:
        what: is measured.
        beside: whom or what with.
        goal: the bound.
        way: ``>=`` or ``<=``.
        found: the figure; None if it was not measured.
    """

    what: str
    beside: str
    goal: float
    way: str
    found: float | None

    @property
    def reached(self) -> bool | None:
        """None if it was not measured."""
        if self.found is None:
            return None
        return self.found >= self.goal if self.way == AT_LEAST else self.found <= self.goal

    @property
    def missed_by(self) -> float:
        """Share of the goal; 0 if it is reached."""
        return abs(self.found / self.goal - 1) if self.found is not None and not self.reached else 0.0


def _by_isa(isa: str, avx2: float, vnni: float, amx: float) -> float:
    return {"avx2": avx2, "amx": amx, "generic": avx2}.get(isa, vnni)


def verdicts(results: Mapping[str, Any], network: str) -> Iterator[Verdict]:
    """Every goal of a network that was measured.

    Args:
        results: a results file.
        network: in it, with goodput.
    """
    isa, row = results["isa"], results["networks"][network]
    ours = row["contenders"][OURS]
    worst = [
        ("p50, one caller", "lone_p50", AT_LEAST, _by_isa(isa, 1.15, 1.25, 1.5)),
        ("requests/s, 8 callers", "many_requests", AT_LEAST, _by_isa(isa, 1.15, 1.3, 1.3)),
        ("goodput within the bound", "goodput", AT_LEAST, 1.3),
        (f"p99, arrivals at {AT} of our knee", f"p99_at_{AT}", NO_MORE, 0.8),
    ]
    for what, ratio, way, goal in worst:
        peer, found = _closest(row, ratio, way)
        yield Verdict(what=what, beside=peer, goal=goal, way=way, found=found)
    if isa == "amx":
        peer, found = _closest(row, "lone_p50", AT_LEAST, PLAIN)
        yield Verdict(what="p50, one caller", beside=peer, goal=2.0, way=AT_LEAST, found=found)
    arrivals = ours["arrivals"][AT]
    yield Verdict(
        what=f"p99, arrivals at {AT} of our knee",
        beside="the simulation",
        goal=1.2,
        way=NO_MORE,
        found=arrivals["by_simulation"]["median"] if "by_simulation" in arrivals else None,
    )
    peer, found = _closest(row, "cpu", NO_MORE, PLAIN)
    yield Verdict(
        what="CPU seconds per 1,000 requests",
        beside=peer,
        goal=_by_isa(isa, 0.85, 0.75, 0.45),
        way=NO_MORE,
        found=found,
    )
    floor = row.get("floor")
    yield Verdict(
        what="time outside compute",
        beside="the floor",
        goal=1.3,
        way=NO_MORE,
        found=float(floor["outside_by_floor"]) if floor else None,
    )


def _closest(
    row: Mapping[str, Any], ratio: str, way: str, among: Sequence[str] = ()
) -> tuple[str, float | None]:
    """The peer that comes out best, of all or of some, and our ratio to it."""
    found = {
        peer: float(each[ratio]["median"])
        for peer, each in row["ratios"].items()
        if ratio in each and (peer in among or not among)
    }
    if not found:
        return title_of(among[0]) if among else "the best peer", None
    best = min if way == AT_LEAST else max
    peer = best(found, key=lambda name: found[name])
    return title_of(peer), found[peer]
