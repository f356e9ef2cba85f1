#!/usr/bin/env bash
# Every test. Those of the browser run beside the others, in a process of their own: Playwright keeps an event loop running,
# which asynchronous tests cannot share. What they have to say comes when both are done.
set -uo pipefail
cd "$(dirname "$0")/.."
python=$(realpath "${SLIPWAY_VENV:-.venv}")/bin/python

told=$(mktemp)
trap 'rm -f "$told"' EXIT

# A shell starts what runs in the background deaf to Ctrl-C, which is to reach both: each takes down what it has started.
env --default-signal=INT "$python" -m pytest tests/browser "$@" >"$told" 2>&1 &
browser=$!
trap 'true' INT
trap 'kill -INT $browser' TERM

# Two files at a time: much of it waits for processes and packets.
"$python" -m pytest -n 2 --dist loadfile --ignore=tests/browser "$@"
others=$?
wait $browser
seen=$?
printf '\n--- tests/browser\n'
cat "$told"
exit $((others > 0 || seen > 0))
