#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs those Debian packages of a list that are missing; asks nothing, needs root or sudo only when
# something is missing. usage: install-packages.sh LIST
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

# An array, because as_root is empty for root.
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo --preserve-env=DEBIAN_FRONTEND)

apt() {
    "${as_root[@]}" apt-get --quiet=2 -o Dpkg::Use-Pty=0 "$@"
}

mapfile -t wanted < <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1")
command -v dpkg-query >/dev/null || {
    echo "this is not Debian: install what these packages hold: ${wanted[*]}" >&2
    exit 5
}
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
missing=()
for package in "${wanted[@]}"; do
    grep -qx "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
    echo "missing packages: ${missing[*]} (become root and run: apt-get install ${missing[*]})" >&2
    exit 5
fi
echo "installing missing packages: ${missing[*]}" >&2
apt update || echo "the package lists could not be refreshed; going on with the old ones" >&2

available=() unknown=()
for package in "${missing[@]}"; do
    if apt-cache --quiet=2 show "$package" >/dev/null 2>&1; then
        available+=("$package")
    else
        unknown+=("$package")
    fi
done
if [ ${#available[@]} -gt 0 ]; then
    # What tshark asks about capturing as a user is no matter here: it only reads files.
    apt install --yes --no-install-recommends "${available[@]}" >&2 || {
        echo "apt-get could not install: ${available[*]}" >&2
        exit 5
    }
fi
[ ${#unknown[@]} -eq 0 ] ||
    echo "this release of Debian has no package ${unknown[*]}: what needs it is left out" >&2
