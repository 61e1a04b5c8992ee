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
N=0 PASS=0 FAIL=0 SKIP=0

# result ok|"not ok" NAME, where NAME may end in "# SKIP reason"
result() {
	N=$((N + 1))
	case $1-$2 in
	not*) FAIL=$((FAIL + 1)) ;;
	*"# SKIP"*) SKIP=$((SKIP + 1)) ;;
	*) PASS=$((PASS + 1)) ;;
	esac
	echo "$1 $N $2"
}

totals() {
	echo "1..$N"
	echo "$PASS passed, $FAIL failed, $SKIP skipped"
	[ $FAIL = 0 ] && [ $PASS != 0 ]
}

# ---- check --------------------------------------------------------------------

# Output of a program on stdout, its exit code in a file.
run_program() {
	local name=$1
	shift
	timeout "$LIMIT" "./$name" "$@" 2>&1 </dev/null
	echo $? >"$name.rc"
}

check_one() {
	local name=$1 line rest rc plan=none count=0 bad=0
	rm -f "$OUT/$name.rc"
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			count=$((count + 1))
			rest=${line#*ok }
			if [ "${line#not }" = "$line" ]; then
				result ok "$name: ${rest#* }"
			else
				bad=$((bad + 1))
				result "not ok" "$name: ${rest#* }"
			fi
			;;
		1..*) plan=${line#1..} ;;
		"KTAP version "* | "# Totals:"* | '') ;;
		"# "*) echo "# $name: ${line#\# }" ;;
		*) echo "# $name: $line" ;;
		esac
	done < <(cd "$OUT" && run_program "$@")
	rc=$(cat "$OUT/$name.rc")
	rm -f "$OUT/$name.rc"
	if [ "$rc" = 124 ]; then
		result "not ok" "$name: it hung"
	elif [ "$plan" != "$count" ]; then
		result "not ok" "$name: ended with code $rc, plan $plan, $count results"
	elif [ "$rc" != 0 ] && [ "$rc" != 4 ] && [ $bad = 0 ]; then
		result "not ok" "$name: exit code $rc"
	elif [ "$rc" = 0 ] && [ $bad != 0 ]; then
		result "not ok" "$name: exit code 0 in spite of failures"
	fi
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
		tail -n 40 "$log" | sed 's/^/# /'
		result "not ok" "fuzz $name: exit code $rc, log ${log##*/}"
	fi
}

echo "KTAP version 1"
case $WHAT in
check)
	for entry in "$@"; do
		IFS=: read -r -a words <<<"$entry"
		check_one "${words[@]}"
	done
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
