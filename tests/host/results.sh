#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Host test: what scripts/results.sh makes of a guest's stream. A guest that says
# that all is well is believed only if its plan, its results and its exit code say
# so together: results.sh KERNEL (of which it makes no use)
set -u
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

SCRIPTS=$TOP/scripts
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
nr=0 failed=0

# stream RC LINE...: the last line that comes of it, with what was said before
stream() (
	# shellcheck disable=SC2030 # each stream is a run of its own
	OUT=$SCRATCH
	rm -f "$OUT/check.ktap"
	# shellcheck source=scripts/results.sh
	. "$TOP/scripts/results.sh"
	ktap_begin guest
	rc=$1
	shift
	for line; do
		ktap_line guest "$line"
	done
	ktap_line guest "@@rc $rc"
	ktap_end guest
	totals || echo "it failed"
)

# expect WHAT TOTALS RC LINE...
expect() {
	local what=$1 want=$2 got
	shift 2
	nr=$((nr + 1))
	got=$(stream "$@" | sed -n '/ passed, /,$p' | paste -sd' ')
	if [ "$got" = "$want" ]; then
		echo "ok $nr - results: $what"
	else
		echo "# wanted \"$want\", got \"$got\""
		echo "not ok $nr - results: $what"
		failed=1
	fi
}

# rows TEXT NAME...: what pitfalls says of these results to a table of TEXT
rows() (
	OUT=$SCRATCH
	TOP=$SCRATCH
	mkdir -p "$TOP/tests"
	printf '%s\n' "$1" >"$TOP/tests/PITFALLS"
	rm -f "$OUT/check.ktap"
	# shellcheck source=scripts/results.sh
	. "$SCRIPTS/results.sh"
	shift
	for line; do
		result ok "$line"
	done
	pitfalls test 6.1
)

# expect_row WHAT ok|"not ok" TEXT NAME...
expect_row() {
	local what=$1 want=$2
	shift 2
	nr=$((nr + 1))
	if rows "$@" | grep -q "^$want [0-9]* host: every pitfall"; then
		echo "ok $nr - results: $what"
	else
		echo "not ok $nr - results: $what"
		failed=1
	fi
}

GOOD="2 passed, 0 failed, 0 skipped"
echo "TAP version 13"
echo "1..17"
expect "all is well" "$GOOD" 0 "KTAP version 1" 1..1 "ok 1 a"
expect "the plan may be last" "$GOOD" 0 "ok 1 - a" 1..1
expect "a skip is none that passed" "1 passed, 0 failed, 1 skipped" \
	0 1..1 "ok 1 a # SKIP why"
expect "a failure that is said" "1 passed, 1 failed, 0 skipped it failed" \
	1 1..1 "not ok 1 a"
expect "a failure with exit code 0" "0 passed, 2 failed, 0 skipped it failed" \
	0 1..1 "not ok 1 a"
expect "an exit code without a failure" "1 passed, 1 failed, 0 skipped it failed" \
	1 1..1 "ok 1 a"
expect "a result too few" "1 passed, 1 failed, 0 skipped it failed" \
	0 1..2 "ok 1 a"
expect "a result too many" "2 passed, 1 failed, 0 skipped it failed" \
	0 1..1 "ok 1 a" "ok 2 b"
expect "no plan" "1 passed, 1 failed, 0 skipped it failed" 0 "ok 1 a"
expect "silence" "0 passed, 1 failed, 0 skipped it failed" 0
expect "no end" "1 passed, 1 failed, 0 skipped it failed" 124 1..1 "ok 1 a"
expect "a complaint of the kernel" "1 passed, 1 failed, 0 skipped it failed" \
	125 1..1 "ok 1 a"
expect "words like results" "$GOOD" 0 1..1 "# not ok 7 a" "nothing is ok" "ok 1 a"
expect_row "a pitfall's test was there" ok "X1 test here" "6.1: here it is"
expect_row "it was not there" "not ok" "X1 test here" "6.1: elsewhere"
expect_row "it was there on another kernel" "not ok" "X1 test here" "6.12: here"
expect_row "it is no test" ok "X1 why here" "6.1: elsewhere"
exit $failed
