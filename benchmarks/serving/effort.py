"""How long everything is measured: what a run costs and how sure its figures are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Seconds of each load on each server, and how often.

    Attributes:
        rounds: in each of which every server has its turn with every load, in the order of the round before reversed.
        lone: one caller.
        many: eight callers.
        arrivals: each of the two open loops; 0 leaves them out.
        probe: of the search for goodput, at least.
        probes: of that search; 0 searches nothing.
        batches: pictures a request, each batch size.
        batch: of each batch size.
        batch_rounds: of the batches.
        floor_rounds: of ``benchmarks.floor``; 0 leaves it out.
    """

    rounds: int
    lone: float
    many: float
    arrivals: float
    probe: float
    probes: int
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
    rounds=5,
    lone=1.0,
    many=1.2,
    arrivals=1.6,
    probe=3.0,
    probes=4,
    batches=(8, 32),
    batch=1.0,
    batch_rounds=2,
    floor_rounds=200,
)
"""For the networks of which goals speak: about five minutes each with seven servers."""
SHORT = Effort(
    rounds=3,
    lone=1.0,
    many=1.2,
    arrivals=1.2,
    probe=3.0,
    probes=0,
    batches=(8,),
    batch=1.0,
    batch_rounds=1,
    floor_rounds=0,
)
"""For the other networks: two and a half minutes each."""
GOAL_NETWORKS = ("resnet50", "open-nsfw")
QUICK = replace(SHORT, rounds=5, lone=1.5, arrivals=0.0, batches=())
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
