// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lookup: a name in a directory to a nid.
 *
 * Names ascend by bytes through the whole directory (FORMAT.md section 8), so a
 * binary search over the blocks' first names finds the block, and one inside it
 * the entry. A crafted order can hide names, but every step halves the range.
 */
#include "internal.h"
#include "trace.h"

static int erofs_name_cmp(const char *a, size_t alen, struct erofs_name b)
{
	const int diff = memcmp(a, b.s, min_t(size_t, alen, b.len));

	if (diff)
		return diff;
	return alen < b.len ? -1 : alen > b.len;
}

/* Where the blocks' first names say that @name is, if anywhere. */
static int erofs_dir_find_block(struct inode *dir, struct erofs_buf *buf,
				const char *name, size_t len, u64 *found)
{
	u64 lo = 0, hi = DIV_ROUND_UP_ULL(i_size_read(dir), i_blocksize(dir));
	const void *block;
	size_t blen;

	while (hi - lo > 1) {
		const u64 mid = lo + (hi - lo) / 2;

		block = erofs_dir_block(dir, buf, mid, &blen);
		if (IS_ERR(block))
			return PTR_ERR(block);
		if (erofs_name_cmp(name, len,
				   erofs_disk_dirent_name(block, blen, 0)) < 0)
			hi = mid;
		else
			lo = mid;
	}
	*found = lo;
	return 0;
}

static int erofs_block_find(const void *block, size_t blen, const char *name,
			    size_t len, u64 *nid)
{
	const struct erofs_dirent *de = block;
	u32 lo = 0, hi = erofs_disk_dirblk_count(block);

	while (lo < hi) {
		const u32 mid = lo + (hi - lo) / 2;
		const int diff = erofs_name_cmp(name, len,
				erofs_disk_dirent_name(block, blen, mid));

		if (!diff) {
			*nid = le64_to_cpu(de[mid].nid);
			return 0;
		}
		if (diff < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -ENOENT;
}

/**
 * erofs_dir_find - find a name in a directory
 * @dir: the directory
 * @name: the name, not NUL-terminated
 * @len: bytes of it
 * @nid: receives the inode it stands for
 *
 * Context: sleeps.
 * Return: 0, -ENOENT, or an errno of reading the directory.
 */
int erofs_dir_find(struct inode *dir, const char *name, size_t len, u64 *nid)
{
	struct erofs_buf buf = {};
	const void *block;
	size_t blen;
	u64 blk;
	int err;

	if (!i_size_read(dir))
		return -ENOENT;
	err = erofs_dir_find_block(dir, &buf, name, len, &blk);
	if (!err) {
		block = erofs_dir_block(dir, &buf, blk, &blen);
		err = IS_ERR(block) ? PTR_ERR(block) :
				      erofs_block_find(block, blen, name, len,
						       nid);
	}
	erofs_buf_put(&buf);
	return err;
}

static struct dentry *erofs_lookup(struct inode *dir, struct dentry *dentry,
				   unsigned int flags)
{
	struct inode *inode = NULL;
	u64 nid = 0;
	int err;

	if (dentry->d_name.len > EROFS_NAME_LEN)
		return ERR_PTR(-ENAMETOOLONG);
	err = erofs_dir_find(dir, dentry->d_name.name, dentry->d_name.len,
			     &nid);
	trace_erofs_lookup(dir, dentry, nid, err);
	if (!err)
		inode = erofs_iget(dir->i_sb, nid);
	else if (err != -ENOENT)
		inode = ERR_PTR(err);
	return d_splice_alias(inode, dentry);
}

const struct inode_operations erofs_dir_iops = {
	.lookup		= erofs_lookup,
	.getattr	= erofs_getattr,
	.listxattr	= erofs_listxattr,
	.k_op_get_acl	= erofs_get_acl,
	.fiemap		= erofs_fiemap,
};
