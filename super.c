// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock: finding or making it, checking the image's, and taking
 * everything down again. And the module itself.
 *
 * Nothing of the image is published before it is checked. A mount goes in this
 * order: devices, metadata inode, superblock, compression records, device
 * table, packed inode, metabox, root, xattr prefixes, sysfs. Teardown is two
 * steps: drop the special inodes, which ends the last readers, then wait for
 * the requests in flight (invariant 5 of io.c; R5, R7). Only then are devices
 * closed.
 *
 * The superblock is copied out, as far as the device goes, decoded and checked by
 * disk.c (S1, S2, S9); what it says is there is asked for by pointers (S3). A
 * block size below a page is set without the block device's help, for there may
 * be none (B3). Nobody without rights mounts: FS_USERNS_MOUNT is not set (U1).
 *
 * Lock order: s_umount, then nothing of our own.
 */
#include <linux/statfs.h>
#include <linux/uuid.h>
#include "decompressor.h"
#include "zdata.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct kmem_cache *erofs_inode_cache;

/* ---- messages ---- */

/*
 * The log of an fs_context has no lock, and goes away with it: it is for the
 * mounting task alone. A worker may still be at pages that this one has not waited
 * for, now or when there is no fs_context any more.
 */
static struct fs_context *erofs_log_of(const struct erofs_sb_info *sbi)
{
	return READ_ONCE(sbi->mounter) == current ? sbi->mount_fc : NULL;
}

/**
 * erofs_fail - say why something on a mount failed
 * @sb: the mount
 * @err: the errno
 * @fmt: what is wrong, its value and its bound
 *
 * What the mounting task has to say goes to the fs_context's log, all else to the
 * kernel's, rate limited. What is not the image's fault is not said.
 *
 * Return: @err.
 */
int erofs_fail(struct super_block *sb, int err, const char *fmt, ...)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	struct fs_context *fc = erofs_log_of(sbi);
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (err == -ENOMEM || err == -EINTR)
		return err;
	va_start(args, fmt);
	vaf.va = &args;
	if (fc)
		errorfc(fc, "%pV", &vaf);
	else if (__ratelimit(&sbi->said))
		pr_err("erofs (%s): %pV\n", sb->s_id, &vaf);
	va_end(args);
	return err;
}

/**
 * erofs_fail_inode - say why something with an inode failed
 * @inode: the inode; it is named at most once a second
 * @err: the errno
 * @fmt: what is wrong, its value and its bound
 *
 * Return: @err.
 */
int erofs_fail_inode(const struct inode *inode, int err, const char *fmt, ...)
{
	struct erofs_inode *ei = EROFS_I(inode);
	struct va_format vaf = { .fmt = fmt };
	const unsigned long now = jiffies | 1;
	va_list args;

	if (ei->said && time_before(now, ei->said + HZ))
		return err;
	ei->said = now;
	va_start(args, fmt);
	vaf.va = &args;
	erofs_fail(inode->i_sb, err, "nid %llu: %pV", ei->nid, &vaf);
	va_end(args);
	return err;
}

/**
 * erofs_fail_fault - say what a decoder has found in an inode
 * @inode: the inode
 * @err: the errno
 * @fault: what the decoder said
 *
 * Return: @err.
 */
int erofs_fail_fault(const struct inode *inode, int err,
		     const struct erofs_fault *fault)
{
	return erofs_fail_inode(inode, err, "%s %llu (%llu)", fault->what,
				fault->value, fault->bound);
}

/* ---- inodes of the VFS ---- */

static void erofs_inode_init_once(void *object)
{
	inode_init_once(&((struct erofs_inode *)object)->vfs_inode);
}

static struct inode *erofs_alloc_inode(struct super_block *sb)
{
	struct erofs_inode *ei = alloc_inode_sb(sb, erofs_inode_cache,
						GFP_KERNEL);

	if (!ei)
		return NULL;
	memset(ei, 0, offsetof(struct erofs_inode, vfs_inode));
	return &ei->vfs_inode;
}

static void erofs_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(erofs_inode_cache, EROFS_I(inode));
}

static void erofs_evict_inode(struct inode *inode)
{
	k_dax_evict(inode);
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	z_erofs_run_free(EROFS_I(inode));
}

/* ---- reading the image's superblock ---- */

static int erofs_fail_super(struct super_block *sb, int err,
			    const struct erofs_fault *fault)
{
	return erofs_fail(sb, err, "%s %llu (%llu)", fault->what, fault->value,
			  fault->bound);
}

/* FORMAT.md section 2.1 */
static int erofs_super_checksum(struct super_block *sb)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);
	const u32 len = erofs_disk_checksum_len(sbi->desc.blkszbits);
	const size_t field = offsetof(struct erofs_super_block, checksum);
	__le32 stored;
	u32 crc;
	u8 *buf;
	int err;

	if (!(sbi->desc.compat & EROFS_FEATURE_COMPAT_SB_CHKSUM))
		return 0;
	buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	err = erofs_meta_copy(sbi->meta, EROFS_SUPER_OFFSET, buf, len);
	if (err) {
		erofs_fail(sb, err, "unreadable first block");
	} else {
		memcpy(&stored, buf + field, sizeof(stored));
		memset(buf + field, 0, sizeof(stored));
		crc = erofs_disk_crc32c(~0U, buf, len);
		if (crc != le32_to_cpu(stored))
			err = erofs_fail(sb, -EBADMSG,
					 "bad superblock checksum %#x (%#x)",
					 le32_to_cpu(stored), crc);
	}
	kfree(buf);
	return err;
}

static int erofs_super_read(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	const u64 span = erofs_primary(sbi)->span;
	struct erofs_super_block raw;
	struct erofs_fault fault;
	size_t len = 0;
	int err;

	if (span > EROFS_SUPER_OFFSET)
		len = min_t(u64, span - EROFS_SUPER_OFFSET, sizeof(raw));
	err = erofs_meta_copy(sbi->meta, EROFS_SUPER_OFFSET, &raw, len);
	if (err)
		return erofs_fail(sb, err, "unreadable superblock");
	err = erofs_disk_super(&raw, len, PAGE_SHIFT, &sbi->desc, &fault);
	if (err)
		return erofs_fail_super(sb, err, &fault);
	if (EROFS_SUPER_OFFSET + sbi->desc.sb_size > span)
		return erofs_fail(sb, -EUCLEAN,
				  "superblock of %u bytes is cut short (%llu)",
				  sbi->desc.sb_size, span);
	return erofs_super_checksum(sb);
}

/* The block size has to suit the devices and the offset. */
static int erofs_super_geometry(struct super_block *sb)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);
	const u32 bs = 1U << sbi->desc.blkszbits;
	unsigned int i;

	if (sbi->opts.fsoffset & (bs - 1))
		return erofs_fail(sb, -EINVAL,
				  "fsoffset %llu is no multiple of the block size (%u)",
				  sbi->opts.fsoffset, bs);
	if (sbi->opts.dax == EROFS_DAX_ALWAYS && bs != PAGE_SIZE)
		return erofs_fail(sb, -EINVAL, "dax: block size %u (%lu)", bs,
				  PAGE_SIZE);
	if (sbi->opts.dax == EROFS_DAX_ALWAYS &&
	    !PAGE_ALIGNED(sbi->opts.fsoffset))
		return erofs_fail(sb, -EINVAL, "dax: fsoffset %llu is not on a page",
				  sbi->opts.fsoffset);
	for (i = 0; i < sbi->nr_devs; i++) {
		const struct block_device *bdev = sbi->devs[i].bdev;

		if (bdev && bdev_logical_block_size((void *)bdev) > bs)
			return erofs_fail(sb, -EINVAL,
					  "block size %u is below the sector size of device %u",
					  bs, i);
	}
	sb->s_blocksize = bs;
	sb->s_blocksize_bits = sbi->desc.blkszbits;
	return 0;
}

/* FORMAT.md section 4; at most four records of at most 64 KiB each */
static int erofs_super_compr_cfgs(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	u64 pos = EROFS_SUPER_OFFSET + sbi->desc.sb_size;
	struct erofs_fault fault;
	unsigned int alg;
	__le16 raw_len;
	u8 payload[16];
	u32 len;
	int err;

	if (!erofs_sb_has(sbi, EROFS_FEATURE_INCOMPAT_COMPR_CFGS))
		return 0;
	for (alg = 0; alg < EROFS_COMPRESSION_MAX; alg++) {
		if (!(sbi->desc.algorithms & BIT(alg)))
			continue;
		pos = round_up(pos, 4);
		err = erofs_meta_copy(sbi->meta, pos, &raw_len,
				      sizeof(raw_len));
		len = err ? 0 : le16_to_cpu(raw_len);
		if (!err)
			err = erofs_meta_copy(sbi->meta, pos + sizeof(raw_len),
					      payload,
					      min_t(u32, len, sizeof(payload)));
		if (err)
			return erofs_fail(sb, err,
					  "unreadable compression record at %llu",
					  pos);
		err = erofs_disk_compr_cfg(alg, payload,
					   min_t(u32, len, sizeof(payload)),
					   &sbi->desc, &fault);
		if (err)
			return erofs_fail_super(sb, err, &fault);
		pos += sizeof(raw_len) + len;
	}
	if (pos > erofs_primary(sbi)->span)
		return erofs_fail(sb, -EUCLEAN,
				  "compression records end at %llu (%llu)",
				  pos, erofs_primary(sbi)->span);
	return 0;
}

/* ---- special inodes ---- */

static int erofs_special_load(struct super_block *sb, u64 nid,
			      const char *what, struct inode **slot)
{
	struct inode *inode = erofs_iget(sb, nid);

	if (IS_ERR(inode))
		return erofs_fail(sb, PTR_ERR(inode), "no %s inode, nid %llu",
				  what, nid);
	if (!S_ISREG(inode->i_mode)) {
		iput(inode);
		return erofs_fail(sb, -EUCLEAN,
				  "%s inode is no regular file, nid %llu", what,
				  nid);
	}
	*slot = inode;
	return 0;
}

/*
 * The packed inode comes before the metabox, and the metabox is not there while
 * its own inode is read: neither can be reached through itself (F1, F5; that
 * their numbers are plain ones is checked by disk.c, S4).
 */
static int erofs_specials_load(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	struct inode *metabox = NULL;
	int err = 0;

	if (sbi->desc.packed_nid)
		err = erofs_special_load(sb, sbi->desc.packed_nid, "packed",
					 &sbi->packed);
	if (sbi->packed)
		erofs_set_lock_class(sbi->packed, EROFS_LOCK_PACKED);
	if (!err && erofs_sb_has(sbi, EROFS_FEATURE_INCOMPAT_METABOX))
		err = erofs_special_load(sb, sbi->desc.metabox_nid, "metabox",
					 &metabox);
	if (metabox)
		erofs_set_lock_class(metabox, EROFS_LOCK_METABOX);
	sbi->metabox = metabox;
	return err;
}

static int erofs_root_load(struct super_block *sb)
{
	const u64 nid = EROFS_SB(sb)->desc.root_nid;
	struct inode *inode = erofs_iget(sb, nid);

	if (IS_ERR(inode))
		return erofs_fail(sb, PTR_ERR(inode), "no root inode, nid %llu",
				  nid);
	if (!S_ISDIR(inode->i_mode)) {
		iput(inode);
		return erofs_fail(sb, -EUCLEAN,
				  "root is no directory, nid %llu", nid);
	}
	sb->s_root = d_make_root(inode);
	return sb->s_root ? 0 : -ENOMEM;
}

/* the last readers, then the last requests, and with a wait, never a spin: R5, R7 */
static void erofs_specials_put(struct erofs_sb_info *sbi)
{
	iput(sbi->packed);
	iput(sbi->metabox);
	z_erofs_cache_exit(sbi);
	iput(sbi->meta);
	sbi->packed = NULL;
	sbi->metabox = NULL;
	erofs_inflight_drain(sbi);
	sbi->meta = NULL;
}

/* ---- superblock operations ---- */

static void erofs_put_super(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);

	erofs_sysfs_unregister(sbi);
	erofs_specials_put(sbi);
}

static int erofs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct super_block *sb = dentry->d_sb;
	const struct erofs_sb_info *sbi = EROFS_SB(sb);
	u64 blocks = sbi->desc.blocks;
	u32 i;

	/* 2^16 devices of 2^48 blocks each still fit */
	for (i = 0; i < sbi->desc.extra_devices; i++)
		blocks += sbi->slots[i].blocks;
	buf->f_type = sb->s_magic;
	buf->f_bsize = sb->s_blocksize;
	buf->f_blocks = blocks;
	buf->f_bfree = 0;
	buf->f_bavail = 0;
	buf->f_files = sbi->desc.inos;
	buf->f_ffree = 0;
	buf->f_namelen = EROFS_NAME_LEN;
	if (memchr_inv(sbi->desc.uuid, 0, sizeof(sbi->desc.uuid)))
		buf->f_fsid = uuid_to_fsid((__u8 *)sbi->desc.uuid);
	else
		buf->f_fsid = u64_to_fsid(huge_encode_dev(sb->s_dev));
	return 0;
}

static const struct super_operations erofs_sops = {
	.alloc_inode	= erofs_alloc_inode,
	.free_inode	= erofs_free_inode,
	.evict_inode	= erofs_evict_inode,
	.put_super	= erofs_put_super,
	.statfs		= erofs_statfs,
	.show_options	= erofs_show_options,
};

/* ---- mount ---- */

static void erofs_super_init(struct super_block *sb)
{
	const struct erofs_sb_info *sbi = EROFS_SB(sb);

	sb->s_magic = EROFS_SUPER_MAGIC;
	sb->s_flags |= SB_RDONLY | SB_NOATIME;
	if (sbi->opts.acl)
		sb->s_flags |= SB_POSIXACL;
	else
		sb->s_flags &= ~SB_POSIXACL;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_time_gran = 1;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_op = &erofs_sops;
	sb->s_export_op = &erofs_export_ops;
	k_set_xattr_handlers(sb, erofs_xattr_handlers);
	if (sbi->backing == EROFS_ON_ANON)
		snprintf(sb->s_id, sizeof(sb->s_id), "%u:%u", MAJOR(sb->s_dev),
			 MINOR(sb->s_dev));
}

/* bytes that the reader of a file-backed mount runs ahead, at least (B16) */
#define EROFS_FILE_RA_BYTES	(512U << 10)

static int erofs_super_bdi(struct super_block *sb)
{
	int err;

	if (EROFS_SB(sb)->backing == EROFS_ON_BDEV)
		return 0;
	err = super_setup_bdi(sb);
	if (err)
		return err;
	sb->s_bdi->ra_pages = EROFS_FILE_RA_BYTES >> PAGE_SHIFT;
	sb->s_bdi->io_pages = EROFS_FILE_RA_BYTES >> PAGE_SHIFT;
	return 0;
}

static int erofs_super_load(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	int err;

	err = erofs_devices_open(sb);
	if (err)
		return err;
	sbi->meta = erofs_meta_inode(sb);
	if (!sbi->meta)
		return -ENOMEM;
	err = erofs_super_read(sb);
	if (!err)
		err = erofs_super_geometry(sb);
	if (!err)
		err = erofs_super_compr_cfgs(sb);
	if (!err)
		err = erofs_devices_bind(sb);
	if (!err)
		err = z_erofs_cache_init(sb);
	if (!err)
		err = erofs_specials_load(sb);
	if (!err)
		err = erofs_root_load(sb);
	if (!err)
		err = erofs_prefixes_load(sb);
	if (!err)
		err = erofs_sysfs_register(sb);
	return err;
}

static int erofs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	int err;

	erofs_super_init(sb);
	err = erofs_super_bdi(sb);
	if (err)
		return err;
	sbi->mount_fc = fc;
	WRITE_ONCE(sbi->mounter, current);
	err = erofs_super_load(sb);
	WRITE_ONCE(sbi->mounter, NULL);
	if (!err)
		k_super_set_uuid(sb, sbi->desc.uuid);
	/* put_super does it where there is a root, and only there */
	else if (!sb->s_root)
		erofs_specials_put(sbi);
	return err;
}

static bool erofs_opts_same(const struct erofs_opts *a,
			    const struct erofs_opts *b)
{
	return a->user_xattr == b->user_xattr && a->acl == b->acl &&
	       a->cache == b->cache && a->dax == b->dax &&
	       a->io_mode == b->io_mode && a->sealed == b->sealed &&
	       a->fsoffset == b->fsoffset;
}

static bool erofs_mounts_same(const struct erofs_sb_info *a,
			      const struct erofs_sb_info *b)
{
	unsigned int i;

	/* first, for a new mount is compared with all others */
	if (a->ident != b->ident)
		return false;
	if (a->nr_src != b->nr_src || !erofs_opts_same(&a->opts, &b->opts))
		return false;
	for (i = 0; i < a->nr_src; i++)
		if (!erofs_src_same(&a->src[i], &b->src[i]))
			return false;
	return true;
}

/*
 * Called under sb_lock. Labels of a security module (context=) are a superblock's, as
 * is who may use it. A superblock on a block device is told by its number,
 * because it is listed longer than its s_fs_info lives.
 */
static int erofs_test_super(struct super_block *sb, struct fs_context *fc)
{
	return !MAJOR(sb->s_dev) && sb->s_user_ns == fc->user_ns &&
	       erofs_mounts_same(EROFS_SB(sb), fc->s_fs_info) &&
	       !security_sb_mnt_opts_compat(sb, fc->security);
}

static int erofs_check_opts(struct fs_context *fc)
{
	const struct erofs_sb_info *sbi = fc->s_fs_info;
	bool files = false;
	unsigned int i;

	if (sbi->want_file && sbi->src[0].bdev)
		return invalfc(fc, "erofs.file: %s is a block device",
			       fc->source);
	for (i = 0; i < sbi->nr_src; i++) {
		if (!sbi->src[i].bdev)
			files = true;
		else if (sbi->opts.sealed)
			return invalfc(fc, "sealed: device %u is a block device, not a file",
				       i);
	}
	if (sbi->opts.io_mode != EROFS_IO_AUTO && !files)
		return invalfc(fc, "directio and nodirectio are for files, not for block devices");
	return 0;
}

static int erofs_resolve_sources(struct fs_context *fc)
{
	struct erofs_sb_info *sbi = fc->s_fs_info;
	unsigned int i;
	int err = 0;

	if (!sbi->src[0].name && !sbi->src[0].file)
		return invalfc(fc, "No source specified");
	for (i = 0; i < sbi->nr_src && !err; i++)
		err = erofs_src_resolve(fc, &sbi->src[i], !i);
	if (err)
		return err;
	sbi->ident = sbi->src[0].bdev ?:
		     (unsigned long)file_inode(sbi->src[0].file);
	kfree(fc->source);
	fc->source = kstrdup(sbi->src[0].name, GFP_KERNEL);
	return fc->source ? erofs_check_opts(fc) : -ENOMEM;
}

static struct super_block *erofs_sget(struct fs_context *fc)
{
	struct erofs_sb_info *sbi = fc->s_fs_info;

	if (sbi->backing == EROFS_ON_ANON)
		return sget_fc(fc, erofs_test_super, set_anon_super_fc);
	return k_sget_bdev(fc, sbi->src[0].bdev);
}

/* A block device has one superblock, so it can serve one set of options. */
static int erofs_join_super(struct super_block *sb, struct fs_context *fc)
{
	if (erofs_mounts_same(EROFS_SB(sb), fc->s_fs_info))
		return 0;
	errorfc(fc, "%s is already mounted with other options or devices",
		fc->source);
	return -EBUSY;
}

/**
 * erofs_get_tree - find or make the superblock that a context asks for
 * @fc: the context, with its options
 *
 * The same file with the same offset, devices, options, labels and user namespace
 * is one superblock, hence one copy of every cached page.
 *
 * Context: sleeps.
 * Return: 0 with fc->root set, or an errno, after a message.
 */
int erofs_get_tree(struct fs_context *fc)
{
	struct erofs_sb_info *sbi = fc->s_fs_info;
	struct super_block *sb;
	int err;

	err = erofs_resolve_sources(fc);
	if (err)
		return err;
	/* opened for reading, with or without ro */
	fc->sb_flags |= SB_RDONLY;
	/* what teardown goes by is known before there is anything to take down (S5) */
	sbi->backing = sbi->src[0].bdev && !sbi->opts.fsoffset ?
			       EROFS_ON_BDEV : EROFS_ON_ANON;
	sb = erofs_sget(fc);
	if (IS_ERR(sb)) {
		errorfc(fc, "cannot open %s: %ld", fc->source, PTR_ERR(sb));
		return PTR_ERR(sb);
	}
	if (sb->s_root)
		err = erofs_join_super(sb, fc);
	else
		err = erofs_fill_super(sb, fc);
	if (err) {
		deactivate_locked_super(sb);
		return err;
	}
	sb->s_flags |= SB_ACTIVE;
	fc->root = dget(sb->s_root);
	return 0;
}

/**
 * erofs_sbi_free - free a mount's data
 * @sbi: with no superblock any more, or none yet
 */
void erofs_sbi_free(struct erofs_sb_info *sbi)
{
	unsigned int i;

	z_erofs_pool_destroy(&sbi->pool);
	erofs_devices_close(sbi);
	for (i = 0; i < sbi->nr_src; i++)
		erofs_src_free(&sbi->src[i]);
	kvfree(sbi->src);
	kvfree(sbi->slots);
	kvfree(sbi->by_uni);
	kvfree(sbi->prefixes);
	kfree(sbi);
}

/**
 * erofs_kill_sb - take a superblock down
 * @sb: the superblock, filled or not
 */
void erofs_kill_sb(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);

	if (sbi->backing == EROFS_ON_BDEV)
		kill_block_super(sb);
	else
		kill_anon_super(sb);
	erofs_sbi_free(sbi);
}

/**
 * erofs_init_fs_context - begin a mount or a remount
 * @fc: the context; gains a mount's data with the default options
 *
 * Return: 0 or -ENOMEM.
 */
int erofs_init_fs_context(struct fs_context *fc)
{
	struct erofs_sb_info *sbi = kzalloc(sizeof(*sbi), GFP_KERNEL);

	if (!sbi)
		return -ENOMEM;
	sbi->src = kvcalloc(1, sizeof(*sbi->src), GFP_KERNEL);
	if (!sbi->src) {
		kfree(sbi);
		return -ENOMEM;
	}
	sbi->nr_src = 1;
	ratelimit_state_init(&sbi->said, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	z_erofs_pool_init(&sbi->pool);
	sbi->dir_ra_bytes = 16384;
	sbi->opts.user_xattr = true;
	sbi->opts.acl = IS_ENABLED(CONFIG_FS_POSIX_ACL);
	sbi->opts.cache = EROFS_CACHE_READAROUND;
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE)
		sbi->opts = EROFS_SB(fc->root->d_sb)->opts;
	fc->s_fs_info = sbi;
	fc->ops = &erofs_context_ops;
	return 0;
}

/* ---- the module ---- */

/*
 * The subtype, erofs.file, is for mount(8) before 2.41, which puts a loop device
 * under every regular file whose type it knows by name.
 */
struct file_system_type erofs_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "erofs",
	.init_fs_context	= erofs_init_fs_context,
	.parameters		= erofs_fs_parameters,
	.kill_sb		= erofs_kill_sb,
	.fs_flags		= FS_REQUIRES_DEV | FS_ALLOW_IDMAP |
				  FS_HAS_SUBTYPE,
};
MODULE_ALIAS_FS("erofs");

static int __init erofs_init(void)
{
	int err;

	erofs_inode_cache = kmem_cache_create("erofs_inode",
			sizeof(struct erofs_inode), 0,
			SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
			erofs_inode_init_once);
	if (!erofs_inode_cache)
		return -ENOMEM;
	err = erofs_watch_init();
	if (err)
		goto out_cache;
	err = z_erofs_init();
	if (err)
		goto out_watch;
	err = erofs_sysfs_init();
	if (err)
		goto out_encoded;
	err = register_filesystem(&erofs_fs_type);
	if (!err)
		return 0;
	erofs_sysfs_exit();
out_encoded:
	z_erofs_exit();
out_watch:
	erofs_watch_exit();
out_cache:
	if (err == -EEXIST || err == -EBUSY) {
		pr_err("erofs: this kernel has an EROFS already; unload it if it is a module\n");
		err = -EBUSY;
	}
	kmem_cache_destroy(erofs_inode_cache);
	return err;
}

static void __exit erofs_exit(void)
{
	unregister_filesystem(&erofs_fs_type);
	erofs_sysfs_exit();
	z_erofs_exit();
	erofs_watch_exit();
	/* inodes are freed after a grace period */
	rcu_barrier();
	kmem_cache_destroy(erofs_inode_cache);
}

module_init(erofs_init);
module_exit(erofs_exit);

MODULE_DESCRIPTION("EROFS, the enhanced read-only filesystem, from block devices, files and fds");
MODULE_LICENSE("GPL");
