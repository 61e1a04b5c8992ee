#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Labels that a mount gives its files: context= of SELinux is one superblock's, so
# an image that is mounted with two of them is two superblocks, and one that is
# mounted with the same again is shared. Loads a policy, which stays for as long as
# the kernel does, and so runs after all others.
#
# shellcheck disable=SC2317 # functions are called by ktap_run and trap

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ktap.sh
. "$here/ktap.sh"

data=${EROFS_DATA:-/data}
image=$data/default-4096.img
selinux=/sys/fs/selinux
[ -d "$selinux" ] || ktap_skip_all "the kernel does not run with SELinux"
[ -e "$data/selinux.policy" ] || ktap_skip_all "no policy; run scripts/test-data"

work=$(mktemp -d /tmp/selinux.XXXXXX)
mkdir "$work/one" "$work/again" "$work/two" "$work/none"
cleanup() {
	umount -q "$work/one" "$work/again" "$work/two" "$work/none"
	! mountpoint -q "$selinux" || umount "$selinux"
	rm -rf "$work"
}
trap cleanup EXIT

policy() {
	[ -e "$selinux/load" ] || mount -t selinuxfs none "$selinux" || return
	dd if="$data/selinux.policy" of="$selinux/load" bs=1M
}

# labelled NAME TYPE: mount(8) leaves context= out where SELinux has no configuration
labelled() {
	"$here/fdmount" -o "context=u:object_r:$2" "$image" "$work/$1"
}

# label NAME TYPE: of a file
label() {
	local is
	is=$(getfattr --only-values -n security.selinux "$work/$1/exact" |
		tr -d '\0') && echo "$is" && [ "$is" = "u:object_r:$2" ]
}

# same A B: the superblock
same() {
	[ "$(stat -c %d "$work/$1")" = "$(stat -c %d "$work/$2")" ]
}

first() {
	labelled one one && label one one
}

again() {
	labelled again one && label again one && same one again
}

other() {
	labelled two two && label two two && label one one && ! same one two
}

unlabelled() {
	"$here/fdmount" "$image" "$work/none" && ! same one none &&
		! same two none
}

ktap_begin ""
ktap_run "policy is loaded" policy
ktap_run "first label" first
ktap_run "the same label is the same superblock" again
ktap_run "another label is another one" other
ktap_run "so is none" unlabelled
ktap_end
