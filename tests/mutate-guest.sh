#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In a guest: run tests/mutate with the arguments given, and see that nothing is
# lost by it. KTAP of mutate, then that of this script.

HERE=$(cd "$(dirname "$0")" && pwd)
LEAKS=/sys/kernel/debug/kmemleak
# What the sanitizer holds back grows with the memory, and counts as slab.
LOST_KB=2048
# of a stack, over what images as they should be take
STACK_MORE=4096

# Only the names of mutants go to the console, and what stops the machine.
quiet_console() {
	echo N >/sys/module/printk/parameters/ignore_loglevel
	dmesg -n 1
}

# memory NAME...: the sum of these lines of meminfo
memory() {
	local name sum=0 kb
	for name; do
		kb=$(sed -n "s/^$name: *\([0-9]*\) kB/\1/p" /proc/meminfo)
		sum=$((sum + ${kb:-0}))
	done
	echo $sum
}

settle() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
}

# Pages that somebody has and nobody answers for
lost() {
	echo $(($(memory MemTotal) - $(memory MemFree Buffers Cached AnonPages \
		Slab KernelStack PageTables VmallocUsed)))
}

result() {
	echo "$1 - $2"
	[ "$1" = ok ] || bad=1
}

leaks() {
	sleep 5.5
	echo scan >"$LEAKS"
	echo scan >"$LEAKS"
	[ -z "$(cat "$LEAKS")" ] && return
	sed 's/^/# /' "$LEAKS"
	return 1
}

# The fewest bytes that a task has left of its stack, where the kernel says it
# (DEBUG_STACK_USAGE, as tasks end)
left_of_stack() {
	dmesg | sed -n 's/.*used greatest stack depth: \([0-9]*\) bytes left/\1/p' |
		tail -n 1
}

bad=0
if [ -e "$LEAKS" ]; then
	echo scan >"$LEAKS"
	echo clear >"$LEAKS"
fi
load-erofs || exit
quiet_console
"$HERE/mutate" -c 200 -s 99 >/dev/null || echo "# the first 200 have failed"
left=$(left_of_stack)
if [ -n "$left" ]; then
	for seed in plain attrs lz4-full-tail lzma-fragments zstd-512 metabox; do
		"$HERE/mutate" -i "=$seed" -r - /share/healthy >/dev/null ||
			echo "# $seed as it is has failed"
	done
	left=$(left_of_stack)
fi
settle
lost=$(lost)
slab=$(memory Slab)
rc=0
"$HERE/mutate" "$@" || rc=$?
# 1 has been told of, mutant by mutant
case $rc in
0) ;;
1) bad=1 ;;
*) result "not ok" "mutate comes to its end (exit code $rc)" ;;
esac
settle
more=$(($(lost) - lost))
if [ $more -lt $LOST_KB ]; then
	result ok "no page is lost ($more kB)"
else
	result "not ok" "no page is lost ($more kB)"
fi
more=$(($(memory Slab) - slab))
if [ $more -lt $(($(memory MemTotal) / 16)) ]; then
	result ok "no slab grows without end ($more kB)"
else
	result "not ok" "no slab grows without end ($more kB)"
fi
if [ -n "$left" ]; then
	more=$((left - $(left_of_stack)))
	if [ $more -le $STACK_MORE ]; then
		result ok "no stack grows far ($more bytes more than $left left)"
	else
		result "not ok" "no stack grows far ($more bytes more than $left left)"
	fi
fi
if [ -e "$LEAKS" ]; then
	if leaks; then
		result ok "no leak is found"
	else
		result "not ok" "no leak is found"
	fi
fi
if rmmod erofs; then
	result ok "the module can be unloaded"
else
	result "not ok" "the module can be unloaded"
fi
if dmesg | grep -E 'Objects remaining|still has objects|KASAN|BUG|WARNING'; then
	result "not ok" "nothing is reported at the end"
fi
exit $bad
