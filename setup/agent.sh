#!/usr/bin/env bash
# Makes this host ready to join a control plane elsewhere: what an agent needs, and the command `nodeagent`. Run it once;
# again does no harm. The line to paste then comes from the control plane: `manage.py join-token`.
set -euo pipefail
cd "$(dirname "$0")/.."

setup/ready.sh --agent
venv=${SLIPWAY_VENV:-.venv}
target=${SLIPWAY_BIN:-/usr/local/bin}/nodeagent
printf '#!/bin/sh\nPYTHONPATH=%q exec %q -m nodeagent "$@"\n' "$PWD" "$(realpath --no-symlinks "$venv/bin/python")" >"$target.new"
chmod 755 "$target.new"
mv "$target.new" "$target"
"$target" doctor || true
echo "The command nodeagent is there: $target"
