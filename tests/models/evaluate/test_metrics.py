"""Metrics against values worked out by hand, and against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity

from accelserve.models.evaluate.metrics import (
    Box,
    cosines,
    distance_error,
    leads,
    mean_average_precision,
    overlap,
    top_k_accuracy,
)
from accelserve.models.quantize.comparison import Comparison

LEFT = (0.0, 0.0, 1.0, 0.5)
RIGHT = (0.0, 0.5, 1.0, 1.0)
WHOLE = (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_that_of_scikit_learn(k: int) -> None:
    random = np.random.default_rng(k)
    scores = random.standard_normal((200, 10)).astype(np.float32)
    classes = random.integers(0, 10, 200)
    expected = top_k_accuracy_score(classes, scores, k=k, labels=np.arange(10))
    assert top_k_accuracy(scores, classes.tolist(), k) == pytest.approx(expected)


def test_of_equal_scores_the_lower_class_is_better() -> None:
    scores = np.zeros((1, 3), np.float32)
    assert [top_k_accuracy(scores, [c], 1) for c in range(3)] == [1.0, 0.0, 0.0]


def test_a_lead_is_over_the_second_best() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]], np.float32)
    np.testing.assert_allclose(leads(scores), [0.5, 0.0], atol=1e-7)


def test_cosines_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((5, 2, 3)).astype(np.float32) for _ in range(2))
    expected = np.diag(cosine_similarity(a.reshape(5, 6), b.reshape(5, 6)))
    np.testing.assert_allclose(cosines(a, b), expected, rtol=1e-5)


def test_distance_errors_are_those_of_scikit_learns_distances() -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.random((12, 40)).astype(np.float32) for _ in range(2))
    pairs = np.triu_indices(12, 1)
    wanted, got = (cosine_distances(each)[pairs] for each in (a, b))
    assert distance_error(a, b) == pytest.approx(np.abs(got - wanted).sum() / wanted.sum(), rel=1e-4)
    assert distance_error(a, 3 * a) == pytest.approx(0, abs=1e-6)
    assert np.isnan(distance_error(np.ones_like(a), b))


def test_cosines_of_zeros() -> None:
    zeros, ones = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    assert cosines(zeros, zeros).tolist() == [1.0]
    assert cosines(zeros, ones).tolist() == [0.0]


def test_a_comparison_adds_up_however_the_arrays_are_split() -> None:
    random = np.random.default_rng(1)
    expected = random.standard_normal(1000).astype(np.float32)
    found = (expected + 0.1 * random.standard_normal(1000)).astype(np.float32)
    whole, parts = Comparison(), Comparison()
    whole.add(expected, found)
    for start in range(0, 1000, 250):
        parts.add(expected[start : start + 250], found[start : start + 250])
    assert whole.sqnr_db == pytest.approx(20, abs=0.5)  # noise of a tenth
    assert parts.sqnr_db == pytest.approx(whole.sqnr_db)
    assert parts.cosine == pytest.approx(float(cosine_similarity(expected[None], found[None])[0, 0]))


def test_a_comparison_without_differences_is_exact() -> None:
    same = Comparison()
    same.add(np.ones(3), np.ones(3))
    assert math.isinf(same.sqnr_db)
    assert same.cosine == 1.0


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(LEFT, LEFT, 1.0), (LEFT, RIGHT, 0.0), (LEFT, WHOLE, 0.5), ((0.2, 0.2, 0.2, 0.2), WHOLE, 0.0)],
    ids=["same", "side by side", "half", "empty"],
)
def test_overlap(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert overlap(Box(0, a), Box(0, b)) == pytest.approx(expected)  # type: ignore[arg-type] # four each


def test_the_truth_itself_scores_one() -> None:
    truth = {"a": [Box(1, LEFT), Box(2, RIGHT)], "b": [Box(1, WHOLE)], "c": []}
    assert mean_average_precision(truth, truth) == 1.0


def test_average_precision_by_hand() -> None:
    """Right, wrong, right of three objects: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3."""
    truth = {"a": [Box(1, LEFT)], "b": [Box(1, RIGHT)], "c": [Box(1, WHOLE)]}
    found = {"a": [Box(1, LEFT, 0.9), Box(1, RIGHT, 0.8)], "b": [Box(1, RIGHT, 0.7)]}
    assert mean_average_precision(truth, found) == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)


def test_an_object_is_found_once() -> None:
    truth = {"a": [Box(1, LEFT), Box(1, RIGHT)]}
    twice = {"a": [Box(1, LEFT, 0.9), Box(1, LEFT, 0.8)]}
    assert mean_average_precision(truth, twice) == pytest.approx(0.5)


def test_classes_count_alike_and_wrong_ones_do_not_count() -> None:
    truth = {"a": [Box(1, LEFT), Box(2, RIGHT)]}
    assert mean_average_precision(truth, {"a": [Box(1, LEFT, 0.9), Box(3, RIGHT, 0.9)]}) == 0.5


def test_a_stricter_overlap_loses_a_loose_box() -> None:
    truth, found = {"a": [Box(1, WHOLE)]}, {"a": [Box(1, (0.0, 0.0, 1.0, 0.6), 0.9)]}
    assert mean_average_precision(truth, found, 0.5) == 1.0
    assert mean_average_precision(truth, found, 0.75) == 0.0


def test_without_objects_there_is_nothing_to_average() -> None:
    assert math.isnan(mean_average_precision({"a": []}, {"a": [Box(1, LEFT, 0.9)]}))
