#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The part of scripts/demo that runs in the guest: mount /data/tree.erofs in
# every way, compare each mount with /data/source.dump, and look for loop devices
# before, during and after. /dev/vdb is the image once more, as a disk. Progress
# goes out as it comes; lines that start with "@@row" are the table:
#
#	@@row WAY|COMPARED WITH THE SOURCE|TENTHS OF A SECOND|LOOP DEVICES
#
# Exit code 0 only if each mount is identical and no loop device was seen.

HERE=$(cd "$(dirname "$0")" && pwd)
IMAGE=/data/tree.erofs
FAILED=0

loops() {
	losetup --list --noheadings --output NAME
	ls -d /sys/block/loop*/loop 2>/dev/null
	grep -o '^/dev/loop[0-9]*' /proc/mounts
}

# try NAME COMMAND... : the command mounts on /mnt
try() {
	local name=$1 start end verdict=identical loop=none
	shift
	echo "mounting by $name: $*"
	start=${EPOCHREALTIME/./}
	if ! "$@"; then
		verdict="NOT MOUNTED"
	elif ! grep -q ' /mnt erofs ro' /proc/mounts; then
		verdict="NOT AN EROFS MOUNT"
	else
		"$HERE/treedump" -x /mnt >/tmp/dump
		if ! cmp -s /tmp/dump /data/source.dump; then
			verdict=DIFFERENT
			diff /data/source.dump /tmp/dump | cut -c1-200 | head -n 10
		fi
	fi
	[ -z "$(loops)" ] || loop=$(loops | sort -u | tr '\n' ' ')
	if [ "$verdict" != "NOT MOUNTED" ] && ! umount /mnt; then
		verdict="NOT UNMOUNTED"
	fi
	end=${EPOCHREALTIME/./}
	if [ "$verdict" != identical ] || [ "$loop" != none ]; then
		FAILED=1
	fi
	echo "@@row $name|$verdict|$(((end - start) / 100000))|$loop"
}

load-erofs "$1" || exit
[ -z "$(loops)" ] || { echo "loop devices before anything was mounted"; exit 1; }
# Debian 12's mount(8) would put a loop device below any file of a type it knows.
try "path, mount(8)" mount -t erofs.file $IMAGE /mnt
try "path, mount(8) 2.41" mount-new -t erofs $IMAGE /mnt
try "fd, mount(8)" mount -t erofs.file /proc/self/fd/5 /mnt 5<$IMAGE
try "fd, fsconfig(2)" "$HERE/fdmount" $IMAGE /mnt
try "block device, mount(8)" mount -t erofs /dev/vdb /mnt
rmmod erofs || FAILED=1
[ -z "$(loops)" ] || FAILED=1
exit $FAILED
