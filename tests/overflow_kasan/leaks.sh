#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A test for the end of a run in the sanitizer kernel, while nothing is mounted:
# the checks that report by themselves are still on (one report turns lockdep off
# for good, and kmemleak gives up when it runs out of memory), and nothing that
# was allocated since boot is lost. KTAP.

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ktap.sh
. "$HERE/ktap.sh"

LEAKS=/sys/kernel/debug/kmemleak

# shellcheck disable=SC2317 # called by ktap_run
lockdep_on() {
	grep 'debug_locks:.*1' /proc/lockdep_stats
}

# shellcheck disable=SC2317
leaks_found() {
	# What is cached is not lost, but may hide what is.
	sync
	echo 3 >/proc/sys/vm/drop_caches
	# An object is not suspected before it is five seconds old and has been
	# the same in two scans.
	sleep 5.5
	echo scan >"$LEAKS" || return
	echo scan >"$LEAKS" || return
	cat "$LEAKS"
	[ -z "$(cat "$LEAKS")" ]
}

[ -e "$LEAKS" ] || ktap_skip_all "this kernel has no kmemleak"
ktap_begin 2
ktap_run "lock checks are still on" lockdep_on
ktap_run "no leak is found" leaks_found
ktap_end
