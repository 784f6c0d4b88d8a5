"""Servers in turn under the same loads: all of them run, one is asked, the others wait.

The order of a round is that of the round before reversed (A B C C B A), so that a machine which slows down does so for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Closed, Open
from benchmarks.serving.contenders import OURS, PEERS
from benchmarks.serving.effort import Effort
from benchmarks.serving.loads import Loader, Seen, arriving

CALLERS = 8
SHARES = (0.5, 0.8)
"""Of our knee, at which requests arrive."""
LEAST_ARRIVALS = 10
"""In any open loop, on average."""
WARM_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Taken:
    """What one server did in all rounds.

    Attributes:
        lone: with one caller, a ``Seen`` a round.
        many: with eight callers.
        arrivals: share of our knee -> a ``Seen`` a round.
        rounds: the numbers of the rounds that it took part in.
    """

    lone: list[Seen] = field(default_factory=list)
    many: list[Seen] = field(default_factory=list)
    arrivals: dict[float, list[Seen]] = field(default_factory=lambda: {share: [] for share in SHARES})
    rounds: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Field:
    """Everyone who runs, and those who no longer do.

    Attributes:
        loaders: contender -> a client of it.
        failures: contender -> why it is out.
    """

    loaders: dict[str, Loader]
    failures: dict[str, str]

    @contextmanager
    def attempting(self, name: str) -> Iterator[None]:
        """A block about a contender, who is out if it fails."""
        try:
            yield
        except (LoadError, OSError, grpc.RpcError) as error:
            self.loaders.pop(name, None)
            self.failures[name] = " ".join(str(error).split())


def in_turn(names: Sequence[str], turn: int, rounds: int) -> list[str]:
    """Whose turn it is in a round, in order: those who are not close to the best take part in the middle one alone."""
    taking = [name for name in names if is_close(name) or turn == rounds // 2]
    return taking[::-1] if turn % 2 else taking


def is_close(name: str) -> bool:
    """Whether a contender is ours or one of those that decide the ratios."""
    return name == OURS or PEERS[name].is_close


def take_rounds(
    field_of: Field, effort: Effort, knee: float, say: Callable[[str], None]
) -> Mapping[str, Taken]:
    """All rounds.

    Args:
        field_of: who runs.
        effort: how long.
        knee: requests a second, of ours.
        say: progress.
    """
    found = {name: Taken() for name in field_of.loaders}
    for turn in range(effort.rounds):
        say(f"round {turn + 1} of {effort.rounds}")
        for name in in_turn(list(field_of.loaders), turn, effort.rounds):
            with field_of.attempting(name):
                _visit(field_of.loaders[name], found[name], effort, knee, turn)
    return found


def _visit(loader: Loader, taken: Taken, effort: Effort, knee: float, turn: int) -> None:
    loader.take(Closed(callers=1), WARM_SECONDS)
    taken.lone.append(answered(loader.take(Closed(callers=1), effort.lone)))
    taken.many.append(answered(loader.take(Closed(callers=CALLERS), effort.many)))
    for share in SHARES if effort.arrivals else ():
        load = load_at(knee, share)
        seconds = seconds_at(load.rate, effort, share)
        taken.arrivals[share].append(loader.take(load, seconds, seed=turn))
    taken.rounds.append(turn)


def load_at(knee: float, share: float) -> Open:
    """The open loop at a share of our knee."""
    return arriving(knee * share)


def seconds_at(rate: float, effort: Effort, share: float) -> float:
    """The length of an open loop: as it was meant, or longer where a slow network would have too few arrivals in it."""
    least = max(LEAST_ARRIVALS, effort.least_arrivals if share == SHARES[0] else 0)
    return max(effort.arrivals, least / rate)


def answered(seen: Seen) -> Seen:
    """The same.

    Raises:
        LoadError: nothing was answered, or something with an error.
    """
    if not seen.measured.sent:
        raise LoadError("no request was sent: the machine held the client up until its time was over")
    if seen.measured.failed:
        words = "; ".join(f"{code}: {word}" for code, word in seen.measured.words.items())
        raise LoadError(f"{seen.measured.failed} of {seen.measured.sent} requests failed: {words}"[:300])
    return seen
