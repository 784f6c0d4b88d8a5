#!/usr/bin/env bash
# s3fs 2026.9.0 (fsspec 2026.9.0, aiobotocore 3.10.0) against moto 5.2.5, CPython 3.11.
#
# A block that writes an object and fails half-way commits what it had written, under the object's final name:
#
#     with fs.open("s3://bucket/model.onnx", "wb") as stream:
#         stream.write(b"half")
#         raise RuntimeError("the source broke")
#
# leaves an object "model.onnx" of 4 bytes. An object store shows an object only when its upload is complete, so that
# one expects an upload that ended with an exception to be aborted; but leaving the block closes the file, and closing it
# completes the upload (fsspec/spec.py, AbstractBufferedFile.__exit__).
#
# Output seen:
#     raised: the source broke
#     object: b'half'
# Exits with 0 while that is so.
set -euo pipefail

folder=$(mktemp -d)
# The server has a process group of its own, which ends with this script, however that ends.
end() { [ -z "${server:-}" ] || kill -KILL -- "-$server" 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"${PYTHON:-python3}" -m venv "$folder/client"
"${PYTHON:-python3}" -m venv "$folder/server"
# Two environments: their botocores exclude each other.
"$folder/client/bin/pip" --disable-pip-version-check --quiet install s3fs==2026.9.0 fsspec==2026.9.0 aiobotocore==3.10.0
"$folder/server/bin/pip" --disable-pip-version-check --quiet install 'moto[s3]==5.2.5' flask flask-cors

set -m
"$folder/server/bin/python" -m moto.server -H 127.0.0.1 -p 0 2>"$folder/log" >/dev/null &
server=$!
set +m
until url=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$folder/log" | head -1) && [ -n "$url" ]; do
  kill -0 "$server"
  sleep 0.2
done

found=$(AWS_ENDPOINT_URL=$url AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=us-east-1 \
  "$folder/client/bin/python" - <<'PY'
import s3fs

fs = s3fs.S3FileSystem(use_listings_cache=False)
fs.mkdir("bucket")
try:
    with fs.open("bucket/model.onnx", "wb") as stream:
        stream.write(b"half")
        raise RuntimeError("the source broke")
except RuntimeError as error:
    print("raised:", error)
print("object:", fs.cat_file("bucket/model.onnx") if fs.exists("bucket/model.onnx") else None)
PY
)
echo "$found"
[ "$found" = "$(printf '%s\n%s' "raised: the source broke" "object: b'half'")" ]
