#!/usr/bin/env bash
# PyYAML 6.0.4 and ruamel.yaml 0.18.16. yaml.safe_dump writes the texts 1e3 and y without quotes, since its own resolver takes
# neither for a number or a truth: the first is no float of YAML 1.1 without its dot, the second was left out of PyYAML's
# truths. Readers of YAML 1.2, and Go's (Kubernetes', Compose's, which keep YAML 1.1's y and n), take them for what they look
# like, so that an environment variable of 1e3 in a manifest is refused as a number. Seen:
#   written: x: 1e3 and x: y
#   PyYAML, ruamel.yaml 1.2, ruamel.yaml 1.1: ('1e3', 1000.0, True)
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install PyYAML==6.0.4 ruamel.yaml==0.18.16
"$folder/venv/bin/python" - <<'PYTHON'
import yaml
from ruamel.yaml import YAML

written = yaml.safe_dump({"x": "1e3"})
truth = yaml.safe_dump({"x": "y"})
new = YAML(typ="safe")
old = YAML(typ="safe", pure=True)
old.version = (1, 1)
read = yaml.safe_load(written)["x"], new.load(written)["x"], old.load("%YAML 1.1\n---\n" + truth)["x"]
print("written:", written.strip(), "and", truth.strip())
print("PyYAML, ruamel.yaml 1.2, ruamel.yaml 1.1:", read)
if written != "x: 1e3\n" or truth != "x: y\n" or read != ("1e3", 1000.0, True):
    raise SystemExit("one of them writes or reads otherwise")
PYTHON
