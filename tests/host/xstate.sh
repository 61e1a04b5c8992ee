#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Host test: what is preloaded into kernels of User Mode Linux sets a part of a
# process's vector registers, which the host alone refuses; without it no such kernel
# runs on processors with AMX: xstate.sh KERNEL (of which it makes no use)
set -u
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=tests/ktap.sh
. "$TOP/tests/ktap.sh"

SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

preloaded() {
	LD_PRELOAD=$SCRATCH/xstate.so "$SCRATCH/xstate" "$1"
}

# 4, which is "skipped", stays 4: of a part that is the whole nothing can be missing
refused() {
	local rc=0
	"$SCRATCH/xstate" "$1" >"$SCRATCH/said" || rc=$?
	[ "$rc" != 4 ] || { cat "$SCRATCH/said" && return 4; }
	[ "$rc" = 1 ] && grep -q 'not so: a part is taken' "$SCRATCH/said"
}

ktap_begin 7
ktap_run "xstate: builds" gcc -O2 -Wall -Wextra -Werror -shared -fPIC \
	-o "$SCRATCH/xstate.so" "$TOP/scripts/uml-xstate.c"
ktap_run "xstate: its test builds" gcc -O2 -Wall -Wextra -Werror \
	-o "$SCRATCH/xstate" "$TOP/tests/host/xstate.c"
ktap_run "xstate: the host refuses a part" refused 576
ktap_run "xstate: what every processor has" preloaded 576
ktap_run "xstate: AVX, too" preloaded 832
ktap_run "xstate: what a guest keeps" preloaded 2696
ktap_run "xstate: memory and registers are read as ever" preloaded peek
ktap_end
