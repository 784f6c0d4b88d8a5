#!/usr/bin/env bash
# tensorflow-cpu 2.21.0 (libjpeg-turbo). tf.io.decode_and_crop_jpeg, with which training pipelines read a random part of a
# photograph, "is equivalent to a combination of decode and crop, but much faster". Of files whose colours are stored at
# half the width, 4:2:0 and 4:2:2, which most photographs are, it is not: the first and the last column of the part get other
# colours, since libjpeg interpolates them as if the picture ended there. Of 4:4:4 files the two are the same.
# Seen, of 64 x 64 pixels at (32, 48) in the middle of a picture:
#   4:4:4: no pixel differs
#   4:2:2: 125 pixels differ, by 22 at most, in columns [0, 63]
#   4:2:0: 128 pixels differ, by 21 at most, in columns [0, 63]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tensorflow-cpu==2.21.0 pillow==13.0.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
import tensorflow as tf
from PIL import Image

TOP, LEFT, SIDE = 32, 48, 64
blots = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
picture = Image.fromarray(blots).resize((160, 128), Image.Resampling.BICUBIC)
for name, subsampling, columns in (("4:4:4", 0, []), ("4:2:2", 1, [0, SIDE - 1]), ("4:2:0", 2, [0, SIDE - 1])):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, subsampling=subsampling)
    part = tf.io.decode_and_crop_jpeg(file.getvalue(), [TOP, LEFT, SIDE, SIDE], channels=3).numpy().astype(int)
    whole = tf.io.decode_jpeg(file.getvalue(), channels=3).numpy().astype(int)
    apart = np.abs(part - whole[TOP : TOP + SIDE, LEFT : LEFT + SIDE]).max(axis=2)
    found = np.flatnonzero(apart.any(axis=0)).tolist()
    count = np.count_nonzero(apart)
    print(f"{name}: {f'{count} pixels differ, by {apart.max()} at most, in columns {found}' if count else 'no pixel differs'}")
    if found != columns:
        raise SystemExit("TensorFlow crops otherwise")
PYTHON
