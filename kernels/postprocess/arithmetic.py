"""The arithmetic of post-processing, for numba to compile: no function allocates, scratch memory comes from the caller.

The exponential is our own: a library's differs between platforms in the last bit, and the same input must give the
same bytes everywhere.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.jit import inlined

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_LOG2_E = 1.4426950408889634
_LN2_HIGH = (
    6.93147180369123816490e-01  # its low 21 bits are 0, so a product with a small whole number is exact
)
_LN2_LOW = 1.90821492927058770002e-10
# Adding 1.5 * 2**52 leaves the nearest whole number in the low bits of the sum; 1023 makes it a biased exponent.
_ROUNDER = 1.5 * 2.0**52 + 1023.0
_TAYLOR = tuple(
    1.0 / math.factorial(k) for k in range(14)
)  # the remainder is below 2**-53 for |r| <= ln(2) / 2
_LARGEST_EXPONENT = (
    700.0  # beyond it float64 would leave its normal range; float32 has left its own long before
)


@inlined
def exponential(x: float) -> float:
    """exp(x) in float64 within 1 ulp, by multiplications and additions alone; x is clamped to -700..700.

    ``x = n ln 2 + r`` with whole n, then the Taylor series of exp(r) to the 13th power, in Horner's order, times
    ``2**n``.
    """
    # two comparisons that are false for a NaN, so that it stays one
    if x > _LARGEST_EXPONENT:
        x = _LARGEST_EXPONENT
    if x < -_LARGEST_EXPONENT:
        x = -_LARGEST_EXPONENT
    shifted = x * _LOG2_E + _ROUNDER
    whole = shifted - _ROUNDER
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    power = _TAYLOR[13]
    power = power * rest + _TAYLOR[12]
    power = power * rest + _TAYLOR[11]
    power = power * rest + _TAYLOR[10]
    power = power * rest + _TAYLOR[9]
    power = power * rest + _TAYLOR[8]
    power = power * rest + _TAYLOR[7]
    power = power * rest + _TAYLOR[6]
    power = power * rest + _TAYLOR[5]
    power = power * rest + _TAYLOR[4]
    power = power * rest + _TAYLOR[3]
    power = power * rest + _TAYLOR[2]
    power = power * rest + _TAYLOR[1]
    power = power * rest + _TAYLOR[0]
    bits = np.int64(np.float64(shifted).view(np.int64))
    scale = np.int64(bits << np.int64(52)).view(np.float64)
    return float(power * scale)


@inlined
def softmax_row(logits: F32, largest: float, powers: F64, out: F32) -> None:
    """One row of ``softmax``; ``powers`` is scratch of the row's length."""
    for c in range(logits.shape[0]):
        powers[c] = exponential(np.float64(logits[c]) - largest)
    total = 0.0
    for c in range(logits.shape[0]):
        total += powers[c]
    for c in range(logits.shape[0]):
        out[c] = np.float32(powers[c] / total)


@inlined
def largest_of(values: F32) -> float:
    """The largest value of a row; NaNs are passed over."""
    largest = -np.inf
    for i in range(values.shape[0]):
        largest = max(largest, np.float64(values[i]))
    return largest


@inlined
def softmax_rows(logits: F32, powers: F64, out: F32) -> None:
    """``softmax`` of a matrix; ``powers`` is scratch of a row's length."""
    for i in range(logits.shape[0]):
        softmax_row(logits[i], largest_of(logits[i]), powers, out[i])


@inlined
def inside(place: np.float32) -> np.float32:
    """A coordinate clipped to the picture; a NaN becomes 0, since a comparison with it is false."""
    place = place if place > np.float32(0.0) else np.float32(0.0)  # noqa: FURB136
    return np.float32(min(place, np.float32(1.0)))


@inlined
def decode_box(
    offsets: F32,
    anchor: F32,
    center_variance: np.float32,
    size_variance: np.float32,
    limit: np.float32,
    box: F32,
) -> None:
    """One box, ``y0, x0, y1, x1`` relative to the picture and clipped to it."""
    half = np.float32(0.5)
    for axis in range(2):
        center = (offsets[axis] * center_variance) * anchor[2 + axis] + anchor[axis]
        exponent = min(offsets[2 + axis] * size_variance, limit)
        size = np.float32(exponential(np.float64(exponent))) * anchor[2 + axis]
        box[1 - axis] = inside(center - half * size)
        box[3 - axis] = inside(center + half * size)


@inlined
def overlap(first: F32, second: F32) -> np.float32:
    """Intersection over union of two boxes; NaN for two boxes without area."""
    height = max(min(first[2], second[2]) - max(first[0], second[0]), np.float32(0.0))
    width = max(min(first[3], second[3]) - max(first[1], second[1]), np.float32(0.0))
    shared = height * width
    area = (first[2] - first[0]) * (first[3] - first[1])
    other = (second[2] - second[0]) * (second[3] - second[1])
    return np.float32(shared / ((area + other) - shared))


@inlined
def find_candidates(
    logits: F32, background: int, threshold: np.float32, powers: F64, probabilities: F32,
    anchors: I64, classes: I64, scores: F32,
) -> int:  # fmt: skip
    """Every class of every anchor whose probability exceeds the threshold, in the order of anchors, then classes.

    ``powers`` and ``probabilities`` are scratch of a row's length.
    """
    # A class that lies this far below the background has a probability under the threshold whatever the others are.
    # The margin covers every rounding. Most anchors see background, and end at this comparison.
    reach = math.log(threshold) - 0.001 if threshold > 0.0 else -np.inf
    found = 0
    for anchor in range(logits.shape[0]):
        row = logits[anchor]
        bound = np.float32(row[background] + reach - 1e-6 * abs(row[background]))
        near = -int(row[background] > bound)
        for c in range(row.shape[0]):
            near += row[c] > bound
        if near == 0:
            continue
        largest = largest_of(row)
        softmax_row(row, largest, powers, probabilities)
        for c in range(row.shape[0]):
            if c != background and probabilities[c] > threshold:
                anchors[found] = anchor
                classes[found] = c
                scores[found] = probabilities[c]
                found += 1
    return found


@inlined
def sift(heap: I64, size: int, start: int, scores: F32) -> None:
    """Restore the heap's order below ``start``: the highest score on top, of equal ones the earliest candidate."""
    moving, parent = heap[start], start
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            scores[heap[right]] > scores[heap[child]]
            or (scores[heap[right]] == scores[heap[child]] and heap[right] < heap[child])
        ):
            child = right
        better = scores[heap[child]] > scores[moving]
        if not (better or (scores[heap[child]] == scores[moving] and heap[child] < moving)):
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = moving


@inlined
def detect(
    logits: F32, offsets: F32, boxes: F32, background: int, center_variance: np.float32, size_variance: np.float32,
    limit: np.float32, score_threshold: np.float32, iou_threshold: np.float32, most: int, per_class: int,
    anchors: I64, classes: I64, heap: I64, scores: F32, powers: F64, probabilities: F32, taken: I64, box: F32,
    out_boxes: F32, out_scores: F32, out_classes: F32,
) -> int:  # fmt: skip
    """Detections of one picture, the most probable first; returns their number.

    Candidates are taken from a heap in falling order, so those beyond the last kept one are never sorted or decoded.

    ``logits``, ``offsets`` and ``boxes`` have a row for each anchor; ``most`` bounds the candidates of each class, or
    all of them if ``per_class`` is 0. Scratch: ``anchors``, ``classes``, ``heap`` and ``scores`` for as many candidates
    as there are logits, ``powers`` and ``probabilities`` of a row of logits, ``taken`` one zero a class, ``box`` 4.
    """
    waiting = find_candidates(
        logits, background, score_threshold, powers, probabilities, anchors, classes, scores
    )
    for candidate in range(waiting):
        heap[candidate] = candidate
    for start in range(waiting // 2 - 1, -1, -1):
        sift(heap, waiting, start, scores)
    kept = 0
    while waiting > 0 and kept < out_boxes.shape[0]:
        candidate = heap[0]
        waiting -= 1
        heap[0] = heap[waiting]
        sift(heap, waiting, 0, scores)
        label = classes[candidate]
        counter = label if per_class != 0 else 0
        if taken[counter] == most:
            if per_class == 0:
                break
            continue
        taken[counter] += 1
        decode_box(
            offsets[anchors[candidate]], boxes[anchors[candidate]], center_variance, size_variance, limit, box
        )
        stands = True
        for i in range(kept):
            if out_classes[i] == label and overlap(out_boxes[i], box) > iou_threshold:
                stands = False
                break
        if stands:
            for side in range(4):
                out_boxes[kept, side] = box[side]
            out_scores[kept] = scores[candidate]
            out_classes[kept] = label
            kept += 1
    return kept
