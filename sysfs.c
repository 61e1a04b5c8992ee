// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/erofs: what this build can do, and one folder for each mount.
 *
 * The folder of a mount is named like its block device, or by the major:minor
 * that its files show. It goes before anything that its attributes reach.
 */
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>
#include "zdata.h"

struct erofs_attr {
	struct attribute attr;
	ssize_t (*show)(struct erofs_sb_info *sbi, char *buf);
	ssize_t (*store)(struct erofs_sb_info *sbi, const char *buf,
			 size_t len);
};

static struct kset *erofs_kset;

static ssize_t erofs_store_uint(const char *buf, size_t len, unsigned int max,
				unsigned int *val)
{
	unsigned int v;
	int err = kstrtouint(buf, 0, &v);

	if (err || v > max)
		return -EINVAL;
	WRITE_ONCE(*val, v);
	return len;
}

static ssize_t dir_ra_bytes_show(struct erofs_sb_info *sbi, char *buf)
{
	return sysfs_emit(buf, "%u\n", sbi->dir_ra_bytes);
}

/* more than this at once would be no readahead any more */
#define EROFS_DIR_RA_MAX	(4U << 20)

static ssize_t dir_ra_bytes_store(struct erofs_sb_info *sbi, const char *buf,
				  size_t len)
{
	return erofs_store_uint(buf, len, EROFS_DIR_RA_MAX,
				&sbi->dir_ra_bytes);
}

static ssize_t sync_decompress_show(struct erofs_sb_info *sbi, char *buf)
{
	return sysfs_emit(buf, "%u\n", sbi->sync_decompress);
}

static ssize_t sync_decompress_store(struct erofs_sb_info *sbi,
				     const char *buf, size_t len)
{
	return erofs_store_uint(buf, len, EROFS_SYNC_NEVER,
				&sbi->sync_decompress);
}

/*
 * bit 0: metadata of the primary device; bit 1: what is kept of encoded data.
 * All of it goes: a folio that somebody holds for a moment, as a CPU does that
 * has read it and not put it on the LRU list yet, is unlinked all the same.
 */
static ssize_t drop_caches_store(struct erofs_sb_info *sbi, const char *buf,
				 size_t len)
{
	unsigned int what = 0;
	ssize_t ret = erofs_store_uint(buf, len, 3, &what);

	if (ret < 0 || !what)
		return -EINVAL;
	if (what & 1)
		invalidate_inode_pages2(sbi->meta->i_mapping);
	if (what & 2)
		z_erofs_cache_drop(sbi);
	return ret;
}

static ssize_t io_mode_show(struct erofs_sb_info *sbi, char *buf)
{
	static const char * const names[] = {
		[EROFS_IO_AUTO]		= "auto",
		[EROFS_IO_DIRECT]	= "direct",
		[EROFS_IO_BUFFERED]	= "buffered",
	};
	const struct erofs_dev *dev = erofs_primary(sbi);
	enum erofs_io_mode mode = sbi->opts.io_mode;

	if (dev->bdev)
		return sysfs_emit(buf, "block\n");
	/* what a mount really does, not what it was asked for */
	if (mode == EROFS_IO_AUTO && !(dev->can_direct && dev->can_peek))
		mode = EROFS_IO_BUFFERED;
	return sysfs_emit(buf, "%s\n", names[mode]);
}

#define EROFS_ATTR_RW(name) \
	static struct erofs_attr erofs_attr_##name = \
		__ATTR(name, 0644, name##_show, name##_store)
#define EROFS_ATTR_RO(name) \
	static struct erofs_attr erofs_attr_##name = \
		__ATTR(name, 0444, name##_show, NULL)
#define EROFS_ATTR_WO(name) \
	static struct erofs_attr erofs_attr_##name = \
		__ATTR(name, 0200, NULL, name##_store)

EROFS_ATTR_RW(dir_ra_bytes);
EROFS_ATTR_RW(sync_decompress);
EROFS_ATTR_WO(drop_caches);
EROFS_ATTR_RO(io_mode);

static struct attribute *erofs_attrs[] = {
	&erofs_attr_dir_ra_bytes.attr,
	&erofs_attr_sync_decompress.attr,
	&erofs_attr_drop_caches.attr,
	&erofs_attr_io_mode.attr,
	NULL
};
ATTRIBUTE_GROUPS(erofs);

/* What the format calls a feature and this build reads. */
static ssize_t erofs_feature_show(struct erofs_sb_info *sbi, char *buf)
{
	return sysfs_emit(buf, "supported\n");
}

#define EROFS_FEATURE(name) \
	static struct erofs_attr erofs_feature_##name = \
		__ATTR(name, 0444, erofs_feature_show, NULL)

EROFS_FEATURE(zero_padding);
EROFS_FEATURE(compr_cfgs);
EROFS_FEATURE(big_pcluster);
EROFS_FEATURE(compr_head2);
EROFS_FEATURE(ztailpacking);
EROFS_FEATURE(fragments);
EROFS_FEATURE(dedupe);
EROFS_FEATURE(chunked_file);
EROFS_FEATURE(device_table);
EROFS_FEATURE(sb_chksum);
EROFS_FEATURE(48bit);
EROFS_FEATURE(metabox);
EROFS_FEATURE(xattr_prefixes);
EROFS_FEATURE(file_source);
EROFS_FEATURE(fd_source);

static struct attribute *erofs_feature_attrs[] = {
	&erofs_feature_zero_padding.attr,
	&erofs_feature_compr_cfgs.attr,
	&erofs_feature_big_pcluster.attr,
	&erofs_feature_compr_head2.attr,
	&erofs_feature_ztailpacking.attr,
	&erofs_feature_fragments.attr,
	&erofs_feature_dedupe.attr,
	&erofs_feature_chunked_file.attr,
	&erofs_feature_device_table.attr,
	&erofs_feature_sb_chksum.attr,
	&erofs_feature_48bit.attr,
	&erofs_feature_metabox.attr,
	&erofs_feature_xattr_prefixes.attr,
	&erofs_feature_file_source.attr,
	&erofs_feature_fd_source.attr,
	NULL
};
ATTRIBUTE_GROUPS(erofs_feature);

static ssize_t erofs_attr_show(struct kobject *kobj, struct attribute *attr,
			       char *buf)
{
	struct erofs_attr *a = container_of(attr, struct erofs_attr, attr);

	return a->show ? a->show(container_of(kobj, struct erofs_sb_info, kobj),
				 buf) : -EIO;
}

static ssize_t erofs_attr_store(struct kobject *kobj, struct attribute *attr,
				const char *buf, size_t len)
{
	struct erofs_attr *a = container_of(attr, struct erofs_attr, attr);

	return a->store ?
	       a->store(container_of(kobj, struct erofs_sb_info, kobj), buf,
			len) : -EIO;
}

static const struct sysfs_ops erofs_attr_ops = {
	.show	= erofs_attr_show,
	.store	= erofs_attr_store,
};

static void erofs_sb_kobj_release(struct kobject *kobj)
{
	complete(&container_of(kobj, struct erofs_sb_info, kobj)->kobj_gone);
}

static const struct kobj_type erofs_sb_ktype = {
	.default_groups	= erofs_groups,
	.sysfs_ops	= &erofs_attr_ops,
	.release	= erofs_sb_kobj_release,
};

/* a release may come late, and its object is the module's memory */
static DECLARE_COMPLETION(erofs_feature_gone);

static void erofs_feature_kobj_release(struct kobject *kobj)
{
	complete(&erofs_feature_gone);
}

static const struct kobj_type erofs_feature_ktype = {
	.default_groups	= erofs_feature_groups,
	.sysfs_ops	= &erofs_attr_ops,
	.release	= erofs_feature_kobj_release,
};

static struct kobject erofs_feature_kobj;

/**
 * erofs_sysfs_register - make the folder of a mount
 * @sb: the mount
 *
 * Return: 0 or an errno.
 */
int erofs_sysfs_register(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	int err;

	init_completion(&sbi->kobj_gone);
	sbi->kobj.kset = erofs_kset;
	err = kobject_init_and_add(&sbi->kobj, &erofs_sb_ktype, NULL, "%s",
				   sb->s_id);
	if (err)
		erofs_sysfs_unregister(sbi);
	return err;
}

/**
 * erofs_sysfs_unregister - take the folder of a mount away
 * @sbi: the mount
 *
 * Context: sleeps until nobody is in one of its attributes.
 */
void erofs_sysfs_unregister(struct erofs_sb_info *sbi)
{
	if (!sbi->kobj.state_initialized)
		return;
	kobject_put(&sbi->kobj);
	wait_for_completion(&sbi->kobj_gone);
	memset(&sbi->kobj, 0, sizeof(sbi->kobj));
}

/**
 * erofs_sysfs_init - make /sys/fs/erofs
 *
 * Return: 0; -EEXIST when the running kernel has one already; or an errno.
 */
int erofs_sysfs_init(void)
{
	struct kernfs_node *other = kernfs_find_and_get(fs_kobj->sd, "erofs");
	int err;

	if (other) {
		kernfs_put(other);
		return -EEXIST;
	}
	erofs_kset = kset_create_and_add("erofs", NULL, fs_kobj);
	if (!erofs_kset)
		return -ENOMEM;
	erofs_feature_kobj.kset = erofs_kset;
	err = kobject_init_and_add(&erofs_feature_kobj, &erofs_feature_ktype,
				   NULL, "features");
	if (err)
		erofs_sysfs_exit();
	return err;
}

/**
 * erofs_sysfs_exit - take /sys/fs/erofs away
 */
void erofs_sysfs_exit(void)
{
	kobject_put(&erofs_feature_kobj);
	wait_for_completion(&erofs_feature_gone);
	memset(&erofs_feature_kobj, 0, sizeof(erofs_feature_kobj));
	kset_unregister(erofs_kset);
	erofs_kset = NULL;
}
