# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the scripts that run tests, after lib.sh: what comes of them is one
# KTAP stream on stdout, and in $OUT/check.ktap, which ends with "N passed, N failed,
# N skipped". Streams of guests, and of programs, join it line by line, each under a
# label of its own; how a guest has ended is a result, too.

N=0 PASS=0 FAIL=0 SKIP=0
# Of the streams that have joined, by label
declare -A KTAP_PLAN KTAP_COUNT KTAP_BAD KTAP_RC

put() {
	printf '%s\n' "$*"
	printf '%s\n' "$*" >>"$OUT/check.ktap"
}

# result ok|"not ok" NAME, where NAME may end in "# SKIP reason"
result() {
	N=$((N + 1))
	case $1-$2 in
	not*) FAIL=$((FAIL + 1)) ;;
	*"# SKIP"*) SKIP=$((SKIP + 1)) ;;
	*) PASS=$((PASS + 1)) ;;
	esac
	put "$1 $N $2"
}

# The last words. False if anything failed, or nothing was there to pass.
totals() {
	put "1..$N"
	if [ $FAIL != 0 ]; then
		grep '^not ok' "$OUT/check.ktap" |
			sed 's/^not ok [0-9]*/# failed:/' || true
	fi
	put "$PASS passed, $FAIL failed, $SKIP skipped"
	[ $FAIL = 0 ] && [ $PASS != 0 ]
}

# ktap_begin LABEL: nothing has come of it yet
ktap_begin() {
	KTAP_PLAN[$1]=none KTAP_COUNT[$1]=0 KTAP_BAD[$1]=0 KTAP_RC[$1]=0
}

# ktap_line LABEL LINE: one line of its stream. "@@rc N" is its exit code, for who
# reads a pipe.
ktap_line() {
	local label=$1 line=$2 word=ok
	case $line in
	"ok "* | "not ok "*)
		KTAP_COUNT[$label]=$((KTAP_COUNT[$label] + 1))
		if [ "${line#ok }" = "$line" ]; then
			word="not ok"
			KTAP_BAD[$label]=$((KTAP_BAD[$label] + 1))
		fi
		line=${line#*ok }
		line=${line#* }
		result "$word" "$label: ${line#- }"
		;;
	1..*) KTAP_PLAN[$label]=${line#1..} ;;
	"@@rc "*) KTAP_RC[$label]=${line#@@rc } ;;
	"KTAP version "* | "TAP version "* | "# Totals:"* | '') ;;
	"# "*) put "# $label: ${line#\# }" ;;
	*) put "# $label: $line" ;;
	esac
}

# ktap_trouble LABEL: why its stream, as a whole, is not to be believed; else nothing
ktap_trouble() {
	local rc=${KTAP_RC[$1]} plan=${KTAP_PLAN[$1]} count=${KTAP_COUNT[$1]} bad=${KTAP_BAD[$1]}
	case $rc-$bad in
	0-0 | 1-[1-9]*) [ "$plan" = "$count" ] || echo "plan $plan, but $count results" ;;
	0-*) echo "exit code 0 in spite of failures" ;;
	1-*) echo "exit code 1 without a failed result" ;;
	124-*) echo "it hung" ;;
	125-*) echo "it died, or its kernel complained" ;;
	*) echo "exit code $rc" ;;
	esac
}

# ktap_whole LABEL: of a program, which has no result of its own for having ended well
ktap_whole() {
	local why
	why=$(ktap_trouble "$1")
	[ -n "$why" ] || return 0
	put "# $1: $why"
	result "not ok" "$1: as a whole"
}

# ktap_end LABEL: the result that says how its guest has ended
ktap_end() {
	local why
	why=$(ktap_trouble "$1")
	if [ -z "$why" ]; then
		result ok "$1: guest ran to its end"
	else
		put "# $1: $why; logs are in ${OUT#"$TOP"/}/$1"
		result "not ok" "$1: guest ran to its end"
	fi
}

# pitfalls KIND [PREFIX]: what tests/PITFALLS names as being of that kind was there,
# behind PREFIX, and passed. A skip is said to be one by its own line.
pitfalls() {
	local id kind name prefix=${2:+$2: } bad=0
	while read -r id kind name; do
		[ "$kind" = "$1" ] || continue
		grep -qF -- "$prefix$name" <(grep '^ok ' "$OUT/check.ktap") && continue
		put "# $id: no result ${2:+of $2 }has \"$name\" in its name"
		bad=1
	done < <(grep -v '^#' "$TOP/tests/PITFALLS")
	if [ $bad = 0 ]; then
		result ok "host: every pitfall's $1 was there${2:+, on $2}"
	else
		result "not ok" "host: every pitfall's $1 was there${2:+, on $2}"
	fi
}
