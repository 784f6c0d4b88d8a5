#!/usr/bin/env bash
# tensorflow-cpu 2.21.0. decode_image(dtype=tf.uint16) of the same white picture gives 65535 from a PNG file and 65280 from a
# JPEG, BMP or GIF file, and so for every grey: libpng widens a byte by 257, TensorFlow's own conversion by 256. With float32
# both are 1.0. Which format a picture came in, which decode_image is there to hide, is left in its brightness. Its
# documentation says of dtype: "the desired DType of the returned Tensor".
# Seen, of white and of 128:
#   PNG: uint16 65535 32896, float32 1.0 0.502
#   JPEG: uint16 65280 32768, float32 1.0 0.502
#   BMP: uint16 65280 32768, float32 1.0 0.502
#   GIF: uint16 65280 32768, float32 1.0 0.502
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tensorflow-cpu==2.21.0 pillow==13.0.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import io

import tensorflow as tf
from PIL import Image


def decoded(kind: str, level: int, dtype: tf.DType) -> float:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(file, kind)
    values = tf.io.decode_image(file.getvalue(), channels=3, dtype=dtype, expand_animations=False).numpy()
    assert values.min() == values.max()
    return round(float(values.max()), 3)


for kind in ("PNG", "JPEG", "BMP", "GIF"):
    wide, floats = ([decoded(kind, level, dtype) for level in (255, 128)] for dtype in (tf.uint16, tf.float32))
    print(f"{kind}: uint16 {wide[0]:.0f} {wide[1]:.0f}, float32 {floats[0]} {floats[1]}")
    factor = 257 if kind == "PNG" else 256
    if wide != [255 * factor, 128 * factor] or floats != [1.0, 0.502]:
        raise SystemExit("TensorFlow converts otherwise")
PYTHON
