#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One stress-ng run, as nobody with -n first. It exits with 0 as well when it found
# nothing that it could do; here that is a failure.

as=()
if [ "$1" = -n ]; then
	shift
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
out=$("${as[@]}" stress-ng --timeout 60 --verify --metrics-brief "$@" 2>&1)
rc=$?
printf '%s\n' "$out"
# Its name, and how often it did what it does.
[ $rc = 0 ] && [[ $out == *"successful run completed"* ]] &&
	grep -Eq '\] [a-z-]+ +[1-9][0-9]* +[0-9.]+ ' <<<"$out"
