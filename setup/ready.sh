#!/usr/bin/env bash
# Makes this checkout ready to run (and, with --dev, to be tested; with --agent, only to be a node): distribution packages,
# virtual environment, front end. Says what it does, does only what is missing, and can be run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."

dev=""
agent=""
[ "${1:-}" = "--dev" ] && dev=1
[ "${1:-}" = "--agent" ] && agent=1
venv=${SLIPWAY_VENV:-.venv}

. setup/speech.sh

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# --- distribution packages -------------------------------------------------------------------------------------------
# Checked by the file each one brings, so that programs installed in another way count as well.
run_files="crun:/usr/bin/crun conmon:/usr/bin/conmon catatonit:/usr/bin/catatonit nftables:/usr/sbin/nft
  buildah:/usr/bin/buildah iproute2:/sbin/ip haproxy:/usr/sbin/haproxy util-linux:/usr/bin/setpriv ca-certificates:/etc/ssl/certs/ca-certificates.crt
  golang-github-containers-common:/usr/share/containers/seccomp.json"
[ -n "$agent" ] || run_files="$run_files redis-server:/usr/bin/redis-server docker-registry:/usr/bin/docker-registry"
dev_files="busybox-static:/bin/busybox skopeo:/usr/bin/skopeo
  pebble:/usr/bin/pebble mmdebstrap:/usr/bin/mmdebstrap runc:/usr/sbin/runc chromium:/usr/bin/chromium curl:/usr/bin/curl procps:/usr/bin/pgrep
  fonts-inter:/usr/share/fonts/opentype/inter/Inter-Regular.otf fonts-jetbrains-mono:/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf"

missing_packages() {
    local entry
    for entry in $run_files ${dev:+$dev_files}; do
        [ -e "${entry#*:}" ] || printf '%s ' "${entry%%:*}"
    done
    python3 -c 'import ensurepip, venv' 2>/dev/null || printf 'python3 python3-venv '
}

install_packages() {
    local packages
    packages=$(missing_packages)
    [ -n "$packages" ] || return 0
    command -v apt-get >/dev/null || fail "please install: $packages (this script knows Debian and Ubuntu)"
    say "Installing distribution packages: $packages"
    # Their services (a Redis, a registry) are not wanted: we start our own on sockets of our own.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod +x $policy
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    quietly as_root apt-get update -qq || fail "the package lists could not be renewed"
    # shellcheck disable=SC2086
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages ||
        fail "these packages could not be installed: $packages"
}

# --- virtual environment ---------------------------------------------------------------------------------------------
install_python() {
    local lock=requirements${dev:+-dev}.txt stamp
    stamp="$venv/.${lock%.txt}-$(sha256sum $lock | cut -c1-16)"
    # What is installed for development holds all that is needed to run.
    if [ -e "$stamp" ] || { [ -z "$dev" ] && [ -e "$venv/.requirements-dev-$(sha256sum requirements-dev.txt | cut -c1-16)" ]; }; then
        return 0
    fi
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed"
    say "Installing Python packages into $venv (from $lock, hashes checked)"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r $lock
    touch "$stamp"
}

# --- front end -------------------------------------------------------------------------------------------------------
install_frontend() {
    [ -z "$agent" ] && [ -e dashboard/frontend/package-lock.json ] || return 0
    SLIPWAY_VENV=$venv setup/frontend.sh
}

install_packages
install_python
install_frontend
