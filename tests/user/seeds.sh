#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Small images with every form of index and record, and the seeds made from them:
#
#   seeds.sh OUT     OUT/images/{plain,encoded}/*.erofs, OUT/seeds/TARGET/*
#
# mkfs.erofs is $MKFS, or the newest that scripts/setup has built, or that of the
# system. What an old one cannot make is left out, and said; without any there are
# no images, and only the seeds that need none.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$1
SRC=$OUT/tree
IMAGES=$OUT/images
TARGETS="super inode dirblk chunk xattr index"

find_mkfs() {
	local lib=$HERE/../../scripts/lib.sh
	if [ -n "${MKFS:-}" ]; then
		echo "$MKFS"
	elif [ -e "$lib" ] && (
		# shellcheck source=scripts/lib.sh
		. "$lib"
		mkfs_new
	) 2>/dev/null; then
		:
	else
		command -v mkfs.erofs || true
	fi
}

# Text that compresses, with stretches that do not, from what is in the checkout.
make_tree() {
	local i
	rm -rf "$SRC"
	mkdir -p "$SRC/dir" "$SRC/many"
	cat "$HERE"/../../*.[ch] >"$SRC/text"
	gzip -9n <"$SRC/text" >"$SRC/packed"
	cat "$SRC/text" "$SRC/packed" "$SRC/text" >"$SRC/mixed"
	cp "$SRC/mixed" "$SRC/dir/copy"
	head -c 3000000 /dev/zero >"$SRC/zeroes"
	truncate -s 200000 "$SRC/hole"
	{
		cat "$SRC/text"
		head -c 300000 /dev/zero
		cat "$SRC/packed"
	} >"$SRC/dir/three"
	for i in 1 2 100 511 512 513 4095 4096 4097 8192 12288 65536 65537; do
		head -c "$i" "$SRC/text" >"$SRC/dir/head-$i"
		tail -c "$i" "$SRC/packed" >"$SRC/dir/tail-$i"
	done
	for i in $(seq 300); do
		echo "$i" >"$SRC/many/file-with-a-longer-name-$i"
	done
	ln -s dir/copy "$SRC/link"
	mkfifo "$SRC/fifo"
	for i in text dir/head-1 dir/head-4096; do
		# not every file system has them
		setfattr -n user.name -v "value of $i" "$SRC/$i" 2>/dev/null || break
		setfattr -n user.other -v same "$SRC/$i" 2>/dev/null || break
	done
}

SKIPPED=
# make_image FOLDER/NAME OPTIONS...
make_image() {
	local path=$IMAGES/$1 name=${1##*/}
	shift
	if ! "$MKFS" -d0 -T0 "$@" "$path.erofs" "$SRC" >"$path.log" 2>&1; then
		rm -f "$path.erofs"
		SKIPPED="$SKIPPED $name"
	fi
}

make_images() {
	local bs
	make_tree
	make_image plain/plain
	make_image plain/chunks --chunksize=4096
	make_image plain/chunks-large --chunksize=65536
	make_image plain/shared-xattrs -x1
	for bs in 512 1024 2048 4096; do
		make_image "encoded/lz4-$bs" -b$bs -zlz4
		make_image "encoded/lz4-big-$bs" -b$bs -zlz4hc -C65536
		make_image "encoded/lz4-tail-$bs" -b$bs -zlz4 -Eztailpacking
		make_image "encoded/lz4-full-$bs" -b$bs -zlz4 -Elegacy-compress
		make_image "encoded/lz4-full-tail-$bs" -b$bs -zlz4 \
			-Elegacy-compress,ztailpacking
	done
	make_image encoded/lzma -zlzma -C131072
	make_image encoded/lzma-fragments -zlzma -C65536 -Efragments
	make_image encoded/deflate -zdeflate -C16384 -Eztailpacking
	make_image encoded/zstd -zzstd -C32768
	make_image encoded/two-algorithms -zlz4:zstd
	make_image encoded/fragments -zlz4 -C65536 -Efragments
	make_image encoded/full-fragments -zlz4 -Efragments,legacy-compress
	make_image encoded/all-fragments -zlz4 -Eall-fragments
	make_image encoded/dedupe -zlz4 -C65536 -Ededupe
	make_image encoded/dedupe-fragments -zlz4 -C65536 -Ededupe,fragments
	make_image plain/wide-plain -E48bit
	make_image encoded/wide-lz4 -zlz4 -C65536 -E48bit
	make_image encoded/wide-zstd -zzstd -C65536 -E48bit
	make_image encoded/wide-zstd-512 -b512 -zzstd -C4096 -E48bit
	make_image encoded/wide-deflate -zdeflate -C16384 -E48bit
	make_image encoded/wide-fixed -zzstd -C65536 --max-extent-bytes=65536 -E48bit
	make_image encoded/wide-fragments -zzstd -C65536 -E48bit,fragments
	make_image encoded/wide-dedupe -zzstd -C65536 -E48bit,dedupe,fragments
	make_image encoded/zone -zlz4 --MZ
	# of which only the metabox itself and the packed inode are seen
	make_image encoded/metabox -zzstd -C16384 -m4096 -Efragments
	[ -z "$SKIPPED" ] || echo "seeds: not made by $MKFS:$SKIPPED" >&2
	rm -rf "$SRC"
}

rm -rf "$IMAGES"
mkdir -p "$IMAGES/plain" "$IMAGES/encoded"
for t in $TARGETS; do
	rm -rf "$OUT/seeds/$t"
	mkdir -p "$OUT/seeds/$t"
done
MKFS=$(find_mkfs)
if [ -n "$MKFS" ]; then
	make_images
else
	echo "seeds: no mkfs.erofs, so there are no images" >&2
fi
shopt -s nullglob
"$OUT/mkseeds" "$OUT/seeds" "$IMAGES"/*/*.erofs
