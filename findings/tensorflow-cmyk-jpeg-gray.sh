#!/usr/bin/env bash
# tensorflow-cpu 2.21.0 (libjpeg-turbo). A valid JPEG in CMYK is read by decode_image(channels=3) and refused with channels=1
# as "Invalid JPEG data or crop window": TensorFlow converts CMYK to colours itself, and leaves grey to libjpeg, which has
# no such conversion. Pillow 13.0.0 and simplejpeg 1.9.0 (libjpeg-turbo as well) read both. Seen:
#   TensorFlow, channels=3: (16, 16, 3)
#   TensorFlow, channels=1: jpeg::Uncompress failed. Invalid JPEG data or crop window.
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tensorflow-cpu==2.21.0 simplejpeg==1.9.0 pillow==13.0.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import io

import simplejpeg
import tensorflow as tf
from PIL import Image

file = io.BytesIO()
Image.new("CMYK", (16, 16), (200, 60, 20, 10)).save(file, "JPEG")
data = file.getvalue()
print("Pillow:", Image.open(io.BytesIO(data)).convert("L").size)
print("simplejpeg:", simplejpeg.decode_jpeg(data, "GRAY").shape, simplejpeg.decode_jpeg(data, "RGB").shape)
print("TensorFlow, channels=3:", tf.io.decode_image(data, channels=3).shape)
try:
    tf.io.decode_image(data, channels=1)
except tf.errors.InvalidArgumentError as error:
    print("TensorFlow, channels=1:", error.message[-110:])
    if "Invalid JPEG data" not in error.message:
        raise SystemExit("TensorFlow says it otherwise") from None
else:
    raise SystemExit("TensorFlow reads it")
PYTHON
