// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map of the encoded layouts: zindex.c finds and checks the extent, this file
 * connects it with a mount: metadata, devices, the packed inode, messages.
 *
 * A lookup does no data I/O, and of the index it keeps nothing in the inode but
 * what it has learned of a long run, below. What comes out is resolved to a device
 * and lies inside of it (E2), or in a space that is not the inode itself (F1, F2).
 */
#include <linux/sched/signal.h>
#include "zdata.h"

/**
 * struct z_erofs_run - what was learned of a long run of extents
 *
 * Records of 4 bytes hold lengths, and an address is the sum of all before it.
 * Every Z_EROFS_RUN_STEPth sum is kept, so that neither a new reader nor a
 * random one begins at the first record. Readers fill it without a lock: it
 * grows from the front, and all write the same.
 *
 * @max: entries in @pa
 * @known: how many of them are set
 * @pa: entry k has the address of record (k + 1) * Z_EROFS_RUN_STEP
 */
struct z_erofs_run {
	u32 max;
	u32 known;
	u64 pa[];
};

/**
 * struct z_erofs_meta - an index's source in a metadata space
 * @src: what zindex.c sees
 * @buf: a lookup's records are neighbours
 * @ei: the inode whose index it is
 * @idx: the index
 */
struct z_erofs_meta {
	struct z_erofs_source src;
	struct erofs_buf buf;
	struct erofs_inode *ei;
	const struct z_erofs_index *idx;
};

static int z_erofs_meta_read(struct z_erofs_source *src, u64 pos, void *dst,
			     size_t len)
{
	struct z_erofs_meta *meta = container_of(src, struct z_erofs_meta, src);

	return erofs_buf_copy(&meta->buf, meta->ei->space, pos, dst, len);
}

static bool z_erofs_meta_stop(struct z_erofs_source *src)
{
	cond_resched();
	return fatal_signal_pending(current);
}

/*
 * At most an entry for each 4 KiB that the metadata space really has, whatever
 * the image says of its records (E7, M1).
 */
static struct z_erofs_run *z_erofs_run_new(const struct z_erofs_meta *meta)
{
	const u64 room = i_size_read(meta->ei->space) - meta->idx->records;
	const u32 max = min_t(u64, min(meta->idx->nr,
				       div_u64(room, meta->idx->recsz)) /
				   Z_EROFS_RUN_STEP, U32_MAX);
	struct z_erofs_run *run, *other;

	run = kvzalloc(struct_size(run, pa, max), GFP_NOFS | __GFP_NOWARN);
	if (!run)
		return NULL;
	run->max = max;
	other = cmpxchg(&meta->ei->run, NULL, run);
	if (other)
		kvfree(run);
	return other ?: run;
}

static void z_erofs_run_keep(struct z_erofs_source *src,
			     const struct z_erofs_cursor *cursor)
{
	const struct z_erofs_meta *meta =
		container_of(src, struct z_erofs_meta, src);
	const u64 k = cursor->rec / Z_EROFS_RUN_STEP - 1;
	struct z_erofs_run *run = READ_ONCE(meta->ei->run);

	if (!run)
		run = z_erofs_run_new(meta);
	if (!run || k >= run->max || k != READ_ONCE(run->known))
		return;
	WRITE_ONCE(run->pa[k], cursor->pa);
	smp_store_release(&run->known, k + 1);
}

static void z_erofs_run_recall(struct z_erofs_source *src, u64 rec,
			       struct z_erofs_cursor *cursor)
{
	const struct z_erofs_meta *meta =
		container_of(src, struct z_erofs_meta, src);
	const struct z_erofs_run *run = READ_ONCE(meta->ei->run);
	u64 k;

	if (!run)
		return;
	k = min_t(u64, rec / Z_EROFS_RUN_STEP, smp_load_acquire(&run->known));
	if (!k || k * Z_EROFS_RUN_STEP <= cursor->rec)
		return;
	cursor->rec = k * Z_EROFS_RUN_STEP;
	cursor->pa = READ_ONCE(run->pa[k - 1]);
}

/**
 * z_erofs_run_free - forget what was learned of an inode's extents
 * @ei: the inode; it has no readers any more
 */
void z_erofs_run_free(struct erofs_inode *ei)
{
	kvfree(ei->run);
}

static int z_erofs_view_init(const struct inode *inode,
			     struct z_erofs_view *view,
			     struct z_erofs_source *src,
			     struct erofs_fault *fault)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	const struct erofs_inode *ei = EROFS_I(inode);
	const struct z_erofs_params params = {
		.compact	= ei->layout == EROFS_LAYOUT_COMPRESSED_COMPACT,
		.isize		= i_size_read(inode),
		.tail_pos	= ei->tail_pos,
		.blkszbits	= sbi->desc.blkszbits,
		.algorithms	= sbi->desc.algorithms,
		.legacy		= !erofs_sb_has(sbi,
				EROFS_FEATURE_INCOMPAT_LZ4_0PADDING),
		.big_pcluster	= erofs_sb_has(sbi,
					EROFS_FEATURE_INCOMPAT_COMPR_CFGS),
	};
	int err = z_erofs_index_init(&view->idx, src, &params, fault);

	view->ready = !err;
	return err;
}

/*
 * A fragment is bytes of the packed inode, which is read like metadata. That
 * inode itself may have none: it would be read through itself (F1). Whether there
 * is one says its pointer, not a feature (S3).
 */
static int z_erofs_map_fragment(struct inode *inode,
				const struct z_erofs_extent *zext,
				struct erofs_extent *ext)
{
	struct inode *packed = EROFS_SB(inode->i_sb)->packed;

	if (!packed || inode == packed)
		return erofs_fail_inode(inode, -EUCLEAN,
					packed ? "fragment in the packed inode" :
						 "fragment without a packed inode");
	if (zext->len > i_size_read(packed) ||
	    zext->pa > i_size_read(packed) - zext->len)
		return erofs_fail_inode(inode, -EUCLEAN,
					"fragment behind the packed inode, %llu (%llu)",
					zext->pa, i_size_read(packed));
	ext->kind = EROFS_EXT_FRAGMENT;
	ext->space = packed;
	ext->pa = zext->pa;
	return 0;
}

static int z_erofs_map_pcluster(struct inode *inode,
				const struct z_erofs_extent *zext,
				struct erofs_extent *ext)
{
	struct erofs_extent whole = { .len = zext->plen };
	int err;

	ext->kind = EROFS_EXT_ENCODED;
	ext->coding = zext->coding;
	ext->algorithm = zext->alg;
	ext->partial = zext->partial;
	ext->plen = zext->plen;
	ext->pa = zext->pa;
	if (zext->in_meta) {
		ext->space = EROFS_I(inode)->space;
		return 0;
	}
	/* a pcluster may not be cut where its device ends (E2) */
	err = erofs_map_device(inode, 0, zext->pa, &whole);
	if (!err && whole.len != zext->plen)
		err = erofs_fail_inode(inode, -EUCLEAN,
				       "pcluster at %llu is outside its device",
				       zext->pa);
	ext->dev = whole.dev;
	ext->pa = whole.pa;
	return err;
}

/**
 * z_erofs_map_view - find the extent that holds a byte of an encoded file
 * @inode: the file
 * @view: the reader's view of its index
 * @pos: byte in it, below its size
 * @ext: receives the extent
 *
 * Context: sleeps.
 * Return: 0; -EUCLEAN or -EOPNOTSUPP, after a message; or another errno.
 */
int z_erofs_map_view(struct inode *inode, struct z_erofs_view *view, u64 pos,
		     struct erofs_extent *ext)
{
	struct z_erofs_meta meta = {
		.src	= {
			.copy	= z_erofs_meta_read,
			.stop	= z_erofs_meta_stop,
			.keep	= z_erofs_run_keep,
			.recall	= z_erofs_run_recall,
		},
		.ei	= EROFS_I(inode),
		.idx	= &view->idx,
	};
	struct z_erofs_extent zext;
	struct erofs_fault fault;
	int err = 0;

	if (!view->ready)
		err = z_erofs_view_init(inode, view, &meta.src, &fault);
	if (!err)
		err = z_erofs_index_find(&view->idx, &meta.src, pos,
					 &view->cursor, &zext, &fault);
	if (!err && zext.coding == Z_EROFS_HOLE)
		z_erofs_index_join(&view->idx, &meta.src, &zext);
	erofs_buf_put(&meta.buf);
	if (err)
		return erofs_fail_fault(inode, err, &fault);
	ext->la = zext.la;
	ext->len = zext.len;
	switch (zext.coding) {
	case Z_EROFS_HOLE:
		ext->kind = EROFS_EXT_HOLE;
		return 0;
	case Z_EROFS_FRAGMENT:
		return z_erofs_map_fragment(inode, &zext, ext);
	default:
		return z_erofs_map_pcluster(inode, &zext, ext);
	}
}
