// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metadata: (space, byte position) to mapped bytes.
 *
 * A metadata space is the page cache of an inode: an internal one that shows
 * the bytes of the primary device, or the metabox file. Both are filled by the
 * engine of data.c, so nothing here knows the transport, the invariants of io.c
 * are kept there, and what was read cannot change under a parser, whatever
 * happens to the backing file (B12).
 *
 * Records are copied out, also where they cross a page or a block (I4), so that
 * no folio is held over a read that can fail (S2, X3, Z12); mappings nest (P13).
 *
 * No locks but the folio's own.
 */
#include <linux/swap.h>
#include "internal.h"

/* a miss reads the whole window around it: inodes and directories lie close */
#define EROFS_META_WINDOW	(64U << 10)
/* and where the window before it is there too, up to this much at a time */
#define EROFS_META_STREAM	(512U << 10)

/**
 * erofs_set_lock_class - say at what depth of reading an inode is read
 * @inode: an internal or special inode, not used yet
 * @class: which
 *
 * A file's pages are read while its invalidate_lock is held, and that reads
 * what others hold, in the order of enum erofs_lock_class.
 */
void erofs_set_lock_class(struct inode *inode, enum erofs_lock_class class)
{
	static struct lock_class_key keys[EROFS_LOCK_CLASSES];
	static const char * const names[EROFS_LOCK_CLASSES] = {
		[EROFS_LOCK_METABOX]	= "erofs_metabox",
		[EROFS_LOCK_PACKED]	= "erofs_packed",
		[EROFS_LOCK_STORED]	= "erofs_stored",
		[EROFS_LOCK_META]	= "erofs_meta",
	};

	lockdep_set_class_and_name(&inode->i_mapping->invalidate_lock,
				   &keys[class], names[class]);
}

/**
 * erofs_raw_inode - make an internal inode that shows a device's bytes
 * @sb: the mount
 * @dev: the device
 *
 * Return: the inode, or NULL when there is no memory.
 */
struct inode *erofs_raw_inode(struct super_block *sb, struct erofs_dev *dev)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	set_nlink(inode, 1);
	i_size_write(inode, dev->span);
	inode->i_mapping->a_ops = &erofs_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_KERNEL | __GFP_MOVABLE);
	EROFS_I(inode)->raw = dev;
	EROFS_I(inode)->space = inode;
	return inode;
}

/**
 * erofs_meta_inode - make the metadata space of the primary device
 * @sb: the mount
 *
 * Return: the inode, or NULL when there is no memory.
 */
struct inode *erofs_meta_inode(struct super_block *sb)
{
	struct inode *inode = erofs_raw_inode(sb, erofs_primary(EROFS_SB(sb)));

	if (inode)
		erofs_set_lock_class(inode, EROFS_LOCK_META);
	return inode;
}

/**
 * erofs_window_read - start reading pages that may be needed soon
 * @inode: whose
 * @first: first page
 * @nr: pages; those past the end and those present are left out
 * @mark: of these, how many from the last on begin where the readahead flag is
 *        set; 0 sets none
 *
 * Context: sleeps for memory, not for I/O on devices that queue it.
 */
void erofs_window_read(struct inode *inode, pgoff_t first, unsigned long nr,
		       unsigned long mark)
{
	const u64 end = DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE);
	struct file_ra_state ra = {};
	DEFINE_READAHEAD(ractl, NULL, &ra, inode->i_mapping, first);

	if (first >= end)
		return;
	nr = min_t(u64, nr, end - first);
	page_cache_ra_unbounded(&ractl, nr, min(nr, mark));
}

/*
 * A walk of a tree goes through the inodes in their order, and works on some
 * while the next are read: the first page of a streamed window is flagged, and
 * whoever comes to it starts the window behind. A window is as long as its
 * start is aligned: they grow, and none needs to know of the one before.
 */
static pgoff_t erofs_stream_pages(pgoff_t first)
{
	const pgoff_t max = EROFS_META_STREAM >> PAGE_SHIFT;

	return min_not_zero(first & -first, max);
}

static void erofs_space_stream(struct inode *space, pgoff_t first)
{
	const pgoff_t nr = erofs_stream_pages(first);

	erofs_window_read(space, first, nr, nr);
}

static void erofs_space_miss(struct inode *space, pgoff_t index)
{
	const pgoff_t window = EROFS_META_WINDOW >> PAGE_SHIFT;
	const pgoff_t first = round_down(index, window);
	struct folio *before = NULL;

	if (first)
		before = k_find_folio(space->i_mapping, first - 1);
	if (!before) {
		erofs_window_read(space, first, window, 0);
		return;
	}
	folio_put(before);
	erofs_space_stream(space, first);
}

/**
 * erofs_folio_wait - a folio for the module's own use, when its bytes are there
 * @mapping: pages of an internal inode, a directory or a symlink
 * @index: which
 * @folio: it, if somebody has begun to read it, or NULL; the reference is taken over
 *
 * read_mapping_folio() waits for the reads of others without an ear for signals, and
 * the store may be one that never answers (M5).
 *
 * Context: sleeps.
 * Return: the folio, uptodate; -EINTR for a fatal signal; or the errno of the read.
 */
struct folio *erofs_folio_wait(struct address_space *mapping, pgoff_t index,
			       struct folio *folio)
{
	int err = folio ? folio_wait_locked_killable(folio) : 0;

	if (folio && !err && folio_test_uptodate(folio)) {
		folio_mark_accessed(folio);
		return folio;
	}
	if (folio)
		folio_put(folio);
	return err ? ERR_PTR(err) : read_mapping_folio(mapping, index, NULL);
}

static struct folio *erofs_space_folio(struct inode *space, pgoff_t index)
{
	struct folio *folio = k_find_folio(space->i_mapping, index);

	if (!folio) {
		erofs_space_miss(space, index);
		folio = k_find_folio(space->i_mapping, index);
	}
	if (folio && folio_test_readahead(folio)) {
		folio_clear_readahead(folio);
		erofs_space_stream(space, folio->index +
				   erofs_stream_pages(folio->index));
	}
	return erofs_folio_wait(space->i_mapping, index, folio);
}

/**
 * erofs_buf_put - give back what a buffer maps
 * @buf: the buffer; it can be used again
 */
void erofs_buf_put(struct erofs_buf *buf)
{
	if (!buf->folio)
		return;
	kunmap_local(buf->addr);
	folio_put(buf->folio);
	buf->folio = NULL;
}

/**
 * erofs_buf_map_folio - map the page of a folio that holds a byte
 * @buf: receives the mapping and the caller's reference of @folio
 * @folio: uptodate
 * @pos: the byte's position in the file
 *
 * Return: address of the byte; valid to the end of its page.
 */
void *erofs_buf_map_folio(struct erofs_buf *buf, struct folio *folio, u64 pos)
{
	const size_t off = pos - folio_pos(folio);

	buf->folio = folio;
	buf->addr = kmap_local_folio(folio, off);
	buf->index = pos >> PAGE_SHIFT;
	return buf->addr;
}

/* It is as uptodate as it was, and still of that file. */
static bool erofs_buf_holds(const struct erofs_buf *buf,
			    const struct inode *space, u64 pos)
{
	return buf->folio && buf->index == pos >> PAGE_SHIFT &&
	       READ_ONCE(buf->folio->mapping) == space->i_mapping;
}

/**
 * erofs_buf_map - map metadata that does not cross a page
 * @buf: receives the mapping; what it held is given back, unless it is that page
 * @space: metadata space
 * @pos: byte in @space
 * @len: bytes
 *
 * Context: sleeps.
 * Return: address, to be given back with erofs_buf_put(); -EUCLEAN when the
 * range is outside the space (S9, I4, X4); or the errno of the read. Says nothing
 * itself.
 */
void *erofs_buf_map(struct erofs_buf *buf, struct inode *space, u64 pos,
		    size_t len)
{
	const u64 size = i_size_read(space);
	const bool inside = pos < size && len <= size - pos;
	struct folio *folio;

	if (inside && erofs_buf_holds(buf, space, pos))
		return PTR_ALIGN_DOWN(buf->addr, PAGE_SIZE) +
		       offset_in_page(pos);
	erofs_buf_put(buf);
	if (!inside)
		return ERR_PTR(-EUCLEAN);
	folio = erofs_space_folio(space, pos >> PAGE_SHIFT);
	if (IS_ERR(folio))
		return ERR_CAST(folio);
	return erofs_buf_map_folio(buf, folio, pos);
}

/**
 * erofs_buf_copy - copy metadata, which may cross pages, of which more is wanted
 * @buf: keeps the last page, for what comes next is likely to lie there
 * @space: metadata space
 * @pos: byte in @space
 * @dst: where to
 * @len: bytes
 *
 * Context: sleeps.
 * Return: 0 or an errno as of erofs_buf_map().
 */
int erofs_buf_copy(struct erofs_buf *buf, struct inode *space, u64 pos,
		   void *dst, size_t len)
{
	const void *src;
	size_t n;

	for (; len; pos += n, dst += n, len -= n) {
		n = min_t(size_t, len, PAGE_SIZE - offset_in_page(pos));
		src = erofs_buf_map(buf, space, pos, n);
		if (IS_ERR(src))
			return PTR_ERR(src);
		memcpy(dst, src, n);
	}
	return 0;
}

/**
 * erofs_meta_copy - copy metadata, which may cross pages
 * @space: metadata space
 * @pos: byte in @space
 * @dst: where to
 * @len: bytes
 *
 * Context: sleeps.
 * Return: 0 or an errno as of erofs_buf_map().
 */
int erofs_meta_copy(struct inode *space, u64 pos, void *dst, size_t len)
{
	struct erofs_buf buf = {};
	int err = erofs_buf_copy(&buf, space, pos, dst, len);

	erofs_buf_put(&buf);
	return err;
}
