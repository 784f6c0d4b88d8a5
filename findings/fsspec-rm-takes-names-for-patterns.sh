#!/usr/bin/env bash
# fsspec 2026.9.0. rm(path), "path: files or directories to delete", takes each name for a shell pattern, those that find() has
# just returned too: of "x[1]" and "x1" it deletes "x1", without an error, and leaves "x[1]". cat reads the wrong file in the
# same way, while exists, info, open, find and ls take the name as it is written, and so does rm of the local file system.
# Names may have brackets, stars and question marks on any of these stores. rm_file and cat_file take names. s3fs 2026.9.0
# deletes the same wrong object (against moto 5.2.5); here it is the file system in memory.
# Seen:
#   find: ['/folder/x1', '/folder/x[1]'], cat('/folder/x[1]'): {'/folder/x1': b'keep'}
#   after rm('/folder/x[1]'): ['/folder/x[1]']
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install fsspec==2026.9.0
"$folder/venv/bin/python" - <<'PYTHON'
import fsspec

fs = fsspec.filesystem("memory")
fs.pipe_file("/folder/x[1]", b"delete")
fs.pipe_file("/folder/x1", b"keep")
wrong = next(path for path in fs.find("/folder") if fs.cat_file(path) == b"delete")
print(f"find: {fs.find('/folder')}, cat({wrong!r}): {fs.cat(wrong)}")
seen = fs.exists(wrong) and fs.info(wrong)["size"] == 6 and fs.cat(wrong) == {"/folder/x1": b"keep"}
fs.rm(wrong)
print(f"after rm({wrong!r}): {fs.find('/folder')}")
raise SystemExit(0 if seen and fs.find("/folder") == ["/folder/x[1]"] else 1)
PYTHON
