#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: run the programs of tests/peers/list, each in a mount namespace with
# a root of its own, and hand out what they print between marks:
#
#   @@begin MODE NAME
#   ...
#   @@end EXIT-CODE USERS        USERS is what still holds the module afterwards
#
#   /share/peers/guest.sh [NAME...]
#
# /share/peers (9p) has the root's tree, an image of it that is compressed, and
# mkfs.erofs; /dev/vda is an image that is not.

set -u
P=/share/peers
WORK=/run/peers
NEW=/run/newroot
LIMIT=${PEERS_LIMIT:-150}

mkdir -p $WORK $NEW
modprobe overlay
load-erofs || exit 1
# Some tests ask for a few.
echo 64 >/proc/sys/vm/nr_hugepages
mkdir -p /peers
cp -a $P/tree/peers/{bin,tools} /peers/
ln -s mke2fs /usr/sbin/mkfs.ext4

mkfs_erofs() {
	LD_LIBRARY_PATH=$P/lib "$P/lib/ld-linux-x86-64.so.2" "$P/bin/mkfs.erofs" \
		--quiet "$@" >$WORK/mkfs.log 2>&1 || {
		cat $WORK/mkfs.log
		exit 1
	}
}

# What each root needs besides its files; $NEW is moved onto / by enter.
furnish() {
	mount -t proc proc $NEW/proc
	mount -t sysfs sysfs $NEW/sys
	mount --rbind /dev $NEW/dev
	mount -t tmpfs tmpfs $NEW/run
	mount -t tmpfs tmpfs $NEW/peers/slots
	cp $P/lib/shim.so $NEW/run/
}

# The folder of a test, and what it has left in /tmp and on mounts of its own.
use_slots() {
	local image name
	$P/bin/mountd $NEW/run/mountd "$WORK/$1" &
	while [ ! -S $NEW/run/mountd ]; do
		sleep 0.1
	done
	for image in "$WORK/$1"/*.erofs; do
		name=${image##*/}
		name=${name%.erofs}
		mkdir $NEW/peers/slots/"$name"
		mount -t erofs.file "$image" $NEW/peers/slots/"$name" || exit
	done
}

overlay() {
	mkdir -p /run/over/"$3"/{u,w}
	chmod --reference="$1" /run/over/"$3"/u
	mount -t overlay -o "lowerdir=$1,upperdir=/run/over/$3/u,workdir=/run/over/$3/w,redirect_dir=on" \
		overlay "$2" || exit
}

# Root, /tmp and the current folder of one mode; called in a namespace of its own.
root_plain() {
	mount -t tmpfs tmpfs /run
	mkdir -p /tmp /run/cwd
	mount -t tmpfs -o mode=1777 tmpfs /tmp
	cp -a /peers/bin/"$1"/. /run/cwd
	cd /run/cwd || exit
}

root_record() {
	mount -t erofs /dev/vda $NEW || exit
	mount -t tmpfs tmpfs /run/over
	overlay $NEW $NEW root
	furnish
	mount --bind "$WORK/$1/record" $NEW/peers/slots
	cp -a /peers/bin/"$1"/. $NEW/peers/slots/cwd
	mount --bind $NEW/peers/slots/cwd $NEW/peers/cwd
	mount --bind $NEW/peers/slots/_tmp $NEW/tmp
}

root_erofs() {
	mount -t erofs.file $P/root.erofs $NEW || exit
	furnish
	use_slots "$1"
	mount --bind $NEW/peers/slots/cwd $NEW/peers/cwd
	mount --bind $NEW/peers/slots/_tmp $NEW/tmp
	mount -t erofs /dev/vda /mnt
	mount --bind /mnt/peers/tools $NEW/peers/plain
}

root_overlay() {
	mount -t erofs /dev/vda $NEW || exit
	mount -t tmpfs tmpfs /run/over
	overlay $NEW $NEW root
	furnish
	use_slots "$1"
	overlay $NEW/peers/slots/cwd $NEW/peers/cwd cwd
	overlay $NEW/peers/slots/_tmp $NEW/tmp tmp
}

# enter MODE NAME COMMAND
enter() {
	root_"$1" "$2"
	if [ "$1" = plain ]; then
		exec bash -c "$3"
	fi
	# The root of the namespace, as statmount and user namespaces want it.
	cd $NEW || exit
	mount --move . / || exit
	# shellcheck disable=SC2016 # for the inner shell
	exec chroot . bash -c 'cd /peers/cwd || exit
		export LD_PRELOAD=/run/shim.so PEERS_MODE=$1
		eval "$2"' bash "$1" "$3"
}

run() {
	(
		export -f enter furnish use_slots overlay root_plain root_record \
			root_erofs root_overlay
		export P WORK NEW
		exec setsid timeout -k 5 "$LIMIT" unshare -m --propagation private \
			bash -c 'enter "$@"' enter "$@"
	) </dev/null 2>&1
}

# Mounts of a namespace go away a moment after its last process.
users() {
	local i left
	for ((i = 0; i < 50; i++)); do
		left=$(cat /sys/module/erofs/refcnt)
		[ "$left" != 0 ] || break
		sleep 0.1
	done
	echo "$left"
}

# What a test leaves when nothing is deleted becomes images.
record() {
	local dir=$WORK/$1/record slot
	mkdir -p "$dir"/{cwd,_tmp}
	chmod 1777 "$dir"/_tmp
	mkdir "$dir"/lower
	echo lower >"$dir"/lower/test
	run record "$1" "$2" >$WORK/record.log
	for slot in "$dir"/*; do
		mkfs_erofs "$WORK/$1/${slot##*/}.erofs" "$slot"
	done
	rm -rf "$dir"
}

test_one() {
	local mode
	case $2 in
	*[eo]*) record "$1" "${4:-$3}" ;;
	esac
	for mode in plain erofs overlay; do
		case $2 in
		*"${mode:0:1}"*) ;;
		*) continue ;;
		esac
		echo "@@begin $mode $1"
		run $mode "$1" "$3"
		printf '\n@@end %s %s\n' $? "$(users)"
	done
	rm -rf "${WORK:?}/$1"
}

mkdir -p /run/over
while IFS='|' read -r name modes command _ recorded; do
	case $name in
	'#'*) continue ;;
	esac
	name=${name// /}
	if [ $# = 0 ] || [[ " $* " == *" $name "* ]]; then
		test_one "$name" "${modes// /}" "$command" "$recorded"
	fi
done <$P/list
rmmod erofs && echo "@@unloaded"
