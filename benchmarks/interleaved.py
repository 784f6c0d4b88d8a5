"""Times contenders in turn, A B C B C A, so that a machine that speeds up or slows down does so for all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

SCRIPT = Path(__file__).with_name("contenders.py")


class Contender:
    """A contender's process, ready to be timed.

    Args:
        kind: one of ``contenders.CONTENDERS``, ours perhaps with ``:OPTION=VALUE,...``.
        python: the interpreter of the environment that holds it.
        environment: variables that it is given besides ours.

    Attributes:
        description: what it says that it is.
        primitives: see ``contenders.Loaded``.
    """

    def __init__(
        self,
        kind: str,
        python: Path,
        model: Path,
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        command = [str(python), str(SCRIPT), kind, str(model), str(threads)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        ready = self._answer()
        self.description = str(ready["ready"])
        self.primitives: dict[str, int] = ready["primitives"]

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{self.kind} ended early with code {self._process.wait()}; its error is above"
            )
        return dict(json.loads(line))

    def _ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def time(self, runs: int, clock: str = "wall") -> list[float]:
        """Milliseconds of each of ``runs`` inferences, by the clock ``wall`` or ``cpu``."""
        return list(self._ask({"time": runs, "clock": clock})["ms"])

    def answer(self, image: Path) -> NDArray[np.float64]:
        """Class probabilities, flat, for the float32 image in a ``.npy`` file."""
        return np.array(self._ask({"answer": str(image)})["probabilities"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one contender over all rounds, and its ratio to the first contender round by round."""

    ms: tuple[float, ...]
    round_medians: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median over every run."""
        return float(np.median(self.ms))

    @property
    def p90(self) -> float:
        """90th percentile over every run."""
        return float(np.percentile(self.ms, 90))

    def times_faster_than(self, other: Timing) -> float:
        """Median over rounds of the other's median by this one's: 1.2 is 1.2 times faster."""
        return float(np.median(np.array(other.round_medians) / np.array(self.round_medians)))


def interleave(
    contenders: Sequence[Contender], rounds: int, runs: int, clock: str = "wall"
) -> dict[str, Timing]:
    """Time every contender in turn, ``rounds`` times ``runs`` inferences each.

    Some contenders' threads go on spinning for a while, which is the next one's loss; so each of them comes after each
    other one equally often (a balanced Latin square: Williams 1949), which takes twice as many rounds as contenders if
    their number is odd.
    """
    blocks: dict[str, list[list[float]]] = {contender.kind: [] for contender in contenders}
    count = len(contenders)
    zigzag = [(k + 1) // 2 if k % 2 else (count - k // 2) % count for k in range(count)]
    for turn in range(rounds):
        # An odd number is only balanced together with the reverse order.
        for place in reversed(zigzag) if count % 2 and turn // count % 2 else zigzag:
            contender = contenders[(place + turn) % count]
            blocks[contender.kind].append(contender.time(runs, clock))
    return {
        kind: Timing(
            tuple(ms for block in series for ms in block), tuple(float(np.median(b)) for b in series)
        )
        for kind, series in blocks.items()
    }


def competing_process() -> subprocess.Popen[bytes]:
    """One process that keeps one core busy until it is killed."""
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])
