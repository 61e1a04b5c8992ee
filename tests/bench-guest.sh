#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs inside the guest of scripts/bench: brings the guest into the state that
# tests/bench.c expects (modules of all peers loadable, host and guest warmed up
# alike for every peer), then runs it.
#
# Contract: bench-guest.sh BENCH [bench options]; the data disk is mounted on
# /data. Output and exit status are those of BENCH; whatever is
# missing ends the run with a "bench-error" line and status 1.
#
# How to read it: lines "env KEY VALUE" describe the guest, the rest is
# explained at the head of tests/bench.c.

set -u

fail() {
	echo "bench-error $*"
	exit 1
}

bench=${1:?bench program}
shift

disk=$(findmnt -n -o SOURCE /data) || fail "nothing is mounted on /data"

# What the modules depend on is not pulled in by insmod; ask each of them.
for mod in /distro/erofs.ko /erofs.ko; do
	[ -e "$mod" ] || continue
	deps=$(modinfo -F depends "$mod") || fail "modinfo $mod"
	for dep in ${deps//,/ }; do
		modprobe "$dep" || fail "modprobe $dep for $mod"
	done
done
modprobe -a loop squashfs || fail "modprobe loop squashfs"
grep -qw erofs /proc/filesystems && fail "the type erofs is already taken"

# One read of the whole disk: afterwards the host holds all of it in memory,
# and every peer's cold read costs the same emulated transfer and no host disk.
dd if="$disk" of=/dev/null bs=1M status=none || fail "read $disk"

echo "env kernel $(uname -r)"
echo "env cpus $(nproc)"
echo "env memory_kb $(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
echo "env read_ahead_kb $(cat "/sys/block/${disk#/dev/}/queue/read_ahead_kb")"
echo "env clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"

"$bench" "$@" /data
rc=$?
[ "$rc" -eq 0 ] || echo "bench-error $bench ended with status $rc"
exit "$rc"
