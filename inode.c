// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes: from a nid to a VFS inode, in four steps: find and copy the record,
 * decode and check it (disk.c), fill the inode, choose its operations.
 *
 * Nothing of an inode changes after it is unlocked, but for the cached target
 * of a symlink, which is set once.
 */
#include <linux/hash.h>
#include "internal.h"
#include "trace.h"

/* ---- where a nid lies: FORMAT.md section 6.1 ---- */

/**
 * erofs_ino - the inode number that users see
 * @sbi: the mount
 * @nid: number in the image
 *
 * Images with a metabox fold its flag into bit 31, so that small numbers of
 * both spaces stay apart in 32 bits too.
 *
 * Return: the inode number.
 */
u64 erofs_ino(const struct erofs_sb_info *sbi, u64 nid)
{
	if (!erofs_sb_has(sbi, EROFS_FEATURE_INCOMPAT_METABOX))
		return nid;
	return ((nid << 1) & ~0xFFFFFFFFULL) | (nid & 0x7FFFFFFF) |
	       ((nid >> 63) << 31);
}

static int erofs_inode_locate(struct inode *inode)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	struct erofs_inode *ei = EROFS_I(inode);
	const u64 slot = ei->nid & ~EROFS_NID_METABOX;
	u64 base = 0;

	ei->space = sbi->meta;
	if (ei->nid & EROFS_NID_METABOX) {
		ei->space = sbi->metabox;
		if (!ei->space)
			return erofs_fail_inode(inode, -EUCLEAN,
						"no metabox for this nid");
	} else {
		base = erofs_blk(sbi, sbi->desc.meta_blkaddr);
	}
	if (slot > (U64_MAX - base) >> EROFS_ISLOT_BITS)
		return erofs_fail_inode(inode, -EUCLEAN,
					"no such place in an image");
	ei->meta_pos = base + (slot << EROFS_ISLOT_BITS);
	return 0;
}

static int erofs_inode_copy(struct inode *inode, void *raw)
{
	const size_t half = sizeof(struct erofs_inode_compact);
	const struct erofs_inode *ei = EROFS_I(inode);
	int err;

	err = erofs_meta_copy(ei->space, ei->meta_pos, raw, half);
	if (!err && erofs_disk_inode_size(raw) > half)
		err = erofs_meta_copy(ei->space, ei->meta_pos + half,
				      raw + half, half);
	if (err)
		return erofs_fail_inode(inode, err,
					"unreadable inode at %llu (%llu)",
					ei->meta_pos, i_size_read(ei->space));
	return 0;
}

/* ---- operations ---- */

static void erofs_put_link(void *link)
{
	kfree(link);
}

/*
 * Reads the target once and leaves it with the inode, where path walk finds it
 * without asking again. FORMAT.md section 7.
 */
static const char *erofs_get_link(struct dentry *dentry, struct inode *inode,
				  struct delayed_call *done)
{
	const size_t len = i_size_read(inode);
	struct folio *folio;
	struct erofs_buf buf = {};
	char *link;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	folio = erofs_folio_wait(inode->i_mapping, 0,
				 k_find_folio(inode->i_mapping, 0));
	if (IS_ERR(folio))
		return ERR_CAST(folio);
	link = kmemdup_nul(erofs_buf_map_folio(&buf, folio, 0), len,
			   GFP_KERNEL);
	erofs_buf_put(&buf);
	if (!link)
		return ERR_PTR(-ENOMEM);
	if (strlen(link) != len) {
		erofs_fail_inode(inode, -EUCLEAN, "NUL in symlink at byte %zu",
				 strlen(link));
		kfree(link);
		return ERR_PTR(-EUCLEAN);
	}
	/* somebody else may have been faster; then this copy is the caller's */
	if (cmpxchg_release(&inode->i_link, NULL, link))
		set_delayed_call(done, erofs_put_link, link);
	return link;
}

static const struct inode_operations erofs_symlink_iops = {
	.get_link	= erofs_get_link,
	.getattr	= erofs_getattr,
	.listxattr	= erofs_listxattr,
	.k_op_get_acl	= erofs_get_acl,
};

const struct inode_operations erofs_generic_iops = {
	.getattr	= erofs_getattr,
	.listxattr	= erofs_listxattr,
	.k_op_get_acl	= erofs_get_acl,
	.fiemap		= erofs_fiemap,
};

/* ---- fill ---- */

static u64 erofs_inode_blocks(const struct inode *inode,
			      const struct erofs_inode_desc *desc)
{
	const u64 size = desc->isize;

	if (erofs_layout_encoded(desc->layout))
		return desc->u_wide << (inode->i_blkbits - SECTOR_SHIFT);
	return round_up(size, i_blocksize(inode)) >> SECTOR_SHIFT;
}

static void erofs_inode_fill_vfs(struct inode *inode,
				 const struct erofs_inode_desc *desc)
{
	const struct erofs_sb_desc *sb = &EROFS_SB(inode->i_sb)->desc;

	inode->i_mode = desc->mode;
	inode->i_size = desc->isize;
	i_uid_write(inode, desc->uid);
	i_gid_write(inode, desc->gid);
	set_nlink(inode, desc->nlink);
	if (desc->mtime_relative)
		k_inode_set_times(inode, sb->epoch + desc->mtime,
				  min_t(u32, sb->fixed_nsec, NSEC_PER_SEC - 1));
	else
		k_inode_set_times(inode, desc->mtime,
				  min_t(u32, desc->mtime_nsec,
					NSEC_PER_SEC - 1));
	inode->i_blocks = erofs_inode_blocks(inode, desc);
}

static int erofs_inode_fill(struct inode *inode,
			    const struct erofs_inode_desc *desc)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	struct erofs_inode *ei = EROFS_I(inode);

	/* neither sum can overflow: the record was read at meta_pos */
	ei->xattr_pos = ei->meta_pos + desc->size;
	ei->xattr_isize = desc->xattr_isize;
	ei->tail_pos = ei->xattr_pos + desc->xattr_isize;
	ei->layout = desc->layout;
	ei->dot_omitted = desc->dot_omitted;
	ei->chunk_format = desc->u & 0xFFFF;
	ei->hole = desc->layout == EROFS_LAYOUT_FLAT_PLAIN && desc->u_null;
	ei->start = erofs_blk(sbi, desc->u_wide);
	erofs_inode_fill_vfs(inode, desc);
	/* round_up() and friends must not wrap */
	if (desc->isize > inode->i_sb->s_maxbytes)
		return erofs_fail_inode(inode, -EUCLEAN, "bad size %llu (%llu)",
					desc->isize,
					(u64)inode->i_sb->s_maxbytes);
	if (erofs_layout_encoded(desc->layout) && !sbi->desc.algorithms)
		return erofs_fail_inode(inode, -EUCLEAN,
					"encoded, but the image has no algorithm");
	return 0;
}

/* The packed inode and the metabox: files are read through their page caches. */
static bool erofs_inode_is_special(const struct inode *inode)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	const u64 nid = EROFS_I(inode)->nid;

	/* 0 stands for no packed inode, but can be that of a file */
	return (sbi->desc.packed_nid && nid == sbi->desc.packed_nid) ||
	       (erofs_sb_has(sbi, EROFS_FEATURE_INCOMPAT_METABOX) &&
		nid == sbi->desc.metabox_nid);
}

static bool erofs_inode_wants_dax(const struct inode *inode)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	const enum erofs_layout layout = EROFS_I(inode)->layout;

	/* inline tails are not pages, and encoded data is not there at all */
	return sbi->opts.dax == EROFS_DAX_ALWAYS &&
	       !erofs_inode_is_special(inode) &&
	       (layout == EROFS_LAYOUT_FLAT_PLAIN ||
		layout == EROFS_LAYOUT_CHUNK_BASED);
}

static void erofs_inode_set_ops(struct inode *inode,
				const struct erofs_inode_desc *desc)
{
	inode->i_mapping->a_ops = &erofs_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER_MOVABLE);
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &erofs_generic_iops;
		inode->i_fop = &erofs_file_fops;
		mapping_set_large_folios(inode->i_mapping);
		if (erofs_inode_wants_dax(inode))
			inode->i_flags |= S_DAX;
		/* never, where the kernel has no DAX */
		if (IS_DAX(inode))
			inode->i_mapping->a_ops = &erofs_dax_aops;
		break;
	case S_IFDIR:
		inode->i_op = &erofs_dir_iops;
		inode->i_fop = &erofs_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &erofs_symlink_iops;
		break;
	default:
		inode->i_op = &erofs_generic_iops;
		init_special_inode(inode, inode->i_mode,
				   new_decode_dev(desc->u));
	}
}

static int erofs_inode_read(struct inode *inode)
{
	u8 raw[sizeof(struct erofs_inode_extended)];
	struct erofs_inode_desc desc;
	struct erofs_fault fault;
	int err;

	err = erofs_inode_locate(inode);
	if (!err)
		err = erofs_inode_copy(inode, raw);
	if (err)
		return err;
	err = erofs_disk_inode(raw, sizeof(raw), &desc, &fault);
	if (err)
		return erofs_fail_fault(inode, err, &fault);
	err = erofs_inode_fill(inode, &desc);
	if (!err)
		erofs_inode_set_ops(inode, &desc);
	return err;
}

/* ---- the inode cache ---- */

static int erofs_inode_test(struct inode *inode, void *nid)
{
	return EROFS_I(inode)->nid == *(const u64 *)nid;
}

static int erofs_inode_set(struct inode *inode, void *nid)
{
	EROFS_I(inode)->nid = *(const u64 *)nid;
	inode->i_ino = erofs_ino(EROFS_SB(inode->i_sb), *(const u64 *)nid);
	return 0;
}

/**
 * erofs_iget - get an inode by its nid
 * @sb: the mount
 * @nid: any number, also one that a crafted image or a forged handle names
 *
 * Context: sleeps.
 * Return: the inode; -EUCLEAN or -EOPNOTSUPP, after a message; or another errno.
 */
struct inode *erofs_iget(struct super_block *sb, u64 nid)
{
	struct inode *inode;
	int err;

	inode = iget5_locked(sb, hash_64(nid, BITS_PER_LONG), erofs_inode_test,
			     erofs_inode_set, &nid);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!k_inode_is_new(inode))
		return inode;
	err = erofs_inode_read(inode);
	trace_erofs_iget(inode, err);
	if (err) {
		iget_failed(inode);
		return ERR_PTR(err);
	}
	unlock_new_inode(inode);
	return inode;
}

/* ---- attributes ---- */

/* Who asks cannot know which device a range lies on: what holds for each of them. */
static void erofs_stat_dio(const struct inode *inode, struct kstat *stat)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	u32 mem = 0, offset = 0;
	unsigned int i;

	stat->result_mask |= STATX_DIOALIGN;
	if (erofs_layout_encoded(EROFS_I(inode)->layout))
		return;
	for (i = 0; i < sbi->nr_devs; i++) {
		const struct erofs_dev *dev = &sbi->devs[i];

		if (!dev->bdev && !dev->can_direct)
			return;
		mem = max_t(u32, mem, dev->bdev ?
			    bdev_dma_alignment(dev->bdev) + 1 :
			    dev->dio_mem_mask + 1);
		offset = max_t(u32, offset, dev->bdev ?
			       bdev_logical_block_size(dev->bdev) :
			       dev->dio_mask + 1);
	}
	stat->dio_mem_align = mem;
	stat->dio_offset_align = offset;
}

/**
 * erofs_getattr - stat and statx
 * @idmap: of the mount that is asked
 * @path: what is asked about
 * @stat: receives the answer
 * @request_mask: what is wanted
 * @flags: AT_STATX_*
 *
 * Return: 0.
 */
int erofs_getattr(struct k_idmap *idmap, const struct path *path,
		  struct kstat *stat, u32 request_mask, unsigned int flags)
{
	const struct inode *inode = d_inode(path->dentry);
	const struct erofs_sb_desc *sb = &EROFS_SB(inode->i_sb)->desc;

	k_generic_fillattr(idmap, request_mask, (struct inode *)inode, stat);
	stat->attributes |= STATX_ATTR_IMMUTABLE;
	stat->attributes_mask |= STATX_ATTR_IMMUTABLE | STATX_ATTR_COMPRESSED;
	if (erofs_layout_encoded(EROFS_I(inode)->layout))
		stat->attributes |= STATX_ATTR_COMPRESSED;
	/* before 48BIT the epoch itself was the build time */
	if (sb->epoch + sb->build_time) {
		stat->result_mask |= STATX_BTIME;
		stat->btime.tv_sec = sb->epoch + sb->build_time;
		stat->btime.tv_nsec = min_t(u32, sb->fixed_nsec,
					    NSEC_PER_SEC - 1);
	}
	if ((request_mask & STATX_DIOALIGN) && S_ISREG(inode->i_mode))
		erofs_stat_dio(inode, stat);
	return 0;
}
