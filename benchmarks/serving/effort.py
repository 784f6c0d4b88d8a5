"""How long everything is measured: what a run costs and how sure its figures are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Seconds of each load on each server, and how often.

    Attributes:
        everyone: all peers, not only those that decide the ratios.
        cold: start ours once without a cache, too.
        compared: photographs whose answers are compared.
        rounds: in each of which every server has its turn with every load, in the order of the round before reversed.
        lone: one caller.
        many: eight callers.
        arrivals: each of the two open loops, at least; 0 leaves them out.
        least_arrivals: on average, in the one at half of our knee, which goals speak of: of less than a hundred the 99th
            percentile is the slowest.
        probe: of the search for goodput, at least.
        probes: of that search; 0 searches nothing.
        searched: peers in that search: those that answer most to eight callers, since goodput is a part of that.
        batches: pictures a request, each batch size.
        batch: of each batch size.
        batch_rounds: of the batches.
        floor_rounds: of ``benchmarks.floor``; 0 leaves it out.
    """

    everyone: bool
    cold: bool
    compared: int
    rounds: int
    lone: float
    many: float
    arrivals: float
    least_arrivals: int
    probe: float
    probes: int
    searched: int
    batches: tuple[int, ...]
    batch: float
    batch_rounds: int
    floor_rounds: int

    def times(self, factor: float) -> Effort:
        """The same with all seconds longer or shorter."""
        names = ("lone", "many", "arrivals", "probe", "batch")
        return replace(self, **{name: getattr(self, name) * factor for name in names})

    def to_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self) | {"batches": list(self.batches)}


WHOLE = Effort(
    everyone=True,
    cold=True,
    compared=7,
    rounds=5,
    lone=0.8,
    many=1.0,
    arrivals=1.0,
    least_arrivals=100,
    probe=2.2,
    probes=4,
    searched=2,
    batches=(8, 32),
    batch=0.6,
    batch_rounds=2,
    floor_rounds=120,
)
"""For the networks of which goals speak: less than six minutes each, with eight servers."""
SHORT = Effort(
    everyone=False,
    cold=False,
    compared=2,
    rounds=2,
    lone=0.5,
    many=0.7,
    arrivals=1.0,
    least_arrivals=0,
    probe=1.6,
    probes=3,
    searched=1,
    batches=(8, 32),
    batch=0.4,
    batch_rounds=1,
    floor_rounds=0,
)
"""For the other networks: less than two minutes each, with five servers."""
GOAL_NETWORKS = ("resnet50", "open-nsfw")
QUICK = replace(SHORT, rounds=5, lone=1.5, many=1.2, arrivals=0.0, probes=0, batches=())
"""For a comparison of ratios: two minutes each."""


def effort_for(network: str, factor: float, *, full: bool, quick: bool = False) -> Effort:
    """What a network gets.

    Args:
        network: its name.
        factor: on all seconds.
        full: whether every network gets what those of the goals get.
        quick: whether none gets that.
    """
    if quick:
        return QUICK.times(factor)
    return (WHOLE if full or network in GOAL_NETWORKS else SHORT).times(factor)
