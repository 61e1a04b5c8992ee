// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handles, for NFS and open_by_handle_at().
 *
 * A handle is the 64-bit nid, with the parent's where it is asked for. A forged
 * one is no more than a crafted image: erofs_iget() checks what it finds.
 */
#include <linux/exportfs.h>
#include "internal.h"

/* as the kernel numbers handles of 64-bit inode numbers with a generation */
enum {
	EROFS_FID_INO64_GEN		= 0x81,
	EROFS_FID_INO64_GEN_PARENT	= 0x82,
};

/* in 32-bit words: the nid, low half first, and a generation that is 0 */
#define EROFS_FID_WORDS		3

static void erofs_fid_put(__u32 *fid, const struct inode *inode)
{
	const u64 nid = EROFS_I(inode)->nid;

	fid[0] = lower_32_bits(nid);
	fid[1] = upper_32_bits(nid);
	fid[2] = 0;
}

static int erofs_encode_fh(struct inode *inode, __u32 *fid, int *max_len,
			   struct inode *parent)
{
	const int words = parent ? 2 * EROFS_FID_WORDS : EROFS_FID_WORDS;
	const bool fits = *max_len >= words;

	*max_len = words;
	if (!fits)
		return FILEID_INVALID;
	erofs_fid_put(fid, inode);
	if (!parent)
		return EROFS_FID_INO64_GEN;
	erofs_fid_put(fid + EROFS_FID_WORDS, parent);
	return EROFS_FID_INO64_GEN_PARENT;
}

/* A nid that leads nowhere is what a stale handle looks like. */
static struct dentry *erofs_fid_dentry(struct super_block *sb, const __u32 *fid)
{
	struct inode *inode;

	if (fid[2])
		return ERR_PTR(-ESTALE);
	inode = erofs_iget(sb, fid[0] | (u64)fid[1] << 32);
	if (IS_ERR(inode) && PTR_ERR(inode) != -ENOMEM &&
	    PTR_ERR(inode) != -EIO)
		inode = ERR_PTR(-ESTALE);
	return d_obtain_alias(inode);
}

static struct dentry *erofs_fh_to_dentry(struct super_block *sb,
					 struct fid *fid, int len, int type)
{
	if ((type != EROFS_FID_INO64_GEN &&
	     type != EROFS_FID_INO64_GEN_PARENT) || len < EROFS_FID_WORDS)
		return NULL;
	return erofs_fid_dentry(sb, fid->raw);
}

static struct dentry *erofs_fh_to_parent(struct super_block *sb,
					 struct fid *fid, int len, int type)
{
	if (type != EROFS_FID_INO64_GEN_PARENT || len < 2 * EROFS_FID_WORDS)
		return NULL;
	return erofs_fid_dentry(sb, fid->raw + EROFS_FID_WORDS);
}

static struct dentry *erofs_get_parent(struct dentry *child)
{
	struct inode *parent;
	u64 nid;
	int err;

	err = erofs_dir_find(d_inode(child), "..", 2, &nid);
	if (err)
		return ERR_PTR(err);
	parent = erofs_iget(child->d_sb, nid);
	if (!IS_ERR(parent) && !S_ISDIR(parent->i_mode)) {
		iput(parent);
		return ERR_PTR(-ENOTDIR);
	}
	return d_obtain_alias(parent);
}

const struct export_operations erofs_export_ops = {
	.encode_fh	= erofs_encode_fh,
	.fh_to_dentry	= erofs_fh_to_dentry,
	.fh_to_parent	= erofs_fh_to_parent,
	.get_parent	= erofs_get_parent,
};
