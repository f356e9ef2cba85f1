#!/usr/bin/env bash
# Builds the dashboard's front end into dashboard/static/, when its sources have changed since the last build.
set -euo pipefail
cd "$(dirname "$0")/.."
. setup/speech.sh
. setup/node.sh

source=dashboard/frontend
built=dashboard/static/dashboard

fingerprint() {
    find $source -path $source/node_modules -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32
}

wanted=$(fingerprint)
[ "${1:-}" != "--force" ] && [ "$(cat $built/.fingerprint 2>/dev/null)" = "$wanted" ] && exit 0
use_node
say "Building the dashboard"
quietly npm ci --prefix $source --loglevel=error --no-audit --no-fund || fail "the dashboard's packages could not be installed"
quietly npm run --prefix $source --loglevel=error build -- --logLevel error || fail "the dashboard could not be built"
echo "$wanted" > $built/.fingerprint
