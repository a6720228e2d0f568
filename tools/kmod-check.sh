#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds uvbus.ko, uvfaulty.ko and the example drivers, with sparse, for every installed kernel that has headers. A warning is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

kernels=()
for headers in /lib/modules/*/build; do
    [ -e "$headers/Makefile" ] && kernels+=("$(basename "$(dirname "$headers")")")
done
[ ${#kernels[@]} -gt 0 ] || {
    echo 'no kernel with headers is installed (apt-get install linux-headers-amd64)' >&2
    exit 5
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Builds one folder for one kernel; sparse looks at every source file, built or not.
check() {
    local source=$1 kernel=$2 begin=$SECONDS complaint=
    local folder=$PWD/build/kmod-check/$kernel/$source
    if ! make -C "$source" -j"$(nproc)" check KERNEL="$kernel" BUILD="$folder" >"$log" 2>&1; then
        cat "$log" >&2
        complaint='does not build'
    elif grep -iE '\b(warning|error):' "$log" >&2; then
        complaint='builds with warnings'
    fi
    if [ -n "$complaint" ]; then
        # What has been compiled is not compiled again, and would not complain again.
        rm -rf "$folder"
        echo "$source $complaint for $kernel" >&2
        exit 1
    fi
    echo "$source builds cleanly for $kernel ($((SECONDS - begin)) s)" >&2
}

for kernel in "${kernels[@]}"; do
    check kmod "$kernel"
    check kmod/faulty "$kernel"
    check kmod/drivers "$kernel"
done
