"""How many workers should share an image at this moment, learnt from how long images take.

Where another process keeps a core busy, the system puts one of our workers aside in the middle of its item, for
milliseconds, and all others wait for that item. One worker fewer is then faster, since nothing competes for its core. So
another size of the team is tried now and then, and kept if it is faster: a smaller one when all workers take part, soon
if images take much longer than before, and a larger one when not all do. A trial ends at its first image that is not
faster, so it usually costs one image, and waits longer after every failure.

Not everything that slows images down is a reason for fewer workers. Virtual cores that share a physical one for a while
are slow by at most what one worker fewer would lose, and something urgent that takes a core for some milliseconds is gone
before a trial is over: one of several images is not faster then.
"""

from __future__ import annotations

from collections import deque
from statistics import median

RECENT = 5
"""Images whose median counts, and that a trial's team has to be faster in, one after the other."""
SLOW = 1.3
"""Times the best: something is in the way."""
WORTHWHILE = 0.92
"""Times what the present team takes: a trial's team is better."""
FORGETTING = 1.001
"""The best time grows by this at every image, so that a stroke of luck is forgotten."""
LEAST_WAIT = 16
"""Images from one trial to the next, at first."""
MOST_WAIT_IN_DOUBT, MOST_WAIT = 64, 1024
"""At most: while images are slow or only part of the team works, and otherwise."""


class TeamSize:
    """See the module. Not thread-safe.

    Attributes:
        most: workers there are.
        now: workers that the next image should be shared by.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = most
        self._settled = most
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._trial: list[float] = []
        self._best = float("inf")
        self._wait = LEAST_WAIT
        self._since_trial = 0

    def took(self, seconds: float) -> None:
        """Note how long the last image took, shared by ``now`` workers."""
        if self.most == 1:
            return
        if self.now != self._settled:
            self._note_trial(seconds)
            return
        self._recent.append(seconds)
        self._best = min(seconds, self._best * FORGETTING)
        self._since_trial += 1
        slow = median(self._recent) > SLOW * self._best
        if self._since_trial >= min(self._wait, self._most_wait(slow)):
            self.now = (
                self._settled + 1 if self._settled < self.most and not slow else max(1, self._settled - 1)
            )

    def _most_wait(self, slow: bool) -> int:
        return MOST_WAIT_IN_DOUBT if slow or self._settled < self.most else MOST_WAIT

    def _note_trial(self, seconds: float) -> None:
        self._trial.append(seconds)
        better = seconds < WORTHWHILE * median(self._recent)
        if better and len(self._trial) < RECENT:
            return
        if better:
            self._settled = self.now
            self._recent = deque(self._trial, maxlen=RECENT)
            self._best = min(self._trial)
        self._wait = LEAST_WAIT if better else min(2 * self._wait, MOST_WAIT)
        self._since_trial = 0
        self._trial = []
        self.now = self._settled


__all__ = ["TeamSize"]
