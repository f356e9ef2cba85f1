#!/usr/bin/env bash
# Everything that can be said about the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${SLIPWAY_VENV:-.venv}")/bin

step() { printf '\033[1m==>\033[0m %s\n' "$1"; shift; "$@"; }

step "ruff: lint" "$bin/ruff" check .
step "ruff: format" "$bin/ruff" format --check .
step "mypy: strict types" "$bin/mypy" schema controlplane nodeagent dashboard tests benchmarks manage.py
step "import contracts" "$bin/lint-imports"
SLIPWAY_HOME=$(mktemp -d) step "migrations complete" "$bin/python" manage.py makemigrations --check --dry-run
if [ -e dashboard/frontend/package.json ]; then
    step "front end: types, format, tests" npm --prefix dashboard/frontend run --silent check
fi
