// SPDX-License-Identifier: GPL-2.0-only
/*
 * Naive decoders of the records, and their comparison with disk.c; naive_disk.h
 * says what they are for. Inputs of the checked code are copied to where nothing
 * else is, so that the sanitizer sees each byte read outside of them.
 */
#include "naive_disk.h"
#include "util.h"

static bool is_errno(int err)
{
	return err == -EUCLEAN || err == -EOPNOTSUPP;
}

/* ---- superblock: sections 2 and 3 ---- */

#define SB_CAP	(4096 - 1024)

static bool super_is_valid(const u8 *b, u32 sb_size, u32 blkszbits_max)
{
	const u32 compat = get_le(b + 8, 4);
	const u32 incompat = get_le(b + 80, 4);
	const u32 prefixes = b[91];

	if (b[12] < 9 || b[12] > 16 || b[12] > blkszbits_max || b[90])
		return false;
	if (sb_size > SB_CAP || incompat > 0x1FF)
		return false;
	if ((incompat & 2) && get_le(b + 84, 2) > 15)
		return false;
	if (prefixes > 128)
		return false;
	if ((compat & 0x20) && b[105] >= prefixes)
		return false;
	if ((incompat & 0x20) && b[103] >> 7)
		return false;
	if (incompat & 0x100)
		return sb_size > 128 && !(b[135] >> 7);
	return true;
}

bool naive_super(const u8 *raw, size_t len, u32 blkszbits_max,
		 struct erofs_sb_desc *sb)
{
	u8 b[144] = {};
	u32 sb_size, incompat;

	if (len < 128 || get_le(raw, 4) != 0xE0F5E1E2)
		return false;
	sb_size = 128 + 16 * raw[13];
	if (len < 144 && sb_size > len)
		return false;
	/* fields behind the superblock do not exist */
	memcpy(b, raw, sb_size < 144 ? sb_size : 144);
	if (!super_is_valid(b, sb_size, blkszbits_max))
		return false;
	incompat = get_le(b + 80, 4);
	*sb = (struct erofs_sb_desc) {
		.compat		= get_le(b + 8, 4),
		.incompat	= incompat,
		.blkszbits	= b[12],
		.sb_size	= sb_size,
		.inos		= get_le(b + 16, 8),
		.epoch		= (s64)get_le(b + 24, 8),
		.fixed_nsec	= get_le(b + 32, 4),
		.blocks		= get_le(b + 36, 4),
		.meta_blkaddr	= get_le(b + 40, 4),
		.xattr_blkaddr	= get_le(b + 44, 4),
		.algorithms	= incompat & 2 ? get_le(b + 84, 2) : 1,
		.extra_devices	= incompat & 8 ? get_le(b + 86, 2) : 0,
		.devt_pos	= get_le(b + 88, 2) * 128,
		.prefix_count	= b[91],
		.prefix_pos	= get_le(b + 92, 4) * 4,
		.packed_nid	= incompat & 0x20 ? get_le(b + 96, 8) : 0,
		.xattr_filter	= (b[8] & 4) && !b[104],
		.build_time	= get_le(b + 108, 4),
		.root_nid	= get_le(b + 14, 2),
		.metabox_nid	= incompat & 0x100 ? get_le(b + 128, 8) : 0,
	};
	if ((incompat & 0x80) && get_le(b + 112, 8)) {
		sb->root_nid = get_le(b + 112, 8);
		sb->blocks += get_le(b + 14, 2) << 32;
	}
	memcpy(sb->uuid, b + 48, 16);
	memcpy(sb->volume_name, b + 64, 16);
	return true;
}

static bool same_super(const struct erofs_sb_desc *a,
		       const struct erofs_sb_desc *b)
{
	return a->compat == b->compat && a->incompat == b->incompat &&
	       a->blkszbits == b->blkszbits && a->sb_size == b->sb_size &&
	       a->inos == b->inos && a->epoch == b->epoch &&
	       a->fixed_nsec == b->fixed_nsec &&
	       a->build_time == b->build_time && a->blocks == b->blocks &&
	       a->meta_blkaddr == b->meta_blkaddr &&
	       a->xattr_blkaddr == b->xattr_blkaddr &&
	       a->algorithms == b->algorithms &&
	       a->extra_devices == b->extra_devices &&
	       a->devt_pos == b->devt_pos &&
	       a->prefix_count == b->prefix_count &&
	       a->prefix_pos == b->prefix_pos &&
	       a->xattr_filter == b->xattr_filter &&
	       a->root_nid == b->root_nid && a->packed_nid == b->packed_nid &&
	       a->metabox_nid == b->metabox_nid &&
	       !memcmp(a->uuid, b->uuid, 16) &&
	       !memcmp(a->volume_name, b->volume_name, 16) &&
	       !a->volume_name[16];
}

const char *check_super(const u8 *raw, size_t len, u32 blkszbits_max)
{
	u8 *b = must_copy(raw, len);
	struct erofs_sb_desc want = {}, got;
	struct erofs_fault fault = {};
	const bool good = naive_super(raw, len, blkszbits_max, &want);
	int err;

	memset(&got, 0xA5, sizeof(got));
	err = erofs_disk_super(b, len, blkszbits_max, &got, &fault);
	free(b);
	if (good != !err)
		return err ? "superblock refused" : "superblock accepted";
	if (err) {
		if (!fault.what)
			return "no reason given";
		if (len < 128 || get_le(raw, 4) != 0xE0F5E1E2)
			return err == -EINVAL ? NULL : "errno of no EROFS";
		return is_errno(err) ? NULL : "errno of a bad superblock";
	}
	if (!same_super(&got, &want))
		return "superblock fields";
	return NULL;
}

/* ---- compression records: section 4 ---- */

bool naive_config(u32 alg, const u8 *b, size_t len, u32 blkszbits)
{
	static const u32 known[] = { 14, 14, 6, 6 };
	u64 v;

	if (len < known[alg])
		return false;
	switch (alg) {
	case 0:
		return get_le(b + 2, 2) << blkszbits <= 1 << 20;
	case 1:
		v = get_le(b, 4);
		return v >= 4096 && v <= 8 << 20 && !get_le(b + 4, 2);
	case 2:
		return b[0] <= 15;
	default:
		return !b[0] && b[1] <= 10;
	}
}

static const char *check_config(u32 alg, const u8 *raw, size_t len,
				const struct erofs_sb_desc *base)
{
	struct erofs_sb_desc sb = *base;
	struct erofs_fault fault = {};
	u8 *b = must_copy(raw, len);
	const int err = erofs_disk_compr_cfg(alg, b, len, &sb, &fault);

	free(b);
	if (naive_config(alg, raw, len, base->blkszbits) != !err)
		return err ? "compression record refused" :
			     "compression record accepted";
	if (err)
		return is_errno(err) && fault.what ? NULL : "bad errno or reason";
	if (alg == 1 && sb.lzma_dict != get_le(raw, 4))
		return "LZMA dictionary";
	if (alg == 3 && sb.zstd_windowlog != raw[1])
		return "ZSTD window";
	return NULL;
}

/* @b: what follows the superblock */
const char *check_configs(const u8 *b, size_t len,
			  const struct erofs_sb_desc *sb)
{
	const char *wrong = NULL;
	size_t at = 0, n;
	u32 alg;

	for (alg = 0; alg < 4 && !wrong; alg++) {
		if (!(sb->algorithms >> alg & 1))
			continue;
		at = (at + 3) / 4 * 4;
		if (at + 2 > len)
			return NULL;
		n = get_le(b + at, 2);
		at += 2;
		if (n > len - at)
			n = len - at;
		wrong = check_config(alg, b + at, n, sb);
		at += n;
	}
	return wrong;
}

/* ---- device slots: section 5 ---- */

void naive_device(const u8 *b, bool wide, struct erofs_slot_desc *slot)
{
	slot->blocks = get_le(b + 64, 4);
	slot->uniaddr = get_le(b + 68, 4);
	if (wide) {
		slot->blocks += get_le(b + 72, 2) << 32;
		slot->uniaddr += get_le(b + 74, 2) << 32;
	}
}

/* @raw: 128 bytes */
const char *check_device(const u8 *raw, bool wide)
{
	u8 *b = must_copy(raw, 128);
	struct erofs_slot_desc want, got;

	naive_device(raw, wide, &want);
	erofs_disk_device((const struct erofs_deviceslot *)b, wide, &got);
	free(b);
	return got.blocks == want.blocks && got.uniaddr == want.uniaddr ?
	       NULL : "device slot";
}

/* ---- inodes: section 6 ---- */

static bool inode_is_valid(const struct erofs_inode_desc *ino, u32 format)
{
	const u32 type = ino->mode >> 12;

	if (format > 0x1F || (format >> 1 & 7) > 4)
		return false;
	if (type != 010 && type != 4 && type != 012 && type != 2 && type != 6 &&
	    type != 1 && type != 014)
		return false;
	if (ino->isize >> 63)
		return false;
	if (type == 012 && (ino->isize < 1 || ino->isize > 4095))
		return false;
	/* of what has data */
	if ((format >> 1 & 7) == 4 && (type == 010 || type == 4 || type == 012))
		return !((ino->u & 0xFFFF) >> 7);
	return true;
}

static void inode_fill(const u8 *b, u32 format, struct erofs_inode_desc *ino)
{
	const bool dir = ino->mode >> 12 == 4;
	const bool extended = format & 1;
	const bool nlink_1 = !extended && !dir && (format & 0x10);
	const u32 nb = get_le(b + 6, 2);
	bool wide = extended || nlink_1;

	ino->size = extended ? 64 : 32;
	ino->isize = get_le(b + 8, extended ? 8 : 4);
	ino->u = get_le(b + 16, 4);
	ino->uid = extended ? get_le(b + 24, 4) : get_le(b + 24, 2);
	ino->gid = extended ? get_le(b + 28, 4) : get_le(b + 26, 2);
	ino->mtime = extended ? (s64)get_le(b + 32, 8) : (s64)get_le(b + 12, 4);
	ino->mtime_nsec = extended ? get_le(b + 40, 4) : 0;
	ino->mtime_relative = !extended;
	ino->nlink = extended ? get_le(b + 44, 4) : nlink_1 ? 1 : nb;
	ino->u_wide = ino->u + (wide ? (u64)nb << 32 : 0);
	ino->u_null = ino->u == 0xFFFFFFFF && (!wide || nb == 0xFFFF);
	ino->dot_omitted = dir && (format & 0x10);
}

bool naive_inode(const u8 *b, size_t len, struct erofs_inode_desc *ino)
{
	u32 format, icount;

	if (len < 32)
		return false;
	format = get_le(b, 2);
	icount = get_le(b + 2, 2);
	if ((format & 1) && len < 64)
		return false;
	*ino = (struct erofs_inode_desc) {
		.layout		= format >> 1 & 7,
		.mode		= get_le(b + 4, 2),
		.xattr_isize	= icount ? 12 + 4 * (icount - 1) : 0,
	};
	inode_fill(b, format, ino);
	return inode_is_valid(ino, format);
}

static bool same_inode(const struct erofs_inode_desc *a,
		       const struct erofs_inode_desc *b)
{
	return a->size == b->size && a->layout == b->layout &&
	       a->mode == b->mode && a->isize == b->isize &&
	       a->mtime == b->mtime && a->mtime_nsec == b->mtime_nsec &&
	       a->mtime_relative == b->mtime_relative && a->uid == b->uid &&
	       a->gid == b->gid && a->nlink == b->nlink &&
	       a->xattr_isize == b->xattr_isize && a->u == b->u &&
	       a->u_wide == b->u_wide && a->u_null == b->u_null &&
	       a->dot_omitted == b->dot_omitted;
}

const char *check_inode(const u8 *raw, size_t len)
{
	u8 *b = must_copy(raw, len);
	struct erofs_inode_desc want = {}, got;
	struct erofs_fault fault = {};
	const bool good = naive_inode(raw, len, &want);
	u32 size = len >= 2 ? erofs_disk_inode_size(b) : 0;
	int err;

	memset(&got, 0xA5, sizeof(got));
	err = erofs_disk_inode(b, len, &got, &fault);
	free(b);
	if (good != !err)
		return err ? "inode refused" : "inode accepted";
	if (err)
		return is_errno(err) && fault.what ? NULL : "bad errno or reason";
	if (size != want.size)
		return "inode size";
	return same_inode(&got, &want) ? NULL : "inode fields";
}

/* ---- directories: section 8 ---- */

bool naive_dirblk(const u8 *b, size_t len, struct naive_name *names, u32 *n)
{
	u32 k, i, off, end;

	if (len < 12)
		return false;
	off = get_le(b + 8, 2);
	if (!off || off % 12 || off >= len)
		return false;
	*n = off / 12;
	for (k = 0; k < *n; k++) {
		off = get_le(b + 12 * k + 8, 2);
		if (k < *n - 1) {
			end = get_le(b + 12 * (k + 1) + 8, 2);
		} else {
			end = off;
			while (end < len && b[end])
				end++;
		}
		if (end <= off || end > len || end - off > 255)
			return false;
		/* a name has at least a byte, and the next one too */
		if (k < *n - 1 && end >= len)
			return false;
		for (i = off; i < end; i++)
			if (!b[i] || b[i] == '/')
				return false;
		names[k] = (struct naive_name) { off, end - off };
	}
	return true;
}

static const char *check_names(const u8 *b, size_t len,
			       const struct naive_name *names, u32 n)
{
	u32 i;

	if (erofs_disk_dirblk_count(b) != n)
		return "number of entries";
	for (i = 0; i < n; i++) {
		const struct erofs_name name = erofs_disk_dirent_name(b, len, i);

		if (name.s != (const char *)b + names[i].off ||
		    name.len != names[i].len)
			return "name of an entry";
	}
	return NULL;
}

const char *check_dirblk(const u8 *raw, size_t len, bool *good)
{
	static struct naive_name names[NAIVE_NAMES_MAX];
	u8 *b = must_copy(raw, len);
	struct erofs_fault fault = {};
	const char *wrong = NULL;
	u32 n = 0;
	int err;

	*good = naive_dirblk(raw, len, names, &n);
	err = erofs_disk_dirblk_check(b, len, &fault);
	if (*good != !err)
		wrong = err ? "directory block refused" :
			      "directory block accepted";
	else if (err && (err != -EUCLEAN || !fault.what))
		wrong = "bad errno or reason";
	else if (!err)
		wrong = check_names(b, len, names, n);
	free(b);
	return wrong;
}

/* ---- chunks: section 10 ---- */

void naive_chunk(const u8 *b, u32 format, struct erofs_chunk_desc *chunk)
{
	*chunk = (struct erofs_chunk_desc) {};
	if (!(format & 0x20)) {
		chunk->blk = get_le(b, 4);
		chunk->hole = chunk->blk == 0xFFFFFFFF;
		return;
	}
	chunk->device = get_le(b + 2, 2);
	chunk->blk = get_le(b + 4, 4);
	chunk->hole = chunk->blk == 0xFFFFFFFF;
	if (format & 0x40) {
		chunk->hole &= get_le(b, 2) == 0xFFFF;
		chunk->blk += get_le(b, 2) << 32;
	}
}

/* @raw: chunk entries, as many as there are */
const char *check_chunk(const u8 *raw, size_t len, u32 format)
{
	const u32 unit = format & 0x20 ? 8 : 4;
	struct erofs_fault fault = {};
	const int err = erofs_disk_chunk_format(format, &fault);

	if (err != (format >> 7 ? -EOPNOTSUPP : 0))
		return "chunk format";
	if (err)
		return fault.what ? NULL : "no reason given";
	for (; len >= unit; raw += unit, len -= unit) {
		struct erofs_chunk_desc want, got;
		u8 *b = must_copy(raw, unit);

		naive_chunk(raw, format, &want);
		memset(&got, 0xA5, sizeof(got));
		erofs_disk_chunk(b, format, &got);
		free(b);
		if (got.hole != want.hole || got.blk != want.blk ||
		    got.device != want.device)
			return "chunk";
	}
	return NULL;
}

/* ---- extended attributes: section 20.2 ---- */

void naive_xattr(const u8 *b, struct erofs_xattr_desc *xattr)
{
	xattr->name_len = b[0];
	xattr->index = b[1];
	xattr->value_len = get_le(b + 2, 2);
	xattr->size = 4 + xattr->name_len + xattr->value_len;
	while (xattr->size % 4)
		xattr->size++;
}

/* @raw: a body of entries */
const char *check_xattrs(const u8 *raw, size_t len)
{
	while (len >= 4) {
		struct erofs_xattr_desc want, got;
		u8 *b = must_copy(raw, 4);

		naive_xattr(raw, &want);
		memset(&got, 0xA5, sizeof(got));
		erofs_disk_xattr((const struct erofs_xattr_entry *)b, &got);
		free(b);
		if (got.name_len != want.name_len || got.index != want.index ||
		    got.value_len != want.value_len || got.size != want.size)
			return "xattr entry";
		/* a walk over entries has to come to an end */
		if (got.size < 4)
			return "xattr entry without a size";
		if (got.size > len)
			break;
		raw += got.size;
		len -= got.size;
	}
	return NULL;
}
