// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seeds of tests/mutate: which number stands where in an image.
 *
 * A walk over what mkfs.erofs made, which may be trusted to be valid. It finds
 * the superblock, devices, compression configurations and long prefixes, and
 * from each inode its own fields, its attributes, chunks, index records and
 * extents, and the entries of directories that are not encoded. Where there is
 * a metabox, its inodes are found if the metabox itself is not encoded.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../erofs_fs.h"
#include "mutate.h"

/* Long arrays have as many records that are told apart at both ends */
#define MAX_RECORDS	5

#define FEW		5

#define BOX		(1ULL << 63)

static uint64_t get(const struct image *img, uint64_t off, unsigned int bytes)
{
	uint64_t v = 0;

	if (off + bytes <= img->size)
		memcpy(&v, img->seed + off, bytes);
	return v;
}

uint64_t field_get(const struct image *img, const struct field *f)
{
	unsigned int bytes = (f->shift + f->bits + 7) / 8;
	uint64_t v = get(img, f->off, bytes) >> f->shift;

	return f->bits == 64 ? v : v & ((1ULL << f->bits) - 1);
}

static void *grow(void *array, unsigned int nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? 2 * nr : 1) * size);
	if (!array)
		abort();
	return array;
}

static void add_bits(struct image *img, int inode, const char *name,
		     uint64_t off, unsigned int shift, unsigned int bits,
		     enum kind kind)
{
	off += shift / 8;
	shift %= 8;
	if (off + (shift + bits + 7) / 8 > img->size)
		return;
	img->fields = grow(img->fields, img->nr_fields, sizeof(*img->fields));
	img->fields[img->nr_fields++] = (struct field) {
		.off = off, .name = name, .shift = shift, .bits = bits,
		.kind = kind, .inode = inode,
		.layout = inode < 0 ? 0xFF : img->inodes[inode].layout,
	};
}

static void add(struct image *img, int inode, const char *name, uint64_t off,
		unsigned int bytes, enum kind kind)
{
	add_bits(img, inode, name, off, 0, bytes * 8, kind);
}

static void add_record(struct image *img, const char *type, uint64_t off,
		       uint32_t len)
{
	if (off + len > img->size)
		return;
	img->records = grow(img->records, img->nr_records,
			    sizeof(*img->records));
	img->records[img->nr_records++] = (struct record) {
		.off = off, .len = len, .type = type,
	};
}

struct layout {
	const char *name;
	uint8_t off;
	uint8_t bytes;
	uint8_t kind;
};

static void add_struct(struct image *img, int inode, uint64_t off,
		       const struct layout *l, size_t nr)
{
	for (; nr--; l++)
		add(img, inode, l->name, off + l->off, l->bytes, l->kind);
}

#define ADD_STRUCT(img, inode, off, layout) \
	add_struct(img, inode, off, layout, ARRAY_SIZE(layout))

/* How many units a size has; no more than the image has room for records */
static uint64_t units(const struct image *img, uint64_t size, uint64_t unit)
{
	uint64_t nr = size / unit + !!(size % unit);

	return nr < img->size ? nr : img->size;
}

/* Of many records only those at the ends and one in the middle */
static bool chosen(uint64_t n, uint64_t nr)
{
	return n < MAX_RECORDS || nr - n <= MAX_RECORDS || n == nr / 2;
}

/* ------------------------------------------------------------ superblock */

static const struct layout super_layout[] = {
	{ "magic", 0, 4, KIND_NUMBER },
	{ "checksum", 4, 4, KIND_NUMBER },
	{ "feature_compat", 8, 4, KIND_FLAGS },
	{ "blkszbits", 12, 1, KIND_NUMBER },
	{ "sb_extslots", 13, 1, KIND_NUMBER },
	{ "rootnid_2b", 14, 2, KIND_NID },
	{ "inos", 16, 8, KIND_NUMBER },
	{ "epoch", 24, 8, KIND_NUMBER },
	{ "fixed_nsec", 32, 4, KIND_NUMBER },
	{ "blocks_lo", 36, 4, KIND_BLOCK },
	{ "meta_blkaddr", 40, 4, KIND_BLOCK },
	{ "xattr_blkaddr", 44, 4, KIND_BLOCK },
	{ "uuid", 48, 8, KIND_NUMBER },
	{ "volume_name", 64, 8, KIND_NUMBER },
	{ "feature_incompat", 80, 4, KIND_FLAGS },
	{ "available_compr_algs", 84, 2, KIND_FLAGS },
	{ "extra_devices", 86, 2, KIND_NUMBER },
	{ "devt_slotoff", 88, 2, KIND_NUMBER },
	{ "dirblkbits", 90, 1, KIND_NUMBER },
	{ "xattr_prefix_count", 91, 1, KIND_NUMBER },
	{ "xattr_prefix_start", 92, 4, KIND_SIZE },
	{ "packed_nid", 96, 8, KIND_NID },
	{ "xattr_filter_reserved", 104, 1, KIND_NUMBER },
	{ "ishare_xattr_prefix_id", 105, 1, KIND_NUMBER },
	{ "build_time", 108, 4, KIND_NUMBER },
	{ "rootnid_8b", 112, 8, KIND_NID },
};

static const struct layout device_layout[] = {
	{ "tag", 0, 8, KIND_NUMBER },
	{ "blocks_lo", 64, 4, KIND_BLOCK },
	{ "uniaddr_lo", 68, 4, KIND_BLOCK },
	{ "blocks_hi", 72, 2, KIND_NUMBER },
	{ "uniaddr_hi", 74, 2, KIND_NUMBER },
};

static const struct layout config_layouts[4][4] = {
	{ { "config len", 0, 2, KIND_NUMBER },
	  { "lz4 max_distance", 2, 2, KIND_NUMBER },
	  { "lz4 max_pclusterblks", 4, 2, KIND_NUMBER } },
	{ { "config len", 0, 2, KIND_NUMBER },
	  { "lzma dict_size", 2, 4, KIND_NUMBER },
	  { "lzma format", 6, 2, KIND_NUMBER } },
	{ { "config len", 0, 2, KIND_NUMBER },
	  { "deflate windowbits", 2, 1, KIND_NUMBER } },
	{ { "config len", 0, 2, KIND_NUMBER },
	  { "zstd format", 2, 1, KIND_NUMBER },
	  { "zstd windowlog", 3, 1, KIND_NUMBER } },
};

#define SB(field)	(EROFS_SUPER_OFFSET + \
			 offsetof(struct erofs_super_block, field))

static uint64_t super_size(const struct image *img)
{
	return EROFS_SB_BASE_SIZE + get(img, SB(sb_extslots), 1) * 16;
}

static bool has_feature(const struct image *img, uint32_t bit)
{
	return get(img, SB(feature_incompat), 4) & bit;
}

static void add_super(struct image *img)
{
	uint64_t pos = EROFS_SUPER_OFFSET + super_size(img);
	unsigned int algs = get(img, SB(u1), 2), n, k;

	ADD_STRUCT(img, -1, EROFS_SUPER_OFFSET, super_layout);
	if (super_size(img) > EROFS_SB_BASE_SIZE)
		add(img, -1, "metabox_nid", SB(metabox_nid), 8, KIND_NID);
	if (has_feature(img, EROFS_FEATURE_INCOMPAT_COMPR_CFGS)) {
		for (n = 0; n < 4; n++) {
			if (!(algs >> n & 1))
				continue;
			pos = (pos + 3) & ~3ULL;
			for (k = 0; k < 4; k++)
				if (config_layouts[n][k].name)
					add_struct(img, -1, pos,
						   &config_layouts[n][k], 1);
			add_record(img, "config", pos, 8);
			pos += 2 + get(img, pos, 2);
		}
	}
	if (!has_feature(img, EROFS_FEATURE_INCOMPAT_DEVICE_TABLE))
		return;
	for (n = 0; n < get(img, SB(extra_devices), 2); n++) {
		pos = get(img, SB(devt_slotoff), 2) * 128 + n * 128;
		ADD_STRUCT(img, -1, pos, device_layout);
		add_record(img, "device slot", pos, 128);
	}
}

/* ---------------------------------------------------- metadata positions */

static struct inode *find_inode(struct image *img, uint64_t nid)
{
	unsigned int n;

	for (n = 0; n < img->nr_inodes; n++)
		if (img->inodes[n].nid == nid)
			return &img->inodes[n];
	return NULL;
}

/*
 * Byte off of a file that is stored as it is, in the image; 0 if it is not
 * stored so. Chunks are not looked up: no special file of mkfs's has them.
 */
static uint64_t flat_pos(const struct image *img, uint64_t pos, uint64_t size,
			 uint64_t off)
{
	unsigned int format = get(img, pos, 2);
	unsigned int layout = format >> 1 & 7, icount = get(img, pos + 2, 2);
	uint64_t bs = 1ULL << img->blkbits, blocks, start, end;

	if (off >= size)
		return 0;
	start = get(img, pos + 16, 4) << img->blkbits;
	end = pos + (format & 1 ? 64 : 32) + (icount ? 8 + 4 * icount : 0);
	blocks = (size + bs - 1) / bs;
	if (layout == EROFS_LAYOUT_FLAT_PLAIN)
		return start + off;
	if (layout != EROFS_LAYOUT_FLAT_INLINE)
		return 0;
	if (off >= (blocks - 1) * bs)
		return end + off - (blocks - 1) * bs;
	return start + off;
}

static uint64_t inode_size(const struct image *img, uint64_t pos)
{
	return get(img, pos + 8, get(img, pos, 2) & 1 ? 8 : 4);
}

/* Where an inode is in the image; 0 if that cannot be known */
static uint64_t inode_pos(const struct image *img, uint64_t nid)
{
	uint64_t meta = get(img, SB(meta_blkaddr), 4) << img->blkbits, pos;

	if (!(nid & BOX))
		return meta + nid * 32;
	if (!has_feature(img, EROFS_FEATURE_INCOMPAT_METABOX))
		return 0;
	pos = meta + get(img, SB(metabox_nid), 8) * 32;
	return flat_pos(img, pos, inode_size(img, pos), (nid & ~BOX) * 32);
}

/* ---------------------------------------------------------------- xattrs */

static uint64_t add_xattr_entry(struct image *img, int who, uint64_t pos)
{
	unsigned int name = get(img, pos, 1), value = get(img, pos + 2, 2);

	add(img, who, "e_name_len", pos, 1, KIND_NUMBER);
	add(img, who, "e_name_index", pos + 1, 1, KIND_NUMBER);
	add(img, who, "e_value_size", pos + 2, 2, KIND_NUMBER);
	if (name)
		add(img, who, "xattr name", pos + 4, 1, KIND_NUMBER);
	if (value >= 4)
		add(img, who, "xattr value", pos + 4 + name, 4, KIND_NUMBER);
	add_record(img, "xattr entry", pos, 4 + name);
	return pos + ((4 + name + value + 3) & ~3U);
}

static void add_xattrs(struct image *img, int who, uint64_t pos, uint64_t end)
{
	uint64_t base = get(img, SB(xattr_blkaddr), 4) << img->blkbits;
	unsigned int n, shared = get(img, pos + 4, 1);

	add(img, who, "h_name_filter", pos, 4, KIND_FLAGS);
	add(img, who, "h_shared_count", pos + 4, 1, KIND_NUMBER);
	add_record(img, "xattr header", pos, 12);
	pos += 12;
	for (n = 0; n < shared; n++, pos += 4) {
		add(img, who, "shared id", pos, 4, KIND_SIZE);
		add_record(img, "shared id", pos, 4);
		if (n < 2)
			add_xattr_entry(img, who, base + get(img, pos, 4) * 4);
	}
	for (n = 0; pos + 4 <= end && n < 6; n++)
		pos = add_xattr_entry(img, who, pos);
}

static void add_prefixes(struct image *img)
{
	uint64_t pos = get(img, SB(xattr_prefix_start), 4) * 4;
	unsigned int n, len;

	/* the image itself is the only space that is looked at */
	if (!has_feature(img, EROFS_FEATURE_INCOMPAT_XATTR_PREFIXES) ||
	    !(get(img, SB(feature_compat), 4) &
	      EROFS_FEATURE_COMPAT_PLAIN_XATTR_PFX))
		return;
	for (n = 0; n < get(img, SB(xattr_prefix_count), 1); n++) {
		pos = (pos + 3) & ~3ULL;
		len = get(img, pos, 2);
		add(img, -1, "prefix len", pos, 2, KIND_NUMBER);
		add(img, -1, "prefix base_index", pos + 2, 1, KIND_NUMBER);
		add_record(img, "prefix", pos, 3);
		pos += 2 + len;
	}
}

/* -------------------------------------------------------------- file maps */

static void add_chunks(struct image *img, int who, uint64_t pos, uint64_t end)
{
	unsigned int format = get(img, pos + 16, 2);
	unsigned int unit = format & 0x20 ? 8 : 4;
	uint64_t chunk = 1ULL << (img->blkbits + (format & 31));
	uint64_t nr = units(img, img->inodes[who].size, chunk), n;

	end = (end + unit - 1) & ~(uint64_t)(unit - 1);
	for (n = 0; n < nr; n++) {
		if (!chosen(n, nr))
			continue;
		add_record(img, "chunk", end + n * unit, unit);
		if (unit == 4) {
			add(img, who, "chunk block", end + n * 4, 4, KIND_BLOCK);
			continue;
		}
		add(img, who, "chunk hi", end + n * 8, 2, KIND_NUMBER);
		add(img, who, "chunk device", end + n * 8 + 2, 2, KIND_NUMBER);
		add(img, who, "chunk block", end + n * 8 + 4, 4, KIND_BLOCK);
	}
}

static void add_full_index(struct image *img, int who, uint64_t pos,
			   uint64_t nr)
{
	uint64_t n, p;

	for (n = 0; n < nr; n++) {
		if (!chosen(n, nr))
			continue;
		p = pos + n * 8;
		add_record(img, "full index", p, 8);
		add(img, who, "di_advise", p, 2, KIND_FLAGS);
		add(img, who, "di_clusterofs", p + 2, 2, KIND_SIZE);
		if ((get(img, p, 2) & 3) == EROFS_LCLUSTER_NONHEAD) {
			add(img, who, "delta[0]", p + 4, 2, KIND_NUMBER);
			add(img, who, "delta[1]", p + 6, 2, KIND_NUMBER);
		} else {
			add(img, who, "di_blkaddr", p + 4, 4, KIND_BLOCK);
		}
	}
}

/* Packs of records of 14 or 16 bits with an address at their end */
static uint64_t add_packs(struct image *img, int who, uint64_t pos,
			  uint64_t nr, unsigned int in_pack)
{
	unsigned int bytes = in_pack == 2 ? 8 : 32, k;
	unsigned int bits = in_pack == 2 ? 16 : 14;
	unsigned int lo = img->blkbits > 12 ? img->blkbits : 12;
	uint64_t packs = (nr + in_pack - 1) / in_pack, n;

	for (n = 0; n < packs; n++, pos += bytes) {
		if (!chosen(n, packs))
			continue;
		add_record(img, bytes == 8 ? "pack of 2" : "pack of 16", pos,
			   bytes);
		add(img, who, "pack base", pos + bytes - 4, 4, KIND_BLOCK);
		for (k = 0; k < in_pack; k++) {
			if (!chosen(k, in_pack))
				continue;
			add_bits(img, who, "compact lo", pos, k * bits, lo,
				 KIND_SIZE);
			add_bits(img, who, "compact type", pos, k * bits + lo,
				 2, KIND_NUMBER);
		}
	}
	return pos;
}

static void add_compact_index(struct image *img, int who, uint64_t pos,
			      uint64_t nr, unsigned int advise)
{
	uint64_t four = ((32 - pos % 32) / 4) & 7, two = 0;

	if (four > nr)
		four = nr;
	else if (advise & EROFS_ADVISE_COMPACTED_2B)
		two = (nr - four) & ~15ULL;
	pos = add_packs(img, who, pos, four, 2);
	pos = add_packs(img, who, pos, two, 16);
	add_packs(img, who, pos, nr - four - two, 2);
}

static void add_extent(struct image *img, int who, uint64_t p,
		       unsigned int size)
{
	add_record(img, "extent", p, size);
	add(img, who, "plen", p, 4, KIND_FLAGS);
	add_bits(img, who, "plen length", p, 0, 21, KIND_SIZE);
	add_bits(img, who, "plen format", p, 28, 4, KIND_NUMBER);
	if (size == 4)
		return;
	add(img, who, "pstart_lo", p + 4, 4, KIND_BYTE);
	if (size == 8)
		return;
	add(img, who, "pstart_hi", p + 8, 4, KIND_NUMBER);
	add(img, who, "lstart_lo", p + 12, 4, KIND_SIZE);
	if (size == 32)
		add(img, who, "lstart_hi", p + 16, 4, KIND_NUMBER);
}

static void add_extents(struct image *img, int who, uint64_t head,
			unsigned int advise)
{
	unsigned int size = 4 << (advise >> 1 & 3);
	uint64_t pos = (head + 8 + size - 1) & ~(uint64_t)(size - 1);
	uint64_t nr, n, unit;

	if (size >= 16) {
		nr = get(img, head, 4);
		add(img, who, "h_extents_lo", head, 4, KIND_SIZE);
		add(img, who, "h_extents_hi", head + 6, 2, KIND_NUMBER);
	} else {
		unit = 1ULL << (img->blkbits + (get(img, head + 7, 1) & 15));
		nr = units(img, img->inodes[who].size, unit);
		add_bits(img, who, "h_clusterbits", head + 7, 0, 4,
			 KIND_NUMBER);
		add_bits(img, who, "h_whole", head + 7, 7, 1, KIND_NUMBER);
	}
	if (size == 4) {
		add(img, who, "extents start", pos, 8, KIND_BYTE);
		pos += 8;
	}
	for (n = 0; n < nr && n < 4096; n++)
		if (chosen(n, nr))
			add_extent(img, who, pos + n * size, size);
}

static void add_encoded(struct image *img, int who, unsigned int layout,
			uint64_t head)
{
	unsigned int advise = get(img, head + 4, 2);
	uint64_t bs = 1ULL << img->blkbits;
	uint64_t nr = units(img, img->inodes[who].size, bs);

	add_record(img, "map header", head, 8);
	add(img, who, "h_advise", head + 4, 2, KIND_FLAGS);
	if (get(img, head + 7, 1) & 0x80) {
		add(img, who, "whole fragment", head, 8, KIND_SIZE);
		return;
	}
	if (layout == EROFS_LAYOUT_COMPRESSED_FULL &&
	    (advise & EROFS_ADVISE_EXTENTS)) {
		add_extents(img, who, head, advise);
		return;
	}
	add(img, who, "h_fragmentoff", head, 4, KIND_SIZE);
	add(img, who, "h_idata_size", head + 2, 2, KIND_SIZE);
	add(img, who, "h_algorithmtype", head + 6, 1, KIND_FLAGS);
	add(img, who, "h_clusterbits", head + 7, 1, KIND_NUMBER);
	if (layout == EROFS_LAYOUT_COMPRESSED_FULL)
		add_full_index(img, who, head + 16, nr);
	else
		add_compact_index(img, who, head + 8, nr, advise);
}

/* ------------------------------------------------------------ directories */

static void add_inode(struct image *img, uint64_t nid, const char *what);

static void add_dirents(struct image *img, int who, uint64_t pos, bool shown)
{
	unsigned int nr = get(img, pos + 8, 2) / 12, n;

	for (n = 0; n < nr; n++) {
		uint64_t p = pos + n * 12;

		add_inode(img, get(img, p, 8), "entry");
		if (!shown || !chosen(n, nr))
			continue;
		add_record(img, "dirent", p, 12);
		add(img, who, "nid", p, 8, KIND_NID);
		add(img, who, "nameoff", p + 8, 2, KIND_SIZE);
		add(img, who, "file_type", p + 10, 1, KIND_NUMBER);
		add(img, who, "name", pos + get(img, p + 8, 2), 2, KIND_NUMBER);
	}
}

static void add_dir(struct image *img, int who)
{
	uint64_t pos = img->inodes[who].pos, size = img->inodes[who].size;
	uint64_t bs = 1ULL << img->blkbits, off, p;

	for (off = 0; off < size && off < img->size; off += bs) {
		p = flat_pos(img, pos, size, off);
		if (p)
			add_dirents(img, who, p, chosen(off / bs,
							(size + bs - 1) / bs));
	}
}

/* ----------------------------------------------------------------- inodes */

static const struct layout compact_layout[] = {
	{ "i_format", 0, 2, KIND_FLAGS },
	{ "i_xattr_icount", 2, 2, KIND_NUMBER },
	{ "i_mode", 4, 2, KIND_FLAGS },
	{ "i_nb", 6, 2, KIND_NUMBER },
	{ "i_size", 8, 4, KIND_SIZE },
	{ "i_mtime", 12, 4, KIND_NUMBER },
	{ "i_u", 16, 4, KIND_BLOCK },
	{ "i_ino", 20, 4, KIND_NUMBER },
	{ "i_uid", 24, 2, KIND_NUMBER },
	{ "i_gid", 26, 2, KIND_NUMBER },
};

static const struct layout extended_layout[] = {
	{ "i_format", 0, 2, KIND_FLAGS },
	{ "i_xattr_icount", 2, 2, KIND_NUMBER },
	{ "i_mode", 4, 2, KIND_FLAGS },
	{ "i_nb", 6, 2, KIND_NUMBER },
	{ "i_size", 8, 8, KIND_SIZE },
	{ "i_u", 16, 4, KIND_BLOCK },
	{ "i_ino", 20, 4, KIND_NUMBER },
	{ "i_uid", 24, 4, KIND_NUMBER },
	{ "i_gid", 28, 4, KIND_NUMBER },
	{ "i_mtime", 32, 8, KIND_NUMBER },
	{ "i_mtime_nsec", 40, 4, KIND_NUMBER },
	{ "i_nlink", 44, 4, KIND_NUMBER },
};

static void add_inode_fields(struct image *img, int who, uint64_t pos)
{
	unsigned int format = get(img, pos, 2), layout = format >> 1 & 7;
	unsigned int icount = get(img, pos + 2, 2);
	uint64_t end = pos + (format & 1 ? 64 : 32);

	if (format & 1)
		ADD_STRUCT(img, who, pos, extended_layout);
	else
		ADD_STRUCT(img, who, pos, compact_layout);
	add_record(img, format & 1 ? "extended inode" : "compact inode", pos,
		   end - pos);
	if (icount) {
		add_xattrs(img, who, end, end + 8 + 4 * icount);
		end += 8 + 4 * icount;
	}
	if (layout == EROFS_LAYOUT_CHUNK_BASED) {
		add(img, who, "chunk format", pos + 16, 2, KIND_FLAGS);
		add_chunks(img, who, pos, end);
	} else if (layout == EROFS_LAYOUT_COMPRESSED_FULL ||
		   layout == EROFS_LAYOUT_COMPRESSED_COMPACT) {
		add_encoded(img, who, layout, (end + 7) & ~7ULL);
	}
}

static void add_inode(struct image *img, uint64_t nid, const char *what)
{
	uint64_t pos = inode_pos(img, nid);
	bool dir = (get(img, pos + 4, 2) & S_IFMT) == S_IFDIR;
	int who = img->nr_inodes;

	if (find_inode(img, nid) || !pos || pos + 32 > img->size)
		return;
	img->inodes = grow(img->inodes, img->nr_inodes, sizeof(*img->inodes));
	img->inodes[img->nr_inodes++] = (struct inode) {
		.nid = nid, .pos = pos, .size = inode_size(img, pos),
		.block = get(img, pos + 16, 4), .what = what,
		.layout = (get(img, pos, 2) >> 1 & 7) | (dir ? 0x80 : 0),
	};
	add_inode_fields(img, who, pos);
	if (dir)
		add_dir(img, who);
}

static void add_inodes(struct image *img)
{
	uint64_t root = get(img, SB(rb), 2), wide = get(img, SB(rootnid_8b), 8);

	if (has_feature(img, EROFS_FEATURE_INCOMPAT_48BIT) && wide)
		root = wide;
	if (has_feature(img, EROFS_FEATURE_INCOMPAT_METABOX))
		add_inode(img, get(img, SB(metabox_nid), 8), "metabox");
	if (has_feature(img, EROFS_FEATURE_INCOMPAT_FRAGMENTS) &&
	    get(img, SB(packed_nid), 8))
		add_inode(img, get(img, SB(packed_nid), 8), "packed");
	add_inode(img, root, "root");
}

/* ----------------------------------------------------------------- values */

struct values {
	uint64_t *v;
	unsigned int nr;
	uint64_t mask;
	uint64_t old;
};

static void value(struct values *vs, uint64_t v)
{
	unsigned int n;

	v &= vs->mask;
	if (v == vs->old || vs->nr == MAX_VALUES)
		return;
	for (n = 0; n < vs->nr; n++)
		if (vs->v[n] == v)
			return;
	vs->v[vs->nr++] = v;
}

static void around(struct values *vs, uint64_t v)
{
	value(vs, v - 1);
	value(vs, v);
	value(vs, v + 1);
}

static void sizes(struct values *vs, uint64_t size, uint64_t bs)
{
	around(vs, size);
	value(vs, size & ~(bs - 1));
	around(vs, (size + bs - 1) & ~(bs - 1));
	value(vs, 0x7FF);
	value(vs, 0x800);
	value(vs, 0xFFFFFFFF);
	value(vs, 1ULL << 32);
	value(vs, (1ULL << 20) + 1);
	value(vs, (12ULL << 20) + 1);
	value(vs, 1ULL << 40);
	value(vs, 1ULL << 62);
	value(vs, ~0ULL >> 1);
	value(vs, ~0ULL >> 1 & ~4095ULL);
}

static void nids(struct values *vs, const struct image *img, int self)
{
	unsigned int n;

	for (n = 0; n < img->nr_inodes && n < 9; n++)
		value(vs, img->inodes[n].nid);
	if (self >= 0)
		around(vs, img->inodes[self].nid);
	value(vs, vs->old | BOX);
	value(vs, vs->old & ~BOX);
	value(vs, BOX);
	around(vs, img->size / 32);
	value(vs, 1ULL << 58);
	value(vs, 1ULL << 59);
}

static void addresses(struct values *vs, const struct image *img,
		      unsigned int shift)
{
	uint64_t blocks = img->size >> img->blkbits;
	unsigned int n;

	around(vs, blocks << shift);
	value(vs, get(img, SB(meta_blkaddr), 4) << shift);
	value(vs, (EROFS_SUPER_OFFSET >> img->blkbits) << shift);
	for (n = 0; n < img->nr_inodes && n < 6; n++) {
		value(vs, img->inodes[n].block << shift);
		value(vs, (img->inodes[n].pos >> img->blkbits) << shift);
	}
}

unsigned int field_values(const struct image *img, const struct field *f,
			  uint64_t *out)
{
	uint64_t bs = 1ULL << img->blkbits;
	struct values vs = { .v = out, .old = field_get(img, f) };
	unsigned int n;

	vs.mask = f->bits == 64 ? ~0ULL : (1ULL << f->bits) - 1;
	/* the first FEW are for all fields */
	value(&vs, 0);
	value(&vs, vs.mask);
	value(&vs, 1ULL << (f->bits - 1));
	around(&vs, vs.old);
	around(&vs, 0);
	around(&vs, vs.mask);
	around(&vs, 1ULL << (f->bits - 1));
	if (f->bits > 9 && f->kind != KIND_FLAGS) {
		around(&vs, bs);
		around(&vs, 4096);
	}
	if (f->kind == KIND_FLAGS)
		for (n = 0; n < f->bits; n++)
			value(&vs, vs.old ^ 1ULL << n);
	if (f->kind == KIND_NID)
		nids(&vs, img, f->inode);
	if (f->kind == KIND_BLOCK)
		addresses(&vs, img, 0);
	if (f->kind == KIND_BYTE)
		addresses(&vs, img, img->blkbits);
	if (f->kind == KIND_SIZE)
		sizes(&vs, f->inode < 0 ? img->size :
		      img->inodes[f->inode].size, bs);
	return vs.nr;
}

/* What the module hands on without a thought */
static bool is_idle(const char *name)
{
	static const char * const idle[] = {
		"inos", "epoch", "fixed_nsec", "uuid", "volume_name",
		"build_time", "i_mtime", "i_mtime_nsec", "i_ino", "i_uid",
		"i_gid", "i_nlink", "tag", "xattr value",
	};
	size_t n;

	for (n = 0; n < ARRAY_SIZE(idle); n++)
		if (!strcmp(idle[n], name))
			return true;
	return false;
}

/*
 * Each field of each sort of structure gets all values, in two instances of it.
 * Some more get a few, and those of a hundred dirents nothing: these are left
 * to chance.
 */
static unsigned int nr_values(const struct image *img, unsigned int field)
{
	const struct field *f = &img->fields[field];
	uint64_t values[MAX_VALUES];
	unsigned int nr = field_values(img, f, values), n, same = 0;

	for (n = 0; n < field; n++)
		same += img->fields[n].name == f->name &&
			img->fields[n].layout == f->layout;
	if (same >= 4 || (same && is_idle(f->name)))
		return 0;
	if (same >= 2 || is_idle(f->name))
		return nr < FEW ? nr : FEW;
	return nr;
}

static void count_singles(struct image *img)
{
	unsigned int n;

	img->first = calloc(img->nr_fields + 1, sizeof(*img->first));
	if (!img->first)
		abort();
	for (n = 0; n < img->nr_fields; n++)
		img->first[n + 1] = img->first[n] + nr_values(img, n);
	img->nr_single = img->first[img->nr_fields];
}

static bool may_be_paired(const struct image *img, unsigned int field)
{
	const struct field *f = &img->fields[field];
	unsigned int n;

	if (is_idle(f->name))
		return false;
	for (n = 0; n < img->nr_pair; n++)
		if (!strcmp(img->fields[img->pair[n]].name, f->name))
			return false;
	return true;
}

void image_choose_pairs(struct image *img, uint64_t seed)
{
	struct rnd r = { hash_bytes(seed, img->name, strlen(img->name)) };
	unsigned int field, tries;

	img->nr_pair = 0;
	for (tries = 0; tries < 100 * PAIR_FIELDS &&
			img->nr_pair < PAIR_FIELDS; tries++) {
		field = rnd_below(&r, img->nr_fields);
		if (may_be_paired(img, field))
			img->pair[img->nr_pair++] = field;
	}
}

/* ---------------------------------------------------------------- loading */

/* A file in memory that can be mounted: its descriptor */
static int load(const char *dir, const char *name, const char *suffix,
		uint8_t **map, uint64_t *size)
{
	char path[512];
	struct stat st;
	int from, fd;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	from = open(path, O_RDONLY | O_CLOEXEC);
	fd = memfd_create(name, MFD_CLOEXEC);
	if (from < 0 || fd < 0 || fstat(from, &st) ||
	    ftruncate(fd, st.st_size)) {
		fprintf(stderr, "%s: %m\n", path);
		return -1;
	}
	*size = st.st_size;
	*map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	if (*map == MAP_FAILED || read(from, *map, *size) != (ssize_t)*size) {
		fprintf(stderr, "%s: cannot read it\n", path);
		return -1;
	}
	close(from);
	return fd;
}

int image_load(struct image *img, const char *dir, const char *name,
	       int nr_devs, bool whole)
{
	uint8_t *copy, *map;
	uint64_t size;
	char suffix[16];

	memset(img, 0, sizeof(*img));
	snprintf(img->name, sizeof(img->name), "%s", name);
	img->fd = load(dir, name, ".img", &img->map, &img->size);
	if (img->fd < 0)
		return -1;
	copy = malloc(img->size);
	if (!copy)
		return -1;
	memcpy(copy, img->map, img->size);
	img->seed = copy;
	for (img->nr_devs = 0; img->nr_devs < nr_devs; img->nr_devs++) {
		snprintf(suffix, sizeof(suffix), ".dev%d", img->nr_devs + 1);
		img->dev_fd[img->nr_devs] = load(dir, name, suffix, &map,
						 &size);
		if (img->dev_fd[img->nr_devs] < 0)
			return -1;
	}
	img->blkbits = get(img, SB(blkszbits), 1);
	img->hash = hash_bytes(0, img->seed, img->size);
	if (!whole)
		return 0;
	add_super(img);
	add_prefixes(img);
	add_inodes(img);
	count_singles(img);
	return 0;
}
