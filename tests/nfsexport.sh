#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An image exported by the kernel's NFS server: file handles have to lead back to
# the same files when nothing is in memory any more. By file and by block device,
# over loopback, with versions 3 and 4, compared with what the mount itself shows.
#
# shellcheck disable=SC2317 # functions are called by ktap_run and trap

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ktap.sh
. "$here/ktap.sh"

data=${EROFS_DATA:-/data}
grep -qx "	erofs" /proc/filesystems || ktap_skip_all "the kernel has no erofs"
[ -e "$data/images.txt" ] || ktap_skip_all "no table of images; run mkdata.sh"

work=$(mktemp -d /tmp/nfsexport.XXXXXX)
mkdir "$work/image" "$work/nfs"
cleanup() {
	umount -l "$work/nfs" "$work/image" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

drop() {
	sync
	echo 3 > /proc/sys/vm/drop_caches
}

# Neither has these attributes; times of version 3 are unsigned 32-bit seconds
dump() {
	"$here/treedump" "$1" > "$2" || return
	[ "$vers" = 4 ] || sed -i '/^\.\/\(1901\|before\|2106\|2446\) /d' "$2"
}

# Every directory of the image in turn, each with nothing in memory
same() {
	local dir
	for dir in links names special modes times sparse dirs/deep dirs/fifty; do
		drop
		dump "$work/nfs/$dir" "$work/seen" || return
		dump "$work/image/$dir" "$work/direct" || return
		diff -a "$work/direct" "$work/seen" | cut -c1-200 | head -n 5
		cmp -s "$work/direct" "$work/seen" || return
	done
}

# A file that is held open over NFS while the server forgets its inode
held_open() {
	local before after
	exec 5< "$work/nfs/exact" || return
	before=$(head -c 4096 <&5 | cksum)
	drop
	after=$(head -c 4096 "$work/nfs/exact" | cksum)
	[ "$before" = "$after" ] || return
	cat <&5 | cmp - <(tail -c +4097 "$work/image/exact") || return
	exec 5<&-
}

# A client reads a directory in pieces: no name twice, and none left out
same_names() {
	local dir
	for dir in . dirs/fifty names; do
		drop
		cmp <(cd "$work/nfs/$dir" && find . -maxdepth 1 | sort) \
			<(cd "$work/image/$dir" && find . -maxdepth 1 | sort) ||
			return
	done
}

export_image() {
	local how=$1 rc vers=$2
	shift 2
	ktap_run "$how: mounts" mount "$@" "$work/image" || return
	mountpoint -q "$work/image" || return
	"$here/nfs.sh" up "$work/image" "$work/nfs" "$vers"
	rc=$?
	if [ $rc = 4 ]; then
		ktap_skip "$how: export" "no NFS server or client here"
	elif [ $rc != 0 ]; then
		ktap_not_ok "$how: export"
	else
		ktap_ok "$how: export"
		ktap_run "$how: the same trees" same
		ktap_run "$how: the same names" same_names
		ktap_run "$how: an open file outlives the server's inode" held_open
		ktap_run "$how: server stops" "$here/nfs.sh" down "$work/nfs"
	fi
	ktap_run "$how: unmounts" umount "$work/image"
}

# shellcheck disable=SC2119
ktap_begin
export_image file 3 -t erofs.file "$data/default-4096.img"
export_image block 3 -t erofs -o loop,ro "$data/chunk8-4k-512.img"
export_image file-v4 4 -t erofs.file "$data/default-4096.img"
export_image block-v4 4 -t erofs -o loop,ro "$data/metabox-lz4.img"
ktap_end
