# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by every script in this folder. It knows where things are (checkout,
# cache, kernels, mkfs versions) and nothing about how they got there: that is
# scripts/setup. All lookups are by the short kernel name ("6.12"); a name that
# has not been set up is an error that says what to run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build

# Short names of the kernels that everything is built and tested for.
KERNELS=${KERNELS:-6.1 6.12}

# Slow things (kernels, mkfs, guest userland) live here, keyed by version, and
# survive "make clean". All of it can be deleted at any time.
erofs_cache() {
	echo "${EROFS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/erofs-ko}"
}

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "error: $*"
	exit 1
}

# Run a command as root, which only package installation needs.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "need root (or sudo) for: $*"
	fi
}

# missing_packages PACKAGE...: those that are not installed
missing_packages() {
	local pkg
	for pkg; do
		dpkg-query -W -f '${db:Status-Status}\n' "$pkg" 2>/dev/null |
			grep -qx installed || echo "$pkg"
	done
}

# apt_install LOG PACKAGE...: by the package lists that there are; fd 9, which
# scripts lock with, is not for what apt leaves running
apt_install() {
	local log=$1
	shift
	say "installing: $*"
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "$@" 9>&- >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "apt-get install failed (all of it: $log)"
	}
}

# Directory of one unpacked kernel: kernel_dir 6.12
kernel_dir() {
	local dir
	dir=$(erofs_cache)/kernels/$1
	[ -e "$dir/.done" ] || die "kernel $1 is not set up; run scripts/setup -k $1"
	(cd -P "$dir" && pwd)
}

# Is it a kernel of Debian 13, which this machine's compiler cannot build for?
kernel_is_new() {
	[ "${1%%.*}" -ge 7 ]
}

# Run a command that builds for a kernel: kernel_exec 7.3 make ...
# For those of Debian 13 its /usr is in the place of this machine's, for this
# command alone; all else, the checkout and the cache too, is where it was.
kernel_exec() {
	local dir ns=(-m)
	dir=$(kernel_dir "$1") || return
	shift
	if [ ! -e "$dir/.root" ]; then
		"$@"
		return
	fi
	case $TOP/:$dir/ in
	/usr/* | *:/usr/*) die "neither checkout nor cache may lie below /usr" ;;
	esac
	[ "$(id -u)" = 0 ] || ns+=(-r)
	# shellcheck disable=SC2016 # for the inner shell
	unshare "${ns[@]}" bash -c 'mount --bind "$1/usr" /usr && shift && exec "$@"' \
		kernel_exec "$(cd -P "$dir/.root" && pwd)" "$@"
}

# 6.12 -> 6.12.<n>+deb12-amd64
kernel_release() {
	local dir
	dir=$(kernel_dir "$1") || return
	echo "${dir##*/}"
}

# What to give as KDIR= to build a module.
kernel_build() {
	local dir
	dir=$(kernel_dir "$1") || return
	echo "$dir/usr/src/linux-headers-${dir##*/}"
}

kernel_image() {
	local dir
	dir=$(kernel_dir "$1") || return
	echo "$dir/boot/vmlinuz-${dir##*/}"
}

# Directory that holds kernel/ and modules.dep, modules not compressed.
kernel_modules() {
	local dir
	dir=$(kernel_dir "$1") || return
	echo "$dir/lib/modules/${dir##*/}"
}

# Directory of the module built for one kernel.
module_dir() {
	local rel
	rel=$(kernel_release "$1") || return
	echo "$BUILD/$rel"
}

# Root of the programs that only the guest needs (NFS server, busybox): they are
# unpacked, never installed, so that no service starts on this machine.
guest_root() {
	local dir
	dir=$(erofs_cache)/guest
	[ -e "$dir/.done" ] || die "guest programs are not set up; run scripts/setup"
	echo "$dir"
}

# Root of a small Debian with a compiler, as a container has it. Whoever wants it
# runs scripts/setup --builder.
BUILDER_SUITE=bookworm
builder_root() {
	echo "$(erofs_cache)/builder-$BUILDER_SUITE"
}

# Directory of a mount(8) that knows file-backed erofs, with its libraries.
mount_new() {
	local dir
	dir=$(erofs_cache)/mount-new
	[ -x "$dir/mount" ] || die "mount(8) is not set up; run scripts/setup"
	echo "$dir"
}

# Directory of one erofs-utils: erofs_utils new|old
erofs_utils() {
	local dir
	dir=$(erofs_cache)/erofs-utils-$1
	[ -x "$dir/bin/mkfs.erofs" ] ||
		die "erofs-utils ($1) is not set up; run scripts/setup"
	(cd -P "$dir" && pwd)
}

erofs_tool() {
	local dir
	dir=$(erofs_utils "$1") || return
	echo "$dir/bin/$2"
}

# Newest mkfs.erofs (built from source), and the one Debian 12 ships.
mkfs_new() { erofs_tool new mkfs.erofs; }
mkfs_old() { erofs_tool old mkfs.erofs; }
# Extraction and listing, as an oracle: "$(fsck_new)" --extract=DIR IMAGE
fsck_new() { erofs_tool new fsck.erofs; }
dump_new() { erofs_tool new dump.erofs; }
