#!/usr/bin/env bash
# mkdocs 1.6.1. `mkdocs build --strict` aborts on a warning, such as a link to a page that is not there. With --quiet, "silence
# warnings", it finds none to count: a build job that wants its log short builds the broken site and succeeds.
# Seen, of a page with a broken link:
#   build --strict: exit code 1
#   build --strict --quiet: exit code 0, and the site is there
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install mkdocs==1.6.1
mkdir "$folder/docs"
echo '[elsewhere](nowhere.md)' >"$folder/docs/index.md"
echo 'site_name: example' >"$folder/mkdocs.yml"
cd "$folder"
loud=0 quiet=0
venv/bin/mkdocs build --strict --site-dir loud 2>log || loud=$?
grep -q "nowhere.md" log
venv/bin/mkdocs build --strict --quiet --site-dir quiet 2>log || quiet=$?
echo "build --strict: exit code $loud"
echo "build --strict --quiet: exit code $quiet$([ -f quiet/index.html ] && echo ', and the site is there')"
[ "$loud" = 1 ] && [ "$quiet" = 0 ] && [ -f quiet/index.html ] && ! [ -s log ]
