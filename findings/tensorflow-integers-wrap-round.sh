#!/usr/bin/env bash
# tensorflow-cpu 2.21.0 with numpy 2.4.6. tf.make_tensor_proto, with which requests to TensorFlow Serving are written, and
# tf.constant check that a Python number has the kind of the dtype, not that it fits: 300 becomes 44 in uint8, -1 becomes 255, 2^31
# the lowest int32. A fraction is a TypeError, and numpy 2 refuses all three ("Python integer 300 out of bounds for uint8"), as
# tf.make_ndarray does for such a number in a message. Documentation of make_tensor_proto: "ValueError: if arguments have
# inappropriate values". A client's mistake in preprocessing, a mean that was subtracted once too often, arrives as bright pixels.
# Seen:
#   300 as uint8: numpy OverflowError, make_tensor_proto 44, constant 44
#   -1 as uint8: numpy OverflowError, make_tensor_proto 255, constant 255
#   2147483648 as int32: numpy OverflowError, make_tensor_proto -2147483648, constant -2147483648
#   1.5 as uint8: numpy 1, make_tensor_proto TypeError, constant TypeError
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tensorflow-cpu==2.21.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def told(convert: Callable[[], np.ndarray]) -> str:
    try:
        return str(convert()[0])
    except (OverflowError, TypeError, ValueError) as error:
        return type(error).__name__


seen = True
for value, kind, numpy, tensorflow in (
    (300, tf.uint8, "OverflowError", "44"),
    (-1, tf.uint8, "OverflowError", "255"),
    (2**31, tf.int32, "OverflowError", "-2147483648"),
    (1.5, tf.uint8, "1", "TypeError"),
):
    answers = (
        told(lambda: np.array([value], kind.as_numpy_dtype)),
        told(lambda: tf.make_ndarray(tf.make_tensor_proto([value], dtype=kind))),
        told(lambda: tf.constant([value], dtype=kind).numpy()),
    )
    print(f"{value} as {kind.name}: numpy {answers[0]}, make_tensor_proto {answers[1]}, constant {answers[2]}")
    seen &= answers == (numpy, tensorflow, tensorflow)
raise SystemExit(0 if seen else "TensorFlow or numpy has changed")
PYTHON
