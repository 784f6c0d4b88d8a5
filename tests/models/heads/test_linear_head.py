"""The classifier by itself, on features that are drawn, not seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accelserve.models.heads.linear_head import INVERSE_STRENGTHS, confusion, fit, split


def clouds(classes: int, each: int, distance: float = 3.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points around a centre a class; one feature is constant, one has large numbers."""
    random = np.random.default_rng(5)
    labels = np.repeat(np.arange(classes), each)
    features = (
        random.standard_normal((labels.size, 12)) + distance * random.standard_normal((classes, 12))[labels]
    )
    features[:, 3] = 7.0
    features[:, 4] *= 1000.0
    return features.astype(np.float32), labels


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=6),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_parts_every_class(counts: list[int], share: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    train, test = split(labels, share, seed)
    assert sorted([*train, *test]) == list(range(labels.size))
    for index, count in enumerate(counts):
        tested = int((labels[test] == index).sum())
        assert tested < count
        assert (tested == 0) == (share == 0)
        assert share == 0 or abs(tested - share * count) <= 1
    again = split(labels, share, seed)
    np.testing.assert_array_equal(again[1], test)


def test_another_seed_holds_out_others() -> None:
    labels = np.repeat(np.arange(2), 20)
    assert split(labels, 0.3, 0)[1].tolist() != split(labels, 0.3, 1)[1].tolist()


@pytest.mark.parametrize("classes", [2, 5])
def test_the_folded_head_is_scikit_learns_classifier_on_standardised_features(classes: int) -> None:
    features, labels = clouds(classes, 20, distance=0.7)
    found = fit(features, labels, seed=0)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=found.inverse_strength, max_iter=5000, tol=1e-8)
    )
    model.fit(features.astype(np.float64), labels)
    np.testing.assert_allclose(found.head.probabilities(features), model.predict_proba(features), atol=2e-3)
    assert np.abs(found.head.weights[:, 3]).max() < 1e-12


def test_fewer_pictures_than_features_change_nothing() -> None:
    random = np.random.default_rng(2)
    features, labels = random.standard_normal((12, 40)).astype(np.float32), np.repeat(np.arange(3), 4)
    found = fit(features, labels, seed=0)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=found.inverse_strength, max_iter=5000, tol=1e-8)
    )
    model.fit(features.astype(np.float64), labels)
    unseen = random.standard_normal((20, 40)).astype(np.float32)
    np.testing.assert_allclose(found.head.probabilities(unseen), model.predict_proba(unseen), atol=2e-3)


def test_noise_is_regularised_harder_than_what_can_be_told_apart() -> None:
    features, labels = clouds(3, 20)
    noise = np.random.default_rng(0).permutation(labels)
    told, guessed = fit(features, labels, seed=0), fit(features, noise, seed=0)
    assert told.folds == guessed.folds == 5
    assert guessed.inverse_strength < told.inverse_strength
    assert told.validation_accuracy is not None
    assert told.validation_accuracy > 0.95
    assert guessed.validation_accuracy is not None
    assert guessed.validation_accuracy < 0.6


def test_progress_counts_every_fit_and_the_result_is_the_same_every_time() -> None:
    features, labels = clouds(3, 4)
    seen: list[tuple[int, int]] = []
    first = fit(features, labels, 3, lambda done, total: seen.append((done, total)))
    fits = len(INVERSE_STRENGTHS) * 4
    assert seen == [(done, fits) for done in range(1, fits + 1)]
    second = fit(features, labels, 3)
    np.testing.assert_array_equal(first.head.weights, second.head.weights)
    np.testing.assert_array_equal(first.head.bias, second.head.bias)


def test_one_picture_of_a_class_leaves_nothing_to_validate_on() -> None:
    features, labels = clouds(2, 2)
    found = fit(features[:3], labels[:3], seed=0)
    assert (found.folds, found.validation_accuracy) == (0, None)


def test_confusion_counts_rows_as_the_truth() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.7, 0.2]], np.float32)
    matrix = confusion(np.array([0, 0, 2]), probabilities)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_rounding_moves_a_weight_by_half_a_step_at_most() -> None:
    features, labels = clouds(3, 20)
    head = fit(features, labels, seed=0).head
    steps = np.abs(head.weights).max(axis=1, keepdims=True) / 127
    assert (np.abs(head.rounded(0.1).weights - head.weights) <= steps * 0.501).all()
