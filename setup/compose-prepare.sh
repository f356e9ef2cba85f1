#!/usr/bin/env bash
# For docker-compose.yml: makes what the other processes need, with a token for each agent named, then waits.
set -euo pipefail
cd "$(dirname "$0")/.."
python manage.py up --prepare-only
mkdir -p -m 700 "$SLIPWAY_HOME/nodes"
for node in "$@"; do
    [ -e "$SLIPWAY_HOME/nodes/$node" ] || (umask 077 && python manage.py node_token "$node" > "$SLIPWAY_HOME/nodes/$node.new" && mv "$SLIPWAY_HOME/nodes/$node.new" "$SLIPWAY_HOME/nodes/$node")
done
touch /run/slipway-prepared
exec sleep infinity
