#!/usr/bin/env bash
# TensorFlow 2.21.0 (giflib 5.2). A GIF extension is a label, any number of data blocks, none among them, and a
# terminator (GIF89a, appendix B: <Data Sub-block>*). DGifSlurp reads one block and then blocks up to an empty one, so
# that of an extension without blocks it takes what follows for a block's length: decode_image refuses the file. Pillow
# reads it. Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tensorflow-cpu==2.21.0 pillow==13.0.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import io

import tensorflow as tf
from PIL import Image

file = io.BytesIO()
Image.new("P", (8, 8), 3).save(file, "GIF")
data = file.getvalue()
frame = data.index(b"\x2c", 13 + 3 * (2 << (data[10] & 7)))
odd = data[:frame] + b"\x21\xfe\x00" + data[frame:]  # a comment without text
print("Pillow:", Image.open(io.BytesIO(odd)).convert("RGB").size)
print("TensorFlow, without the comment:", tf.io.decode_image(data, channels=3, expand_animations=False).shape)
try:
    tf.io.decode_image(odd, channels=3, expand_animations=False)
except tf.errors.InvalidArgumentError as error:
    print("TensorFlow, with it:", error.message[-120:])
else:
    raise SystemExit("TensorFlow reads it")
PYTHON
