// SPDX-License-Identifier: GPL-2.0-only
/*
 * File data: where it is, how it gets into the page cache, and what the VFS may
 * ask of it.
 *
 * erofs_map_blocks() answers "where" for every layout and every caller. The
 * fill engine below it is the only writer of page-cache folios: for each folio
 * it zeroes, copies, or appends device reads, extent by extent, and never asks
 * what kind of device that is. iomap serves who moves whole extents (direct I/O
 * and DAX on block devices) and bmap, but not buffered reads: its readahead in 6.1
 * and 6.12 joins bios by sector number alone and would give a multi-device image
 * another device's bytes (C3). Nor FIEMAP and seeks, which ask for one extent after
 * the other and would have an index decoded anew for each.
 *
 * Of the invariants of io.c, 4, 5 and 6 are kept here: by the part counter of a
 * folio, which is raised before an append and dropped where that fails (B6), by
 * erofs_folio_put_part(), which reads nothing of the mount when it unlocks, and
 * by erofs_read_folio() and erofs_readahead().
 *
 * Locks: the folio lock, held from read_folio or readahead to the last part.
 */
#include <linux/fiemap.h>
#include <linux/iomap.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>
#include "zdata.h"
#include "trace.h"

/* ---- map: (inode, position) to extent ---- */

static void erofs_extent_hole(struct erofs_extent *ext, u64 la, u64 len)
{
	*ext = (struct erofs_extent) {
		.kind = EROFS_EXT_HOLE, .la = la, .len = len,
	};
}

/* The bytes of a device as they are: an internal inode. */
static int erofs_map_raw(struct inode *inode, u64 pos,
			 struct erofs_extent *ext)
{
	*ext = (struct erofs_extent) {
		.kind	= EROFS_EXT_PLAIN,
		.la	= pos,
		.len	= i_size_read(inode) - pos,
		.dev	= EROFS_I(inode)->raw,
		.pa	= pos,
	};
	return 0;
}

/* FORMAT.md section 9: the tail of a flat inline file may not leave its block. */
static int erofs_map_tail(struct inode *inode, u64 la,
			  struct erofs_extent *ext)
{
	const struct erofs_inode *ei = EROFS_I(inode);
	const u32 bs = i_blocksize(inode);
	const u64 len = i_size_read(inode) - la;
	const u32 off = ei->tail_pos & (bs - 1);

	if (off + len > bs)
		return erofs_fail_inode(inode, -EUCLEAN,
					"inline tail crosses a block, end %llu (%u)",
					off + len, bs);
	*ext = (struct erofs_extent) {
		.kind	= EROFS_EXT_INLINE,
		.la	= la,
		.len	= len,
		.pa	= ei->tail_pos,
		.space	= ei->space,
	};
	return 0;
}

static int erofs_map_flat(struct inode *inode, u64 pos,
			  struct erofs_extent *ext)
{
	const struct erofs_inode *ei = EROFS_I(inode);
	const u64 size = i_size_read(inode);
	const u32 bs = i_blocksize(inode);
	u64 end = round_up(size, bs);

	if (ei->hole) {
		erofs_extent_hole(ext, 0, size);
		return 0;
	}
	if (ei->layout == EROFS_LAYOUT_FLAT_INLINE) {
		end -= bs;
		if (pos >= end)
			return erofs_map_tail(inode, end, ext);
	}
	ext->kind = EROFS_EXT_PLAIN;
	ext->la = 0;
	ext->len = end;
	return erofs_map_device(inode, 0, ei->start, ext);
}

/* Does @next continue @chunk, so that one extent can tell of both? */
static bool erofs_chunk_continues(const struct erofs_chunk_desc *chunk,
				  const struct erofs_chunk_desc *next,
				  u64 blocks)
{
	if (chunk->hole || next->hole)
		return chunk->hole && next->hole;
	return chunk->device == next->device &&
	       chunk->blk + blocks == next->blk;
}

/* FORMAT.md section 10 */
static int erofs_map_chunk(struct inode *inode, u64 pos,
			   struct erofs_extent *ext)
{
	const struct erofs_inode *ei = EROFS_I(inode);
	const u32 unit = ei->chunk_format & EROFS_CHUNK_FORMAT_INDEXES ? 8 : 4;
	const u32 blkbits = ei->chunk_format & EROFS_CHUNK_FORMAT_BLKBITS;
	const u32 bits = inode->i_blkbits + blkbits;
	const u64 end = round_up(i_size_read(inode), i_blocksize(inode));
	const u64 chunk_nr = pos >> bits;
	const u64 table = round_up(ei->tail_pos, unit) + chunk_nr * unit;
	/* neighbours are joined as far as the same page of the table goes */
	const u32 room = (PAGE_SIZE - offset_in_page(table)) / unit;
	const u64 left = ((end - 1) >> bits) - chunk_nr + 1;
	const u32 nr = min_t(u64, room, left);
	struct erofs_chunk_desc chunk, next;
	struct erofs_buf buf = {};
	const void *raw;
	u32 i;

	raw = erofs_buf_map(&buf, ei->space, table, nr * unit);
	if (IS_ERR(raw))
		return erofs_fail_inode(inode, PTR_ERR(raw),
					"unreadable chunk table at %llu",
					table);
	erofs_disk_chunk(raw, ei->chunk_format, &chunk);
	for (i = 1; i < nr; i++) {
		erofs_disk_chunk(raw + i * unit, ei->chunk_format, &next);
		if (!erofs_chunk_continues(&chunk, &next, (u64)i << blkbits))
			break;
	}
	erofs_buf_put(&buf);

	ext->la = chunk_nr << bits;
	ext->len = min((u64)i << bits, end - ext->la);
	if (chunk.hole) {
		erofs_extent_hole(ext, ext->la, ext->len);
		return 0;
	}
	ext->kind = EROFS_EXT_PLAIN;
	return erofs_map_device(inode, chunk.device,
				erofs_blk(EROFS_SB(inode->i_sb), chunk.blk),
				ext);
}

static int erofs_map_layout(struct inode *inode, struct z_erofs_view *view,
			    u64 pos, struct erofs_extent *ext)
{
	const struct erofs_inode *ei = EROFS_I(inode);

	if (ei->raw)
		return erofs_map_raw(inode, pos, ext);
	switch (ei->layout) {
	case EROFS_LAYOUT_FLAT_PLAIN:
	case EROFS_LAYOUT_FLAT_INLINE:
		return erofs_map_flat(inode, pos, ext);
	case EROFS_LAYOUT_CHUNK_BASED:
		return erofs_map_chunk(inode, pos, ext);
	default:
		return z_erofs_map_view(inode, view, pos, ext);
	}
}

/**
 * erofs_map_view - find the extent that holds a byte of a file
 * @inode: the file
 * @view: what the reader knows of its index, if it is encoded
 * @pos: byte in it
 * @ext: receives the extent, resolved to a device and clamped to it
 *
 * The extent covers @pos. A plain one ends on a block or where its device does,
 * so it may reach past the size of the file. Everything past the size is a
 * hole. FORMAT.md sections 9, 10 and 14.
 *
 * Context: sleeps.
 * Return: 0; -EUCLEAN, after a message; or the errno of reading metadata.
 */
static int erofs_map_view(struct inode *inode, struct z_erofs_view *view,
			  u64 pos, struct erofs_extent *ext)
{
	const u64 size = i_size_read(inode);
	int err;

	if (pos >= size) {
		erofs_extent_hole(ext, size, U64_MAX - size);
		return 0;
	}
	*ext = (struct erofs_extent) {};
	err = erofs_map_layout(inode, view, pos, ext);
	/* every loop over extents goes on because of this (Z4) */
	if (!err && !erofs_extent_covers(ext, pos))
		err = erofs_fail_inode(inode, -EUCLEAN,
				       "byte %llu is outside its device", pos);
	/* nobody finds a field of what has failed (Z11) */
	if (err)
		*ext = (struct erofs_extent) {};
	trace_erofs_map(inode, pos, ext, err);
	return err;
}

/**
 * erofs_map_blocks - find one extent of a file
 * @inode: the file
 * @pos: byte that it has to hold
 * @ext: receives the extent; see erofs_map_view()
 *
 * Context: sleeps.
 * Return: 0 or an errno.
 */
int erofs_map_blocks(struct inode *inode, u64 pos, struct erofs_extent *ext)
{
	struct z_erofs_view view = {};

	return erofs_map_view(inode, &view, pos, ext);
}

/* ---- parts: when is a folio complete? ---- */

/*
 * While a folio is locked for reading its private field, which nothing else
 * uses here, counts the parts that are still missing; the top bit says that one
 * of them failed. It is zero again before the folio is unlocked, so that nobody
 * else ever meets it: R11, L1, L4, L5.
 */
#define EROFS_PART_FAILED	(1U << 30)

static atomic_t *erofs_folio_parts(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(atomic_t) > sizeof(folio->private));
	return (atomic_t *)&folio->private;
}

static void erofs_folio_begin(struct folio *folio)
{
	folio->private = NULL;
	atomic_set(erofs_folio_parts(folio), 1);
}

/**
 * erofs_folio_get_part - announce a part that will end later
 * @folio: a folio that is being filled
 */
void erofs_folio_get_part(struct folio *folio)
{
	atomic_inc(erofs_folio_parts(folio));
}

/**
 * erofs_folio_put_part - end a part of a folio; the last one unlocks it
 * @folio: the folio
 * @err: 0 if its bytes are there
 *
 * Context: any.
 */
void erofs_folio_put_part(struct folio *folio, int err)
{
	atomic_t *parts = erofs_folio_parts(folio);
	int left;

	if (err)
		atomic_or(EROFS_PART_FAILED, parts);
	left = atomic_dec_return(parts);
	if (left & ~EROFS_PART_FAILED)
		return;
	folio->private = NULL;
	k_folio_end_read(folio, !left);
}

/* ---- fill: extents to folios ---- */

/**
 * struct erofs_fill - one read_folio or readahead call
 * @inode: whose folios
 * @io: gathers device reads
 * @ext: the extent in use; the next piece is often in it
 * @view: the index of an encoded file
 * @job: what is to be decoded
 */
struct erofs_fill {
	struct inode *inode;
	struct erofs_io io;
	struct erofs_extent ext;
	struct z_erofs_view view;
	struct z_erofs_job job;
};

/* Bytes behind the file's end are zero, whatever its last block holds (B7, L6). */
static void erofs_zero_past_end(struct folio *folio, size_t off, size_t len)
{
	const u64 pos = folio_pos(folio) + off;
	const u64 size = i_size_read(folio->mapping->host);

	if (pos + len > size)
		folio_zero_range(folio, off + (size > pos ? size - pos : 0),
				 size > pos ? pos + len - size : len);
}

/* Any context; see invariants 3 to 5 of io.c. */
static void erofs_fill_done(struct erofs_req *req, int err)
{
	struct folio *folio;
	size_t off;
	u32 i;

	for (i = 0; i < req->nr_vecs; i++) {
		const struct bio_vec *bv = &req->vecs[i];

		folio = page_folio(bv->bv_page);
		off = folio_page_idx(folio, bv->bv_page) * PAGE_SIZE +
		      bv->bv_offset;
		if (!err)
			erofs_zero_past_end(folio, off, bv->bv_len);
		erofs_folio_put_part(folio, err);
	}
}

static int erofs_fill_inline(struct erofs_fill *fill, struct folio *folio,
			     size_t off, size_t len, u64 skip)
{
	const struct erofs_extent *ext = &fill->ext;
	size_t n;
	int err = 0;

	for (; len && !err; off += n, skip += n, len -= n) {
		void *to = kmap_local_folio(folio, off);

		n = min_t(size_t, len, PAGE_SIZE - offset_in_page(off));
		err = erofs_meta_copy(ext->space, ext->pa + skip, to, n);
		kunmap_local(to);
	}
	flush_dcache_folio(folio);
	if (err)
		return erofs_fail_inode(fill->inode, err,
					"unreadable inline data at %llu",
					ext->pa);
	return 0;
}

static int erofs_fill_plain(struct erofs_fill *fill, struct folio *folio,
			    size_t off, size_t len, u64 skip)
{
	int err;

	/* add may submit, and that may complete: invariant 4, B6 */
	erofs_folio_get_part(folio);
	err = erofs_io_add(&fill->io, fill->ext.dev, fill->ext.pa + skip, folio,
			   off, len);
	if (err)
		erofs_folio_put_part(folio, err);
	return err;
}

/* One piece: a range of the folio that lies in one extent. */
static int erofs_fill_piece(struct erofs_fill *fill, struct folio *folio,
			    size_t off, size_t len)
{
	const u64 skip = folio_pos(folio) + off - fill->ext.la;

	switch (fill->ext.kind) {
	case EROFS_EXT_HOLE:
		folio_zero_range(folio, off, len);
		return 0;
	case EROFS_EXT_INLINE:
	case EROFS_EXT_FRAGMENT:
		return erofs_fill_inline(fill, folio, off, len, skip);
	case EROFS_EXT_ENCODED:
		return z_erofs_job_add(&fill->job, &fill->ext, folio, off, len,
				       skip);
	case EROFS_EXT_PLAIN:
		return erofs_fill_plain(fill, folio, off, len, skip);
	}
	return -EOPNOTSUPP;
}

/*
 * The folio is unlocked when its last part has ended, which may be now. The
 * errno is of what could not be started. The first part is dropped last, and a
 * folio is only uptodate if none has failed (invariant 4, B8).
 */
static int erofs_fill_folio(struct erofs_fill *fill, struct folio *folio)
{
	const u64 start = folio_pos(folio);
	const size_t size = folio_size(folio);
	size_t off, len;
	int err = 0;

	erofs_folio_begin(folio);
	for (off = 0; off < size; off += len) {
		const u64 pos = start + off;

		if (!erofs_extent_covers(&fill->ext, pos))
			err = erofs_map_view(fill->inode, &fill->view, pos,
					     &fill->ext);
		if (err)
			break;
		len = min_t(u64, size - off,
			    fill->ext.la + fill->ext.len - pos);
		err = erofs_fill_piece(fill, folio, off, len);
		if (err)
			break;
	}
	erofs_folio_put_part(folio, err);
	return err;
}

/* a window of at most so many pages is one that somebody waits for */
#define EROFS_SYNC_PAGES	4
/* and as a part of no stream, one of at most so many */
#define EROFS_ISOLATED_PAGES	32

/* Does this reader decode in its own context, or do workers? */
static bool erofs_decodes_itself(const struct erofs_fill *fill,
				 unsigned long pages, bool streams)
{
	switch (READ_ONCE(fill->io.sbi->sync_decompress)) {
	case EROFS_SYNC_ALWAYS:
		return true;
	case EROFS_SYNC_NEVER:
		return false;
	default:
		return !streams || pages <= EROFS_SYNC_PAGES;
	}
}

static int erofs_read_folio(struct file *file, struct folio *folio)
{
	struct erofs_fill fill = {
		.inode	= folio->mapping->host,
		.io	= {
			.sbi	= EROFS_SB(folio->mapping->host->i_sb),
			.done	= erofs_fill_done,
			.gfp	= GFP_NOFS,
		},
	};
	int err, ret;

	z_erofs_job_init(&fill.job, &fill.io, false);
	fill.job.alone = true;
	err = erofs_fill_folio(&fill, folio);
	erofs_io_flush(&fill.io);
	ret = z_erofs_job_submit(&fill.job,
				 erofs_decodes_itself(&fill, 1, false));
	return err ?: ret;
}

/* Does the kernel take this window for one of a stream, or of a mapping? */
static bool erofs_readahead_streams(struct readahead_control *rac)
{
	const struct file_ra_state *ra = rac->ra;
	const pgoff_t index = readahead_pos(rac) >> PAGE_SHIFT;

	/* without a file: the module's own, of metadata */
	return !rac->file || !ra ||
	       readahead_count(rac) > EROFS_ISOLATED_PAGES ||
	       (index >= ra->start && index < ra->start + ra->size);
}

/* Is all of the extent in use decoded, for a window that ends at @end? */
static bool erofs_takes_extent(const struct erofs_fill *fill, u64 end)
{
	const struct erofs_extent *ext = &fill->ext;

	return ext->kind == EROFS_EXT_ENCODED &&
	       z_erofs_job_takes_all(&fill->job, ext,
				     min(end - ext->la, ext->len));
}

/*
 * What is decoded of a pcluster should not be decoded again: a window that ends
 * inside one is made to hold all that it decodes of it, as far as its folios are
 * free. By one pcluster at each end, and never for a fragment, which may be as
 * long as the file (F4). The folio that it shares with the next pcluster is left
 * out, which would have to be decoded for it; but a stream comes there in any
 * case, and what is begun early is there in time.
 */
static void erofs_readahead_expand(struct readahead_control *rac,
				   struct erofs_fill *fill)
{
	const u64 size = i_size_read(fill->inode);
	const struct erofs_extent *ext = &fill->ext;
	u64 start = readahead_pos(rac);
	u64 end = start + readahead_length(rac);
	u64 last;

	if (!erofs_layout_encoded(EROFS_I(fill->inode)->layout) || start >= size)
		return;
	if (erofs_map_view(fill->inode, &fill->view, min(end, size) - 1,
			   &fill->ext))
		return;
	if (erofs_takes_extent(fill, end)) {
		last = min(ext->la + ext->len, size);
		if (!fill->job.streams && last < size)
			last = round_down(last, PAGE_SIZE);
		end = max(end, last);
	}
	if (!erofs_extent_covers(ext, start) &&
	    erofs_map_view(fill->inode, &fill->view, start, &fill->ext))
		return;
	if (erofs_takes_extent(fill, end))
		start = min(start, round_up(ext->la, PAGE_SIZE));
	readahead_expand(rac, start, end - start);
}

/*
 * A folio that could not be filled is left for read_folio, which asks for memory
 * in earnest and has an errno of its own (invariant 6, M2).
 */
static void erofs_readahead(struct readahead_control *rac)
{
	struct erofs_fill fill = {
		.inode	= rac->mapping->host,
		.io	= {
			.sbi	   = EROFS_SB(rac->mapping->host->i_sb),
			.done	   = erofs_fill_done,
			.gfp	   = GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN,
			.opf	   = REQ_RAHEAD,
			.vecs_hint = readahead_count(rac),
		},
	};
	const bool streams = erofs_readahead_streams(rac);
	const bool sync = erofs_decodes_itself(&fill, readahead_count(rac),
					       streams);
	struct folio *folio;

	z_erofs_job_init(&fill.job, &fill.io, streams);
	erofs_readahead_expand(rac, &fill);
	/* folios that are not taken go back to the page cache's care */
	while ((folio = readahead_folio(rac)))
		if (erofs_fill_folio(&fill, folio))
			break;
	erofs_io_flush(&fill.io);
	z_erofs_job_submit(&fill.job, sync);
}

/* ---- iomap: extents for those who move them whole ---- */

static void erofs_iomap_device(struct iomap *iomap,
			       const struct erofs_extent *ext, u64 pos,
			       unsigned int flags)
{
	struct erofs_dev *dev = ext->dev;

	iomap->type = IOMAP_MAPPED;
	iomap->addr = dev->base + ext->pa + (pos - ext->la);
	iomap->bdev = dev->bdev;
	if ((flags & IOMAP_DAX) && dev->dax_dev) {
		iomap->dax_dev = dev->dax_dev;
		iomap->addr += dev->dax_start;
	}
}

static int erofs_iomap_inline(struct iomap *iomap,
			      const struct erofs_extent *ext, u64 pos,
			      unsigned int flags)
{
	const u64 at = ext->pa + (pos - ext->la);
	struct erofs_buf buf = {};
	void *addr;

	iomap->type = IOMAP_INLINE;
	if (EROFS_I(ext->space)->raw)
		iomap->addr = erofs_primary(EROFS_SB(ext->space->i_sb))->base +
			      at;
	iomap->inline_data = NULL;
	/* for bmap, which wants no bytes */
	if (flags & IOMAP_REPORT)
		return 0;
	addr = erofs_buf_map(&buf, ext->space, at, iomap->length);
	if (IS_ERR(addr))
		return PTR_ERR(addr);
	iomap->inline_data = addr;
	iomap->private = buf.folio;
	return 0;
}

/*
 * Does it take metadata, which may have to be read, to find these bytes? Blocks
 * of flat files alone are found without, and their tails are metadata. It is
 * asked of the whole range at once: when a part of it is on its way, EAGAIN of
 * the next one comes too late for who could go where it may wait.
 */
static bool erofs_iomap_waits(const struct inode *inode, u64 pos, u64 length)
{
	const u64 size = i_size_read(inode);
	const u32 bs = i_blocksize(inode);

	if (pos >= size)
		return false;
	switch (EROFS_I(inode)->layout) {
	case EROFS_LAYOUT_FLAT_PLAIN:
		return false;
	case EROFS_LAYOUT_FLAT_INLINE:
		return min(pos + length, size) > round_up(size, bs) - bs;
	default:
		return true;
	}
}

static int erofs_iomap_begin(struct inode *inode, loff_t pos, loff_t length,
			     unsigned int flags, struct iomap *iomap,
			     struct iomap *srcmap)
{
	const u64 size = i_size_read(inode);
	struct erofs_extent ext;
	int err;

	/* a long read of holes goes on without waiting for anything */
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	if ((flags & IOMAP_NOWAIT) && erofs_iomap_waits(inode, pos, length))
		return -EAGAIN;
	err = erofs_map_blocks(inode, pos, &ext);
	if (err)
		return err;
	iomap->offset = pos;
	iomap->length = pos < size ? ext.la + ext.len - pos : length;
	iomap->flags = 0;
	iomap->bdev = NULL;
	iomap->dax_dev = NULL;
	iomap->addr = IOMAP_NULL_ADDR;
	iomap->private = NULL;
	switch (ext.kind) {
	case EROFS_EXT_HOLE:
		iomap->type = IOMAP_HOLE;
		return 0;
	case EROFS_EXT_INLINE:
		return erofs_iomap_inline(iomap, &ext, pos, flags);
	case EROFS_EXT_PLAIN:
		erofs_iomap_device(iomap, &ext, pos, flags);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int erofs_iomap_end(struct inode *inode, loff_t pos, loff_t length,
			   ssize_t written, unsigned int flags,
			   struct iomap *iomap)
{
	struct erofs_buf buf = {
		.folio	= iomap->private,
		.addr	= iomap->inline_data,
	};

	if (iomap->type == IOMAP_INLINE && iomap->inline_data)
		erofs_buf_put(&buf);
	return written;
}

const struct iomap_ops erofs_iomap_ops = {
	.iomap_begin	= erofs_iomap_begin,
	.iomap_end	= erofs_iomap_end,
};

/* ---- looking: who asks for holes goes through a file's extents ---- */

/* more extents than have a block of their own: holes, and what is stored once */
#define EROFS_LOOK_MORE		(256U << 10)

/*
 * How many extents one call looks at. Each that has data has a block, as a rule; but
 * an index that is itself a file may say the same for ever, in an image of no size.
 */
static u64 erofs_look_max(const struct erofs_sb_info *sbi)
{
	u64 max = EROFS_LOOK_MORE;
	unsigned int i;

	for (i = 0; i < sbi->nr_devs; i++)
		max += sbi->devs[i].limit >> sbi->desc.blkszbits;
	return max;
}

/* One extent; index and look-ups of all before it are not begun anew. */
static int erofs_look(struct inode *inode, struct z_erofs_view *view, u64 pos,
		      struct erofs_extent *ext)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	return erofs_map_view(inode, view, pos, ext);
}

/*
 * SEEK_HOLE and SEEK_DATA. What lies behind more extents than that is taken for
 * data, up to the file's end, as it may be.
 */
static loff_t erofs_seek(struct inode *inode, loff_t offset, bool hole)
{
	const u64 size = i_size_read(inode);
	u64 left = erofs_look_max(EROFS_SB(inode->i_sb));
	struct z_erofs_view view = {};
	struct erofs_extent ext;
	u64 pos;
	int err;

	if (offset < 0 || offset >= size)
		return -ENXIO;
	for (pos = offset; pos < size; pos = ext.la + ext.len) {
		if (!left--)
			return hole ? size : pos;
		err = erofs_look(inode, &view, pos, &ext);
		if (err)
			return err;
		if ((ext.kind == EROFS_EXT_HOLE) == hole)
			return pos;
	}
	return hole ? size : -ENXIO;
}

/**
 * struct erofs_tell - an extent that FIEMAP has yet to tell, one behind
 * @logical: first byte in the file
 * @physical: first byte on its device
 * @len: bytes, 0 if there is none
 * @flags: FIEMAP_EXTENT_*
 */
struct erofs_tell {
	u64 logical;
	u64 physical;
	u64 len;
	u32 flags;
};

/* 1: the user has no room for more */
static int erofs_tell_emit(struct fiemap_extent_info *info,
			   const struct erofs_tell *tell, u32 flags)
{
	if (!tell->len)
		return 0;
	return fiemap_fill_next_extent(info, tell->logical, tell->physical,
				       tell->len, tell->flags | flags);
}

static void erofs_tell_set(struct erofs_tell *tell,
			   const struct erofs_extent *ext, u64 pos, u64 size)
{
	const struct inode *space = ext->space;
	u64 skip = pos - ext->la;

	tell->logical = pos;
	tell->len = min(ext->la + ext->len, size) - pos;
	tell->flags = 0;
	if (ext->kind == EROFS_EXT_ENCODED) {
		tell->logical = ext->la;
		tell->len = ext->len;
		tell->flags = FIEMAP_EXTENT_ENCODED;
		skip = 0;
	}
	if (space)
		tell->flags |= FIEMAP_EXTENT_NOT_ALIGNED;
	if (ext->kind == EROFS_EXT_INLINE)
		tell->flags |= FIEMAP_EXTENT_DATA_INLINE;
	tell->physical = ext->pa + skip;
	/* bytes of the metabox or the packed inode have no address of their own */
	if (space && !EROFS_I(space)->raw) {
		tell->physical = 0;
		tell->flags |= FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED;
	} else {
		tell->physical += space ?
			erofs_primary(EROFS_SB(space->i_sb))->base :
			ext->dev->base;
	}
}

/**
 * erofs_fiemap - tell where a file's extents lie
 * @inode: the file
 * @info: receives them
 * @start: first byte
 * @len: bytes
 *
 * There is a bound on how many it looks at, beyond which it tells of no more, as if
 * the user had no room.
 *
 * Return: 0 or an errno.
 */
int erofs_fiemap(struct inode *inode, struct fiemap_extent_info *info,
		 u64 start, u64 len)
{
	const u64 size = i_size_read(inode);
	u64 left = erofs_look_max(EROFS_SB(inode->i_sb));
	struct erofs_tell last = {};
	struct z_erofs_view view = {};
	struct erofs_extent ext;
	u64 end;
	int ret;

	ret = fiemap_prep(inode, info, start, &len, 0);
	if (ret)
		return ret;
	/* every extent holds a byte that was not told of yet (Z15) */
	for (end = min(start + len, size); start < end && left--;
	     start = ext.la + ext.len) {
		ret = erofs_look(inode, &view, start, &ext);
		if (ret)
			return ret;
		if (ext.kind == EROFS_EXT_HOLE)
			continue;
		ret = erofs_tell_emit(info, &last, 0);
		if (ret)
			return ret < 0 ? ret : 0;
		erofs_tell_set(&last, &ext, start, size);
	}
	ret = erofs_tell_emit(info, &last,
			      start >= size ? FIEMAP_EXTENT_LAST : 0);
	return min(ret, 0);
}

static sector_t erofs_bmap(struct address_space *mapping, sector_t block)
{
	/* encoded bytes are nowhere as such */
	if (erofs_layout_encoded(EROFS_I(mapping->host)->layout))
		return 0;
	return iomap_bmap(mapping, block, &erofs_iomap_ops);
}

const struct address_space_operations erofs_aops = {
	.read_folio	= erofs_read_folio,
	.readahead	= erofs_readahead,
	.bmap		= erofs_bmap,
	.migrate_folio	= filemap_migrate_folio,
};

/*
 * DAX keeps entries of its own where other files have folios, and the page cache
 * would take them for shadows and replace them (S8). So there is no way to read
 * a folio, for which whoever wants one in the kernel (uprobes) asks first. A page
 * that is called dirty is the device's memory, and needs nothing.
 */
const struct address_space_operations erofs_dax_aops = {
	.dirty_folio	= noop_dirty_folio,
	.bmap		= erofs_bmap,
};

/* ---- files ---- */

/*
 * One piece of a direct read from a backing file into the user's memory.
 * Returns 0 for what has to go through the page cache: inline data, the part
 * of a block at the file's end, and what the backing file cannot do.
 */
static ssize_t erofs_direct_piece(struct inode *inode, u64 pos,
				  struct iov_iter *to)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	const size_t count = iov_iter_count(to);
	struct erofs_extent ext;
	size_t len, got;
	ssize_t ret;
	u64 at;
	int err;

	err = erofs_map_blocks(inode, pos, &ext);
	if (err)
		return err;
	at = ext.pa + (pos - ext.la);
	len = min3((u64)count, ext.la + ext.len - pos,
		   (u64)i_size_read(inode) - pos);
	if (ext.kind == EROFS_EXT_HOLE)
		return iov_iter_zero(len, to);
	if (ext.kind != EROFS_EXT_PLAIN || !ext.dev->can_direct ||
	    ext.dev->stacked || sbi->opts.io_mode == EROFS_IO_BUFFERED)
		return 0;
	len &= ~(size_t)ext.dev->dio_mask;
	if (!len || ((ext.dev->base + at) & ext.dev->dio_mask))
		return 0;

	iov_iter_truncate(to, len);
	/* a store may find out in the middle of it, or not at all */
	if (iov_iter_alignment(to) & ext.dev->dio_mem_mask) {
		iov_iter_reexpand(to, count);
		return 0;
	}
	ret = erofs_file_direct(ext.dev, at, to);
	got = max_t(ssize_t, ret, 0);
	/* it may have taken more of @to than it has filled */
	iov_iter_revert(to, len - iov_iter_count(to) - got);
	iov_iter_reexpand(to, count - got);
	return ret == -EINVAL || ret == -EOPNOTSUPP ? 0 : ret;
}

static ssize_t erofs_direct_file(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t total = 0, ret = 0;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	while (iov_iter_count(to) && iocb->ki_pos < i_size_read(inode)) {
		/* a piece is not long, but there may be any number (M5) */
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
		ret = erofs_direct_piece(inode, iocb->ki_pos, to);
		if (ret <= 0)
			break;
		iocb->ki_pos += ret;
		total += ret;
	}
	if (!ret)
		return filemap_read(iocb, to, total);
	return total ?: ret;
}

static bool erofs_all_bdev(const struct erofs_sb_info *sbi)
{
	unsigned int i;

	for (i = 0; i < sbi->nr_devs; i++)
		if (!sbi->devs[i].bdev)
			return false;
	return true;
}

/*
 * Who may not wait gets what the cache holds. Readahead that has to find or decode
 * the rest first would do so in his task, and he would wait for it all the same. The
 * flag is his no longer when he comes again, as one who may.
 */
static ssize_t erofs_cached_read(struct kiocb *iocb, struct iov_iter *to)
{
	const bool waits = (iocb->ki_flags & (IOCB_NOWAIT | IOCB_NOIO)) ==
			   IOCB_NOWAIT &&
			   erofs_iomap_waits(file_inode(iocb->ki_filp),
					     iocb->ki_pos, iov_iter_count(to));
	ssize_t ret;

	if (!waits)
		return filemap_read(iocb, to, 0);
	iocb->ki_flags |= IOCB_NOIO;
	ret = filemap_read(iocb, to, 0);
	iocb->ki_flags &= ~IOCB_NOIO;
	return ret;
}

static ssize_t erofs_file_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	if (!iov_iter_count(to))
		return 0;
	if (IS_ENABLED(CONFIG_FS_DAX) && IS_DAX(inode))
		return dax_iomap_rw(iocb, to, &erofs_iomap_ops);
	if (!(iocb->ki_flags & IOCB_DIRECT))
		return erofs_cached_read(iocb, to);
	if (erofs_all_bdev(EROFS_SB(inode->i_sb)))
		return iomap_dio_rw(iocb, to, &erofs_iomap_ops, NULL, 0, NULL,
				    0);
	return erofs_direct_file(iocb, to);
}

static loff_t erofs_file_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file->f_mapping->host;

	switch (whence) {
	case SEEK_HOLE:
	case SEEK_DATA:
		offset = erofs_seek(inode, offset, whence == SEEK_HOLE);
		break;
	default:
		return generic_file_llseek(file, offset, whence);
	}
	if (offset < 0)
		return offset;
	return vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

#ifdef CONFIG_FS_DAX
static vm_fault_t erofs_dax_huge_fault(struct vm_fault *vmf,
				       k_fault_order_t order)
{
	return dax_iomap_fault(vmf, order, NULL, NULL, &erofs_iomap_ops);
}

static vm_fault_t erofs_dax_fault(struct vm_fault *vmf)
{
	return erofs_dax_huge_fault(vmf, K_FAULT_PTE);
}

static const struct vm_operations_struct erofs_dax_vm_ops = {
	.fault		= erofs_dax_fault,
	.huge_fault	= erofs_dax_huge_fault,
};

static int erofs_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!IS_DAX(file_inode(file)))
		return generic_file_readonly_mmap(file, vma);
	if ((vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_MAYWRITE))
		return -EINVAL;
	vma->vm_ops = &erofs_dax_vm_ops;
	k_vm_flags_set(vma, VM_HUGEPAGE);
	return 0;
}
#else
#define erofs_file_mmap	generic_file_readonly_mmap
#endif

static int erofs_file_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_NOWAIT;
	if (!erofs_layout_encoded(EROFS_I(inode)->layout))
		file->f_mode |= FMODE_CAN_ODIRECT;
	return generic_file_open(inode, file);
}

/**
 * erofs_file_ioctl - ioctls of files and directories
 * @file: an open file
 * @cmd: FS_IOC_GETFSLABEL
 * @arg: where to put the label
 *
 * Return: 0 or an errno.
 */
long erofs_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct erofs_sb_info *sbi = EROFS_SB(file_inode(file)->i_sb);
	char label[FSLABEL_MAX] = {};

	if (cmd != FS_IOC_GETFSLABEL)
		return -ENOTTY;
	strscpy(label, sbi->desc.volume_name, sizeof(label));
	return copy_to_user((void __user *)arg, label, sizeof(label)) ?
		       -EFAULT : 0;
}

const struct file_operations erofs_file_fops = {
	.open		= erofs_file_open,
	.llseek		= erofs_file_llseek,
	.read_iter	= erofs_file_read_iter,
	.unlocked_ioctl	= erofs_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= erofs_file_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.splice_read	= k_filemap_splice_read,
	.setlease	= generic_setlease,
};
