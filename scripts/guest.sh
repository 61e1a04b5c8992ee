# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the scripts that start a guest, after lib.sh: what each guest gets,
# whichever kernel it has.

# guest_tests ROOT: this checkout's tests go to ROOT/tests, and none that is older
# than its source: where one does not compile there is no guest.
guest_tests() (
	mkdir -p "$BUILD/tests" "$1/tests"
	# Guests may be started side by side.
	exec 9>"$BUILD/tests/.lock"
	flock 9
	env -u MAKEFLAGS -u MFLAGS make -s -k -C "$TOP/tests" \
		OUTPUT="$BUILD/tests" all 9>&- >"$BUILD/tests/.log" 2>&1 || {
		cat "$BUILD/tests/.log" >&2
		die "not every test program builds; old ones are not for a test"
	}
	find "$BUILD/tests" -maxdepth 1 -type f -perm /111 \
		-exec cp -t "$1/tests" {} +
	cp "$BUILD/tests/tests.list" "$TOP"/tests/settings "$TOP"/tests/*.sh \
		"$1/tests/"
)
