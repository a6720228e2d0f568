#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Puts uvbus.ko's sources where DKMS looks for them, /usr/src/uvbus-VERSION.
# usage: dkms-tree.sh [DESTDIR]; prints the folder
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' uvtrace/version.py)
[ -n "$version" ] || { echo 'uvtrace/version.py names no version' >&2; exit 4; }
target=${1:-}/usr/src/uvbus-$version

# What an older layout had and this one has not must not be compiled in.
rm -rf "$target"
mkdir -p "$target/include/uapi"
install -m 644 kmod/Kbuild kmod/COPYING kmod/*.c kmod/*.h "$target"
install -m 644 kmod/include/uapi/*.h "$target/include/uapi"
sed "s/#MODULE_VERSION#/$version/" kmod/dkms.conf >"$target/dkms.conf"
chmod 644 "$target/dkms.conf"
echo "$target"
