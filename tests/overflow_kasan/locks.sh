#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows the lock checker the two sides of a lock cycle, over each filesystem that
# an image may lie on and in each mode of reading: whoever reads the image file
# takes its lock first and then, where his memory has to be faulted in, mmap_lock;
# whoever faults in a mapped file of the mount holds mmap_lock first. Checks that
# report by themselves must have nothing to say. KTAP.
#
# shellcheck disable=SC2317 # functions are called by ktap_run and trap

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ktap.sh
. "$HERE/ktap.sh"

DATA=${EROFS_DATA:-/data}
STATS=/proc/lockdep_stats
[ -e $STATS ] || ktap_skip_all "this kernel has no lock checker"
grep -q 'debug_locks:.*1' $STATS || ktap_skip_all "the lock checker has given up before"

WORK=$(mktemp -d /tmp/locks.XXXXXX)
mkdir "$WORK/lower" "$WORK/mnt"
trap 'umount -q "$WORK/mnt" "$WORK/lower"; rm -rf "$WORK"' EXIT

# as_user FILE: reads it by each way there is. A fault that may not read ahead does
# not let go of mmap_lock first.
as_user() {
	local size
	size=$(stat -c %s "$1") || return
	# Not every filesystem can read direct.
	xfs_io -r -d -c "pread -q -b 1m 0 $((size & ~4095))" "$1" >/dev/null 2>&1
	xfs_io -r -c "mmap -r 0 $size" -c "madvise -r 0 $size" \
		-c "mread 0 $size" -c "pread -q -b 1m 0 $size" \
		"$1" >/dev/null
}

# through MOUNT: the same with some files of a mount, none of which is cached
through() {
	local file
	find "$1" -type f -size +0 -size -900k | head -n 4 >"$WORK/files"
	[ -s "$WORK/files" ] || return
	echo 3 >/proc/sys/vm/drop_caches
	while IFS= read -r file; do
		as_user "$file" || return
	done <"$WORK/files"
}

# both LOWER IMAGE OPTION
both() {
	as_user "$WORK/lower/$2.img" || return
	mount -t erofs.file -o "ro$3" "$WORK/lower/$2.img" "$WORK/mnt" || return
	through "$WORK/mnt" || return
	as_user "$WORK/lower/$2.img" || return
	umount "$WORK/mnt" || return
	grep 'debug_locks:.*1' "$STATS"
}

# lower TYPE: a filesystem of its own in $WORK/lower, with the images
lower() {
	case $1 in
	tmpfs | ramfs) mount -t "$1" none "$WORK/lower" || return ;;
	*)
		truncate -s 400M "$WORK/disk" || return
		if [ "$1" = xfs ]; then
			mkfs.xfs -q -f "$WORK/disk" || return
		else
			mke2fs -q -F -t "$1" "$WORK/disk" || return
		fi
		mount -o loop "$WORK/disk" "$WORK/lower" || return
		;;
	esac
	cp "$DATA"/{default-512,lz4-1024}.img "$WORK/lower/"
}

ktap_begin ""
for fs in ext4 xfs tmpfs; do
	ktap_run "$fs: images" lower $fs
	for image in default-512 lz4-1024; do
		for option in "" ,nodirectio; do
			ktap_run "$fs: $image${option/,/ }" both $fs $image "$option"
			umount -q "$WORK/mnt"
		done
	done
	umount -q "$WORK/lower"
	rm -f "$WORK/disk"
done
ktap_end
