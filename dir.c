// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directories: reading and checking their blocks, and readdir.
 *
 * A directory's content lies in the page cache of its inode. Each of its pages
 * is checked whole when it is first used, by the one checker in disk.c, and
 * then marked, so that readdir and lookup may trust the offsets in it (D1, D2, D3,
 * D6). That holds as long as the page is there: nothing writes to it, whatever
 * becomes of the backing file (B12). A buffer is given back at one exit (D5).
 */
#include "internal.h"

/* Checks all blocks that lie in the page of @folio that holds @pos. */
static int erofs_dir_check(struct inode *dir, const void *page, u64 pos)
{
	const u64 size = i_size_read(dir);
	const u32 bs = i_blocksize(dir);
	struct erofs_fault fault;
	u32 off;
	int err;

	for (off = 0; off < PAGE_SIZE && pos + off < size; off += bs) {
		err = erofs_disk_dirblk_check(page + off,
					      min_t(u64, bs, size - pos - off),
					      &fault);
		if (err)
			return erofs_fail_inode(dir, err,
						"directory block %llu: %s %llu (%llu)",
						(pos + off) >> dir->i_blkbits,
						fault.what, fault.value,
						fault.bound);
	}
	return 0;
}

static void erofs_dir_readahead(struct inode *dir, pgoff_t index)
{
	const unsigned int bytes = EROFS_SB(dir->i_sb)->dir_ra_bytes;

	if (bytes > PAGE_SIZE)
		erofs_window_read(dir, index, bytes >> PAGE_SHIFT, 0);
}

/**
 * erofs_dir_block - map a checked block of a directory
 * @dir: the directory
 * @buf: receives the mapping; what it held is given back
 * @blk: block number, inside the size of @dir
 * @len: receives how many bytes of it are valid
 *
 * Context: sleeps.
 * Return: the block, or an errno, after a message where it is corrupt.
 */
const void *erofs_dir_block(struct inode *dir, struct erofs_buf *buf, u64 blk,
			    size_t *len)
{
	const u64 pos = blk << dir->i_blkbits;
	const pgoff_t index = pos >> PAGE_SHIFT;
	struct folio *folio;
	void *addr;
	int err;

	erofs_buf_put(buf);
	*len = min_t(u64, i_blocksize(dir), i_size_read(dir) - pos);
	folio = k_find_folio(dir->i_mapping, index);
	if (!folio) {
		erofs_dir_readahead(dir, index);
		folio = k_find_folio(dir->i_mapping, index);
	}
	folio = erofs_folio_wait(dir->i_mapping, index, folio);
	if (IS_ERR(folio))
		return ERR_CAST(folio);
	addr = erofs_buf_map_folio(buf, folio, pos);
	if (folio_test_checked(folio))
		return addr;
	err = erofs_dir_check(dir, addr - offset_in_page(pos),
			      round_down(pos, PAGE_SIZE));
	if (err) {
		erofs_buf_put(buf);
		return ERR_PTR(err);
	}
	folio_set_checked(folio);
	return addr;
}

/*
 * Emits the entries of a block from ctx->pos on. Returns 1 when the reader
 * wants no more. Positions are bytes; one between entries means the next. Types
 * that are none become DT_UNKNOWN; a wrong number meets its checks at lookup (D8).
 */
static int erofs_dir_emit_block(struct inode *dir, struct dir_context *ctx,
				const void *block, size_t len)
{
	const u64 start = round_down(ctx->pos, i_blocksize(dir));
	const struct erofs_dirent *de = block;
	const u32 n = erofs_disk_dirblk_count(block);
	u32 i = DIV_ROUND_UP_ULL(ctx->pos - start, sizeof(*de));

	for (; i < n; i++) {
		struct erofs_name name = erofs_disk_dirent_name(block, len, i);

		ctx->pos = start + i * sizeof(*de);
		if (!dir_emit(ctx, name.s, name.len, erofs_ino(EROFS_SB(dir->i_sb),
						   le64_to_cpu(de[i].nid)),
			      fs_ftype_to_dtype(de[i].file_type)))
			return 1;
	}
	ctx->pos = min_t(u64, start + i_blocksize(dir), i_size_read(dir));
	return 0;
}

static int erofs_readdir(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	const u64 size = i_size_read(dir);
	struct erofs_buf buf = {};
	const void *block;
	size_t len;
	int ret = 0;

	/* bounded by the size; a crafted one must not hold a killed task (D4) */
	while (!ret && ctx->pos < size) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
		block = erofs_dir_block(dir, &buf, ctx->pos >> dir->i_blkbits,
					&len);
		if (IS_ERR(block))
			return PTR_ERR(block);
		ret = erofs_dir_emit_block(dir, ctx, block, len);
	}
	erofs_buf_put(&buf);
	if (ret < 0)
		return ret;
	/* FORMAT.md section 8: "." comes last where it is not stored */
	if (EROFS_I(dir)->dot_omitted && ctx->pos == size &&
	    dir_emit_dot(file, ctx))
		ctx->pos = size + 1;
	return 0;
}

const struct file_operations erofs_dir_fops = {
	.llseek		= generic_file_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= erofs_readdir,
	.unlocked_ioctl	= erofs_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.setlease	= generic_setlease,
};
