// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seeds for the fuzz targets: the records of real images, and indexes in every
 * form from the generator, each in the shape that fuzz.h describes.
 *
 *   mkseeds OUT IMAGE...
 *
 * Files are named by their content, so that equal ones are there once, and of
 * each kind there are not too many.
 */
#include "fuzz.h"
#include "image.h"
#include "index_gen.h"

#define SEED_MAX	4096
#define PER_IMAGE	40

static const char *out;

static void put_seed(const char *target, const u8 *bytes, size_t len)
{
	u64 h = 0xCBF29CE484222325ULL;
	char path[4096];
	FILE *f;
	size_t i;

	if (len > SEED_MAX)
		len = SEED_MAX;
	for (i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001B3ULL;
	snprintf(path, sizeof(path), "%s/%s/%016llx", out, target, h);
	f = fopen(path, "wb");
	if (!f || fwrite(bytes, 1, len, f) != len || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void put_index(const struct z_erofs_params *p, const u8 *bytes, size_t len,
		      bool endless)
{
	u8 seed[SEED_MAX] = {};

	seed[0] = p->blkszbits - 9;
	seed[1] = (p->compact ? FUZZ_INDEX_COMPACT : 0) |
		  (p->big_pcluster ? FUZZ_INDEX_BIG : 0) |
		  (p->legacy ? FUZZ_INDEX_LEGACY : 0) |
		  (endless ? FUZZ_INDEX_ENDLESS : 0);
	seed[2] = p->algorithms;
	/* only where it is inside a block matters */
	put_le(seed + 4, p->tail_pos / 4 % 0x10000, 4);
	put_le(seed + 8, p->isize, 8);
	if (len > SEED_MAX - FUZZ_INDEX_HEAD)
		len = SEED_MAX - FUZZ_INDEX_HEAD;
	memcpy(seed + FUZZ_INDEX_HEAD, bytes, len);
	put_seed("index", seed, FUZZ_INDEX_HEAD + len);
}

/* ---- from images ---- */

struct taken {
	u32 inode, dirblk, chunk, xattr, index;
};

static size_t left_at(const struct image *img, u64 pos)
{
	return pos < img->size ? img->size - pos : 0;
}

static void take_chunks(const struct image *img, const struct image_inode *ino)
{
	const u32 unit = ino->desc.u & 0x20 ? 8 : 4;
	const u64 pos = (ino->tail_pos + unit - 1) / unit * unit;
	const u64 size = (u64)img->sb.blkszbits + (ino->desc.u & 31);
	const u64 n = size < 63 ? ((ino->desc.isize - 1) >> size) + 1 : 1;
	u8 seed[2 + 256] = {};
	size_t len = n * unit < 256 ? n * unit : 256;

	if (len > left_at(img, pos))
		return;
	put_le(seed, ino->desc.u, 2);
	memcpy(seed + 2, img->bytes + pos, len);
	put_seed("chunk", seed, 2 + len);
}

static void take_index(const struct image *img, const struct image_inode *ino)
{
	const u64 pos = (ino->tail_pos + 7) / 8 * 8;
	const struct z_erofs_params p = image_index_params(img, ino);
	/* no index but a sorted one has more than 8 bytes for a block */
	const u64 len = 64 + 8 * (p.isize >> p.blkszbits);

	put_index(&p, img->bytes + pos, len < left_at(img, pos) ?
		  len : left_at(img, pos), false);
}

static void visit_inode(struct image *img, const struct image_inode *ino,
			void *arg)
{
	const struct erofs_inode_desc *d = &ino->desc;
	struct taken *taken = arg;
	const u8 *block;
	size_t len;
	u64 blk;

	if (taken->inode++ < PER_IMAGE)
		put_seed("inode", img->bytes + ino->pos, d->size);
	for (blk = 0; (block = image_dirblk(img, ino, blk, &len)); blk++)
		if (taken->dirblk++ < PER_IMAGE)
			put_seed("dirblk", block, len);
	if (d->xattr_isize > 12 && taken->xattr++ < PER_IMAGE &&
	    d->xattr_isize < left_at(img, ino->pos + d->size)) {
		const u8 *body = img->bytes + ino->pos + d->size;
		const u32 head = 12 + 4 * body[4];

		if (head < d->xattr_isize)
			put_seed("xattr", body + head, d->xattr_isize - head);
	}
	if (!S_ISREG(d->mode) || !d->isize)
		return;
	if (d->layout == EROFS_LAYOUT_CHUNK_BASED &&
	    taken->chunk++ < PER_IMAGE)
		take_chunks(img, ino);
	if (image_is_encoded(ino) && taken->index++ < PER_IMAGE)
		take_index(img, ino);
}

static bool take_image(const char *path)
{
	struct taken taken = {};
	struct image img;
	u8 seed[1 + 512];
	bool ok;

	if (image_open(&img, path))
		return false;
	seed[0] = 12;
	memset(seed + 1, 0, 512);
	memcpy(seed + 1, img.bytes + EROFS_SUPER_OFFSET,
	       left_at(&img, EROFS_SUPER_OFFSET) < 512 ?
	       left_at(&img, EROFS_SUPER_OFFSET) : 512);
	put_seed("super", seed, sizeof(seed));
	ok = image_walk(&img, visit_inode, &taken);
	image_close(&img);
	return ok;
}

/* ---- made ones ---- */

static void make_indexes(void)
{
	struct gen_stats unused = {};
	struct rng r = { .state = 1 };
	struct gen_file f;
	u32 form, i;

	for (form = 0; form < GEN_FORMS; form++) {
		for (i = 0; i < 60;) {
			gen_make(&f, form, &r, &unused);
			/* small seeds are the better ones */
			if (f.mem.len <= 1024) {
				put_index(&f.p, f.mem.bytes, f.mem.len,
					  i % 20 == 19);
				i++;
			}
			gen_free(&f);
		}
	}
}

/* What no image has to have for there to be a seed. */
static void make_records(void)
{
	u8 super[1 + 256] = { 12 };
	u8 inode[64] = { 1 };
	u8 chunk[2 + 32] = { 0x60 };
	u8 xattr[] = { 1, 1, 1, 0, 'k', 'v', 0, 0, 2, 4, 3, 0, 'a', 'b', 1, 2, 3,
		       0, 0, 0, 0, 0, 0, 0 };
	u8 dirblk[64] = {};

	put_le(super + 1, EROFS_SUPER_MAGIC, 4);
	super[1 + 12] = 12;
	super[1 + 13] = 1;
	put_le(super + 1 + 80, 0x1FF, 4);
	super[1 + 84] = 15;
	put_seed("super", super, sizeof(super));
	put_le(inode + 4, 0100644, 2);
	put_seed("inode", inode, sizeof(inode));
	put_seed("chunk", chunk, sizeof(chunk));
	put_seed("xattr", xattr, sizeof(xattr));
	put_le(dirblk + 8, 24, 2);
	put_le(dirblk + 20, 25, 2);
	memcpy(dirblk + 24, "...", 3);
	put_seed("dirblk", dirblk, sizeof(dirblk));
}

int main(int argc, char **argv)
{
	int i, rc = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: mkseeds OUT IMAGE...\n");
		return 2;
	}
	out = argv[1];
	make_records();
	make_indexes();
	for (i = 2; i < argc; i++) {
		if (!take_image(argv[i])) {
			fprintf(stderr, "mkseeds: %s: not readable to its end\n",
				argv[i]);
			rc = 1;
		}
	}
	return rc;
}
