#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a sanitizer kernel: the suite, or the tests that are named, and a search
# for leaks, once while the module is still there to be named in a report, and
# once after it was unloaded. Flat KTAP, as from run-guest.sh.

HERE=$(cd "$(dirname "$0")" && pwd)
LEAKS=/sys/kernel/debug/kmemleak

tests=("$@")
if [ $# = 0 ]; then
	mapfile -t tests <"$HERE/tests.list"
	tests+=(locks.sh)
fi

# Not ours: what was lost before the module was there.
if [ -e "$LEAKS" ]; then
	echo scan >"$LEAKS"
	echo clear >"$LEAKS"
fi

"$HERE/run-guest.sh" "${tests[@]}" leaks.sh | {
	n=0
	bad=0
	while IFS= read -r line; do
		case $line in
		1..*)
			# The plan comes last; there is one more result to come.
			n=${line#1..}
			continue
			;;
		"# Totals:"*) continue ;;
		"not ok "*) bad=1 ;;
		esac
		printf '%s\n' "$line"
	done
	if [ "$n" = 0 ]; then
		echo "# run-guest.sh printed no plan"
		exit 1
	fi
	if [ -e "$LEAKS" ]; then
		n=$((n + 1))
		sleep 5.5
		echo scan >"$LEAKS"
		echo scan >"$LEAKS"
		left=$(cat "$LEAKS")
		if [ -z "$left" ]; then
			echo "ok $n module: no leak after it was unloaded"
		else
			printf '%s\n' "$left" | sed 's/^/# /'
			echo "not ok $n module: no leak after it was unloaded"
			bad=1
		fi
	fi
	echo "1..$n"
	exit $bad
}
