#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# beside.sh TEST+ARG+ARG... TEST...: tests that run at the same time, each a hard
# place for the others: one drops the caches, one takes the memory, one makes the
# disk fail. Their results are one KTAP stream, in the order of the tests.

HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT

for test; do
	# shellcheck disable=SC2086 # a list of words
	"$HERE"/${test//+/ } >"$OUT/$test" 2>&1 </dev/null &
	PIDS+=("$!")
done

n=0
bad=0
echo "KTAP version 1"
for test; do
	rc=0
	wait "${PIDS[0]}" || rc=$?
	PIDS=("${PIDS[@]:1}")
	results=0
	failed=0
	plan=none
	while IFS= read -r line; do
		case $line in
		"KTAP version "* | "# Totals:"*) ;;
		1..*) plan=${line#1..} ;;
		"ok "* | "not ok "*)
			word=ok
			if [ "${line#not }" != "$line" ]; then
				word="not ok"
				failed=1
			fi
			n=$((n + 1))
			results=$((results + 1))
			line=${line#*ok }
			echo "$word $n ${test%%+*}: ${line#* }"
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$OUT/$test"
	# Where all was skipped, as each of the results has said
	[ $rc != 4 ] || rc=0
	if [ "$plan" != "$results" ] || [ $rc != $failed ]; then
		echo "# $test: exit code $rc, plan $plan, $results results"
		n=$((n + 1))
		failed=1
		echo "not ok $n $test: as a whole"
	fi
	[ $failed = 0 ] || bad=1
done
echo "1..$n"
exit $bad
