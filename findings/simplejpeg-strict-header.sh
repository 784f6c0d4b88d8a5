#!/usr/bin/env bash
# simplejpeg 1.9.0 (libjpeg-turbo 3.1.2). Its documentation of strict: "if True, raise ValueError for recoverable errors".
# With strict=False decode_jpeg_header does not, but decode_jpeg raises all the same if the warning is about the header; a JFIF
# revision of 0.00, say, which cats-and-dogs has and of which libjpeg only warns. Pillow decodes the file.
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install simplejpeg==1.9.0 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import simplejpeg
from PIL import Image

file = io.BytesIO()
Image.new("RGB", (32, 24), (200, 60, 20)).save(file, "JPEG")
data = bytearray(file.getvalue())
data[11:13] = b"\0\0"  # the revision in the JFIF segment, 1.01 before
print("Pillow:", Image.open(io.BytesIO(data)).convert("RGB").getpixel((0, 0)))
print("decode_jpeg_header(strict=False):", simplejpeg.decode_jpeg_header(bytes(data), strict=False))
for function in (simplejpeg.decode_jpeg,):
    try:
        function(bytes(data), strict=False)
    except ValueError as error:
        print(f"{function.__name__}(strict=False): ValueError: {error}")
    else:
        raise SystemExit(f"{function.__name__} raises no longer")
PYTHON
