#!/usr/bin/env bash
# fsspec 2026.9.0. fsspec.open takes URLs, but what pathlib's as_uri() makes of a path with a space, a percent sign or a letter
# outside ASCII is not found: of file:// it cuts off the scheme and leaves %20 as it is (RFC 8089 and RFC 3986 say what it
# stands for). A path that is written behind file:// without any encoding, which is no URL, is opened.
# Seen:
#   as_uri(), 'file:///.../my%20model.bin': FileNotFoundError
#   'file://' + path, 'file:///.../my model.bin': b'weights'
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install fsspec==2026.9.0
"$folder/venv/bin/python" - "$folder/my model.bin" <<'PYTHON'
import sys
from pathlib import Path
from urllib.request import urlopen

import fsspec

path = Path(sys.argv[1])
path.write_bytes(b"weights")


def read(url: str) -> bytes | str:
    try:
        with fsspec.open(url) as stream:
            return stream.read()
    except FileNotFoundError as error:
        return type(error).__name__


of_uri, of_path = read(path.as_uri()), read(f"file://{path}")
print(f"as_uri(), 'file:///.../{path.as_uri().rpartition('/')[2]}': {of_uri}")
print(f"'file://' + path, 'file:///.../{path.name}': {of_path}")
print("urllib, as_uri():", urlopen(path.as_uri()).read())
raise SystemExit(0 if (of_uri, of_path) == ("FileNotFoundError", b"weights") else 1)
PYTHON
