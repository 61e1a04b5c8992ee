# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# KTAP for tests written in shell. Source it, then:
#
#   ktap_begin [N]            header, and the plan if it is known
#   ktap_ok NAME              the check called NAME passed
#   ktap_not_ok NAME [WHY]    ... failed; WHY (may have many lines) is a diagnostic
#   ktap_skip NAME REASON     ... could not be made
#   ktap_run NAME CMD...      passed if CMD exits with 0; its output is shown if not,
#                             and 4 means skipped, for the reason it printed last
#   ktap_skip_all REASON      the program as a whole cannot run: ends it with 4
#   ktap_end                  plan and totals; ends the program with 0, 1 or 4
#
# A script that stops before ktap_end has no plan and counts as failed.

KTAP_N=0
KTAP_PASS=0
KTAP_FAIL=0
KTAP_SKIP=0
KTAP_PLAN=

ktap_note() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

ktap_begin() {
	echo "KTAP version 1"
	KTAP_PLAN=${1:-}
	[ -z "$KTAP_PLAN" ] || echo "1..$KTAP_PLAN"
}

ktap_ok() {
	KTAP_N=$((KTAP_N + 1))
	KTAP_PASS=$((KTAP_PASS + 1))
	echo "ok $KTAP_N $1"
}

ktap_not_ok() {
	KTAP_N=$((KTAP_N + 1))
	KTAP_FAIL=$((KTAP_FAIL + 1))
	[ -z "${2:-}" ] || ktap_note "$2"
	echo "not ok $KTAP_N $1"
}

ktap_skip() {
	KTAP_N=$((KTAP_N + 1))
	KTAP_SKIP=$((KTAP_SKIP + 1))
	echo "ok $KTAP_N $1 # SKIP $2"
}

ktap_run() {
	local name=$1 out rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	case $rc in
	0) ktap_ok "$name" ;;
	4) ktap_skip "$name" "$(printf '%s\n' "$out" | tail -n 1)" ;;
	*) ktap_not_ok "$name" "exit code $rc: $*
$(printf '%s\n' "$out" | tail -n 20)" ;;
	esac
}

ktap_skip_all() {
	echo "KTAP version 1"
	echo "1..0 # SKIP $*"
	exit 4
}

ktap_end() {
	[ -n "$KTAP_PLAN" ] || echo "1..$KTAP_N"
	echo "# Totals: pass:$KTAP_PASS fail:$KTAP_FAIL xfail:0 xpass:0 skip:$KTAP_SKIP error:0"
	if [ "$KTAP_N" = 0 ] || [ "$KTAP_FAIL" != 0 ] ||
		[ "${KTAP_PLAN:-$KTAP_N}" != "$KTAP_N" ]; then
		exit 1
	fi
	[ "$KTAP_PASS" != 0 ] || exit 4
	exit 0
}
