// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stored bytes that are kept: the cache_strategy= of a mount.
 *
 * A pcluster of which a reader takes all is done with when it is decoded. One of
 * which it takes a part, because the rest is in the page cache already or there
 * is no memory for it, is likely to be read again. Its stored bytes then come
 * through the page cache of an internal inode, one for each device, and stay
 * there until memory, drop_caches or unmount takes them. That cache shows bytes
 * of a device as they are and is filled like any file, so that it has no states
 * and no rules of its own: io.c's invariants hold for it as for data, and two
 * pclusters in one folio share it as two readers of a file do (E6). Whoever waits
 * for one of its folios waits for plain reads of a device, which wait for no other
 * folio of the mount (R6). What is borrowed is given back by
 * z_erofs_pcl_free_inputs(), after failures as well (P12).
 *
 * Locks: those of the page cache. Its invalidate_lock comes after that of the
 * file that is read, and before none.
 */
#include "zdata.h"
#include "decompressor.h"

/**
 * z_erofs_cache_init - prepare the caches of a mount, and who waits for them
 * @sb: the mount, with its devices
 *
 * Return: 0 or -ENOMEM.
 */
int z_erofs_cache_init(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	unsigned int i;

	if (!sbi->desc.algorithms)
		return 0;
	/* without a rescuer, for nobody frees memory by reading */
	sbi->wait_wq = alloc_workqueue("erofs_wait/%s",
				       WQ_UNBOUND | WQ_HIGHPRI, 0, sb->s_id);
	if (!sbi->wait_wq)
		return -ENOMEM;
	for (i = 0; i < sbi->nr_devs; i++) {
		struct inode *inode = erofs_raw_inode(sb, &sbi->devs[i]);

		if (!inode)
			return -ENOMEM;
		erofs_set_lock_class(inode, EROFS_LOCK_STORED);
		sbi->devs[i].zcache = inode;
	}
	return 0;
}

/**
 * z_erofs_cache_exit - undo z_erofs_cache_init(), however far it came
 * @sbi: the mount; its files are gone
 */
void z_erofs_cache_exit(struct erofs_sb_info *sbi)
{
	unsigned int i;

	for (i = 0; i < sbi->nr_devs; i++) {
		iput(sbi->devs[i].zcache);
		sbi->devs[i].zcache = NULL;
	}
	if (sbi->wait_wq)
		destroy_workqueue(sbi->wait_wq);
	sbi->wait_wq = NULL;
}

/**
 * z_erofs_cache_drop - forget stored bytes
 * @sbi: the mount
 *
 * Readers that hold some of them finish with what they hold.
 *
 * Context: sleeps until reads that were begun are done.
 */
void z_erofs_cache_drop(struct erofs_sb_info *sbi)
{
	unsigned int i;

	for (i = 0; i < sbi->nr_devs; i++)
		if (sbi->devs[i].zcache)
			invalidate_inode_pages2(sbi->devs[i].zcache->i_mapping);
	z_erofs_pool_shrink(&sbi->pool);
}

/**
 * z_erofs_cache_wants - shall the stored bytes of a pcluster be kept?
 * @ext: the pcluster
 * @cache: the mount's strategy
 * @first: it is the first of its read
 * @last: it is the last
 *
 * Asked for pclusters of which the reader takes a part only.
 *
 * Return: true if they are to come through the cache.
 */
bool z_erofs_cache_wants(const struct erofs_extent *ext,
			 enum erofs_cache_strategy cache, bool first, bool last)
{
	if (!ext->dev || !ext->dev->zcache)
		return false;
	switch (cache) {
	case EROFS_CACHE_READAROUND:
		return first || last;
	case EROFS_CACHE_READAHEAD:
		return last;
	default:
		return false;
	}
}

static u32 z_erofs_cache_pages(const struct erofs_extent *ext)
{
	return DIV_ROUND_UP(offset_in_page(ext->pa) + ext->plen, PAGE_SIZE);
}

/**
 * z_erofs_cache_start - start reading what is not in the cache
 * @ext: a pcluster
 */
void z_erofs_cache_start(const struct erofs_extent *ext)
{
	erofs_window_read(ext->dev->zcache, ext->pa >> PAGE_SHIFT,
			  z_erofs_cache_pages(ext), 0);
}

static struct folio *z_erofs_cache_folio(struct address_space *mapping,
					 pgoff_t index)
{
	return erofs_folio_wait(mapping, index, k_find_folio(mapping, index));
}

/**
 * z_erofs_cache_take - borrow the pages of a pcluster
 * @ext: the pcluster
 * @pages: receives them, with a reference each; not to be written
 * @nr: how many there are, also on failure
 * @gfp: for the array
 *
 * Context: sleeps until they are read.
 * Return: 0; -ENOMEM; -EINTR for a fatal signal; or the errno of the read.
 */
int z_erofs_cache_take(const struct erofs_extent *ext, struct folio ***pages,
		       u32 *nr, gfp_t gfp)
{
	struct address_space *mapping = ext->dev->zcache->i_mapping;
	const pgoff_t first = ext->pa >> PAGE_SHIFT;
	const u32 want = z_erofs_cache_pages(ext);
	struct folio *folio, *last;

	*nr = 0;
	*pages = kcalloc(want, sizeof(**pages), gfp);
	if (!*pages)
		return -ENOMEM;
	/* the last one arrives last: to wait for each would be to wake up for each */
	last = z_erofs_cache_folio(mapping, first + want - 1);
	if (IS_ERR(last))
		return PTR_ERR(last);
	for (; *nr < want - 1; (*nr)++) {
		folio = z_erofs_cache_folio(mapping, first + *nr);
		if (IS_ERR(folio)) {
			folio_put(last);
			return PTR_ERR(folio);
		}
		(*pages)[*nr] = folio;
	}
	(*pages)[(*nr)++] = last;
	return 0;
}
