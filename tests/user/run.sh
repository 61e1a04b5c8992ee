#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs what tests/user builds; called by its Makefile.
#
#   run.sh check OUT PROGRAM[:ARG]...      KTAP programs, into one stream
#   run.sh fuzz OUT SECONDS TARGET...      libFuzzer targets, one after the other
#
# Ends with "N passed, N failed, N skipped"; exit code 0 only if nothing failed. A
# program that dies, hangs, or ends without its plan is a failure of its own.
# What a fuzzer finds is in OUT/finds/TARGET, its log is OUT/fuzz_TARGET.log.
set -u

WHAT=$1
OUT=$2
shift 2
# seconds that a program of a check may take
LIMIT=${LIMIT:-300}
mkdir -p "$OUT"
rm -f "$OUT/check.ktap"
# shellcheck source=scripts/lib.sh
. ../../scripts/lib.sh
# shellcheck source=scripts/results.sh
. ../../scripts/results.sh

# ---- check --------------------------------------------------------------------

# Output of a program, and its exit code on a line of its own.
run_program() {
	cd "$OUT" || exit
	timeout "$LIMIT" "./$1" "${@:2}" 2>&1 </dev/null
	printf '\n@@rc %d\n' $?
}

check_one() {
	local line
	ktap_begin "$1"
	while IFS= read -r line; do
		ktap_line "$1" "$line"
	done < <(run_program "$@")
	ktap_whole "$1"
}

# ---- fuzz ---------------------------------------------------------------------

fuzz_one() {
	local name=$1 seconds=$2 rc=0 runs cov
	local log=$OUT/fuzz_$name.log corpus=$OUT/corpus/$name
	local finds=$OUT/finds/$name folders=("$OUT/corpus/$name") d
	mkdir -p "$corpus" "$finds"
	for d in "$OUT/seeds/$name" "finds/$name"; do
		[ ! -d "$d" ] || folders+=("$d")
	done
	timeout -k 10 $((seconds + 120)) "$OUT/fuzz_$name" \
		-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-max_len=4096 -print_final_stats=1 \
		-artifact_prefix="$finds/" "${folders[@]}" \
		>"$log" 2>&1 </dev/null || rc=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	if [ $rc = 0 ] && [ "${runs:-0}" -gt 0 ]; then
		result ok "fuzz $name: $runs inputs in $seconds s, $cov edges"
	else
		put "$(tail -n 40 "$log" | sed 's/^/# /')"
		result "not ok" "fuzz $name: exit code $rc, log ${log##*/}"
	fi
}

put "KTAP version 1"
case $WHAT in
check)
	for entry in "$@"; do
		IFS=: read -r -a words <<<"$entry"
		check_one "${words[@]}"
	done
	pitfalls model
	;;
fuzz)
	SECS=$1
	shift
	for name in "$@"; do
		fuzz_one "$name" "$SECS"
	done
	;;
esac
totals
