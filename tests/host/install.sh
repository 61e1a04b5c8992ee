#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Host test: `make install` puts the module where it wins over the
# distribution's, and `make uninstall` takes exactly that away again. It works
# in a scratch root that holds the modules of one kernel: install.sh 6.12
set -u
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

KERNEL=${1:-6.12}
REL=$(kernel_release "$KERNEL")
ROOT=$(mktemp -d)
SRC=$(mktemp -d)
trap 'rm -rf "$ROOT" "$SRC"' EXIT
nr=0 failed=0

check() {
	local what=$1
	shift
	nr=$((nr + 1))
	if "$@"; then
		echo "ok $nr - install $KERNEL: $what"
	else
		echo "not ok $nr - install $KERNEL: $what"
		failed=1
	fi
}

# which file modprobe would load
chosen() {
	modprobe -d "$ROOT" -S "$REL" --show-depends erofs |
		sed -n 's/^insmod \(.*erofs\.ko[^ ]*\).*/\1/p'
}

chosen_is() {
	case $(chosen) in
	*"$1" | *"$1".?z*) ;;
	*) return 1 ;;
	esac
}

run_make() {
	kernel_exec "$KERNEL" env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		make -C "$SRC" --no-print-directory \
		KDIR="$(kernel_build "$KERNEL")" INSTALL_MOD_PATH="$ROOT" "$@" \
		>"$ROOT/log" 2>&1 || { sed 's/^/# /' "$ROOT/log"; return 1; }
}

echo "TAP version 13"
echo "1..5"
# the module is built in a copy: kbuild writes beside the sources
cp "$TOP"/*.[ch] "$TOP/Kbuild" "$TOP/Makefile" "$SRC/"
mkdir -p "$ROOT/lib/modules/$REL"
cp -a "$(kernel_modules "$KERNEL")/." "$ROOT/lib/modules/$REL/"
depmod -b "$ROOT" "$REL"

check "the distribution's module is what there is" \
	chosen_is /kernel/fs/erofs/erofs.ko
check "make install" run_make install
check "it wins" chosen_is /updates/erofs.ko
check "make uninstall" run_make uninstall
check "the distribution's module is back" \
	chosen_is /kernel/fs/erofs/erofs.ko
exit $failed
