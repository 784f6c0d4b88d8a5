#!/usr/bin/env bash
# tensorflow-cpu 2.21.0 (libpng 1.6). decode_image(channels=1) of a PNG with colours uses libpng's rgb_to_gray, which weighs
# in linear light if the file says its gamma. So of files with the same pixels, one with an sRGB or gAMA chunk, as many
# editors write, gets another grey; with channels=3 the chunk changes nothing. Seen, of 256 random pixels:
#   gAMA 45455: colours the same: True, grey differs in 255 pixels, by 59 at most
#   sRGB: colours the same: True, grey differs in 255 pixels, by 59 at most
# Pillow's grey is the same for all three. Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tensorflow-cpu==2.21.0 pillow==13.0.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
file = io.BytesIO()
Image.fromarray(pixels).save(file, "PNG")
plain = file.getvalue()


def with_chunk(kind: bytes, content: bytes) -> bytes:
    """The file with a chunk behind its IHDR, which ends at byte 33."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return plain[:33] + chunk + plain[33:]


def gray(data: bytes) -> np.ndarray:
    return tf.io.decode_image(data, channels=1).numpy()[..., 0].astype(int)


files = {"gAMA 45455": with_chunk(b"gAMA", struct.pack(">I", 45455)), "sRGB": with_chunk(b"sRGB", b"\0")}
pillows = np.asarray(Image.open(io.BytesIO(plain)).convert("L")).astype(int)
for name, data in files.items():
    colors = np.array_equal(tf.io.decode_image(data, channels=3).numpy(), pixels)
    apart = np.abs(gray(data) - gray(plain))
    print(f"{name}: colours the same: {colors}, grey differs in {np.count_nonzero(apart)} pixels, by {apart.max()} at most")
    if not np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("L")), pillows):
        raise SystemExit("Pillow minds the chunk")
    if not colors or np.count_nonzero(apart) < 200:
        raise SystemExit("TensorFlow's grey no longer depends on the chunk")
print("without a chunk TensorFlow and Pillow differ by", np.abs(gray(plain) - pillows).max(), "at most")
PYTHON
