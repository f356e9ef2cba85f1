#!/usr/bin/env bash
# Everything that can be said about the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."
. setup/speech.sh
. setup/node.sh
bin=$(realpath "${SLIPWAY_VENV:-.venv}")/bin

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

step() { say "$1"; shift; "$@"; }

step "ruff: lint" "$bin/ruff" check .
step "ruff: format" "$bin/ruff" format --check .
step "mypy: strict types" "$bin/mypy" schema controlplane nodeagent dashboard tests benchmarks manage.py
step "import contracts" "$bin/lint-imports"
SLIPWAY_HOME=$home step "migrations complete" "$bin/python" manage.py makemigrations --check --dry-run
if [ -e dashboard/frontend/package.json ]; then
    use_node
    step "front end: types, format, tests" npm --prefix dashboard/frontend run --silent check
fi
