#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the images of the whole table of options, of which mkdata.sh has some:
#
#	tests/mkmatrix.sh OUTDIR
#
# Each codec, cluster size and way of storing, as today's mkfs.erofs makes them, with
# blocks of a page and of less; and what that of 1.5 can. OUTDIR gets what the test
# "codecs" reads: the images, codecs.txt, the tree and its dump. See mkdata.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/mkimage.sh
. "$here/mkimage.sh"

"$scratch/mktree" codec "$src/codec"
dump "$src/codec" > "$out/codec.dump"
begin_codecs

# try COMMAND...: an image of which the oracles do not say the same is left out, for
# some of them mkfs.erofs makes wrong: blocks of 512 bytes with tails packed, where
# dump.erofs and other readers have the wrong bytes of a plain file, too.
wrong=0
try() {
	# shellcheck disable=SC2310 # each command of it says itself that it has failed
	("$@") || wrong=$((wrong + 1))
}

small=(512 1024 2048)
nr=0
for codec in lz4 lz4hc lzma deflate zstd; do
	for way in plain ztail fragments allfragments dedupe 48bit metabox \
		legacy dotomitted; do
		for cluster in 4096 16384 65536 1048576; do
			try codec_row $codec $way $cluster 4096
			bs=${small[nr % 3]}
			nr=$((nr + 1))
			# 2048 blocks in a pcluster are more than an index can say
			[ $cluster != 1048576 ] || [ "$bs" != 512 ] || bs=1024
			try codec_row $codec $way $cluster "$bs"
		done
	done
done

# Streams at the start of their blocks, of which newer tools know no more
fsck=$(erofs_tool old fsck.erofs)
for codec in lz4 lz4hc; do
	try make_old old-$codec-legacy codec ,encoded -z$codec -Elegacy-compress
done
fsck=$(fsck_new)
for codec in lz4 lz4hc; do
	for cluster in 4096 16384 65536 1048576; do
		for how in '' ztailpacking fragments,dedupe all-fragments \
			ztailpacking,fragments; do
			try make_old "old-$codec-${how:-plain}-$((cluster / 1024))k" \
				codec ,encoded -z$codec -C$cluster ${how:+"-E$how"}
		done
	done
done
made=$(grep -vc '^#' "$out/codecs.txt")
echo "$0: $made images, $wrong that their maker has made wrong, ${SECONDS} s"
[ "$made" -ge 380 ]
