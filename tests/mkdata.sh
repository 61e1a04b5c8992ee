#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the images of the functional tests on the host:
#
#	tests/mkdata.sh OUTDIR
#
# OUTDIR gets the images, the expected treedump of each, and images.txt, which
# has one line per image: name, block size, image file, device files (comma
# separated, "-" for none), mount options ("-" for none), dump file ("-" when
# the content cannot be read), features. OUTDIR is what the guest sees as its
# data disk. The source trees stay beside it in OUTDIR.src for people. codecs.txt
# has such lines of the images that hold one tree by every codec, and OUTDIR/codec
# is a copy of that tree.
#
# Two oracles must agree before an image is listed: the dump of its source tree,
# and the dump of what erofs-utils extracts from it. Where an image cannot hold
# all of its source (compact inodes have no time of their own), the extraction
# alone is the expectation, less what extraction cannot restore.
#
# Features: xattr, chunk, holes (the sparse files have real holes), encoded,
# unreadable (the module lacks what it takes: data reads give EOPNOTSUPP),
# flattened (devices inside the primary), fileonly (its size is no multiple of
# a sector, which a loop device would cut), fsoffset, new (needs a kernel of
# 6.15 or later, or this module), old (made by mkfs.erofs 1.5), large.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/mkimage.sh
. "$here/mkimage.sh"

# ------------------------------------------------------------ source trees

# A few hundred files of this machine, of the kinds that images really hold.
# Only what everybody may read: an image is easily copied somewhere else.
real_tree() {
	local from
	mkdir -p "$src/real"
	for from in /usr/lib/python3* /usr/share/doc /usr/share/zoneinfo /etc; do
		[ -d "$from" ] || continue
		find "$from" -xdev \( -type f -perm -004 -size -300k -o -type l \) \
			-print0 | sort -z > "$scratch/names"
		head -z -n 150 "$scratch/names" |
			tar -C / --null --no-recursion -cPf - -T - |
			tar -C "$src/real" -xf - --transform='s,^/,,' \
				--same-owner --same-permissions
	done
}

for tree in small old narrow compact full xattr codec; do
	"$scratch/mktree" "$tree" "$src/$tree"
done
real_tree

# A long file of varying entropy, so that pclusters end anywhere, and a short one
stream_tree() {
	mkdir -p "$src/stream"
	python3 - "$src/stream/stream" "$src/stream/short" <<-'PY'
	import random, sys
	r = random.Random(1)
	words = [bytes(r.choices(range(97, 123), k=r.randint(2, 9)))
	         for _ in range(3000)]
	with open(sys.argv[1], 'wb') as f:
	    while f.tell() < 6 << 20:
	        n, kind = r.randint(1000, 90000), r.random()
	        if kind < 0.15:
	            f.write(r.randbytes(n))
	        elif kind < 0.2:
	            f.write(bytes(n))
	        else:
	            few = words[:r.choice((30, 300, 3000))]
	            f.write(b' '.join(r.choices(few, k=n // 6)))
	with open(sys.argv[2], 'wb') as f:
	    f.write(b' '.join(r.choices(words, k=20000)))
	PY
}
stream_tree

# Three layers of one tree, each an image of its own in the rebuilt ones
layers() {
	local i
	mkdir "$src/layer1" "$src/layer2" "$src/layer3"
	cp -a "$src/small/sizes" "$src/small/links" "$src/layer1/"
	cp -a "$src/small/dirs" "$src/small/sparse" "$src/layer2/"
	cp -a "$src/small/special" "$src/small/times" "$src/small/exact" "$src/layer3/"
	mkdir "$src/merged"
	for i in 1 2 3; do
		cp -a "$src/layer$i/." "$src/merged/"
	done
}
layers

for tree in small old full xattr codec real stream merged; do
	dump "$src/$tree" > "$out/$tree.dump"
done

# ------------------------------------------------------------------ images

list=$out/images.txt
echo "$COLUMNS_OF_LIST" > "$list"

prefixes=(--xattr-prefix=user.org.example.project.attribute.
	--xattr-prefix=trusted.overlay.)

for bs in 512 1024 2048 4096; do
	make "default-$bs" $bs small -
	make "plain-$bs" $bs small - -E^inline_data
	make_lossy "compact-$bs" $bs compact t - "$new" -b$bs \
		-Eforce-inode-compact -T1234567890
	make "extended-$bs" $bs small - -Eforce-inode-extended
	make "chunk4-4k-$bs" $bs small chunk,holes \
		-Eforce-inode-blockmap --chunksize=4096
	make "chunk4-64k-$bs" $bs small chunk,holes \
		-Eforce-inode-blockmap --chunksize=65536
	make "chunk8-4k-$bs" $bs small chunk,holes \
		-Eforce-chunk-indexes --chunksize=4096
	make "chunk8-64k-$bs" $bs small chunk,holes \
		-Eforce-chunk-indexes --chunksize=65536
	# Compact inodes here have seconds of their own, and one nanosecond for all
	make_lossy "48bit-$bs" $bs narrow l new "$new" -b$bs -E48bit
	make "48bit-extended-$bs" $bs small new -E48bit,force-inode-extended
	make_lossy "48bit-chunk8-$bs" $bs narrow l new,chunk,holes "$new" -b$bs \
		-E48bit,force-chunk-indexes --chunksize=4096
	make_lossy "dot-omitted-$bs" $bs narrow l new "$new" -b$bs -Edot-omitted
	make "xattr-$bs" $bs xattr xattr
	make "xattr-shared-$bs" $bs xattr xattr -x1
	make "xattr-prefix-$bs" $bs xattr xattr -x1 "${prefixes[@]}"
done
make_lossy filler-4096 4096 narrow l new "$new" -E48bit --root-xattr-isize=64
make nosum-4096 4096 small - -Enosbcrc
make label-4096 4096 small - -L "label of 15 byt"
make full 4096 full large
make real 4096 real xattr
make real-512 512 real xattr

make_old old-default old ''
make_old old-plain old '' -Enoinline_data
make_old old-extended old '' -Eforce-inode-extended
make_lossy old-compact 4096 compact t old "$old" -Eforce-inode-compact -T1234567890
make_old old-chunk4 old ,chunk,holes --chunksize=4096
make_old old-chunk8 old ,chunk,holes -Eforce-chunk-indexes --chunksize=65536
make_old old-xattr xattr ,xattr
make_old old-xattr-shared xattr ,xattr -x1

# One extra device that holds all data
blobdev() {
	local bs=$1 name=blobdev-$1
	quietly "$new" -b"$bs" --chunksize=4096 --blobdev="$out/$name.dev1" \
		"$out/$name.img" "$src/small"
	agree "$out/$name.img" small "$name.dev1"
	row "$name" "$bs" "$name.img" "$name.dev1" - small.dump chunk,holes
}
blobdev 512
blobdev 4096
quietly "$old" --chunksize=4096 --blobdev="$out/old-blobdev.dev1" \
	"$out/old-blobdev.img" "$src/old"
agree "$out/old-blobdev.img" old old-blobdev.dev1
row old-blobdev 4096 old-blobdev.img old-blobdev.dev1 - old.dump old,chunk,holes

# Several images merged to one: as real devices, and all in one file
rebuilt() {
	local bs=$1 nr=$2 name=rebuilt$2-$1 i devs=() images=()
	for ((i = 1; i <= nr; i++)); do
		quietly "$new" -b"$bs" -E^inline_data \
			"$out/$name.dev$i" "$src/layer$i"
		devs+=("$name.dev$i")
		images+=("$out/$name.dev$i")
	done
	quietly "$new" "$out/$name.img" "${images[@]}"
	extract "$out/$name.img" "${devs[@]}" > "$out/$name.dump"
	[ "$nr" != 3 ] || same_dumps "$name: not what its layers hold" \
		"$out/merged.dump" "$out/$name.dump" noroot
	row "$name" "$bs" "$name.img" "$(IFS=,; echo "${devs[*]}")" - \
		"$name.dump" chunk
	cat "$out/$name.img" "${images[@]}" > "$out/$name-flat.img"
	row "$name-flat" "$bs" "$name-flat.img" - - "$name.dump" chunk,flattened
}
rebuilt 512 2
rebuilt 4096 2
rebuilt 512 3
rebuilt 4096 3

# Adjacent sectors on different devices; the content names device and sector
dev3() {
	local bs=$1 chunk=$2 name=dev3-$1-$2
	"$scratch/mktree" dev3 "$out/$name" "$bs" "$chunk"
	mv "$out/$name.tree" "$src/$name"
	dump "$src/$name" > "$out/$name.dump"
	row "$name" "$bs" "$name.img" "$name.dev1,$name.dev2" - "$name.dump" chunk
	cat "$out/$name.img" "$out/$name.dev1" "$out/$name.dev2" \
		> "$out/$name-flat.img"
	row "$name-flat" "$bs" "$name-flat.img" - - "$name.dump" chunk,flattened
}
dev3 4096 4096
dev3 512 4096
dev3 512 512
dev3 1024 2048

# More devices than a page of options can name
many() {
	"$scratch/mktree" many "$out/many" 100
	mv "$out/many.tree" "$src/many"
	dump "$src/many" > "$out/many.dump"
	agree "$out/many.img" many many.dev/{000..099}
}
many

# Images in images, to be mounted from one another
nest() {
	local i tree=$src/nest
	mkdir "$tree"
	cp "$out/default-4096.img" "$out/blobdev-4096.img" \
		"$out/blobdev-4096.dev1" "$tree/"
	for i in 1 2 3; do
		quietly "$new" "$out/nest$i.img" "$tree"
		rm "$tree"/*
		cp "$out/nest$i.img" "$tree/"
	done
}
nest

# For overlayfs to find the data in a layer below
"$scratch/mktree" composefs "$src/composefs"
quietly "$new" "$out/composefs.img" "$src/composefs"

# A program to run from the mount
mkdir "$scratch/exec"
cp "$scratch/treedump" "$scratch/exec/"
quietly "$new" "$out/exec.img" "$scratch/exec"

# On another read-only filesystem
mkdir "$scratch/holder"
cp "$out/default-4096.img" "$scratch/holder/"
quietly mksquashfs "$scratch/holder" "$out/holder.squashfs" -noappend -comp gzip

# An image behind something else in the same file: 512 bytes times n
offset() {
	local bs=$1 off=$2 name=offset-$1-$2
	head -c "$off" /dev/urandom > "$out/$name.img"
	cat "$out/default-$bs.img" >> "$out/$name.img"
	row "$name" "$bs" "$name.img" - "fsoffset=$off" small.dump fsoffset
}
offset 512 $((512 * 7))
offset 512 $((512 * 8))
offset 1024 $((1024 * 1025))
offset 4096 $((4096 * 5))

# A file that goes on after the image, or ends within its last block
cp "$out/default-4096.img" "$out/tail-4096.img"
head -c 1371 /dev/urandom >> "$out/tail-4096.img"
row tail-4096 4096 tail-4096.img - - small.dump -
cp "$out/default-512.img" "$out/tail-512.img"
head -c 137 /dev/urandom >> "$out/tail-512.img"
row tail-512 512 tail-512.img - - small.dump -

# The zeros that end the last block are not stored
cut_image() {
	local bs=$1 name=cut-$1
	quietly "$new" -b"$bs" -E^inline_data --sort=path \
		"$out/$name.img" "$src/small"
	agree "$out/$name.img" small
	python3 - "$out/$name.img" "$bs" <<-'PY'
	import sys
	path, bs = sys.argv[1], int(sys.argv[2])
	data = open(path, 'rb').read()
	end = len(data.rstrip(b'\0'))
	if end % 512 == 0 or end <= len(data) - bs:
	    sys.exit('%s: nothing to cut' % path)
	open(path, 'r+b').truncate(end)
	PY
	row "$name" "$bs" "$name.img" - - small.dump fileonly
}
cut_image 4096
cut_image 1024

# Compressed; "unreadable" beside "encoded" would expect EOPNOTSUPP instead
make lz4 4096 small encoded -zlz4
make lz4-64k 4096 real encoded -zlz4 -C65536
make lz4hc-1m 4096 real encoded -zlz4hc -C1048576
make lzma-64k 4096 small encoded -zlzma -C65536
make deflate-16k 4096 small encoded -zdeflate -C16384
make zstd-64k 4096 real encoded -zzstd -C65536
make lz4-legacy 4096 small encoded -zlz4 -C16384 -Elegacy-compress
make lz4-ztail 4096 small encoded -zlz4 -Eztailpacking
make zstd-fragments 4096 real encoded -zzstd -C65536 -Eall-fragments
make lzma-all 4096 real encoded -zlzma -C32768 -Eztailpacking,fragments,dedupe
make lz4-1024 1024 small encoded -zlz4 -C8192
make lz4-dirs 4096 small encoded -zlz4 --zD
make zstd-48bit 4096 real encoded,new -zzstd -C65536 \
	-E48bit,force-inode-extended
make stream-lz4 4096 stream encoded -zlz4
make stream-lz4-64k 4096 stream encoded -zlz4 -C65536
make stream-zstd-64k 4096 stream encoded -zzstd -C65536
make_old old-lz4 old ,encoded -zlz4 -Eztailpacking
mkdir "$scratch/nested"
cp "$out/stream-lz4.img" "$scratch/nested/"
quietly "$new" -zzstd -C65536 "$out/nested.img" "$scratch/nested"

# Inodes, names, attributes and tails in a metabox, compressed or not
make_lossy metabox-4096 4096 narrow l new "$new" -m4096
make_lossy metabox-512 512 narrow l new "$new" -b512 -m512
make metabox-extended 4096 small new -m4096 -Eforce-inode-extended
make metabox-xattr 4096 xattr new,xattr -m4096 -x1 -Eforce-inode-extended
make_lossy metabox-lz4 4096 narrow l new,encoded "$new" -zlz4 -m4096
make_lossy metabox-zstd 4096 narrow l new,encoded "$new" -zlz4:zstd -C16384 \
	-m16384:1 -Eztailpacking,fragments
make metabox-prefix 4096 xattr new,xattr -zlzma -C65536 -m8192 -x1 \
	-Eforce-inode-extended "${prefixes[@]}"
make packed-prefix 4096 xattr xattr -zlz4 -Efragments -x1 "${prefixes[@]}"

# erofs-utils cannot read it: they look for the chunks on the device, too
quietly "$new" -m4096 -Eforce-inode-extended,force-chunk-indexes \
	--chunksize=4096 "$out/metabox-chunk8.img" "$src/small"
row metabox-chunk8 4096 metabox-chunk8.img - - small.dump new,chunk,holes

# ------------------------------------------------- every codec, in every way

# Each codec with each way of storing tails and indexes, and each pair of a
# cluster size with either. Blocks smaller than a page for some.
codec_rows() {
	local codecs=(lz4 lz4hc lzma deflate zstd) sizes=(4096 16384 65536 1048576)
	local ways=(plain ztail fragments packed 48bit metabox legacy) c w bs
	for c in "${!codecs[@]}"; do
		for w in "${!ways[@]}"; do
			case $(((3 * c + w) % 7)) in
			3) bs=2048 ;;
			5) bs=512 ;;
			*) bs=4096 ;;
			esac
			[ $(((c + w) % 4)) != 3 ] || bs=4096
			codec_row "${codecs[c]}" "${ways[w]}" \
				"${sizes[(c + w) % 4]}" $bs
		done
	done
}

begin_codecs
make none-plain-4096 4096 codec -
make none-chunk-512 512 codec chunk,holes -Eforce-chunk-indexes --chunksize=4096
codec_rows
# Streams at the start of their blocks, of which newer tools know no more
fsck=$(erofs_tool old fsck.erofs)
make_old old-lz4-legacy codec ,encoded -zlz4 -Elegacy-compress
make_old old-lz4hc-legacy codec ,encoded -zlz4hc -Elegacy-compress
fsck=$(fsck_new)
make_old old-lz4hc-64k codec ,encoded -zlz4hc -C65536 -Eztailpacking,fragments
make_old old-lz4hc-1m codec ,encoded -zlz4hc -C1048576 -Eall-fragments,dedupe

rm -f "$out"/layer*.img
used=$(du -sm --apparent-size "$out" | cut -f1)
[ "$used" -lt 400 ] || { echo "$0: $used MB of images" >&2; exit 1; }
echo "$0: $(cat "$out/images.txt" "$out/codecs.txt" | grep -vc '^#') images," \
	"$used MB, ${SECONDS} s"
