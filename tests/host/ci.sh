#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Host test: .ci/run with stages that only say that they ran: in which order they do,
# what runs beside what, and that nothing which went wrong is taken for a result:
# ci.sh KERNEL (of which it makes no use)
set -u
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=tests/ktap.sh
. "$TOP/tests/ktap.sh"

SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
mkdir -p "$SCRATCH"/{bin,say,rc,after,top/.ci,top/scripts}
cp "$TOP/.ci/run" "$SCRATCH/top/.ci/"

# A stage writes "+NAME" and, when the log has a line like after/NAME, "-NAME"; it
# prints say/NAME, and exits with rc/NAME.
cat >"$SCRATCH/bin/make" <<'END'
#!/bin/bash
here=$(dirname "$(readlink -f "$0")")/..
case "${0##*/} $*" in
*check-kasan) name=kasan ;;
*check-pressure*) name=pressure ;;
*' fuzz '*) name=fuzz ;;
*tests/user*) name=models ;;
make*check) name=check ;;
uml-build*) name=kernel-${*: -1}-${JOBS:-all} ;;
*) name=${0##*/} ;;
esac
echo "+$name" >>"$here/log"
for ((i = 0; i < 600; i++)); do
	grep -qxFf "$here/after/$name" "$here/log" 2>/dev/null && break
	[ -e "$here/after/$name" ] || break
	sleep 0.1
done
cat "$here/say/$name" 2>/dev/null
echo "-$name" >>"$here/log"
exit "$(cat "$here/rc/$name" 2>/dev/null || echo 0)"
END
chmod +x "$SCRATCH/bin/make"
for name in setup style.sh uml-build mutate; do
	ln -s "$SCRATCH/bin/make" "$SCRATCH/top/scripts/$name"
done

# says STAGE TEXT, EXIT-CODE
says() {
	echo "$2" >"$SCRATCH/say/$1"
	echo "${3:-0}" >"$SCRATCH/rc/$1"
}

all_well() {
	says models '1 passed, 0 failed, 2 skipped'
	says check '10 passed, 0 failed, 0 skipped'
	says kasan '100 passed, 0 failed, 0 skipped'
	says pressure '1000 passed, 0 failed, 0 skipped'
	says fuzz '10000 passed, 0 failed, 0 skipped'
	says mutate 'none failed'
	says style.sh 'style: ok'
}

# run [STAGE]...: its exit code in RC, what it said in said, the stages in log
run() {
	RC=0
	rm -f "$SCRATCH/log"
	PATH=$SCRATCH/bin:$PATH "$SCRATCH/top/.ci/run" "$@" >"$SCRATCH/said" 2>&1 || RC=$?
}

# ends EXIT-CODE LAST-LINE
ends() {
	tail -n 1 "$SCRATCH/said"
	[ "$RC" = "$1" ] && [ "$(tail -n 1 "$SCRATCH/said")" = "$2" ]
}

# goes LINE...: these lines of the log are in this order
goes() {
	local line at last=0
	cat "$SCRATCH/log"
	for line; do
		at=$(grep -nxF -e "$line" "$SCRATCH/log" | head -n 1 | cut -d: -f1)
		[ -n "$at" ] && [ "$at" -gt "$last" ] || return 1
		last=$at
	done
}

only_style() {
	cat "$SCRATCH/log"
	[ "$(grep -c + "$SCRATCH/log")" = 2 ] && goes -setup -style.sh
}

ktap_begin 10
all_well
echo +fuzz >"$SCRATCH/after/kasan"
echo -pressure >"$SCRATCH/after/fuzz"
run
rm "$SCRATCH"/after/*
# Style and four runs of mutants count as one each.
ktap_run "ci: results are added up" ends 0 '11116 passed, 0 failed, 2 skipped'
ktap_run "ci: a kernel is there before its suite" \
	goes -setup -check +kernel-kasan-all -kernel-kasan-all +kasan
ktap_run "ci: the others are built beside it, and on one processor" \
	goes -kernel-kasan-all +kernel-small-1 +kernel-time-1 -kernel-time-1 +fuzz -kasan
ktap_run "ci: fuzzing may last into what goes by the clock" goes -kasan +pressure -fuzz
ktap_run "ci: nothing runs beside mutants" goes -pressure -fuzz +mutate

run style
ktap_run "ci: no stage but those that are asked for" only_style

says pressure '999 passed, 1 failed, 0 skipped' 1
run
ktap_run "ci: a result that failed" ends 1 '11115 passed, 1 failed, 2 skipped'
says pressure '1000 passed, 0 failed, 0 skipped' 1
run
ktap_run "ci: a stage that failed without one" ends 1 '11116 passed, 1 failed, 2 skipped'
all_well
says fuzz 'nothing in numbers'
run
ktap_run "ci: a stage without results" ends 1 '1116 passed, 1 failed, 2 skipped'
all_well
says mutate 'two failed' 1
run
ktap_run "ci: mutants that failed" ends 1 '11112 passed, 4 failed, 2 skipped'
ktap_end
