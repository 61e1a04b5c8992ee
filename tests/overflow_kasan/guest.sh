#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a sanitizer kernel: guest.sh MODULE kasan|small. Loads the module once
# per planted bug and asserts that the kernel reports that bug, names the module
# in the report, and reports nothing when there is none. KTAP.

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ktap.sh
. "$HERE/ktap.sh"

MODULE=$1
KIND=$2

exec 8</dev/kmsg
new_log() {
	# dd reads one record at a time, and EAGAIN is the end of the log.
	dd bs=8192 iflag=nonblock <&8 2>/dev/null
}

# What nothing points to. An object is not suspected before it is five seconds old
# and has been the same in two scans.
leaks() {
	sleep 5.5
	echo scan >/sys/kernel/debug/kmemleak
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak
}

# bug NAME REGEX...: with NAME planted, each REGEX is in the log
bug() {
	local name=$1 log out regex
	shift
	new_log >/dev/null
	if ! out=$(insmod "$MODULE" "bug=$name" 2>&1); then
		ktap_not_ok "$name is reported" "cannot load: $out"
		return
	fi
	if [ "$name" = leak ]; then
		log=$(leaks)
		echo clear >/sys/kernel/debug/kmemleak
	fi
	out=$(rmmod overflow_kasan 2>&1) || log="$log$out"
	log="$log
$(new_log)"
	for regex; do
		if ! grep -Eq "$regex" <<<"$log"; then
			ktap_not_ok "$name is reported" "no '$regex' in: $log"
			return
		fi
	done
	ktap_ok "$name is reported"
}

# shellcheck disable=SC2317 # called by ktap_run
quiet() {
	local log
	new_log >/dev/null
	insmod "$MODULE" bug=none || return
	rmmod overflow_kasan || return
	if [ "$KIND" = kasan ]; then
		log=$(leaks)
		echo "$log"
		[ -z "$log" ] || return
	fi
	log=$(new_log)
	echo "$log"
	! grep -Eq 'BUG|WARNING|KASAN|UBSAN|Call Trace' <<<"$log"
}

ktap_begin ""
ktap_run "nothing is reported without a bug" quiet
IN='\[overflow_kasan\]'
if [ "$KIND" = kasan ]; then
	# A report of any other kind turns the lock checks off.
	bug lock-order 'possible circular locking dependency' "lock_order.*$IN"
	bug sleep-atomic 'sleeping function called from invalid context' \
		"sleep_atomic.*$IN"
	bug list-twice 'list_add double add' "list_twice.*$IN"
	bug leak 'unreferenced object' "size 50[0-9]|size 512" "leak.*$IN|overflow_init.*$IN"
fi
bug slab-read 'KASAN: slab-out-of-bounds in slab_read' "$IN" 'Read of size 1'
bug slab-write 'KASAN: slab-out-of-bounds in slab_write' "$IN" 'Write of size 1'
bug slab-memcpy 'KASAN: slab-out-of-bounds in (slab_memcpy|memcpy)' "$IN" \
	'Read of size 105'
bug slab-freed 'KASAN: slab-use-after-free in slab_freed' "$IN"
bug slab-twice 'KASAN: double-free in slab_twice' "$IN"
bug vmalloc-read 'KASAN: vmalloc-out-of-bounds in vmalloc_read' "$IN"
bug vmalloc-write 'KASAN: vmalloc-out-of-bounds in vmalloc_write' "$IN"
bug page-freed 'KASAN: (use-after-free|slab-use-after-free) in page_freed' "$IN"
bug stack-read 'KASAN: stack-out-of-bounds in stack_read' "$IN"
bug global-read 'KASAN: global-out-of-bounds in global_read' "$IN"
bug ubsan-shift 'UBSAN: shift-out-of-bounds in .*overflow_kasan\.c'
bug ubsan-bounds 'UBSAN: array-index-out-of-bounds in .*overflow_kasan\.c'
ktap_end
