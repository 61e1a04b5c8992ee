// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test: the checker of directory blocks against a naive scan, on random blocks,
 * on damaged ones, and on those of real images; and the vectors of FORMAT.md for
 * the records of disk.c.
 *
 *   dir_model [IMAGES]...
 *
 * Each IMAGES is a folder of *.erofs. $SEED repeats a run, $SCALE (default 100)
 * is how much of it, in percent.
 */
#include "image.h"
#include "naive_disk.h"
#include "util.h"

static struct ktap ktap;

/* ---- random blocks ---- */

#define BLOCK_MAX	4096

struct block {
	u8 bytes[BLOCK_MAX];
	size_t len;		/* valid bytes */
	u32 n;
	struct naive_name name[BLOCK_MAX / 12];
};

struct tally {
	u64 good;
	u64 bad;
	u64 full;		/* names up to the last valid byte */
};

static u8 name_byte(struct rng *r)
{
	u8 c;

	do
		c = rng_percent(r, 80) ? rng_range(r, '-', 'z') : rng_u64(r);
	while (!c || c == '/');
	return c;
}

static u32 name_len(struct rng *r)
{
	switch (rng_below(r, 10)) {
	case 0:
		return 1;
	case 1:
		return rng_range(r, 250, 255);
	case 2:
		return rng_range(r, 1, 255);
	default:
		return rng_range(r, 1, 24);
	}
}

static void make_block(struct block *b, struct rng *r)
{
	const size_t bs = 512 << rng_below(r, 4);
	u32 len[BLOCK_MAX / 12];
	const u32 most = rng_range(r, 1, rng_percent(r, 50) ? 8 : 300);
	size_t used = 0, off;
	u32 i, j;

	memset(b, 0, sizeof(*b));
	for (b->n = 0; b->n < most; b->n++) {
		len[b->n] = name_len(r);
		if (used + 12 + len[b->n] > bs) {
			if (!b->n || used + 12 >= bs || rng_percent(r, 50))
				break;
			/* fill it to the last byte */
			len[b->n] = bs - used - 12;
		}
		used += 12 + len[b->n];
	}
	off = 12 * b->n;
	for (i = 0; i < b->n; i++) {
		b->name[i] = (struct naive_name) { off, len[i] };
		put_le(b->bytes + 12 * i, rng_u64(r), 8);
		put_le(b->bytes + 12 * i + 8, off, 2);
		b->bytes[12 * i + 10] = rng_below(r, 8);
		for (j = 0; j < len[i]; j++)
			b->bytes[off++] = name_byte(r);
	}
	/* the last block of a directory ends where its names do */
	b->len = rng_percent(r, 50) ? bs : used;
}

static const char *run_good(struct rng *r, struct tally *tally)
{
	struct naive_name names[BLOCK_MAX / 12];
	struct block b;
	const char *wrong;
	bool good;
	u32 n;

	make_block(&b, r);
	tally->full += b.name[b.n - 1].off + b.name[b.n - 1].len == b.len;
	if (!naive_dirblk(b.bytes, b.len, names, &n) || n != b.n ||
	    memcmp(names, b.name, n * sizeof(*names)))
		return "the naive scan does not see what was made";
	wrong = check_dirblk(b.bytes, b.len, &good);
	tally->good++;
	return wrong;
}

/* ---- damaged blocks ---- */

static void damage(struct block *b, struct rng *r)
{
	const u32 i = rng_below(r, b->n);
	const u32 j = rng_below(r, b->n);
	u8 *nameoff = b->bytes + 12 * i + 8;

	switch (rng_below(r, 12)) {
	case 0:
		b->bytes[rng_below(r, b->len)] ^= 1 << rng_below(r, 8);
		break;
	case 1:
		b->bytes[rng_below(r, b->len)] = rng_u64(r);
		break;
	case 2:
		put_le(nameoff, rng_u64(r), 2);
		break;
	case 3:
		put_le(nameoff, get_le(nameoff, 2) + rng_below(r, 5) - 2, 2);
		break;
	case 4:
		memcpy(nameoff, b->bytes + 12 * j + 8, 2);
		break;
	case 5:
		put_le(nameoff, b->len - rng_below(r, 3), 2);
		break;
	case 6:
		put_le(b->bytes + 8, 12 * rng_below(r, b->n + 3), 2);
		break;
	case 7:
		b->bytes[b->name[i].off + rng_below(r, b->name[i].len)] =
			rng_percent(r, 50) ? '/' : 0;
		break;
	case 8:
		b->len = rng_range(r, 1, b->len);
		break;
	case 9:
		/* behind the last name, as garbage behind a NUL or as its rest */
		b->bytes[rng_range(r, b->len / 2, b->len - 1)] = name_byte(r);
		break;
	case 10:
		b->len = rng_range(r, 1, BLOCK_MAX);
		break;
	default:
		put_le(nameoff, (u32[]) { 0, 11, 12, 13, 24, 0x7fff, 0x8000,
					  0xffff, 0xfff }[rng_below(r, 9)], 2);
	}
}

static const char *run_damaged(struct rng *r, struct tally *tally)
{
	struct block b;
	const char *wrong;
	bool good;
	u32 n;

	make_block(&b, r);
	for (n = rng_range(r, 1, 3); n--;)
		damage(&b, r);
	wrong = check_dirblk(b.bytes, b.len, &good);
	tally->good += good;
	tally->bad += !good;
	return wrong;
}

static void run_seed(u64 seed, u32 scale)
{
	struct tally made = {}, damaged = {};
	const u32 n = 200 * scale + 1;
	struct rng r = { .state = seed };
	const char *wrong = NULL;
	u32 i;

	printf("# seed %llu\n", seed);
	for (i = 0; i < n && !wrong; i++)
		wrong = run_good(&r, &made);
	if (wrong)
		printf("# block %u: %s\n", i - 1, wrong);
	ktap_result(&ktap, !wrong && made.full,
		    "seed %llu: %llu random blocks, %llu of them full", seed,
		    made.good, made.full);
	wrong = NULL;
	for (i = 0; i < 3 * n && !wrong; i++)
		wrong = run_damaged(&r, &damaged);
	if (wrong)
		printf("# damaged block %u: %s\n", i - 1, wrong);
	ktap_result(&ktap, !wrong && damaged.good && damaged.bad,
		    "seed %llu: damaged blocks, %llu bad and %llu still good",
		    seed, damaged.bad, damaged.good);
}

/* ---- vectors: FORMAT.md sections 2.1 and 27, appendix B ---- */

static size_t from_hex(u8 *p, const char *hex)
{
	size_t n = 0;
	unsigned int v;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		if (sscanf(hex++, "%2x", &v) != 1)
			abort();
		p[n++] = v;
	}
	return n;
}

static bool vector_checksum(void)
{
	const u8 magic[] = { 0xE2, 0xE1, 0xF5, 0xE0, 0, 0, 0, 0 };

	return erofs_disk_crc32c(~0U, magic, 8) == 0x5045B54A &&
	       erofs_disk_checksum_len(12) == 3072 &&
	       erofs_disk_checksum_len(11) == 1024 &&
	       erofs_disk_checksum_len(10) == 1024 &&
	       erofs_disk_checksum_len(9) == 512;
}

static bool vector_super(void)
{
	struct erofs_fault fault = {};
	struct erofs_sb_desc sb;
	u8 b[256] = {};

	from_hex(b, "e2e1f5e0 ccb0444d 07000000 0c 01 0000");
	from_hex(b + 0x10, "0500000000000000 0000000000000000");
	from_hex(b + 0x20, "00000000 02000000 00000000 00000000");
	from_hex(b + 0x50, "83010000 0800 0000 0000 00 00 00000000");
	from_hex(b + 0x60, "0000000000000000 00 00 0000 00f15365");
	from_hex(b + 0x70, "0000000000000080 0000000000000000");
	from_hex(b + 0x80, "2500000000000000 0000000000000000");
	from_hex(b + 0x90, "0600 00 05 00000000 0000");
	if (erofs_disk_super(b, sizeof(b), 12, &sb, &fault) ||
	    erofs_disk_compr_cfg(EROFS_COMPRESSION_ZSTD, b + 0x92, 6, &sb, &fault))
		return false;
	return sb.compat == 7 && sb.incompat == 0x183 && sb.blkszbits == 12 &&
	       sb.sb_size == 144 && sb.inos == 5 && !sb.epoch && sb.blocks == 2 &&
	       sb.algorithms == 8 && sb.build_time == 1700000000 &&
	       sb.root_nid == 1ULL << 63 && sb.metabox_nid == 0x25 &&
	       sb.xattr_filter && sb.zstd_windowlog == 5 && !sb.packed_nid;
}

static bool vector_inode(void)
{
	static const struct naive_name want[] = {
		{ 48, 2 }, { 50, 1 }, { 51, 1 }, { 52, 1 },
	};
	struct erofs_fault fault = {};
	struct erofs_inode_desc ino;
	u8 b[128] = {};
	u32 i;

	from_hex(b, "14 00 00 00 ed 41 03 00 35 00 00 00 00 f1 53 65 ff ff ff ff "
		    "01 00 00 00 00 00 00 00 00000000");
	if (erofs_disk_inode(b, 32, &ino, &fault) || ino.size != 32 ||
	    ino.layout != EROFS_LAYOUT_FLAT_INLINE || ino.mode != 040755 ||
	    ino.nlink != 3 || ino.isize != 53 || ino.mtime != 1700000000 ||
	    !ino.mtime_relative || !ino.dot_omitted || ino.xattr_isize)
		return false;
	from_hex(b, "0000000000000080 3000 02 00 0300000000000080 3200 02 00"
		    "0500000000000080 3300 01 00 0700000000000080 3400 07 00"
		    "2e 2e 64 66 6c");
	if (erofs_disk_dirblk_check(b, 53, &fault) ||
	    erofs_disk_dirblk_count(b) != ARRAY_SIZE(want))
		return false;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		const struct erofs_name name = erofs_disk_dirent_name(b, 53, i);

		if (name.s != (char *)b + want[i].off || name.len != want[i].len)
			return false;
	}
	return true;
}

static bool vector_xattr(void)
{
	struct erofs_fault fault = {};
	struct erofs_inode_desc ino;
	struct erofs_xattr_desc xattr;
	u8 b[128] = {};

	from_hex(b, "0400 0300 a481 0100 03000000 00000000 ffffffff 03000000 "
		    "0000 0000 00000000");
	if (erofs_disk_inode(b, 32, &ino, &fault) || ino.xattr_isize != 20 ||
	    ino.mode != 0100644 || ino.isize != 3 || ino.nlink != 1)
		return false;
	from_hex(b, "01 01 0100 6b 76 0000");
	erofs_disk_xattr((const struct erofs_xattr_entry *)b, &xattr);
	return xattr.name_len == 1 && xattr.index == EROFS_XATTR_INDEX_USER &&
	       xattr.value_len == 1 && xattr.size == 8;
}

/* ---- real images ---- */

struct image_run {
	u64 inodes;
	u64 blocks;
	const char *wrong;
};

static void visit_inode(struct image *img, const struct image_inode *ino,
			void *arg)
{
	struct image_run *run = arg;
	const char *wrong;
	const u8 *block;
	bool good;
	size_t len;
	u64 blk;

	run->inodes++;
	wrong = check_inode(img->bytes + ino->pos, ino->desc.size);
	for (blk = 0; (block = image_dirblk(img, ino, blk, &len)); blk++) {
		run->blocks++;
		if (!wrong)
			wrong = check_dirblk(block, len, &good);
		if (!wrong && !good)
			wrong = "directory block of a real image refused";
	}
	if (wrong)
		run->wrong = wrong;
}

static void run_image(const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct image_run run = {};
	struct image img;

	if (image_open(&img, path)) {
		ktap_result(&ktap, false, "image %s can be read", name);
		return;
	}
	run.wrong = check_super(img.bytes + EROFS_SUPER_OFFSET,
				img.size - EROFS_SUPER_OFFSET, 16);
	if (!image_walk(&img, visit_inode, &run) && !run.wrong)
		run.wrong = "an inode or a directory block is refused";
	image_close(&img);
	if (run.wrong)
		printf("# %s\n", run.wrong);
	ktap_result(&ktap, !run.wrong, "image %s: %llu inodes, %llu directory blocks",
		    name, run.inodes, run.blocks);
}

int main(int argc, char **argv)
{
	const char *scale = getenv("SCALE");
	u64 seeds[2];
	u32 n, i;

	ktap_begin();
	ktap_result(&ktap, vector_checksum(), "vector: checksum");
	ktap_result(&ktap, vector_super(), "vector: superblock and ZSTD record");
	ktap_result(&ktap, vector_inode(), "vector: directory inode and block");
	ktap_result(&ktap, vector_xattr(), "vector: inode with an xattr");
	n = rng_seeds(seeds);
	for (i = 0; i < n; i++)
		run_seed(seeds[i], scale ? atoi(scale) : 100);
	for (i = 1; i < (u32)argc; i++) {
		if (!image_each(argv[i], run_image))
			ktap_skip(&ktap, "real images",
				  "there are none: no mkfs.erofs");
	}
	return ktap_end(&ktap);
}
