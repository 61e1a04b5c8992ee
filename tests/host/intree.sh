#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Host test: the sources are a kernel's fs/erofs as they are. In a tree of links
# to a kernel's source, where they take the place of its own: its Kconfig reads
# ours, EROFS_FS selects all that the objects need, and fs/erofs/ builds as a
# module and into the kernel, without a warning: intree.sh 6.12
set -u
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

KERNEL=${1:-6.12}
JOBS=${JOBS:-$(nproc)}
nr=0 failed=0

report() {
	nr=$((nr + 1))
	echo "$1 $nr - in-tree $KERNEL: $2"
	[ "$1" = ok ] || failed=1
}

check() {
	local what=$1
	shift
	if "$@"; then
		report ok "$what"
	else
		report "not ok" "$what"
	fi
}

# All of the tree by links, but for the two folders above our files
link_tree() {
	mkdir -p "$work/src/fs/erofs"
	ln -s "$tree"/* "$work/src/" 2>/dev/null
	ln -s "$tree"/fs/* "$work/src/fs/" 2>/dev/null
	rm -rf "$work/src/.done" "$work/src/fs/erofs/erofs"
	[ -L "$work/src/Makefile" ] && [ ! -L "$work/src/fs" ] &&
		[ ! -L "$work/src/fs/erofs" ] &&
		cp "$TOP"/*.[ch] "$TOP/Kbuild" "$TOP/Kconfig" "$work/src/fs/erofs/"
}

run_make() {
	nice make -C "$work/src" "O=$work/$1" ARCH=um "-j$JOBS" \
		--no-print-directory "${@:2}" >"$work/log" 2>&1 && return
	grep -E 'error|Error|warning' "$work/log" | head -n 20 | sed 's/^/# /'
	return 1
}

# The least kernel there is, with a filesystem in it; nothing else selects the
# libraries
configure() {
	mkdir -p "$work/$1"
	cat >"$work/fragment" <<-END
		CONFIG_64BIT=y
		CONFIG_MODULES=y
		CONFIG_BLOCK=y
		CONFIG_MISC_FILESYSTEMS=y
		CONFIG_EROFS_FS=$1
	END
	run_make "$1" "KCONFIG_ALLCONFIG=$work/fragment" allnoconfig &&
		run_make "$1" olddefconfig &&
		! grep -q 'warning:' "$work/log" &&
		grep -qx "CONFIG_EROFS_FS=$1" "$work/$1/.config"
}

# Every codec, and each by the kernel's own library. A composite object is made
# of a module alone.
objects() {
	local obj missing='' whole=erofs.o
	[ "$1" = m ] || whole=built-in.a
	run_make "$1" W=1 fs/erofs/ || return
	if grep -A4 'fs/erofs/.*warning:' "$work/log"; then
		return 1
	fi
	for obj in $whole super.o decompressor_lz4.o decompressor_lzma.o \
		decompressor_deflate.o decompressor_zstd.o; do
		[ -s "$work/$1/fs/erofs/$obj" ] || missing="$missing $obj"
	done
	[ -z "$missing" ] || echo "# not built:$missing"
	[ -z "$missing" ]
}

# What is in the kernel cannot need what is in a module
nothing_missing() {
	local sym missing=''
	for sym in LZ4_DECOMPRESS ZLIB_INFLATE ZSTD_DECOMPRESS XZ_DEC \
		XZ_DEC_MICROLZMA XXHASH FS_IOMAP EXPORTFS; do
		grep -qx "CONFIG_$sym=y" "$work/y/.config" ||
			missing="$missing $sym"
	done
	[ -z "$missing" ] || echo "# not selected:$missing"
	[ -z "$missing" ]
}

echo "TAP version 13"
case $KERNEL in
6.1 | 6.12) ;;
*)
	echo "1..1"
	report ok "builds # SKIP Debian 12 has no source of Linux $KERNEL"
	exit 0
	;;
esac
echo "1..7"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
tree=$("$TOP/scripts/uml-build" -t "$KERNEL") || tree=

check "the source is there" test -n "$tree"
check "takes the place of fs/erofs" link_tree
check "is configured as a module" configure m
check "builds as a module" objects m
check "is configured into the kernel" configure y
check "builds into the kernel" objects y
check "selects what it is linked with" nothing_missing
exit $failed
