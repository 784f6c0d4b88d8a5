"""A linear classifier on features, trained by logistic regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.reference.probabilities import softmax
from accelserve.models.quantize.weights import quantize_weights

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Labels = NDArray[np.int64]

Progress = Callable[[int, int], None]
"""Called with the number of fits done, and of all of them."""

INVERSE_STRENGTHS = tuple(10.0**power for power in range(-5, 3))
"""Tried for scikit-learn's C, the strongest regularisation first."""

_UNTRIED_STRENGTH = 1e-2  # too few pictures to try others: on the strong side, since they say little
_MOST_FOLDS = 5
_MOST_ITERATIONS = 5000


@dataclass(frozen=True, slots=True)
class LinearHead:
    """``softmax(features @ weights.T + bias)``.

    Attributes:
        weights: float32 [K, C]; the standardisation of features is folded in.
        bias: float32 [K].
    """

    weights: Floats
    bias: Floats

    def probabilities(self, features: Floats) -> Floats:
        """float32 [N, K] of features [N, C]."""
        logits = features.astype(np.float64) @ self.weights.T.astype(np.float64) + self.bias
        return softmax(logits.astype(np.float32))

    def rounded(self, input_scale: float) -> LinearHead:
        """What an int8 layer computes on features that are multiples of ``input_scale``."""
        integers = quantize_weights(self.weights, self.bias, input_scale)
        weights = integers.weights.astype(np.float32) * integers.scale[:, None]
        return LinearHead(weights, integers.bias.astype(np.float32) * integers.bias_scale)


@dataclass(frozen=True, slots=True)
class Fit:
    """A trained head.

    Attributes:
        head: weights and bias.
        inverse_strength: scikit-learn's C, chosen.
        folds: of the cross-validation that chose it; 0 if there were too few pictures for one.
        validation_accuracy: mean over the folds, for that C; None without folds.
    """

    head: LinearHead
    inverse_strength: float
    folds: int
    validation_accuracy: float | None


def split(labels: Labels, test_share: float, seed: int) -> tuple[Labels, Labels]:
    """Indices to train on and to test on, ascending; of every class its share, at least one to train on.

    Args:
        labels: int64 [M], two or more of each class.
        test_share: 0 tests on nothing; above it, on one of each class at least.
        seed: of the choice.
    """
    random = np.random.default_rng(seed)
    tested: list[int] = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        count = min(max(round(test_share * members.size), 1), members.size - 1) if test_share > 0 else 0
        tested += members[:count].tolist()
    test = np.array(sorted(tested), np.int64)
    return np.setdiff1d(np.arange(labels.size), test), test


def fit(features: Floats, labels: Labels, seed: int, progress: Progress | None = None) -> Fit:
    """Logistic regression on standardised features, regularised as cross-validation says.

    Chosen is the strongest regularisation whose loss on left-out pictures is within one standard error of the least
    (Breiman et al. 1984, section 3.4.3): where classes are separable the loss flattens out, and a larger C only
    makes the head surer of itself.

    Args:
        features: float32 [M, C].
        labels: int64 [M], every class 0..K-1 among them.
        seed: of the folds.
        progress: told about fits.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    # Problems this small only wait for each other on several threads, and one thread adds in one order everywhere.
    with threadpool_limits(1):
        return _fit(features.astype(np.float64), labels, seed, progress or (lambda _done, _all: None))


def confusion(labels: Labels, probabilities: Floats) -> NDArray[np.int64]:
    """int64 [K, K]: how many pictures of class i (row) were taken for class j (column)."""
    classes = probabilities.shape[1]
    places = labels * classes + probabilities.argmax(axis=1)
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def _fit(rows: Doubles, labels: Labels, seed: int, progress: Progress) -> Fit:
    folds = min(_MOST_FOLDS, int(np.bincount(labels).min()))
    if folds < 2:
        return Fit(_regression(rows, labels, _UNTRIED_STRENGTH), _UNTRIED_STRENGTH, 0, None)
    trials = _cross_validated(rows, labels, folds, seed, progress)
    strength = _chosen({strength: losses for strength, (losses, _) in trials.items()})
    return Fit(_regression(rows, labels, strength), strength, folds, trials[strength][1])


def _chosen(losses: Mapping[float, Doubles]) -> float:
    """The least C whose mean loss is within one standard error of the least mean loss."""
    best = min(losses.values(), key=lambda folds: float(folds.mean()))
    bound = best.mean() + best.std(ddof=1) / math.sqrt(best.size)
    return min(strength for strength, folds in losses.items() if folds.mean() <= bound)


def _cross_validated(
    rows: Doubles, labels: Labels, folds: int, seed: int, progress: Progress
) -> dict[float, tuple[Doubles, float]]:
    """C -> (loss of each fold, nats a picture; mean accuracy) on the pictures that were left out."""
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = list(splitter.split(rows, labels))
    result = {}
    done = 0
    for strength in INVERSE_STRENGTHS:
        losses, accuracies = [], []
        for train, left_out in parts:
            head = _regression(rows[train], labels[train], strength)
            found = head.probabilities(rows[left_out].astype(np.float32))
            own = found[np.arange(left_out.size), labels[left_out]]
            losses.append(-np.log(np.maximum(own, 1e-12)).mean())
            accuracies.append((found.argmax(axis=1) == labels[left_out]).mean())
            done += 1
            progress(done, len(INVERSE_STRENGTHS) * folds)
        result[strength] = (np.array(losses), float(np.mean(accuracies)))
    return result


def _regression(rows: Doubles, labels: Labels, strength: float) -> LinearHead:
    from sklearn.linear_model import LogisticRegression

    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation[deviation == 0] = 1.0
    standardised = (rows - mean) / deviation
    # The penalised optimum lies in the span of the rows (representer theorem), so with fewer pictures than features
    # the same problem is solved in that span's coordinates, many times faster.
    turned, lengths, span = np.linalg.svd(standardised, full_matrices=False)
    model = LogisticRegression(C=strength, max_iter=_MOST_ITERATIONS)
    model.fit(turned * lengths, labels)
    weights, bias = np.asarray(model.coef_) @ span, np.asarray(model.intercept_)
    if len(weights) == 1:  # two classes: one logit z is softmax of (-z / 2, z / 2)
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    folded = weights / deviation
    return LinearHead(folded.astype(np.float32), (bias - folded @ mean).astype(np.float32))
