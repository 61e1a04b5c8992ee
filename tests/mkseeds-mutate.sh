#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The images that tests/mutate changes: small ones of every layout, encoding and
# codec that the module reads.
#
#	tests/mkseeds-mutate.sh OUTDIR
#
# OUTDIR gets NAME.img, for images of several devices NAME.dev1 and on, and
# seeds.txt with one line for each: name, and how many devices. Plain ones come
# first. The same mkfs.erofs makes the same bytes, each time.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"

[ $# = 1 ] || die "usage: mkseeds-mutate.sh OUTDIR"
[ "$(id -u)" = 0 ] || die "needs root, for devices and attributes"
rm -rf "$1"
mkdir -p "$1"
out=$(cd "$1" && pwd)
src=$(mktemp -d "$out/src.XXXXXX")
trap 'rm -rf "$src"' EXIT
new=$(mkfs_new)
old=$(mkfs_old)
python3 "$here/mktree-mutate.py" "$src"

FIXED="-d0 -T1700000000 -U 01234567-89ab-cdef-0123-456789abcdef --all-root"

# make NAME TREE MKFS-ARGS...
make() {
	local name=$1 tree=$2
	shift 2
	# shellcheck disable=SC2086 # a list of words
	"$new" $FIXED --workers=1 "$@" "$out/$name.img" "$src/$tree" \
		>"$src/log" 2>&1 || {
		tail -n 5 "$src/log" >&2
		die "cannot make $name"
	}
	# A block device has no part of a sector.
	truncate -s %512 "$out/$name.img"
	echo "$name 0" >>"$out/seeds.txt"
}

make plain tree
make plain-512 tree -b512
make plain-1024 tree -b1024 -E^inline_data
make compact-2048 tree -b2048 --all-time
make chunks tree --chunksize=4096
make chunks-512 tree -b512 --chunksize=1024
make wide-plain tree -E48bit
make dot-omitted tree -Edot-omitted
make zone tree --MZ
make zone-dirs tree --MZ=id
make metabox-plain tree -m4096
make attrs attrs -x1 --xattr-prefix=user.prefix.long.
make attrs-512 attrs -b512 -x2 --root-xattr-isize=64
make attrs-digest attrs -x1 --xattr-inode-digest

# A device for the data, once beside and once behind the primary one.
make devices tree --chunksize=4096 --blobdev="$out/devices.dev1"
cp "$out/devices.img" "$out/flattened.img"
cat "$out/devices.dev1" >>"$out/flattened.img"
sed -i 's/^devices 0/devices 1/' "$out/seeds.txt"
echo "flattened 0" >>"$out/seeds.txt"

make lz4 tree -zlz4
make lz4-512 tree -b512 -zlz4
make lz4-1024-tail tree -b1024 -zlz4hc -C4096 -Eztailpacking
make lz4-big tree -zlz4hc -C16384
make lz4-tail tree -zlz4 -Eztailpacking
make lz4-full tree -zlz4 -Elegacy-compress
make lz4-full-big tree -b2048 -zlz4 -C16384 -Elegacy-compress
make lz4-full-tail tree -zlz4 -Elegacy-compress,ztailpacking
make lz4-fragments tree -zlz4 -C8192 -Efragments
make lz4-full-fragments tree -zlz4 -Efragments,legacy-compress
make lz4-all-fragments tree -zlz4 -Eall-fragments
make lz4-dedupe tree -zlz4 -C16384 -Ededupe
make lz4-dirs tree -zlz4 --zD -b1024
make lzma tree -zlzma -C16384
make lzma-fragments tree -zlzma -C8192 -Efragments,ztailpacking
make deflate tree -zdeflate -C8192
make deflate-1024 tree -b1024 -zdeflate -C8192 -Eztailpacking
make zstd tree -zzstd -C16384
make zstd-512 tree -b512 -zzstd -C4096 -Ededupe,fragments
make two-codecs tree -zlz4:zstd -C8192
make extents-lz4 tree -zlz4 -C16384 -E48bit
make extents-zstd tree -zzstd -C16384 -E48bit
make extents-fixed tree -zzstd -C16384 --max-extent-bytes=8192 -E48bit
make extents-512 tree -b512 -zzstd -C4096 -E48bit,fragments
make extents-deflate tree -zdeflate -C8192 -E48bit,dedupe
make metabox tree -zzstd -C8192 -m4096 -Efragments
make metabox-lz4 attrs -zlz4 -m4096 -x1 --xattr-prefix=user.prefix.long.

# Two devices behind the primary one, as an image of two images.
make layers.dev1 tree -b1024 -E^inline_data
make layers.dev2 more -b1024 -E^inline_data
sed -i '/^layers[.]/d' "$out/seeds.txt"
mv "$out/layers.dev1.img" "$out/layers.dev1"
mv "$out/layers.dev2.img" "$out/layers.dev2"
# shellcheck disable=SC2086
"$new" $FIXED "$out/layers.img" "$out/layers.dev1" "$out/layers.dev2" \
	>"$src/log" 2>&1 || die "cannot make layers"
truncate -s %512 "$out/layers.img"
echo "layers 2" >>"$out/seeds.txt"

PYTHONDONTWRITEBYTECODE=1 python3 "$here/mkseeds_made.py" "$out" \
	>>"$out/seeds.txt"

# What the mkfs.erofs of 2022 wrote, when zeroes came last.
# shellcheck disable=SC2086
"$old" $FIXED -zlz4 -Elegacy-compress "$out/lz4-old.img" "$src/tree" \
	>"$src/log" 2>&1 || die "cannot make lz4-old"
echo "lz4-old 0" >>"$out/seeds.txt"
