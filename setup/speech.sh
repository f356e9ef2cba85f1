# How the scripts here speak; sourced by them.
# shellcheck shell=bash

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Runs a command that talks too much: its output is shown only when it fails.
quietly() {
    local output status=0
    output=$("$@" 2>&1 </dev/null) || status=$?
    [ $status = 0 ] || printf '%s\n' "$output" >&2
    return $status
}
