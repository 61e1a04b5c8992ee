#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Host test: what scripts/guest.sh puts into a guest is made of the sources as they
# are. A test that does not compile any more is not replaced by the one of an earlier
# build, for its results would be taken for the new one's: guest.sh KERNEL (of which
# it makes no use)
set -u
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=scripts/guest.sh
. "$TOP/scripts/guest.sh"
# shellcheck source=tests/ktap.sh
. "$TOP/tests/ktap.sh"

SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# A checkout of two tests of one line each
checkout() {
	TOP=$SCRATCH/top
	BUILD=$SCRATCH/build
	mkdir -p "$TOP/tests"
	cat >"$TOP/tests/Makefile" <<-'END'
		all: $(OUTPUT)/one $(OUTPUT)/two ; echo one two >$(OUTPUT)/tests.list
		$(OUTPUT)/%: %.c ; $(CC) -o $@ $<
	END
	echo 'timeout=9' >"$TOP/tests/settings"
	echo 'true' >"$TOP/tests/three.sh"
	source_of one 0
	source_of two 0
}

# source_of NAME EXIT-CODE, of the next second: make goes by the time
source_of() {
	echo "int main(void) { return $2; }" >"$TOP/tests/$1.c"
	touch -d '+2 seconds' "$TOP/tests/$1.c"
}

# has ROOT NAME EXIT-CODE
has() {
	local rc=0
	"$SCRATCH/$1/tests/$2" || rc=$?
	[ "$rc" = "$3" ]
}

# refused ROOT: neither a guest's tests, nor silence about it
refused() {
	! guest_tests "$SCRATCH/$1" 2>"$SCRATCH/said" &&
		grep -q 'not every test program builds' "$SCRATCH/said" &&
		[ -z "$(ls "$SCRATCH/$1/tests")" ]
}

all_there() {
	has first one 0 && has first two 0 &&
		[ -e "$SCRATCH/first/tests/tests.list" ] &&
		[ -e "$SCRATCH/first/tests/settings" ] &&
		[ -e "$SCRATCH/first/tests/three.sh" ]
}

ktap_begin 5
checkout
ktap_run "guest: tests are built" guest_tests "$SCRATCH/first"
ktap_run "guest: all of them are there" all_there
source_of two '0 +'
ktap_run "guest: one that does not compile is no test" refused second
source_of two 7
ktap_run "guest: mended, it is one again" guest_tests "$SCRATCH/third"
ktap_run "guest: it is the new one" has third two 7
ktap_end
