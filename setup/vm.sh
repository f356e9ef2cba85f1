#!/usr/bin/env bash
# What `make test-vm` needs besides the rest: an emulator, and a kernel for it, which is unpacked and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

. setup/speech.sh

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

cache=/var/cache/slipway-vm # also in tests/vm/machine.py
renewed=""

renew_lists() {
    [ -n "$renewed" ] || quietly as_root apt-get update -qq || fail "the package lists could not be renewed"
    renewed=1
}

missing=""
for entry in qemu-system-x86:/usr/bin/qemu-system-x86_64 qemu-system-common:/usr/lib/qemu/virtiofsd \
    kmod:/sbin/depmod busybox-static:/bin/busybox; do
    [ -e "${entry#*:}" ] || missing="$missing ${entry%%:*}"
done
if [ -n "$missing" ]; then
    say "Installing distribution packages:$missing"
    renew_lists
    # shellcheck disable=SC2086
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing ||
        fail "these packages could not be installed:$missing"
fi

if ! ls "$cache"/linux-image-*-cloud-amd64_*.deb /var/cache/apt/archives/linux-image-[0-9]*-cloud-amd64_*.deb >/dev/null 2>&1; then
    renew_lists
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || fail "no package linux-image-cloud-amd64 is known here: put a Debian kernel package into $cache"
    say "Downloading $package"
    as_root mkdir -p "$cache"
    (cd "$cache" && quietly as_root apt-get download "$package") || fail "$package could not be downloaded"
fi
