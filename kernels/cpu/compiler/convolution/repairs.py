"""Where sums of split weights are repaired (``split_weights``): few steps, each of which serves all lanes of a vector.

The excess of a vector of output channels lies scattered, in each lane on other groups of activations. A repair reads
a window of eight groups and gives each lane the one that it needs, so that it takes an excess off every lane, not just
off those that have one in the same group; with bell-shaped weights that takes less than half as many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 8
"""Groups of activations that a repair may choose from."""


@dataclass(frozen=True, slots=True)
class Repairs:
    """Repairs of vectors of output channels, in the order of vectors and of segments of a window's input.

    Attributes:
        vectors, segments: [repairs], where each belongs.
        starts: [repairs], the first group of its window in its segment.
        picks: uint8 [repairs, lanes], which of the window's groups each lane takes.
        weights: int8 [repairs, lanes, pairs, 2], the excess and 0.
    """

    vectors: NDArray[np.int64]
    segments: NDArray[np.int64]
    starts: NDArray[np.int64]
    picks: NDArray[np.uint8]
    weights: NDArray[np.int8]


def repairs_of(excess: NDArray[np.int8]) -> Repairs:
    """As few repairs as windows taken from the left allow.

    Args:
        excess: [vectors, lanes, segments, groups, pairs] with ``WINDOW`` groups or more.
    """
    _, lanes, segments, groups, pairs = excess.shape
    wanted: NDArray[np.bool_] = np.moveaxis(excess != 0, 2, 1).any(axis=4)
    following = _following(wanted.reshape(-1, lanes, groups))
    rows, place = np.arange(len(following)), following[..., 0]
    found_rows, found_starts, found_places = [rows[:0]], [rows[:0]], [place[:0]]
    while (busy := (place < groups).any(axis=1)).any():
        rows, place = rows[busy], place[busy]
        start = np.minimum(place.min(axis=1), groups - WINDOW)
        served = place < start[:, None] + WINDOW
        found_rows.append(rows)
        found_starts.append(start)
        found_places.append(np.where(served, place, -1))
        after = following[rows[:, None], np.arange(lanes), np.minimum(place + 1, groups)]
        place = np.where(served, after, place)
    row = np.concatenate(found_rows)
    order = np.argsort(row, kind="stable")
    vector, segment = np.divmod(row[order], segments)
    start, places = np.concatenate(found_starts)[order], np.concatenate(found_places)[order]
    weights = np.zeros((len(row), lanes, pairs, 2), np.int8)
    served = places >= 0
    taken = excess[vector[:, None], np.arange(lanes), segment[:, None], np.maximum(places, 0)]
    weights[..., 0] = np.where(served[..., None], taken, 0)
    picks = np.where(served, places - start[:, None], 0).astype(np.uint8)
    return Repairs(vector, segment, start.astype(np.int64), picks, weights)


def _following(wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """[..., groups + 1]: the first group from each one on that is wanted, ``groups`` where there is none."""
    groups = wanted.shape[-1]
    at = np.where(wanted, np.arange(groups, dtype=np.int32), np.int32(groups))
    first = np.minimum.accumulate(at[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([first, np.full((*wanted.shape[:-1], 1), groups, np.int32)], axis=-1)


def joined(parts: Iterable[Repairs], vectors: int) -> Repairs:
    """Repairs of ``vectors`` vectors each (the last part may have fewer), one part after the other."""
    every = list(parts)
    return Repairs(
        np.concatenate([part.vectors + vectors * index for index, part in enumerate(every)]),
        np.concatenate([part.segments for part in every]),
        np.concatenate([part.starts for part in every]),
        np.concatenate([part.picks for part in every]),
        np.concatenate([part.weights for part in every]),
    )


__all__ = ["WINDOW", "Repairs", "joined", "repairs_of"]
