#!/usr/bin/env bash
# Pillow 13.0.0. Of a PNG with 16 bits a sample, convert("L") and convert("RGB") keep the upper byte if the file is in colour,
# and cut everything above 255 off if it is grey: the same dark grey, 0x1280, is 18 from one file and 255, white, from the
# other, and so is nearly every pixel of a scan, an X-ray or a depth map. There is no warning. OpenCV 5.0.0 (IMREAD_COLOR) and
# TensorFlow 2.21 (decode_image) take the upper byte of both.
# Seen:
#   RGB, 16 bits: mode RGB, convert("L"): 18
#   grey, 16 bits: mode I;16, convert("L"): 255, convert("RGB"): 255
#   OpenCV: RGB 18, grey 18
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import cv2
import numpy as np
from PIL import Image

LEVEL = 0x1280
files = {
    "RGB": cv2.imencode(".png", np.full((8, 8, 3), LEVEL, np.uint16))[1],
    "grey": cv2.imencode(".png", np.full((8, 8), LEVEL, np.uint16))[1],
}
pictures = {name: Image.open(io.BytesIO(data.tobytes())) for name, data in files.items()}
levels = {name: {mode: np.asarray(picture.convert(mode)).max() for mode in ("L", "RGB")} for name, picture in pictures.items()}
print(f'RGB, 16 bits: mode {pictures["RGB"].mode}, convert("L"): {levels["RGB"]["L"]}')
print(f'grey, 16 bits: mode {pictures["grey"].mode}, convert("L"): {levels["grey"]["L"]}, convert("RGB"): {levels["grey"]["RGB"]}')
by_opencv = {name: int(cv2.imdecode(data, cv2.IMREAD_COLOR).max()) for name, data in files.items()}
print(f"OpenCV: RGB {by_opencv['RGB']}, grey {by_opencv['grey']}")
upper = {"L": LEVEL >> 8, "RGB": LEVEL >> 8}
white = {"L": 255, "RGB": 255}
seen = levels == {"RGB": upper, "grey": white} and set(by_opencv.values()) == {LEVEL >> 8}
raise SystemExit(0 if seen else "Pillow or OpenCV has changed")
PYTHON
