// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: from what the user named to the flat table that reads go by.
 *
 * Sources are resolved before the superblock is looked for, because they are
 * its identity; devices are opened when it is filled. The table never changes
 * after mount, so no lookup takes a lock, and a request's device is what it was
 * when it was submitted (invariant 1 of io.c).
 *
 * Each store is opened as what it is, block device or file, whatever the others
 * are (C2). Only what the user names is opened, never a name in the image (C7).
 */
#include <linux/cred.h>
#include <linux/namei.h>
#include <linux/sort.h>
#include "internal.h"

/* ---- sources ---- */

/* Loop devices are the way out for a file that cannot back a mount. */
static int erofs_src_refuse(struct fs_context *fc, const struct erofs_src *src,
			    const char *why)
{
	errorfc(fc, "%s cannot be used as an image: %s",
		src->name ?: "the file descriptor", why);
	return -ENOTBLK;
}

/* primary and extra devices alike: B4 */
static int erofs_src_check(struct fs_context *fc, const struct erofs_src *src)
{
	const struct inode *inode = file_inode(src->file);

	if (!S_ISREG(inode->i_mode))
		return erofs_src_refuse(fc, src,
					"neither block device nor regular file");
	if (!src->file->f_op->read_iter)
		return erofs_src_refuse(fc, src, "it has no read_iter");
	return 0;
}

/* Some inodes are only ever handed out open, and have no way to open them. */
static int erofs_src_unopened(struct fs_context *fc,
			      const struct erofs_src *src, int err)
{
	if (err == -ENXIO)
		return erofs_src_refuse(fc, src, "it cannot be opened again");
	errorfc(fc, "cannot open %s: %d", src->name ?: "the file descriptor",
		err);
	return err;
}

/*
 * A file of our own, whatever mode and flags the user's fd has, but with the
 * credentials of whoever opened that (B10), and only for reading (U5).
 */
static int erofs_src_reopen(struct fs_context *fc, struct erofs_src *src)
{
	struct inode *inode = file_inode(src->file);
	struct file *file;

	if (S_ISBLK(inode->i_mode)) {
		src->bdev = inode->i_rdev;
		return 0;
	}
	file = dentry_open(&src->file->f_path, O_RDONLY | O_LARGEFILE,
			   src->file->f_cred);
	if (IS_ERR(file))
		return erofs_src_unopened(fc, src, PTR_ERR(file));
	fput(src->file);
	src->file = file;
	return erofs_src_check(fc, src);
}

static int erofs_src_open(struct fs_context *fc, struct erofs_src *src)
{
	struct path path;
	struct file *file;
	umode_t mode;
	int err;

	err = kern_path(src->name, LOOKUP_FOLLOW, &path);
	if (err) {
		errorfc(fc, "cannot look up %s: %d", src->name, err);
		return err;
	}
	mode = d_inode(path.dentry)->i_mode;
	path_put(&path);
	if (S_ISBLK(mode)) {
		err = lookup_bdev(src->name, &src->bdev);
		if (err)
			errorfc(fc, "cannot use block device %s: %d",
				src->name, err);
		return err;
	}
	/* opening a pipe or a character device may do anything but return */
	if (!S_ISREG(mode))
		return erofs_src_refuse(fc, src,
					"neither block device nor regular file");
	file = filp_open(src->name, O_RDONLY | O_LARGEFILE, 0);
	if (IS_ERR(file))
		return erofs_src_unopened(fc, src, PTR_ERR(file));
	src->file = file;
	return erofs_src_check(fc, src);
}

/*
 * What mountinfo shows has to lead to the image: not to a number in the mounting
 * task's fd table.
 */
static int erofs_src_rename(struct erofs_src *src)
{
	char *buf, *name;

	if (!src->file)
		return 0;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	name = file_path(src->file, buf, PATH_MAX);
	if (!IS_ERR(name))
		name = kstrdup(name, GFP_KERNEL);
	else if (!src->name)
		/* too long to be shown; a mount has to have some name */
		name = kasprintf(GFP_KERNEL, ".../%pD", src->file);
	kfree(buf);
	if (IS_ERR(name))
		return 0;
	if (!name)
		return -ENOMEM;
	kfree(src->name);
	src->name = name;
	return 0;
}

/* /proc/self/fd/N may stand for a block device: then its real name counts */
static void erofs_src_rename_bdev(struct erofs_src *src)
{
	struct path path;
	char *buf, *name;

	if (strncmp(src->name, "/proc/", 6) ||
	    kern_path(src->name, LOOKUP_FOLLOW, &path))
		return;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	name = buf ? d_path(&path, buf, PATH_MAX) : ERR_PTR(-ENOMEM);
	name = IS_ERR(name) ? NULL : kstrdup(name, GFP_KERNEL);
	if (name) {
		kfree(src->name);
		src->name = name;
	}
	kfree(buf);
	path_put(&path);
}

/**
 * erofs_src_resolve - find out what the user named, and open it if it is a file
 * @fc: receives messages
 * @src: the source, with a name or an fd; gains a file or a device number
 * @primary: it is what mountinfo will show
 *
 * Context: mount time; sleeps.
 * Return: 0; -ENOTBLK when it cannot be used; or another errno.
 */
int erofs_src_resolve(struct fs_context *fc, struct erofs_src *src,
		      bool primary)
{
	int err;

	err = src->file ? erofs_src_reopen(fc, src) : erofs_src_open(fc, src);
	if (err || !primary)
		return err;
	if (src->file)
		return erofs_src_rename(src);
	erofs_src_rename_bdev(src);
	return 0;
}

/**
 * erofs_src_free - give back what a source holds
 * @src: the source; it is empty afterwards
 */
void erofs_src_free(struct erofs_src *src)
{
	if (src->file)
		fput(src->file);
	kfree(src->name);
	*src = (struct erofs_src) {};
}

/**
 * erofs_src_same - can what one source was opened for stand for another?
 * @a: a resolved source of a mount that is there
 * @b: one of a mount that is asked for
 *
 * Context: any.
 * Return: true if both are one file, or one block device; and somebody who fills
 * the file now was there when @a was opened.
 */
bool erofs_src_same(const struct erofs_src *a, const struct erofs_src *b)
{
	if (a->bdev || b->bdev)
		return a->bdev == b->bdev;
	return file_inode(a->file) == file_inode(b->file) &&
	       (erofs_watch_asked(a->file) || !erofs_watch_asked(b->file));
}

/* ---- opening ---- */

static bool erofs_on_files(const struct super_block *sb)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);
	unsigned int i;

	for (i = 0; i < sbi->nr_devs; i++)
		if (sbi->devs[i].file)
			return true;
	return false;
}

/*
 * Nesting is bounded by the kernel stack. A mount is as deep as its deepest
 * store, and one deeper than another file-backed EROFS, whose reads would
 * otherwise nest without end. Where a store is stacked itself, a worker with a
 * stack of its own reads it, so that what is above this mount and what is below
 * never add up on one stack. That is why a mount on a plain filesystem may stay
 * at depth 0, with two overlays above it. (B1)
 */
static int erofs_dev_stack(struct super_block *sb, struct erofs_dev *dev)
{
	const struct super_block *lower = file_inode(dev->file)->i_sb;
	const bool nested = lower->s_type == &erofs_fs_type &&
			    erofs_on_files(lower);
	const int depth = lower->s_stack_depth + nested;

	if (depth > FILESYSTEM_MAX_STACK_DEPTH)
		return erofs_fail(sb, -ENOTBLK,
				  "%pD lies too deep in stacked filesystems, %d (%d)",
				  dev->file, depth, FILESYSTEM_MAX_STACK_DEPTH);
	sb->s_stack_depth = max(sb->s_stack_depth, depth);
	dev->stacked = lower->s_stack_depth || nested;
	return 0;
}

/*
 * The levels of a stack may not wait for each other's workers. And where each read
 * is a worker's, and waits (FUSE, NFS, 9p), the server may be reading from another
 * mount before it answers. Else those wait together who wait for the same disk.
 */
static int erofs_dev_queue(struct super_block *sb, struct erofs_dev *dev)
{
	const bool alone = dev->stacked || !(dev->can_peek || dev->no_locks);

	dev->queue = erofs_queue_get(alone ? sb : file_inode(dev->file)->i_sb);
	return dev->queue ? 0 : -ENOMEM;
}

static int erofs_dev_open_file(struct super_block *sb, struct erofs_dev *dev,
			       const struct erofs_src *src)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);
	int err;

	dev->file = get_file(src->file);
	dev->ops = &erofs_file_ops;
	dev->span = i_size_read(file_inode(dev->file));
	if (sbi->opts.sealed) {
		err = deny_write_access(dev->file);
		if (err)
			return erofs_fail(sb, err,
					  "sealed: %pD is open for writing",
					  dev->file);
		dev->sealed = true;
	}
	dev->watch = erofs_watch_open(dev->file);
	if (IS_ERR(dev->watch))
		return erofs_fail(sb, PTR_ERR(dev->watch),
				  "cannot see who watches %pD", dev->file);
	err = erofs_dev_stack(sb, dev);
	if (!err)
		err = erofs_file_probe(sb, dev);
	return err ?: erofs_dev_queue(sb, dev);
}

/*
 * The superblock's own device is claimed by the VFS. Others are claimed for the
 * filesystem type, so that several mounts can share them; but not the primary
 * one of a mount at an offset, which would then shut out a mount at offset 0.
 */
static int erofs_dev_open_bdev(struct super_block *sb, struct erofs_dev *dev,
			       const struct erofs_src *src, bool primary)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);

	if (primary && sbi->backing == EROFS_ON_BDEV) {
		dev->bdev = sb->s_bdev;
	} else {
		dev->holder = primary ? NULL : &erofs_fs_type;
		dev->handle = k_bdev_open(src->bdev, dev->holder);
		if (IS_ERR(dev->handle))
			return erofs_fail(sb, PTR_ERR(dev->handle),
					  "cannot open block device %u:%u",
					  MAJOR(src->bdev), MINOR(src->bdev));
		dev->bdev = k_bdev(dev->handle);
	}
	/*
	 * What its writer has not written yet lies in the device's cache, behind
	 * which it is read. Whether that worked is for fsync() to tell him.
	 */
	sync_blockdev(dev->bdev);
	dev->ops = &erofs_bdev_ops;
	dev->span = bdev_nr_bytes(dev->bdev);
	return 0;
}

static int erofs_dev_open_dax(struct super_block *sb, struct erofs_dev *dev)
{
	if (!dev->bdev)
		return erofs_fail(sb, -EINVAL, "dax: a file has no direct access");
	dev->dax_dev = fs_dax_get_by_bdev(dev->bdev, &dev->dax_start, NULL,
					  NULL);
	if (!dev->dax_dev)
		return erofs_fail(sb, -EINVAL,
				  "dax: %pg has no direct access", dev->bdev);
	return 0;
}

/* in 64 bits, and inside the device: B15 */
static int erofs_dev_place(struct super_block *sb, struct erofs_dev *dev,
			   u64 base)
{
	const u32 align = dev->bdev ? bdev_logical_block_size(dev->bdev) : 1;

	if (base > dev->span)
		return erofs_fail(sb, -EINVAL,
				  "fsoffset %llu is behind the end (%llu)",
				  base, dev->span);
	if (base & (align - 1))
		return erofs_fail(sb, -EINVAL,
				  "fsoffset %llu is not on a sector (%u)", base,
				  align);
	dev->base = base;
	dev->span -= base;
	dev->limit = dev->span;
	return 0;
}

static int erofs_dev_open(struct super_block *sb, unsigned int i)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);
	const struct erofs_src *src = &sbi->src[i];
	struct erofs_dev *dev = &sbi->devs[i];
	int err;

	if (src->bdev)
		err = erofs_dev_open_bdev(sb, dev, src, !i);
	else
		err = erofs_dev_open_file(sb, dev, src);
	if (!err)
		err = erofs_dev_place(sb, dev, i ? 0 : sbi->opts.fsoffset);
	if (!err && sbi->opts.dax == EROFS_DAX_ALWAYS)
		err = erofs_dev_open_dax(sb, dev);
	return err;
}

/**
 * erofs_devices_open - open every source of a mount
 * @sb: the mount; gains its stack depth
 *
 * Context: mount time; sleeps.
 * Return: 0 or an errno, after a message.
 */
int erofs_devices_open(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	unsigned int i;
	int err = 0;

	sbi->devs = kvcalloc(sbi->nr_src, sizeof(*sbi->devs), GFP_KERNEL);
	if (!sbi->devs)
		return -ENOMEM;
	sbi->nr_devs = sbi->nr_src;
	for (i = 0; i < sbi->nr_devs && !err; i++)
		err = erofs_dev_open(sb, i);
	return err;
}

/**
 * erofs_devices_close - close what erofs_devices_open() has opened
 * @sbi: the mount, with no request in flight
 */
void erofs_devices_close(struct erofs_sb_info *sbi)
{
	unsigned int i;

	for (i = 0; i < sbi->nr_devs; i++) {
		struct erofs_dev *dev = &sbi->devs[i];

		if (dev->dax_dev)
			fs_put_dax(dev->dax_dev, NULL);
		erofs_queue_put(dev->queue);
		if (!IS_ERR(dev->watch))
			erofs_watch_close(dev->watch);
		if (dev->sealed)
			allow_write_access(dev->file);
		if (!IS_ERR_OR_NULL(dev->handle))
			k_bdev_close(dev->handle, dev->holder);
		if (dev->file)
			fput(dev->file);
	}
	kvfree(sbi->devs);
	sbi->devs = NULL;
	sbi->nr_devs = 0;
}

/* ---- the device table: FORMAT.md section 5 ---- */

static int erofs_slots_read(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	const u32 n = sbi->desc.extra_devices;
	const bool wide = erofs_sb_has(sbi, EROFS_FEATURE_INCOMPAT_48BIT);
	struct erofs_deviceslot raw;
	u64 pos = sbi->desc.devt_pos;
	u32 i;
	int err;

	/* before anything is allocated by the image's count (S14) */
	if (pos + (u64)n * sizeof(raw) > erofs_primary(sbi)->span)
		return erofs_fail(sb, -EUCLEAN,
				  "device table is outside the image, end %llu (%llu)",
				  pos + (u64)n * sizeof(raw),
				  erofs_primary(sbi)->span);
	sbi->slots = kvcalloc(n, sizeof(*sbi->slots), GFP_KERNEL);
	sbi->by_uni = kvcalloc(n, sizeof(*sbi->by_uni), GFP_KERNEL);
	if (!sbi->slots || !sbi->by_uni)
		return -ENOMEM;
	for (i = 0; i < n; i++, pos += sizeof(raw)) {
		err = erofs_meta_copy(sbi->meta, pos, &raw, sizeof(raw));
		if (err)
			return erofs_fail(sb, err, "unreadable device slot %u",
					  i + 1);
		erofs_disk_device(&raw, wide, &sbi->slots[i]);
		if (sbi->slots[i].uniaddr)
			sbi->by_uni[sbi->nr_by_uni++] = i;
	}
	return 0;
}

static int erofs_slot_cmp(const void *a, const void *b, const void *priv)
{
	const struct erofs_slot_desc *slots = priv;
	const u64 x = slots[*(const u32 *)a].uniaddr;
	const u64 y = slots[*(const u32 *)b].uniaddr;

	return x < y ? -1 : x > y;
}

/* Ranges of the unified space may not overlap each other, nor the primary. */
static int erofs_slots_check(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	u64 end = sbi->desc.blocks;
	unsigned int i;

	sort_r(sbi->by_uni, sbi->nr_by_uni, sizeof(*sbi->by_uni),
	       erofs_slot_cmp, NULL, sbi->slots);
	for (i = 0; i < sbi->nr_by_uni; i++) {
		const struct erofs_slot_desc *slot =
			&sbi->slots[sbi->by_uni[i]];

		if (slot->uniaddr < end)
			return erofs_fail(sb, -EUCLEAN,
					  "device %u overlaps another at block %llu (%llu)",
					  sbi->by_uni[i] + 1, slot->uniaddr,
					  end);
		end = slot->uniaddr + slot->blocks;
	}
	return 0;
}

/**
 * erofs_devices_bind - match the device table with the devices that are open
 * @sb: the mount, with its checked superblock
 *
 * Without extra devices the image is taken as flattened: the primary device
 * then holds them all, each where the unified space has it.
 *
 * Context: mount time; sleeps.
 * Return: 0 or an errno, after a message.
 */
int erofs_devices_bind(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	const u32 n = sbi->desc.extra_devices;
	unsigned int i;
	int err;

	if (sbi->nr_devs > 1 && sbi->nr_devs - 1 != n)
		return erofs_fail(sb, -EINVAL,
				  "%u extra devices are given, the image has %u",
				  sbi->nr_devs - 1, n);
	if (!n)
		return 0;
	sbi->device_id_mask = roundup_pow_of_two(n + 1) - 1;
	err = erofs_slots_read(sb);
	if (!err)
		err = erofs_slots_check(sb);
	for (i = 1; !err && i < sbi->nr_devs; i++)
		if (sbi->slots[i - 1].blocks)
			sbi->devs[i].limit = min(sbi->devs[i].span,
				erofs_blk(sbi, sbi->slots[i - 1].blocks));
	return err;
}

/* ---- resolving ---- */

static void erofs_extent_set(struct erofs_extent *ext, struct erofs_dev *dev,
			     u64 pa, u64 end)
{
	ext->dev = dev;
	ext->pa = pa;
	ext->len = pa < end ? min(ext->len, end - pa) : 0;
}

/*
 * The unified space: the extra device whose range holds @pa, else the primary.
 * An extent ends where the next range begins.
 */
static void erofs_map_unified(struct erofs_sb_info *sbi, u64 pa,
			      struct erofs_extent *ext)
{
	struct erofs_dev *primary = erofs_primary(sbi);
	u32 lo = 0, hi = sbi->nr_devs > 1 ? sbi->nr_by_uni : 0;
	u64 end = primary->limit;

	while (lo < hi) {
		const u32 mid = lo + (hi - lo) / 2;
		const u64 uni = sbi->slots[sbi->by_uni[mid]].uniaddr;

		if (erofs_blk(sbi, uni) <= pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* now @lo is the first range behind @pa */
	if (lo) {
		const u32 id = sbi->by_uni[lo - 1];
		const u64 off = pa - erofs_blk(sbi, sbi->slots[id].uniaddr);

		if (off < erofs_blk(sbi, sbi->slots[id].blocks)) {
			erofs_extent_set(ext, &sbi->devs[id + 1], off,
					 sbi->devs[id + 1].limit);
			return;
		}
	}
	if (sbi->nr_devs > 1 && lo < sbi->nr_by_uni)
		end = min(end, erofs_blk(sbi,
				sbi->slots[sbi->by_uni[lo]].uniaddr));
	erofs_extent_set(ext, primary, pa, end);
}

/**
 * erofs_map_device - resolve an on-disk address (FORMAT.md section 5)
 * @inode: whose data
 * @id: device id as stored; 0 is the unified space
 * @pa: byte address of the first byte of @ext
 * @ext: with its logical range; gains the device and is cut where that ends
 *
 * What is cut may leave nothing; erofs_map_blocks() tells of it. An id is compared
 * with the number of devices after it is masked (C1).
 *
 * Return: 0, or -EUCLEAN, after a message, when there is no such device.
 */
int erofs_map_device(struct inode *inode, unsigned int id, u64 pa,
		     struct erofs_extent *ext)
{
	struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	const struct erofs_slot_desc *slot;
	u64 start;

	id &= sbi->device_id_mask;
	if (!id) {
		erofs_map_unified(sbi, pa, ext);
		return 0;
	}
	if (id > sbi->desc.extra_devices)
		return erofs_fail_inode(inode, -EUCLEAN, "no device %u (%u)",
					id, sbi->desc.extra_devices);
	if (sbi->nr_devs > 1) {
		erofs_extent_set(ext, &sbi->devs[id], pa, sbi->devs[id].limit);
		return 0;
	}
	/* all of them in one: each from its place on, if it has one */
	slot = &sbi->slots[id - 1];
	if (!slot->uniaddr)
		return erofs_fail_inode(inode, -EUCLEAN,
					"device %u has no place in the image",
					id);
	start = erofs_blk(sbi, slot->uniaddr);
	erofs_extent_set(ext, erofs_primary(sbi), start + pa,
			 min(erofs_primary(sbi)->limit,
			     start + erofs_blk(sbi, slot->blocks)));
	return 0;
}
