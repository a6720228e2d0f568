#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest: loads uvbus.ko, arms it, binds the driver, runs the command, unbinds.
#
# $1 is a folder shared with the host. It holds `config` (shell assignments), `uvbus.ko`,
# `uvctl`, `command`, perhaps driver modules. What is written there the host reads at once:
# `stages` (one line per step reached), `functions`, `error`, `stdout`, `stderr`, `result`,
# `stats`.

share=$1
. "$share/config"
PATH=$share:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
devices=/sys/bus/pci/devices

stage() {
	read -r uptime _ </proc/uptime
	echo "$1 $uptime" >>"$share/stages"
}

fail() {
	echo "$*" >>"$share/error"
	dmesg | tail -n 40 >"$share/dmesg"
	stage failed
	leave
}

leave() {
	sync
	# Not through init: nothing is mounted that needs care, and shutting down takes seconds.
	echo o >/proc/sysrq-trigger
	sleep 60
}

# Wait until a command succeeds: attempts of 0.1 s each, command.
wait_until() {
	attempts=$1
	shift
	until "$@"; do
		attempts=$((attempts - 1))
		[ "$attempts" -gt 0 ] || return 1
		sleep 0.1
	done
}

driver_of() {
	[ -e "$devices/$1/driver" ] && basename "$(readlink "$devices/$1/driver")"
}

is_bound() {
	[ -e "$devices/$1/driver" ]
}

is_unbound() {
	! is_bound "$1"
}

# Modules that the device's modalias names, in modprobe's order.
modules_of() {
	modprobe -R -a "$(cat "$devices/$1/modalias")" 2>/dev/null
}

# A driver that is there already has mappings that cannot be trapped, and its module's
# port instructions are found only while it loads.
release() {
	is_bound "$1" || return 0
	driver=$(driver_of "$1")
	module=$(basename "$(readlink -f "$devices/$1/driver/module" 2>/dev/null)" 2>/dev/null)
	echo "$1" >"$devices/$1/driver/unbind" || fail "cannot unbind $driver from $1"
	[ -z "$module" ] || modprobe -r "$module" 2>/dev/null
	return 0
}

# What was chosen for the nth function, or nothing: then its modalias chooses.
chosen_driver() {
	chosen=$(echo "$DRIVERS" | cut -d' ' -f"$1")
	[ "$chosen" = - ] || echo "$chosen"
}

describe() {
	read -r vendor <"$devices/$1/vendor"
	read -r device <"$devices/$1/device"
	modules=${2:-$(modules_of "$1")}
	module=${modules%%[!A-Za-z0-9_-]*}
	names=$(lspci -s "$1" 2>/dev/null | cut -d' ' -f2-)
	echo "$1|${vendor#0x}|${device#0x}|$module|${names#*: }" >>"$share/functions"
}

load() {
	insmod "$share/uvbus.ko" $MODULE_PARAMETERS 2>"$share/insmod" ||
		fail "uvbus.ko does not load: $(cat "$share/insmod")"
	wait_until 50 test -e /dev/uvbus0 || fail "uvbus.ko gives no /dev/uvbus0"
}

arm() {
	uvctl ring "$RING_BYTES" "$RING_POLICY" $RING_CONTENTS 2>"$share/uvctl.error" ||
		fail "$(cat "$share/uvctl.error")"
	number=0
	for bdf in $FUNCTIONS; do
		number=$((number + 1))
		# A model's function appears when its model has described it.
		wait_until "$APPEAR_ATTEMPTS" test -e "$devices/$bdf" || fail "$bdf is not there"
		release "$bdf"
		describe "$bdf" "$(chosen_driver $number)"
		uvctl select "$bdf" >>"$share/selected" 2>"$share/uvctl.error" ||
			fail "$(cat "$share/uvctl.error")"
	done
	uvctl start 2>"$share/uvctl.error" || fail "$(cat "$share/uvctl.error")"
}

# A module file from the host: what it depends on comes from the guest's kernel.
insert() {
	name=$(basename "$1" .ko | tr - _)
	[ ! -e "/sys/module/$name" ] || return 0
	for needed in $(modinfo -F depends "$1" | tr , ' '); do
		modprobe "$needed" 2>/dev/null
	done
	insmod "$1" 2>"$share/insmod" || fail "$(basename "$1") does not load: $(cat "$share/insmod")"
}

# Load a driver's module; one that was loaded before is told to look again.
load_driver() {
	case $1 in
	*.ko) insert "$share/$1" ;;
	*) modprobe "$1" 2>"$share/insmod" ||
		fail "module $1 does not load: $(cat "$share/insmod")" ;;
	esac
	is_bound "$2" || echo "$2" >/sys/bus/pci/drivers_probe 2>/dev/null
}

bind() {
	modules=$2
	if [ -z "$modules" ]; then
		modules=$(modules_of "$1")
		[ -n "$modules" ] || fail "no module of this kernel drives $1 ($(cat "$devices/$1/modalias"))"
	fi
	for module in $modules; do
		load_driver "$module" "$1"
		wait_until 10 is_bound "$1" && return
	done
	wait_until "$BIND_ATTEMPTS" is_bound "$1" ||
		fail "$(echo "$modules" | tr '\n' ' ')did not bind to $1"
}

# Interface of a PCI function, wherever below it it hangs (virtio: one level deeper).
interface_of() {
	for found in "$devices/$1"/net/* "$devices/$1"/*/net/*; do
		[ -e "$found" ] && basename "$found" && return
	done
	return 1
}

block_of() {
	for found in /sys/class/block/*; do
		[ -e "$found/partition" ] && continue
		case $(readlink -f "$found") in
		*/"$1"/*) basename "$found" && return ;;
		esac
	done
	return 1
}

has_interface() {
	interface_of "$1" >/dev/null
}

has_block() {
	block_of "$1" >/dev/null
}

has_carrier() {
	[ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]
}

answers() {
	ping -c 1 -W 1 "$1" >/dev/null 2>&1
}

# A recorded device: its interface comes up, but nobody answers what was not asked then.
set_up_link() {
	wait_until 100 has_interface "$1" || fail "the driver of $1 gives no network interface"
	interface=$(interface_of "$1")
	ip address add "$2.15/24" dev "$interface" 2>>"$share/warnings"
	ip link set "$interface" up 2>"$share/ip.error" ||
		fail "$interface does not go up: $(cat "$share/ip.error")"
	wait_until 100 has_carrier "$interface" || fail "$interface has no carrier"
	ip route replace default via "$2.2" dev "$interface" 2>/dev/null
	echo "export UVTRACE_INTERFACE=$interface" >>"$share/environment"
}

set_up_network() {
	set_up_link "$@"
	# e1000 in QEMU drops what it receives for a second after it has been set up.
	wait_until 15 answers "$2.2" || fail "$2.2 does not answer over $interface"
}

# There is no udev: load what the devices behind a function ask for.
has_block_after_coldplug() {
	find "$devices/$1/" -name modalias ! -path "$devices/$1/modalias" \
		-exec cat {} + 2>/dev/null | sort -u | xargs -r modprobe -a -q -b 2>/dev/null
	has_block "$1"
}

set_up_disk() {
	wait_until 300 has_block_after_coldplug "$1" || fail "the driver of $1 gives no block device"
	echo "export UVTRACE_DISK=/dev/$(block_of "$1")" >>"$share/environment"
}

set_up() {
	: >"$share/environment"
	number=0
	for bdf in $FUNCTIONS; do
		number=$((number + 1))
		case $(echo "$SETUPS" | cut -d' ' -f$number) in
		network) set_up_network "$bdf" "10.0.$((number + 1))" ;;
		link) set_up_link "$bdf" "10.0.$((number + 1))" ;;
		disk) set_up_disk "$bdf" ;;
		esac
	done
}

# Through pipes, as a command expects: it may open /dev/stdout anew. A process that it leaves
# behind may keep them open: they are waited for, but not for long.
run() {
	export UVTRACE_FUNCTION="${FUNCTIONS%% *}"
	[ ! -e "$share/environment" ] || . "$share/environment"
	cd "$DIRECTORY" 2>/dev/null || cd /
	mkfifo /run/stdout /run/stderr
	cat </run/stdout >>"$share/stdout" &
	readers=$!
	cat </run/stderr >>"$share/stderr" &
	readers="$readers $!"
	timeout -k 5 "$TIMEOUT" sh "$share/command" </dev/null >/run/stdout 2>/run/stderr
	echo $? >"$share/result.partial"
	wait_until 10 have_ended $readers
	mv "$share/result.partial" "$share/result"
}

have_ended() {
	for pid in "$@"; do
		! kill -0 "$pid" 2>/dev/null || return 1
	done
}

# The device's link to its driver is gone before the driver's remove has run: the write that
# returns tells that all is done.
unbind() {
	for bdf in $FUNCTIONS; do
		is_bound "$bdf" || continue
		{
			echo "$bdf" >"$devices/$bdf/driver/unbind"
			: >"/run/unbound.$bdf"
		} &
		unbinding="$unbinding $bdf"
	done
	for bdf in $unbinding; do
		wait_until 200 test -e "/run/unbound.$bdf" ||
			echo "$bdf did not unbind" >>"$share/warnings"
	done
}

count_cpus() {
	grep -c ^processor /proc/cpuinfo
}

stage booted
uname -r >"$share/release"
cat /sys/kernel/notes >"$share/notes"
load
stage loaded
arm
stage armed
number=0
for bdf in $FUNCTIONS; do
	number=$((number + 1))
	bind "$bdf" "$(chosen_driver $number)"
	echo "$bdf $(driver_of "$bdf")" >>"$share/drivers"
done
stage bound
[ -z "$SETUPS" ] || set_up
count_cpus >"$share/cpus"
stage ready
run
stage ran
count_cpus >>"$share/cpus"
[ -n "$KEEP_BOUND" ] || unbind
stage unbound
uvctl stop 2>>"$share/warnings"
stage stopped
uvctl stats >"$share/stats" 2>>"$share/warnings"
stage done
leave
