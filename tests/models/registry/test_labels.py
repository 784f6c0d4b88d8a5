"""Labels move at once, whoever else moves them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.models.errors import RecordExistsError, RecordNotFoundError, RegistryError
from accelserve.models.registry.labels import Labels, read_labels


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    return Labels("net", str(tmp_path))


def test_a_label_is_given_moved_rolled_back_and_taken_away(labels: Labels, tmp_path: Path) -> None:
    assert labels.give("stable", 1) == (None, 1)
    assert labels.give("stable", 1) == (1, 1)
    assert labels.move("stable", 2) == (1, 2)
    assert labels.move("stable", 3, expecting=2) == (2, 3)
    assert labels.roll_back("stable") == (3, 2)
    assert labels.roll_back("stable") == (2, 3)
    labels.give("canary", 3)
    assert (labels.of(3), labels.of(2), read_labels(str(tmp_path))) == (
        ["canary", "stable"], [], {"canary": 3, "stable": 3},
    )  # fmt: skip
    assert labels.remove("stable") == (3, None)
    assert labels.versions() == {"canary": 3}


def test_what_cannot_be_done_says_why_and_changes_nothing(labels: Labels) -> None:
    labels.give("stable", 1)
    for attempt, error, words in (
        (
            lambda: labels.give("stable", 2),
            RecordExistsError,
            "label 'stable' is on version 1 of net; 'promote' moves it",
        ),
        (
            lambda: labels.move("blue", 2),
            RecordNotFoundError,
            "model 'net' has no label 'blue'; there are stable",
        ),
        (
            lambda: labels.move("stable", 2, expecting=3),
            RegistryError,
            "label 'stable' of net is on version 1, not on 3",
        ),
        (lambda: labels.roll_back("stable"), RegistryError, "was never on another version than 1"),
        (lambda: labels.roll_back("blue"), RecordNotFoundError, "has no label 'blue'"),
        (lambda: labels.remove("blue"), RecordNotFoundError, "has no label 'blue'"),
        (lambda: labels.remove("stable", expecting=2), RegistryError, "is on version 1, not on 2"),
        (
            lambda: labels.give("latest", 1),
            RegistryError,
            "'latest' is no label: it is always the highest version",
        ),
    ):
        with pytest.raises(error, match=words):
            attempt()  # type: ignore[no-untyped-call]
    assert labels.versions() == {"stable": 1}


@given(label=st.text(max_size=70))
def test_any_text_is_a_label_as_it_is_or_refused(
    label: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    labels = Labels("net", str(tmp_path_factory.mktemp("model")))
    try:
        labels.give(label, 1)
    except RegistryError:
        assert labels.versions() == {}
    else:
        assert labels.versions() == {label: 1}
        assert label.isascii()
        assert label[0].isalpha()


MOVE = """
import sys
from accelserve.models.registry.labels import Labels
labels = Labels("net", sys.argv[1])
for version in range(int(sys.argv[2]), 100, 2):
    print(*labels.move("stable", version))
"""


def test_two_writers_move_a_label_one_after_the_other(labels: Labels, tmp_path: Path) -> None:
    """Every move began where another one ended: none was lost, and none happened twice."""
    labels.give("stable", 0)
    movers = [
        subprocess.Popen(
            [sys.executable, "-c", MOVE, str(tmp_path), str(first)], stdout=subprocess.PIPE, text=True
        )
        for first in (1, 2)
    ]
    said = [mover.communicate(timeout=240)[0] for mover in movers]
    moves = [line.split() for text in said for line in text.splitlines()]
    assert len(moves) == 99
    follows = {int(before): int(after) for before, after in moves}
    chain = [0]
    while chain[-1] in follows:
        chain.append(follows[chain[-1]])
    assert sorted(chain) == list(range(100))
    assert labels.versions() == {"stable": chain[-1]}
