/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One source for several kernels: the only file that knows a kernel version.
 *
 * The module is written for the newest kernel; this header brings the older
 * ones up to it. Helpers are named k_*, never like the kernel's own, because a
 * stable release may gain the real symbol at any time. It is force-included
 * by Kbuild. Supported: 6.1.y and 6.12 or later.
 */
#ifndef EROFS_COMPAT_H
#define EROFS_COMPAT_H

#include <linux/version.h>
#include <linux/module.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/file.h>
#include <linux/blkdev.h>
#include <linux/backing-dev.h>
#include <linux/bio.h>
#include <linux/dax.h>
#include <linux/highmem.h>
#include <linux/iomap.h>
#include <linux/mm.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/xattr.h>

#define K_GE(a, b)	(LINUX_VERSION_CODE >= KERNEL_VERSION(a, b, 0))

#if !K_GE(6, 1) || (K_GE(6, 2) && !K_GE(6, 12))
#error "kernel not supported: erofs.ko wants 6.1.y, or 6.12 and later"
#endif

#if K_GE(6, 12)
#include <linux/filelock.h>
#endif

/* ---- block devices ---- */

/* A device held for a mount without a superblock of its own on it. */
#if K_GE(6, 12)
typedef struct file *k_bdev_t;
/* since 6.9: block devices are held as files */
static inline k_bdev_t k_bdev_open(dev_t dev, void *holder)
{
	return bdev_file_open_by_dev(dev, BLK_OPEN_READ, holder, NULL);
}

static inline void k_bdev_close(k_bdev_t handle, void *holder)
{
	bdev_fput(handle);
}

static inline struct block_device *k_bdev(k_bdev_t handle)
{
	return file_bdev(handle);
}
#else
typedef struct block_device *k_bdev_t;
static inline fmode_t k_bdev_mode(void *holder)
{
	return holder ? FMODE_READ | FMODE_EXCL : FMODE_READ;
}

static inline k_bdev_t k_bdev_open(dev_t dev, void *holder)
{
	return blkdev_get_by_dev(dev, k_bdev_mode(holder), holder);
}

static inline void k_bdev_close(k_bdev_t handle, void *holder)
{
	blkdev_put(handle, k_bdev_mode(holder));
}

static inline struct block_device *k_bdev(k_bdev_t handle)
{
	return handle;
}
#endif

/*
 * k_sget_bdev - find or make the superblock that owns block device @dev
 *
 * Returns it with s_umount held and s_bdev set; without s_root it is new and
 * is the caller's to fill. get_tree_bdev() would need a path, and an fd of a
 * device has none that is sure to lead back to it.
 */
#if K_GE(6, 12)
/* since 6.7: sget_dev(), setup_bdev_super() */
static inline struct super_block *k_sget_bdev(struct fs_context *fc, dev_t dev)
{
	struct super_block *sb;
	int err = 0;

	fc->sb_flags |= SB_NOSEC;
	sb = sget_dev(fc, dev);
	if (!IS_ERR(sb) && !sb->s_root)
		err = setup_bdev_super(sb, fc->sb_flags, fc);
	if (!err)
		return sb;
	deactivate_locked_super(sb);
	return ERR_PTR(err);
}
#else
static inline int k_test_bdev(struct super_block *sb, struct fs_context *fc)
{
	return !(sb->s_iflags & SB_I_RETIRED) && sb->s_bdev == fc->sget_key;
}

static inline int k_set_bdev(struct super_block *sb, struct fs_context *fc)
{
	struct block_device *bdev = fc->sget_key;

	sb->s_bdev = bdev;
	sb->s_dev = bdev->bd_dev;
	sb->s_bdi = bdi_get(bdev->bd_disk->bdi);
	return 0;
}

static inline struct super_block *k_sget_bdev(struct fs_context *fc, dev_t dev)
{
	const fmode_t mode = FMODE_READ | FMODE_EXCL;
	struct block_device *bdev;
	struct super_block *sb;

	bdev = blkdev_get_by_dev(dev, mode, fc->fs_type);
	if (IS_ERR(bdev))
		return ERR_CAST(bdev);
	/* a device that is being frozen must not gain a superblock meanwhile */
	mutex_lock(&bdev->bd_fsfreeze_mutex);
	fc->sb_flags |= SB_NOSEC;
	fc->sget_key = bdev;
	sb = bdev->bd_fsfreeze_count ? ERR_PTR(-EBUSY) :
				       sget_fc(fc, k_test_bdev, k_set_bdev);
	mutex_unlock(&bdev->bd_fsfreeze_mutex);
	if (IS_ERR(sb)) {
		blkdev_put(bdev, mode);
	} else if (sb->s_root) {
		/* s_umount nests inside the device's open mutex */
		up_write(&sb->s_umount);
		blkdev_put(bdev, mode);
		down_write(&sb->s_umount);
	} else {
		sb->s_mode = mode;
		snprintf(sb->s_id, sizeof(sb->s_id), "%pg", bdev);
		bdev->bd_super = sb;
	}
	return sb;
}
#endif

/* ---- mount ---- */

/* A parameter given as a string or by FSCONFIG_SET_FD, on any kernel. */
static inline int k_param_is_file_or_string(struct p_log *log,
					    const struct fs_parameter_spec *p,
					    struct fs_parameter *param,
					    struct fs_parse_result *result)
{
	if (param->type == fs_value_is_file)
		return 0;
	return fs_param_is_string(log, p, param, result);
}
#define k_fsparam_file_or_string(NAME, OPT) \
	__fsparam(k_param_is_file_or_string, NAME, OPT, 0, NULL)

static inline void k_super_set_uuid(struct super_block *sb, const u8 *uuid)
{
#if K_GE(6, 12)
	super_set_uuid(sb, uuid, 16);
#else
	memcpy(&sb->s_uuid, uuid, 16);
#endif
}

#if K_GE(6, 12)
#define k_set_xattr_handlers(sb, h)	((sb)->s_xattr = (h))
#define k_acl_access_handler		nop_posix_acl_access
#define k_acl_default_handler		nop_posix_acl_default
#define k_op_get_acl			get_inode_acl
#else
#define k_set_xattr_handlers(sb, h) \
	((sb)->s_xattr = (const struct xattr_handler **)(h))
#define k_acl_access_handler		posix_acl_access_xattr_handler
#define k_acl_default_handler		posix_acl_default_xattr_handler
#define k_op_get_acl			get_acl
#endif

/* since 6.3: idmapped mounts have a type of their own */
#if K_GE(6, 12)
#define k_idmap				mnt_idmap
#define k_generic_fillattr(idmap, mask, inode, stat) \
	generic_fillattr(idmap, mask, inode, stat)
#else
#define k_idmap				user_namespace
#define k_generic_fillattr(idmap, mask, inode, stat) \
	generic_fillattr(idmap, inode, stat)
#endif

/* ---- inodes ---- */

static inline bool k_inode_is_new(struct inode *inode)
{
#if K_GE(6, 19)
	return inode_state_read_once(inode) & I_NEW;
#else
	return inode->i_state & I_NEW;
#endif
}

/* since 6.6: timestamps behind accessors */
static inline void k_inode_set_times(struct inode *inode, time64_t sec, long ns)
{
#if K_GE(6, 12)
	inode_set_mtime(inode, sec, ns);
	inode_set_atime(inode, sec, ns);
	inode_set_ctime(inode, sec, ns);
#else
	inode->i_mtime.tv_sec = sec;
	inode->i_mtime.tv_nsec = ns;
	inode->i_atime = inode->i_mtime;
	inode->i_ctime = inode->i_mtime;
#endif
}

/* ---- folios ---- */

/* since 6.6: memcpy_to_folio() */
static inline void k_memcpy_to_folio(struct folio *folio, size_t off,
				     const void *from, size_t len)
{
#if K_GE(6, 12)
	memcpy_to_folio(folio, off, from, len);
#else
	size_t n;

	for (; len; off += n, from += n, len -= n) {
		void *to = kmap_local_folio(folio, off);

		n = min_t(size_t, len, PAGE_SIZE - offset_in_page(off));
		memcpy(to, from, n);
		kunmap_local(to);
	}
	flush_dcache_folio(folio);
#endif
}

/* since 6.7: folio_end_read() */
static inline void k_folio_end_read(struct folio *folio, bool ok)
{
#if K_GE(6, 12)
	folio_end_read(folio, ok);
#else
	if (ok)
		folio_mark_uptodate(folio);
	folio_unlock(folio);
#endif
}

/* since 6.4: a miss is an ERR_PTR; here it is NULL everywhere */
static inline struct folio *k_find_folio(struct address_space *m, pgoff_t idx)
{
	struct folio *folio = filemap_get_folio(m, idx);

	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

/* ---- files ---- */

#if K_GE(6, 12)
#define k_filemap_splice_read		filemap_splice_read
typedef unsigned int k_fault_order_t;
#define K_FAULT_PTE			0
#define k_vm_flags_set(vma, f)		vm_flags_set(vma, f)
#else
#define k_filemap_splice_read		generic_file_splice_read
typedef enum page_entry_size k_fault_order_t;
#define K_FAULT_PTE			PE_SIZE_PTE
#define k_vm_flags_set(vma, f)		((vma)->vm_flags |= (f))
#endif

/*
 * A user's memory, held: @off is the first byte of the first page. Since 6.3 by pins;
 * before, by references, as that kernel's own direct reads.
 */
static inline ssize_t k_user_pages_get(struct iov_iter *to, struct page **pages,
				       unsigned int max, size_t *off)
{
#if K_GE(6, 12)
	return iov_iter_extract_pages(to, &pages, SIZE_MAX, max, 0, off);
#else
	return iov_iter_get_pages2(to, pages, SIZE_MAX, max, off);
#endif
}

static inline void k_user_pages_put(struct page **pages, unsigned int nr,
				    bool dirty)
{
#if K_GE(6, 12)
	unpin_user_pages_dirty_lock(pages, nr, dirty);
#else
	for (; nr; nr--, pages++) {
		if (dirty)
			set_page_dirty_lock(*pages);
		put_page(*pages);
	}
#endif
}

static inline void k_dax_evict(struct inode *inode)
{
#if K_GE(6, 15)
	if (IS_DAX(inode))
		dax_break_layout_final(inode);
#endif
}

/* ---- memory pressure ---- */

typedef unsigned long (*k_shrink_fn)(struct shrinker *, struct shrink_control *);
#if K_GE(6, 12)
/* since 6.7: shrinkers are allocated */
typedef struct shrinker *k_shrinker_t;
static inline int k_shrinker_init(k_shrinker_t *sp, k_shrink_fn count,
				  k_shrink_fn scan, const char *name)
{
	struct shrinker *s = shrinker_alloc(0, "%s", name);

	if (!s)
		return -ENOMEM;
	s->count_objects = count;
	s->scan_objects = scan;
	shrinker_register(s);
	*sp = s;
	return 0;
}

static inline void k_shrinker_exit(k_shrinker_t *sp)
{
	shrinker_free(*sp);
}
#else
typedef struct shrinker k_shrinker_t;
static inline int k_shrinker_init(k_shrinker_t *s, k_shrink_fn count,
				  k_shrink_fn scan, const char *name)
{
	s->count_objects = count;
	s->scan_objects = scan;
	s->seeks = DEFAULT_SEEKS;
	return register_shrinker(s, "%s", name);
}

static inline void k_shrinker_exit(k_shrinker_t *s)
{
	unregister_shrinker(s);
}
#endif

/* since 6.14: somebody may fill a file while it is read (FAN_PRE_ACCESS) */
#if K_GE(6, 14) && defined(CONFIG_FANOTIFY_ACCESS_PERMISSIONS)
#define K_PRE_CONTENT
#endif

/* since 6.10: __assign_str() knows its source */
#if K_GE(6, 12)
#define k_assign_str(dst, src)		__assign_str(dst)
#else
#define k_assign_str(dst, src)		__assign_str(dst, src)
#endif

#endif
