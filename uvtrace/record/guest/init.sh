#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The guest's first process: mounts what a command expects, then runs guest.sh. Run by busybox,
# whose shell needs no other program for this: each one would be read over 9p.
#
# In place of virtme-ng's init, which also starts udev and systemd-tmpfiles: on an emulated
# processor they take longer than the kernel, and udev would bind drivers before recording.
# $1 is busybox, $2 where to mount the folder that is shared with the host; the rest are
# folders that get a writable layer over this machine's.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
TERM=dumb
export PATH HOME TERM
busybox=$1
share=$2
shift 2

# Without /proc the shell cannot start its own applets.
"$busybox" mount -t proc -o nosuid,noexec,nodev proc /proc
mount -t sysfs -o nosuid,noexec,nodev sys /sys
mount -t devtmpfs -o mode=0755,nosuid,noexec devtmpfs /dev
mount -t tmpfs -o mode=0755 run /run
mkdir -p "$share"
mount -t 9p -o version=9p2000.L,trans=virtio,access=any,msize=524288 \
	virtme.initmount0 "$share" || echo o >/proc/sysrq-trigger

for folder in "$@"; do
	layer=/run/layers$folder
	mkdir -p "$layer/upper" "$layer/work"
	mount -t overlay -o "lowerdir=$folder,upperdir=$layer/upper,workdir=$layer/work" \
		overlay "$folder"
done
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,noexec,nosuid devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
hostname uvtrace
ip link set lo up

exec /bin/sh "$share/guest.sh" "$share"
