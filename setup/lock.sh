#!/usr/bin/env bash
# Renews the locks: every release with its hashes, for every platform, and no index address.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${SLIPWAY_VENV:-.venv}/bin
"$bin/python" -m pip install --quiet --disable-pip-version-check uv
for name in requirements requirements-dev requirements-node; do
    "$bin/uv" pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
        --no-annotate --no-header "$name.in" -o "$name.txt"
done
