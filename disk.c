// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decoders of the on-disk records; disk.h says what they promise.
 */
#include "disk.h"

#ifdef __KERNEL__
#include <linux/stat.h>
#endif

static int erofs_refuse(struct erofs_fault *fault, int err, const char *what,
			u64 value, u64 bound)
{
	fault->what = what;
	fault->value = value;
	fault->bound = bound;
	return err;
}

/* ---- superblock, section 2 ---- */

/* the largest superblock any reader takes: one that ends at byte 4096 */
#define EROFS_SB_SIZE_MAX	(4096 - EROFS_SUPER_OFFSET)

static int erofs_super_geometry(const struct erofs_super_block *raw,
				unsigned int blkszbits_max,
				struct erofs_sb_desc *sb,
				struct erofs_fault *fault)
{
	if (raw->blkszbits < EROFS_BLKSZBITS_MIN ||
	    raw->blkszbits > EROFS_BLKSZBITS_MAX)
		return erofs_refuse(fault, -EUCLEAN, "bad block size, log2",
				    raw->blkszbits, EROFS_BLKSZBITS_MAX);
	if (raw->blkszbits > blkszbits_max)
		return erofs_refuse(fault, -EOPNOTSUPP,
				    "block larger than a page, log2",
				    raw->blkszbits, blkszbits_max);
	if (raw->dirblkbits)
		return erofs_refuse(fault, -EUCLEAN, "bad directory block bits",
				    raw->dirblkbits, 0);
	sb->blkszbits = raw->blkszbits;
	sb->sb_size = EROFS_SB_BASE_SIZE +
		      raw->sb_extslots * EROFS_SB_EXTSLOT_SIZE;
	if (sb->sb_size > EROFS_SB_SIZE_MAX)
		return erofs_refuse(fault, -EUCLEAN, "superblock too large",
				    sb->sb_size, EROFS_SB_SIZE_MAX);
	return 0;
}

static int erofs_super_features(const struct erofs_super_block *raw,
				struct erofs_sb_desc *sb,
				struct erofs_fault *fault)
{
	sb->compat = le32_to_cpu(raw->feature_compat);
	sb->incompat = le32_to_cpu(raw->feature_incompat);
	if (sb->incompat & ~EROFS_FEATURE_INCOMPAT_ALL)
		return erofs_refuse(fault, -EOPNOTSUPP,
				    "unknown incompatible features, bits",
				    sb->incompat & ~EROFS_FEATURE_INCOMPAT_ALL,
				    EROFS_FEATURE_INCOMPAT_ALL);
	if (sb->incompat & EROFS_FEATURE_INCOMPAT_COMPR_CFGS)
		sb->algorithms = le16_to_cpu(raw->u1.available_compr_algs);
	else
		sb->algorithms = 1 << EROFS_COMPRESSION_LZ4;
	if (sb->algorithms >> EROFS_COMPRESSION_MAX)
		return erofs_refuse(fault, -EOPNOTSUPP,
				    "unknown compression algorithms, bits",
				    sb->algorithms,
				    (1 << EROFS_COMPRESSION_MAX) - 1);
	return 0;
}

static int erofs_super_xattrs(const struct erofs_super_block *raw,
			      struct erofs_sb_desc *sb,
			      struct erofs_fault *fault)
{
	sb->xattr_blkaddr = le32_to_cpu(raw->xattr_blkaddr);
	sb->xattr_filter = (sb->compat & EROFS_FEATURE_COMPAT_XATTR_FILTER) &&
			   !raw->xattr_filter_reserved;
	sb->prefix_pos = (u64)le32_to_cpu(raw->xattr_prefix_start) * 4;
	/* whatever the feature bits say: section 20.4 */
	sb->prefix_count = raw->xattr_prefix_count;
	if (sb->prefix_count > EROFS_XATTR_PREFIX_MAX)
		return erofs_refuse(fault, -EUCLEAN,
				    "too many long xattr prefixes",
				    sb->prefix_count, EROFS_XATTR_PREFIX_MAX);
	if ((sb->compat & EROFS_FEATURE_COMPAT_ISHARE_XATTRS) &&
	    raw->ishare_xattr_prefix_id >= sb->prefix_count)
		return erofs_refuse(fault, -EUCLEAN,
				    "bad fingerprint xattr prefix",
				    raw->ishare_xattr_prefix_id,
				    sb->prefix_count);
	return 0;
}

/* The nids of the special inodes must lie outside the metabox: section 19. */
static int erofs_super_nids(const struct erofs_super_block *raw,
			    struct erofs_sb_desc *sb, struct erofs_fault *fault)
{
	const u64 wide_root = le64_to_cpu(raw->rootnid_8b);

	sb->blocks = le32_to_cpu(raw->blocks_lo);
	if ((sb->incompat & EROFS_FEATURE_INCOMPAT_48BIT) && wide_root) {
		sb->root_nid = wide_root;
		sb->blocks |= (u64)le16_to_cpu(raw->rb.blocks_hi) << 32;
	} else {
		sb->root_nid = le16_to_cpu(raw->rb.rootnid_2b);
	}

	sb->packed_nid = le64_to_cpu(raw->packed_nid);
	if (!(sb->incompat & EROFS_FEATURE_INCOMPAT_FRAGMENTS))
		sb->packed_nid = 0;
	if (sb->packed_nid & EROFS_NID_METABOX)
		return erofs_refuse(fault, -EUCLEAN,
				    "packed inode inside the metabox, nid",
				    sb->packed_nid, 0);

	if (!(sb->incompat & EROFS_FEATURE_INCOMPAT_METABOX))
		return 0;
	if (sb->sb_size <= EROFS_SB_BASE_SIZE)
		return erofs_refuse(fault, -EUCLEAN,
				    "superblock too small for a metabox",
				    sb->sb_size, EROFS_SB_BASE_SIZE);
	sb->metabox_nid = le64_to_cpu(raw->metabox_nid);
	if (sb->metabox_nid & EROFS_NID_METABOX)
		return erofs_refuse(fault, -EUCLEAN,
				    "metabox inode inside the metabox, nid",
				    sb->metabox_nid, 0);
	return 0;
}

static void erofs_super_plain(const struct erofs_super_block *raw,
			      struct erofs_sb_desc *sb)
{
	sb->inos = le64_to_cpu(raw->inos);
	sb->epoch = (s64)le64_to_cpu(raw->epoch);
	sb->fixed_nsec = le32_to_cpu(raw->fixed_nsec);
	sb->build_time = le32_to_cpu(raw->build_time);
	sb->meta_blkaddr = le32_to_cpu(raw->meta_blkaddr);
	if (sb->incompat & EROFS_FEATURE_INCOMPAT_DEVICE_TABLE)
		sb->extra_devices = le16_to_cpu(raw->extra_devices);
	sb->devt_pos = le16_to_cpu(raw->devt_slotoff) *
		       (u32)sizeof(struct erofs_deviceslot);
	memcpy(sb->uuid, raw->uuid, sizeof(sb->uuid));
	memcpy(sb->volume_name, raw->volume_name, sizeof(raw->volume_name));
	sb->volume_name[sizeof(raw->volume_name)] = '\0';
}

/**
 * erofs_disk_super - decode and check the superblock (FORMAT.md section 2)
 * @buf: bytes of the primary device from byte 1024 on
 * @len: how many; at least 128 are wanted
 * @blkszbits_max: log2 of the largest block that the caller can handle
 * @sb: receives the result
 * @fault: says why, on failure
 *
 * The checksum is the caller's to verify, for it covers more than the record.
 *
 * Return: 0; -EINVAL when this is no EROFS; -EUCLEAN when it contradicts
 * itself; -EOPNOTSUPP for what this reader does not know.
 */
int erofs_disk_super(const void *buf, size_t len, unsigned int blkszbits_max,
		     struct erofs_sb_desc *sb, struct erofs_fault *fault)
{
	struct erofs_super_block raw = {};
	int err;

	if (len < EROFS_SB_BASE_SIZE)
		return erofs_refuse(fault, -EINVAL, "too short for a superblock",
				    len, EROFS_SB_BASE_SIZE);
	memcpy(&raw, buf, len < sizeof(raw) ? len : sizeof(raw));
	if (le32_to_cpu(raw.magic) != EROFS_SUPER_MAGIC)
		return erofs_refuse(fault, -EINVAL, "no EROFS superblock, magic",
				    le32_to_cpu(raw.magic), EROFS_SUPER_MAGIC);

	memset(sb, 0, sizeof(*sb));
	err = erofs_super_geometry(&raw, blkszbits_max, sb, fault);
	if (err)
		return err;
	/* fields past the stated size do not exist */
	if (sb->sb_size < sizeof(raw))
		memset((u8 *)&raw + sb->sb_size, 0, sizeof(raw) - sb->sb_size);
	if (len < sizeof(raw) && len < sb->sb_size)
		return erofs_refuse(fault, -EUCLEAN, "superblock cut short",
				    len, sb->sb_size);
	err = erofs_super_features(&raw, sb, fault);
	if (err)
		return err;
	erofs_super_plain(&raw, sb);
	err = erofs_super_xattrs(&raw, sb, fault);
	if (err)
		return err;
	return erofs_super_nids(&raw, sb, fault);
}

/**
 * erofs_disk_crc32c - CRC-32C without final inversion (FORMAT.md section 2.1)
 * @crc: state so far, all ones at the start
 * @buf: bytes to add
 * @len: how many
 *
 * Bitwise, because one block a mount does not pay for a dependency on the two
 * checksum modules of older kernels.
 *
 * Return: the new state.
 */
u32 erofs_disk_crc32c(u32 crc, const void *buf, size_t len)
{
	const u8 *p = buf;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78 : 0);
	}
	return crc;
}

/**
 * erofs_disk_checksum_len - bytes under the superblock checksum
 * @blkszbits: log2 of the block size
 *
 * Return: how many bytes from byte 1024 on; at most 64 KiB (section 2.1).
 */
u32 erofs_disk_checksum_len(unsigned int blkszbits)
{
	const u32 bs = 1U << blkszbits;

	return bs > EROFS_SUPER_OFFSET ? bs - EROFS_SUPER_OFFSET : bs;
}

/* ---- compression configurations, section 4 ---- */

#define EROFS_LZMA_DICT_MIN		4096U
#define EROFS_LZMA_DICT_MAX		(8U << 20)
#define EROFS_DEFLATE_WINDOWBITS_MAX	15
#define EROFS_ZSTD_WINDOWLOG_MAX	10

static const u8 erofs_cfg_len[EROFS_COMPRESSION_MAX] = {
	[EROFS_COMPRESSION_LZ4]		= 14,
	[EROFS_COMPRESSION_LZMA]	= 14,
	[EROFS_COMPRESSION_DEFLATE]	= 6,
	[EROFS_COMPRESSION_ZSTD]	= 6,
};

static u32 erofs_le16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static u32 erofs_le32(const u8 *p)
{
	return erofs_le16(p) | erofs_le16(p + 2) << 16;
}

/**
 * erofs_disk_compr_cfg - check one compression record (FORMAT.md section 4)
 * @alg: the algorithm that it configures
 * @buf: its payload
 * @len: bytes of the payload
 * @sb: the superblock; gains what the record says
 * @fault: says why, on failure
 *
 * Return: 0, -EUCLEAN, or -EOPNOTSUPP.
 */
int erofs_disk_compr_cfg(unsigned int alg, const void *buf, size_t len,
			 struct erofs_sb_desc *sb, struct erofs_fault *fault)
{
	const u8 *p = buf;
	u32 v;

	if (len < erofs_cfg_len[alg])
		return erofs_refuse(fault, -EUCLEAN,
				    "compression record too short", len,
				    erofs_cfg_len[alg]);
	switch (alg) {
	case EROFS_COMPRESSION_LZ4:
		v = erofs_le16(p + 2);
		if (v > EROFS_PCLUSTER_MAX_SIZE >> sb->blkszbits)
			return erofs_refuse(fault, -EUCLEAN,
					    "LZ4 pcluster too large, blocks", v,
					    EROFS_PCLUSTER_MAX_SIZE >>
					    sb->blkszbits);
		return 0;
	case EROFS_COMPRESSION_LZMA:
		v = erofs_le32(p);
		if (erofs_le16(p + 4))
			return erofs_refuse(fault, -EOPNOTSUPP,
					    "unknown LZMA format",
					    erofs_le16(p + 4), 0);
		if (v < EROFS_LZMA_DICT_MIN || v > EROFS_LZMA_DICT_MAX)
			return erofs_refuse(fault, -EUCLEAN,
					    "bad LZMA dictionary size", v,
					    EROFS_LZMA_DICT_MAX);
		sb->lzma_dict = v;
		return 0;
	case EROFS_COMPRESSION_DEFLATE:
		if (p[0] > EROFS_DEFLATE_WINDOWBITS_MAX)
			return erofs_refuse(fault, -EOPNOTSUPP,
					    "bad DEFLATE window, log2", p[0],
					    EROFS_DEFLATE_WINDOWBITS_MAX);
		return 0;
	default:
		if (p[0])
			return erofs_refuse(fault, -EOPNOTSUPP,
					    "unknown ZSTD format", p[0], 0);
		if (p[1] > EROFS_ZSTD_WINDOWLOG_MAX)
			return erofs_refuse(fault, -EUCLEAN,
					    "ZSTD window too large, log2 - 10",
					    p[1], EROFS_ZSTD_WINDOWLOG_MAX);
		sb->zstd_windowlog = p[1];
		return 0;
	}
}

/* ---- device table, section 5 ---- */

/**
 * erofs_disk_device - decode a device slot (FORMAT.md section 5)
 * @slot: the record
 * @wide: the image has INCOMPAT_48BIT, so that the high halves count
 * @desc: receives the result
 */
void erofs_disk_device(const struct erofs_deviceslot *slot, bool wide,
		       struct erofs_slot_desc *desc)
{
	desc->blocks = le32_to_cpu(slot->blocks_lo);
	desc->uniaddr = le32_to_cpu(slot->uniaddr_lo);
	if (wide) {
		desc->blocks |= (u64)le16_to_cpu(slot->blocks_hi) << 32;
		desc->uniaddr |= (u64)le16_to_cpu(slot->uniaddr_hi) << 32;
	}
}

/* ---- inodes, section 6 ---- */

static u64 erofs_null_addr(bool wide)
{
	return wide ? (1ULL << 48) - 1 : (1ULL << 32) - 1;
}

static void erofs_inode_compact_fill(const struct erofs_inode_compact *raw,
				     u32 format, struct erofs_inode_desc *ino)
{
	const bool is_dir = S_ISDIR(le16_to_cpu(raw->i_mode));
	const bool wide = !is_dir && (format & EROFS_I_NLINK_1);
	const u32 nb = le16_to_cpu(raw->i_nb);

	ino->isize = le32_to_cpu(raw->i_size);
	ino->mtime = le32_to_cpu(raw->i_mtime);
	ino->mtime_relative = true;
	ino->uid = le16_to_cpu(raw->i_uid);
	ino->gid = le16_to_cpu(raw->i_gid);
	ino->nlink = wide ? 1 : nb;
	ino->u = le32_to_cpu(raw->i_u);
	ino->u_wide = ino->u | (wide ? (u64)nb << 32 : 0);
	ino->u_null = ino->u_wide == erofs_null_addr(wide);
}

static void erofs_inode_extended_fill(const struct erofs_inode_extended *raw,
				      struct erofs_inode_desc *ino)
{
	ino->isize = le64_to_cpu(raw->i_size);
	ino->mtime = (s64)le64_to_cpu(raw->i_mtime);
	ino->mtime_nsec = le32_to_cpu(raw->i_mtime_nsec);
	ino->mtime_relative = false;
	ino->uid = le32_to_cpu(raw->i_uid);
	ino->gid = le32_to_cpu(raw->i_gid);
	ino->nlink = le32_to_cpu(raw->i_nlink);
	ino->u = le32_to_cpu(raw->i_u);
	ino->u_wide = ino->u | (u64)le16_to_cpu(raw->i_nb) << 32;
	ino->u_null = ino->u_wide == erofs_null_addr(true);
}

static int erofs_inode_check(const struct erofs_inode_desc *ino,
			     struct erofs_fault *fault)
{
	switch (ino->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return erofs_refuse(fault, -EUCLEAN, "bad file type, mode",
				    ino->mode, S_IFMT);
	}
	if (ino->isize >> 63)
		return erofs_refuse(fault, -EUCLEAN, "bad size", ino->isize,
				    ~0ULL >> 1);
	/* a target is kept with its NUL in at most one page */
	if (S_ISLNK(ino->mode) && (!ino->isize || ino->isize >= 4096))
		return erofs_refuse(fault, -EUCLEAN, "bad symlink length",
				    ino->isize, 4095);
	if (ino->layout == EROFS_LAYOUT_CHUNK_BASED &&
	    (S_ISREG(ino->mode) || S_ISDIR(ino->mode) || S_ISLNK(ino->mode)))
		return erofs_disk_chunk_format(ino->u & 0xFFFF, fault);
	return 0;
}

/**
 * erofs_disk_inode_size - bytes that the record at @buf takes
 * @buf: at least its first 2 bytes
 *
 * Return: 32 or 64 (FORMAT.md section 6.2).
 */
u32 erofs_disk_inode_size(const void *buf)
{
	return erofs_le16(buf) & EROFS_I_EXTENDED ?
		       sizeof(struct erofs_inode_extended) :
		       sizeof(struct erofs_inode_compact);
}

/**
 * erofs_disk_inode - decode and check an inode (FORMAT.md sections 6.2 to 6.8)
 * @buf: the record, complete
 * @len: bytes of it, as erofs_disk_inode_size() says or more
 * @ino: receives the result
 * @fault: says why, on failure
 *
 * Return: 0; -EOPNOTSUPP for a form that this reader does not know; -EUCLEAN.
 */
int erofs_disk_inode(const void *buf, size_t len, struct erofs_inode_desc *ino,
		     struct erofs_fault *fault)
{
	u32 format, layout, icount;

	if (len < sizeof(struct erofs_inode_compact) ||
	    len < erofs_disk_inode_size(buf))
		return erofs_refuse(fault, -EUCLEAN, "inode cut short", len,
				    sizeof(struct erofs_inode_extended));
	format = erofs_le16(buf);
	if (format & ~EROFS_I_KNOWN)
		return erofs_refuse(fault, -EOPNOTSUPP, "unknown inode format",
				    format, EROFS_I_KNOWN);
	layout = (format >> EROFS_I_LAYOUT_SHIFT) & EROFS_I_LAYOUT_MASK;
	if (layout >= EROFS_LAYOUT_MAX)
		return erofs_refuse(fault, -EOPNOTSUPP, "unknown data layout",
				    layout, EROFS_LAYOUT_MAX - 1);

	/* both forms agree on the first six bytes */
	memset(ino, 0, sizeof(*ino));
	ino->size = erofs_disk_inode_size(buf);
	ino->layout = layout;
	ino->mode = erofs_le16((const u8 *)buf + 4);
	ino->dot_omitted = S_ISDIR(ino->mode) && (format & EROFS_I_DOT_OMITTED);
	icount = erofs_le16((const u8 *)buf + 2);
	if (icount)
		ino->xattr_isize = sizeof(struct erofs_xattr_ibody_header) +
				   4 * (icount - 1);
	if (format & EROFS_I_EXTENDED)
		erofs_inode_extended_fill(buf, ino);
	else
		erofs_inode_compact_fill(buf, format, ino);
	return erofs_inode_check(ino, fault);
}

/* ---- directories, section 8 ---- */

static u32 erofs_dirent_nameoff(const void *buf, u32 i)
{
	const struct erofs_dirent *de = buf;

	return le16_to_cpu(de[i].nameoff);
}

/**
 * erofs_disk_dirblk_count - number of entries in a directory block
 * @buf: a block that erofs_disk_dirblk_check() has passed
 *
 * Return: at least 1.
 */
u32 erofs_disk_dirblk_count(const void *buf)
{
	return erofs_dirent_nameoff(buf, 0) / sizeof(struct erofs_dirent);
}

/**
 * erofs_disk_dirent_name - name of an entry in a directory block
 * @buf: a block that erofs_disk_dirblk_check() has passed
 * @len: valid bytes of it
 * @i: entry, below erofs_disk_dirblk_count()
 *
 * Return: the name; it points into @buf.
 */
struct erofs_name erofs_disk_dirent_name(const void *buf, size_t len, u32 i)
{
	const u32 start = erofs_dirent_nameoff(buf, i);
	struct erofs_name name = { .s = (const char *)buf + start };

	if (i + 1 < erofs_disk_dirblk_count(buf))
		name.len = erofs_dirent_nameoff(buf, i + 1) - start;
	else
		name.len = strnlen(name.s, len - start);
	return name;
}

static int erofs_dirblk_check_name(const void *buf, size_t len, u32 i,
				   struct erofs_fault *fault)
{
	const struct erofs_name name = erofs_disk_dirent_name(buf, len, i);

	if (!name.len || name.len > EROFS_NAME_LEN)
		return erofs_refuse(fault, -EUCLEAN, "bad name length",
				    name.len, EROFS_NAME_LEN);
	if (memchr(name.s, '/', name.len) || memchr(name.s, '\0', name.len))
		return erofs_refuse(fault, -EUCLEAN,
				    "slash or NUL in the name of entry", i, 0);
	return 0;
}

/**
 * erofs_disk_dirblk_check - check a directory block (FORMAT.md section 8)
 * @buf: the block
 * @len: valid bytes of it: the block size, or less for the last one
 * @fault: says why, on failure
 *
 * After it every entry and every name of the block lies inside @len bytes.
 * The order of the names is not checked: a wrong one can hide a name from
 * lookups, but does no harm.
 *
 * Return: 0 or -EUCLEAN.
 */
int erofs_disk_dirblk_check(const void *buf, size_t len,
			    struct erofs_fault *fault)
{
	u32 first, prev, off, n, i;
	int err;

	if (len < sizeof(struct erofs_dirent))
		return erofs_refuse(fault, -EUCLEAN, "directory block too short",
				    len, sizeof(struct erofs_dirent));
	first = erofs_dirent_nameoff(buf, 0);
	if (!first || first >= len || first % sizeof(struct erofs_dirent))
		return erofs_refuse(fault, -EUCLEAN, "bad first name offset",
				    first, len);

	n = first / sizeof(struct erofs_dirent);
	for (i = 1, prev = first; i < n; i++, prev = off) {
		off = erofs_dirent_nameoff(buf, i);
		if (off <= prev || off >= len)
			return erofs_refuse(fault, -EUCLEAN, "bad name offset",
					    off, len);
	}
	for (i = 0; i < n; i++) {
		err = erofs_dirblk_check_name(buf, len, i, fault);
		if (err)
			return err;
	}
	return 0;
}

/* ---- chunks, section 10 ---- */

/**
 * erofs_disk_chunk_format - check a chunk format (FORMAT.md section 10)
 * @format: the 16-bit field of the inode
 * @fault: says why, on failure
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int erofs_disk_chunk_format(u32 format, struct erofs_fault *fault)
{
	if (format & ~EROFS_CHUNK_FORMAT_ALL)
		return erofs_refuse(fault, -EOPNOTSUPP, "unknown chunk format",
				    format, EROFS_CHUNK_FORMAT_ALL);
	return 0;
}

/**
 * erofs_disk_chunk - decode one entry of a chunk array (FORMAT.md section 10)
 * @buf: the entry: 8 bytes with CHUNK_FORMAT_INDEXES, else 4
 * @format: chunk format of the inode
 * @chunk: receives the result
 */
void erofs_disk_chunk(const void *buf, u32 format,
		      struct erofs_chunk_desc *chunk)
{
	const struct erofs_chunk_index *idx = buf;
	bool wide;

	memset(chunk, 0, sizeof(*chunk));
	if (!(format & EROFS_CHUNK_FORMAT_INDEXES)) {
		chunk->blk = erofs_le32(buf);
		chunk->hole = chunk->blk == erofs_null_addr(false);
		return;
	}
	wide = format & EROFS_CHUNK_FORMAT_48BIT;
	chunk->blk = le32_to_cpu(idx->startblk_lo);
	if (wide)
		chunk->blk |= (u64)le16_to_cpu(idx->startblk_hi) << 32;
	chunk->device = le16_to_cpu(idx->device_id);
	chunk->hole = chunk->blk == erofs_null_addr(wide);
}

/* ---- extended attributes, section 20 ---- */

/**
 * erofs_disk_xattr - decode the header of an xattr entry (section 20.2)
 * @raw: the header
 * @desc: receives the result
 */
void erofs_disk_xattr(const struct erofs_xattr_entry *raw,
		      struct erofs_xattr_desc *desc)
{
	desc->name_len = raw->e_name_len;
	desc->index = raw->e_name_index;
	desc->value_len = le16_to_cpu(raw->e_value_size);
	desc->size = (sizeof(*raw) + desc->name_len + desc->value_len + 3) & ~3U;
}
