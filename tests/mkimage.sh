# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# For mkdata.sh and mkmatrix.sh, which say what OUTDIR gets: images, of each of which
# two oracles say the same, the dump of its source tree and the dump of what
# erofs-utils extracts from it. $1 is OUTDIR, which begins empty; source trees are
# in OUTDIR.src.

# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"

[ $# = 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "$0: needs root, for devices, owners and attributes" >&2; exit 1; }

mkdir -p "$1"
out=$(cd "$1" && pwd)
src=$out.src
rm -rf "${src:?}" "${out:?}"
mkdir -p "$src" "$out"
scratch=$(mktemp -d "$src/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

new=$(mkfs_new)
old=$(mkfs_old)
fsck=$(fsck_new)
dumper=$(dump_new)

cc=${HOSTCC:-gcc}
$cc -O2 -o "$scratch/mktree" "$here/mktree.c"
$cc -O2 -o "$scratch/treedump" "$here/treedump.c"

# dump [OPTIONS...] DIR
dump() {
	"$scratch/treedump" -x "$@"
}

COLUMNS_OF_LIST="# name bs image devices options dump features"

row() {
	printf '%s\n' "$*" >> "$list"
}

quietly() {
	"$@" > "$scratch/log" 2>&1 || {
		echo "$0: failed: $*" >&2
		tail -n 5 "$scratch/log" >&2
		exit 1
	}
}

# Extraction forgets the size of a file that ends in a hole of 8-byte indexes
repair_size() {
	local name from to
	for name in hole-all hole-end; do
		from=$src/small/sparse/$name
		to=$scratch/extracted/sparse/$name
		[ -f "$to" ] || continue
		touch -r "$to" "$scratch/time"
		truncate -r "$from" "$to"
		touch -r "$scratch/time" "$to"
	done
}

has_metabox() {
	[ $(($(od -An -tu4 -j1104 -N4 "$1") & 0x100)) != 0 ]
}

# fsck.erofs takes the inline tail of an inode in the metabox from the same offset
# of the device instead. What dump.erofs reads of such a file is right.
repair_tails() {
	local image=$1 name to
	find "$scratch/extracted" -type f -size +0 -printf '%P\0' \
		> "$scratch/names"
	while IFS= read -r -d '' name; do
		to=$scratch/extracted/$name
		"$dumper" --cat --path="/$name" "$image" > "$scratch/content" || {
			echo "$0: $image: cannot read $name" >&2
			exit 1
		}
		cmp -s "$scratch/content" "$to" && continue
		touch -r "$to" "$scratch/time"
		cat "$scratch/content" > "$to"
		touch -r "$scratch/time" "$to"
	done < "$scratch/names"
}

# extract IMAGE [DEVICE...]: dump of erofs-utils' extraction
extract() {
	local image=$1 args=() dev
	shift
	for dev; do
		args+=("--device=$out/$dev")
	done
	rm -rf "$scratch/extracted"
	# What 1.5 extracts has no attributes, and it knows no such option
	[ "$fsck" = "$(erofs_tool old fsck.erofs)" ] || args+=(--xattrs)
	quietly "$fsck" "${args[@]}" --extract="$scratch/extracted" \
		"$image"
	! has_metabox "$image" || repair_tails "$image"
	repair_size
	dump "$scratch/extracted"
}

# Extraction loses capabilities to a later chown, and all attributes of a file
# that has an empty one; merging makes a root of its own
comparable() {
	grep -av '^\./\(capability\|value-empty\) ' "$1" |
		if [ "${2:-}" = noroot ]; then grep -av '^\. '; else cat; fi
}

same_dumps() {
	diff -a <(comparable "$2" "${4:-}") <(comparable "$3" "${4:-}") > "$scratch/log" && return
	echo "$0: $1" >&2
	cut -c1-200 "$scratch/log" | head -n 10 >&2
	exit 1
}

# agree IMAGE TREE [DEVICE...]: both oracles say the same
agree() {
	local image=$1 tree=$2
	shift 2
	extract "$image" "$@" > "$scratch/extracted.dump"
	same_dumps "$image: extraction is not the source tree" \
		"$out/$tree.dump" "$scratch/extracted.dump"
}

# make NAME BS TREE FEATURES MKFS-ARGS...: an image that shows its whole tree
make() {
	local name=$1 bs=$2 tree=$3 features=$4
	shift 4
	quietly "$new" -b"$bs" "$@" "$out/$name.img" "$src/$tree"
	agree "$out/$name.img" "$tree"
	row "$name" "$bs" "$name.img" - - "$tree.dump" "$features"
}

make_old() {
	local name=$1 tree=$2 features=$3
	shift 3
	quietly "$old" "$@" "$out/$name.img" "$src/$tree"
	agree "$out/$name.img" "$tree"
	row "$name" 4096 "$name.img" - - "$tree.dump" "old$features"
}

# make_lossy NAME BS TREE LOST FEATURES MKFS ARGS...: an image that cannot hold
# what the letters LOST stand for in treedump. The rest must still be the tree.
make_lossy() {
	local name=$1 bs=$2 tree=$3 lost=$4 features=$5 mkfs=$6
	shift 6
	quietly "$mkfs" "$@" "$out/$name.img" "$src/$tree"
	extract "$out/$name.img" > "$out/$name.dump"
	dump -i "$lost" "$src/$tree" > "$scratch/source.dump"
	dump -i "$lost" "$scratch/extracted" > "$scratch/extracted.dump"
	same_dumps "$name: extraction is not the source tree" \
		"$scratch/source.dump" "$scratch/extracted.dump"
	row "$name" "$bs" "$name.img" - - "$name.dump" "$features"
}

# codec_row CODEC WAY CLUSTER BS: an image of the tree codec
codec_row() {
	local codec=$1 way=$2 cluster=$3 bs=$4 args features=encoded
	case $way in
	plain) args=() ;;
	ztail) args=(-Eztailpacking) ;;
	fragments) args=("-Efragments,dot-omitted") ;;
	allfragments) args=("-Eall-fragments") ;;
	dedupe) args=("-Ededupe") ;;
	dotomitted) args=("-Edot-omitted") ;;
	packed) args=("-Eall-fragments,dedupe" --zD) ;;
	48bit) args=(-E48bit) ;;
	metabox) args=("-m$((cluster > 16384 ? 16384 : cluster))") ;;
	legacy) args=("-Elegacy-compress,dedupe") ;;
	esac
	case $way in
	fragments | 48bit | metabox | dotomitted) features=$features,new ;;
	esac
	make "$codec-$way-$((cluster / 1024))k-$bs" "$bs" codec $features \
		"-z$codec" "-C$cluster" -T1700000000 --mkfs-time "${args[@]}"
}

# The table of images that hold one tree in every encoding, which is beside them
begin_codecs() {
	list=$out/codecs.txt
	echo "$COLUMNS_OF_LIST" > "$list"
	cp -a "$src/codec" "$out/"
	# Longer than the program that makes the data disk allows
	rm "$out/codec/link"
}
