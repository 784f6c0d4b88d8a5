#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93, and 4.13.0.92 alike. add, subtract, multiply, divide and absdiff of two rows of one to four
# numbers take both for a cv::Scalar: the answer has four numbers of float64 in a column, and nothing saturates. Rows of five are
# uint8 and saturate, as its documentation says for all ("Output array that has the same size ... as the input array(s)",
# saturate(src1 + src2)); OpenCV's own tutorial of image arithmetic adds np.uint8([250]) and np.uint8([10]) and prints [[255]]. So
# means of three channels, boxes of four coordinates and batches of few scores change type and shape, larger ones do not. max, min
# and the bitwise operations take them as they are, and so do all for arrays of two dimensions.
# Seen, add of 250s and 10s:
#   1 number: float64 (4, 1) [260.0, 0.0, 0.0, 0.0]
#   3 numbers: float64 (4, 1) [260.0, 260.0, 260.0, 0.0]
#   5 numbers: uint8 (5,) [255, 255, 255, 255, 255]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import cv2
import numpy as np

seen = True
for count, kind, shape, values in (
    (1, np.float64, (4, 1), [260, 0, 0, 0]),
    (3, np.float64, (4, 1), [260, 260, 260, 0]),
    (5, np.uint8, (5,), [255] * 5),
):
    total = cv2.add(np.full(count, 250, np.uint8), np.full(count, 10, np.uint8))
    print(f"{count} number{'s' if count > 1 else ''}: {total.dtype} {total.shape} {total.ravel().tolist()}")
    seen &= total.dtype == kind and total.shape == shape and total.ravel().tolist() == values
flat = cv2.add(np.array([[250]], np.uint8), np.array([[10]], np.uint8))
seen &= flat.dtype == np.uint8 and flat.tolist() == [[255]]
raise SystemExit(0 if seen else "OpenCV has changed")
PYTHON
