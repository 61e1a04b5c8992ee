#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs inside a booted test kernel, as root: load the module, run every test
# under a time limit, unload the module, and look at what the kernel had to say.
# Prints one flat KTAP stream; the name of a result is "<test>: <name>", made
# unique. Exit code: 0 if nothing failed.
#
#   run-guest.sh [-m MODULE] [-l LIST] [test [args]]...
#
# Without tests, LIST (tests.list beside this script) says what to run, a test
# and its arguments per line. On the command line each word is such a line. A
# test is failed as a whole, beside its own results, when it prints no result,
# does not keep to its plan, exits in a way that its results do not explain,
# takes too long, leaves a mount or a loop device behind, or makes the kernel
# complain.

HERE=$(cd "$(dirname "$0")" && pwd)
MODULE=/erofs.ko
LIST=$HERE/tests.list
while getopts m:l: opt; do
	case $opt in
	m) MODULE=$OPTARG ;;
	l) LIST=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
if [ $# -gt 0 ]; then
	TESTS=("$@")
else
	mapfile -t TESTS < <(grep -v '^#' "$LIST")
fi

TIMEOUT=$(sed -n 's/^timeout=//p' "$HERE/settings")
# There are more rounds, and faults besides, where the kernel looks for mistakes.
[ ! -e /sys/kernel/debug/failslab ] || TIMEOUT=$((2 * TIMEOUT))
export EROFS_DATA=${EROFS_DATA:-/data}

N=0 PASS=0 FAIL=0 SKIP=0
declare -A SEEN

# result ok|"not ok" NAME [REASON for a skip]
result() {
	local name=$2 k
	SEEN[$2]=$((${SEEN[$2]:-0} + 1))
	k=${SEEN[$2]}
	[ "$k" = 1 ] || name="$name ($k)"
	N=$((N + 1))
	if [ "$1" != ok ]; then
		FAIL=$((FAIL + 1))
	elif [ -n "${3:-}" ]; then
		SKIP=$((SKIP + 1))
		name="$name # SKIP $3"
	else
		PASS=$((PASS + 1))
	fi
	printf '%s %d %s\n' "$1" $N "$name"
}

note() {
	printf '# %s\n' "$*"
}

# Lines of the kernel log that no test may cause.
TROUBLE='BUG[: ]|WARNING:|Oops|[Gg]eneral protection|blocked for more than'
TROUBLE="$TROUBLE|soft lockup|rcu: INFO|UBSAN|KASAN|refcount_t:|list_(add|del) corruption"
TROUBLE="$TROUBLE|Busy inodes after|possible recursive|circular locking|Call Trace"
TROUBLE="$TROUBLE|Out of memory|page allocation failure|sleeping function called"
TROUBLE="$TROUBLE|still has objects|Objects remaining|[Bb]ad page|scheduling while atomic"

# Reading resumes where the last check ended.
exec 8</dev/kmsg
new_trouble() {
	# dd reads one record at a time, and EAGAIN is the end of the log.
	dd bs=8192 iflag=nonblock <&8 2>/dev/null | grep -a -E "$TROUBLE" | head -n 20
}

# What a test may take. What is asked to last keeps to limits of its own, case by
# case, and what starts the guest has one for all of it.
limit_of() {
	case " ${1//+/ } " in
	*" -l "* | *" -d "*) echo 86400 ;;
	*) echo "$TIMEOUT" ;;
	esac
}

users_left() {
	local i left
	# Mounts of a namespace go away a moment after its last process.
	for ((i = 0; i < 30; i++)); do
		left=$(cat /sys/module/erofs/refcnt 2>/dev/null)
		[ "${left:-0}" != 0 ] || break
		sleep 0.1
	done
	[ "${left:-0}" = 0 ] || echo "module is still in use ($left)"
	losetup -a | sed 's/^/loop device left: /'
}

# Read a test's KTAP, print its results in the flat stream. Leaves the counts in
# RESULTS, FAILED, SKIPPED and whether the plan was kept in PLAN_BAD.
flatten() {
	local test=$1 line rest num name reason plan=-1 seen=0 top bailed=''
	RESULTS=0 FAILED=0 SKIPPED=0 PLAN_BAD='' WHOLE_SKIP=''
	# Not until the end of the file: a stray daemon may keep it open.
	while IFS= read -r line; do
		top=yes
		rest=${line#"${line%%[![:space:]]*}"}
		[ "$rest" = "$line" ] || top=no
		case $rest in
		"@@test-end") break ;;
		"KTAP version "* | "TAP version "* | '') continue ;;
		"Bail out!"*)
			bailed=$rest
			note "$test: $rest"
			continue
			;;
		[0-9]*..[0-9]*)
			[ $top = no ] && continue
			plan=${rest#*..}
			case $plan in
			*SKIP*) WHOLE_SKIP=${plan#*SKIP} ;;
			esac
			plan=${plan%%[!0-9]*}
			continue
			;;
		"ok "* | "not ok "*)
			num=${rest#not }
			num=${num#ok }
			name=${num#* }
			num=${num%% *}
			if [ -n "${num//[0-9]/}" ]; then
				note "$rest"
				continue
			fi
			[ "$name" != "$num" ] || name="test $num"
			name=${name#- }
			[ $top = no ] || seen=$((seen + 1))
			reason=
			case $name in
			*"# SKIP"*)
				reason=${name#*# SKIP}
				reason=${reason# }
				reason=${reason:-no reason given}
				name=${name%%# SKIP*}
				name=${name% }
				;;
			esac
			RESULTS=$((RESULTS + 1))
			case $rest in
			not*)
				FAILED=$((FAILED + 1))
				result "not ok" "$test: $name"
				;;
			*)
				[ -z "$reason" ] || SKIPPED=$((SKIPPED + 1))
				result ok "$test: $name" "$reason"
				;;
			esac
			;;
		"# Totals:"*) continue ;;
		"#"*) printf '%s\n' "$rest" ;;
		*) note "$rest" ;;
		esac
	done
	if [ -n "$bailed" ]; then
		PLAN_BAD="it bailed out"
	elif [ "$plan" = -1 ]; then
		PLAN_BAD="it printed no plan"
	elif [ "$plan" != "$seen" ]; then
		PLAN_BAD="it planned $plan results and gave $seen"
	fi
}

# Daemons that a test has left running, in a guest where nothing else runs.
end_strays() {
	local me pid sid ppid name
	[ -e /run/command ] || return
	me=$(ps -o sid= -p $$)
	while read -r pid sid ppid name; do
		# 2 is the parent of all kernel threads.
		if [ "$pid" -gt 2 ] && [ "$ppid" != 2 ] && [ "$sid" != "${me// }" ]; then
			note "$1: left running: $name"
			kill -KILL "$pid"
		fi
	done < <(ps -eo pid=,sid=,ppid=,comm=)
}

run_test() {
	local test=$1 argv rc start end why=() left trouble fifo=/tmp/run-guest.fifo
	local limit
	limit=$(limit_of "$test")
	read -r -a argv <<<"$test"
	if [ ! -x "$HERE/${argv[0]}" ]; then
		result "not ok" "$test: there is no such test"
		return
	fi
	start=${EPOCHREALTIME/./}
	rm -f $fifo
	mkfifo $fifo
	# A mount namespace and a session of its own: what it forgets to unmount
	# or to end does not outlive it.
	(
		cd "$HERE" || exit
		setsid timeout -k 10 "$limit" unshare -m \
			"./${argv[0]}" "${argv[@]:1}" &
		wait $! 2>/dev/null
		rc=$?
		pkill -KILL -s $! >/dev/null 2>&1
		# On a line of its own, whatever the test's last one was.
		printf '\n@@test-end\n'
		exit $rc
	) </dev/null >$fifo 2>&1 8<&- &
	flatten "$test" <$fifo
	wait $!
	rc=$?
	end=${EPOCHREALTIME/./}
	note "$test: exit code $rc after $(((end - start) / 1000000)).$(((end - start) / 100000 % 10)) s"

	case $rc in
	0) [ $FAILED = 0 ] || why+=("exit code 0 in spite of failures") ;;
	1) [ $FAILED != 0 ] || why+=("exit code 1 without a failed result") ;;
	4) [ $RESULTS = $SKIPPED ] || why+=("exit code 4 although it ran") ;;
	124 | 137) why+=("no end within $limit s") ;;
	*) why+=("exit code $rc") ;;
	esac
	if [ $rc = 4 ] && [ $RESULTS = 0 ]; then
		WHOLE_SKIP=${WHOLE_SKIP# }
		result ok "$test: as a whole" "${WHOLE_SKIP:-no reason given}"
	else
		[ $RESULTS != 0 ] || why+=("it printed no result")
		[ -z "$PLAN_BAD" ] || why+=("$PLAN_BAD")
	fi
	end_strays "$test"
	left=$(users_left)
	if [ -n "$left" ]; then
		why+=("$left")
		losetup -D
	fi
	trouble=$(new_trouble)
	[ -z "$trouble" ] || why+=("the kernel complained: $trouble")
	if [ ${#why[@]} -gt 0 ]; then
		printf '%s\n' "${why[@]}" | sed 's/^/# /'
		result "not ok" "$test: as a whole"
	fi
}

echo "KTAP version 1"
note "$(uname -r), $(nproc) CPUs"
new_trouble >/dev/null
if out=$(load-erofs "$MODULE" 2>&1) && grep -qx '	erofs' /proc/filesystems; then
	result ok "module: loads"
	for t in "${TESTS[@]}"; do
		run_test "$t"
	done
	if out=$(rmmod erofs 2>&1) && ! grep -qw erofs /proc/filesystems; then
		result ok "module: unloads"
	else
		note "$out"
		result "not ok" "module: unloads"
	fi
else
	note "$out"
	result "not ok" "module: loads"
fi
trouble=$(new_trouble)
if [ -z "$trouble" ]; then
	result ok "module: no complaint of the kernel at the end"
else
	printf '%s\n' "$trouble" | sed 's/^/# /'
	result "not ok" "module: no complaint of the kernel at the end"
fi
echo "1..$N"
echo "# Totals: pass:$PASS fail:$FAIL xfail:0 xpass:0 skip:$SKIP error:0"
[ $FAIL = 0 ]
