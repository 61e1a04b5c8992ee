#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest of scripts/check-soak: builds a kernel from the images "root" and
# "source" of /share/images, each by file and below an overlay of its own. Built once
# more, with nothing in the caches, there is nothing left to do; and every file of
# the sources is what it was to who made the image.
#
#   soak-guest.sh CONFIG

# shellcheck disable=SC2317 # "try" calls them

CONFIG=$1
IMAGES=/share/images
ROOT=/mnt/root
SOURCE=/mnt/source
N=0
FAIL=0

# try NAME COMMAND...: one result, and how long it took
try() {
	local name=$1 start=$SECONDS
	shift
	N=$((N + 1))
	if "$@" >/tmp/log 2>&1; then
		echo "# $name: $((SECONDS - start)) s"
		echo "ok $N $name"
	else
		tail -n 20 /tmp/log | sed 's/^/# /'
		echo "not ok $N $name"
		FAIL=1
	fi
}

# layers NAME WHERE MB: an image, and what is written over it
layers() {
	local top=/mnt/$1-top
	mkdir -p "/mnt/$1-image" "$top" "$2" &&
		mount -t erofs -o ro "$IMAGES/$1" "/mnt/$1-image" &&
		mount -t tmpfs -o "size=$3m" none "$top" &&
		mkdir "$top/upper" "$top/work" &&
		mount -t overlay none "$2" -o "lowerdir=/mnt/$1-image,upperdir=$top/upper,workdir=$top/work"
}

container() {
	layers root "$ROOT" 256 && layers source "$SOURCE" 1024 &&
		mkdir "$ROOT/build" && mount --bind "$SOURCE" "$ROOT/build" &&
		mount -t proc proc "$ROOT/proc" && mount --bind /dev "$ROOT/dev"
}

# in_container COMMAND
in_container() {
	chroot "$ROOT" /bin/sh -c "cd /build && $1"
}

# The smallest configurations are of 32 bits, for which the container has no libc
configured() {
	in_container "make ARCH=um $CONFIG && scripts/config -e 64BIT &&
		make ARCH=um olddefconfig"
}

build() {
	in_container "make ARCH=um linux"
}

# Drops what can be dropped, which a compiler at work finds again
built() {
	local rc=0 dropper
	while sleep 2; do
		echo 3 >/proc/sys/vm/drop_caches
	done &
	dropper=$!
	build || rc=$?
	kill "$dropper"
	return "$rc"
}

nothing_left() {
	build && ! grep -qE '^  (CC|LD|AS|AR) ' /tmp/log
}

runs() {
	in_container './linux --version'
}

compared() {
	echo 3 >/proc/sys/vm/drop_caches
	(cd /mnt/source-image && sha256sum --quiet -c "$IMAGES/sums")
}

taken_down() {
	umount "$ROOT/dev" "$ROOT/proc" "$ROOT/build" "$ROOT" "$SOURCE" \
		/mnt/root-image /mnt/source-image && rmmod erofs
}

echo "KTAP version 1"
echo "1..8"
try "module loads" insmod /erofs.ko
try "a container over two images" container
try "a kernel is configured" configured
try "it is built while caches are dropped" built
try "it runs" runs
try "nothing is left to be built" nothing_left
try "sources are what they were" compared
try "all is taken down" taken_down
exit $FAIL
