/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-memory types of the module and what its files offer each other.
 *
 * Addresses are bytes (u64) everywhere. Everything that hangs off a mount is
 * immutable once the mount is visible, unless its field says otherwise, so
 * that readers take no lock.
 */
#ifndef EROFS_INTERNAL_H
#define EROFS_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/kobject.h>
#include <linux/pagemap.h>
#include <linux/ratelimit.h>
#include <linux/refcount.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include "disk.h"
#include "zindex.h"

struct erofs_dev;
struct erofs_req;
struct erofs_queue;
struct erofs_watch;

/* ---- options ---- */

enum erofs_cache_strategy {
	EROFS_CACHE_DISABLED,
	EROFS_CACHE_READAHEAD,
	EROFS_CACHE_READAROUND,
};

enum erofs_dax_mode {
	EROFS_DAX_NEVER,
	EROFS_DAX_ALWAYS,
};

/* who decodes what a reader waits for; the values of sync_decompress in sysfs */
enum erofs_sync_decompress {
	EROFS_SYNC_AUTO,	/* the reader if it is little, else workers */
	EROFS_SYNC_ALWAYS,
	EROFS_SYNC_NEVER,
};

/* how a backing file is read */
enum erofs_io_mode {
	EROFS_IO_AUTO,		/* cached bytes are copied, others go direct */
	EROFS_IO_DIRECT,	/* always direct where alignment allows it */
	EROFS_IO_BUFFERED,	/* always through the backing file's cache */
};

/**
 * struct erofs_opts - mount options, replaced as a whole by a remount
 * @user_xattr: user.* attributes are visible
 * @acl: POSIX ACLs are honoured
 * @cache: which compressed pages are kept
 * @dax: direct access of the device's memory
 * @io_mode: how backing files are read
 * @sealed: backing files may not be opened for writing
 * @fsoffset: byte offset of the image in the primary device
 */
struct erofs_opts {
	bool user_xattr;
	bool acl;
	enum erofs_cache_strategy cache;
	enum erofs_dax_mode dax;
	enum erofs_io_mode io_mode;
	bool sealed;
	u64 fsoffset;
};

/**
 * struct erofs_src - a device as the user named it, before it is opened
 * @name: path, as given
 * @file: given as an fd, or opened from @name: a regular file or block device
 * @bdev: device number where it is a block device, else 0
 */
struct erofs_src {
	char *name;
	struct file *file;
	dev_t bdev;
};

/* ---- devices: dev.c ---- */

/**
 * struct erofs_dev_ops - the one dispatch between block device and file
 * @submit: starts @req, which completes once; never fails itself
 */
struct erofs_dev_ops {
	void (*submit)(struct erofs_req *req);
};

/**
 * struct erofs_dev - one backing store, immutable after mount
 * @ops: transport
 * @file: backing file, NULL for a block device
 * @sealed: writing to @file is denied until it is closed
 * @bdev: block device, NULL for a file
 * @handle: our claim on @bdev, where it is not the superblock's own
 * @holder: what @handle was opened with
 * @base: byte of the store at which the device begins (fsoffset)
 * @span: bytes of the device from @base on
 * @limit: bytes that the image grants this device; a read ends there too
 * @dio_mask: low bits that position and length of a direct read must not have
 * @dio_mem_mask: the same for memory addresses
 * @can_direct: the file can do direct reads
 * @can_peek: the file can be asked for what its cache holds
 * @no_locks: reading the file takes no lock that a reader could hold
 * @stacked: reads are issued by workers, lest the reader's stack be too deep
 * @watch: where somebody fills @file while it is read, else NULL
 * @queue: workers that read @file
 * @dax_dev: direct access of @bdev's memory, or NULL
 * @dax_start: byte of @dax_dev at which @bdev begins
 * @zcache: internal inode whose page cache keeps stored bytes, or NULL
 */
struct erofs_dev {
	const struct erofs_dev_ops *ops;
	struct file *file;
	bool sealed;
	struct block_device *bdev;
	k_bdev_t handle;
	void *holder;
	u64 base;
	u64 span;
	u64 limit;
	u32 dio_mask;
	u32 dio_mem_mask;
	bool can_direct;
	bool can_peek;
	bool no_locks;
	bool stacked;
	struct erofs_watch *watch;
	struct erofs_queue *queue;
	struct dax_device *dax_dev;
	u64 dax_start;
	struct inode *zcache;
};

/* ---- workspaces of the codecs: decompressor.c ---- */

/* how many pclusters are remembered as decoded in part */
#define Z_EROFS_SPENDERS	256

/**
 * struct z_erofs_pool - a mount's workspaces
 * @node: in the list of all pools
 * @lock: protects @idle and @nr
 * @wait: for a workspace to be given back
 * @idle: those not in use, the last used first
 * @coming: pclusters that somebody decodes, and of which others want the rest
 * @nr: how many there are
 * @max: how many there may be; immutable
 * @spent: of pclusters that were decoded in part lately: hash, and in the lower
 * half how many bytes all of these decodings had; unlocked
 */
struct z_erofs_pool {
	struct list_head node;
	spinlock_t lock;
	wait_queue_head_t wait;
	struct list_head idle;
	struct list_head coming;
	unsigned int nr;
	unsigned int max;
	u64 spent[Z_EROFS_SPENDERS];
};

/* ---- the mount ---- */

/* Why a superblock exists, decided before it is made. */
enum erofs_backing {
	EROFS_ON_BDEV,		/* owns a block device: s_bdev is set */
	EROFS_ON_ANON,		/* files, or a block device at an offset */
};

/**
 * struct erofs_prefix - a long xattr name prefix (FORMAT.md section 20.4)
 * @base_index: the short prefix that it extends
 * @infix_len: bytes of @infix
 * @infix: what follows the short prefix, not NUL-terminated
 */
struct erofs_prefix {
	u8 base_index;
	u8 infix_len;
	char infix[EROFS_NAME_LEN];
};

/**
 * struct erofs_sb_info - one mount; immutable after mount but where it is said
 * @ident: tells mounts of different primary devices apart at a glance
 * @desc: the checked superblock
 * @opts: mount options; replaced by remount under s_umount
 * @backing: what kind of superblock this is
 * @src: the devices as they were named; index 0 is the primary
 * @nr_src: entries in @src
 * @want_file: mounted as erofs.file: the primary device has to be a file
 * @devs: opened devices; index 0 is the primary
 * @nr_devs: entries in @devs; 1 where extra devices are flattened
 * @slots: device table, @desc.extra_devices entries
 * @by_uni: extra devices that have a place in the unified space, ascending
 * @nr_by_uni: entries in @by_uni
 * @device_id_mask: bits of an on-disk device id that count
 * @meta: internal inode of the primary device's metadata
 * @metabox: the metabox inode, or NULL
 * @packed: the packed inode, or NULL
 * @prefixes: long xattr name prefixes, @desc.prefix_count entries
 * @inflight: requests that may still touch this mount; put_super waits for 0
 * @pool: workspaces of the codecs, with a lock of its own
 * @wait_wq: where workers wait before they decode, or NULL if nothing is encoded
 * @mount_fc: where messages of @mounter go; nobody else uses it
 * @mounter: the task that is mounting it, or NULL; compared, never followed
 * @said: bounds the messages of this mount, whatever others have to say
 * @dir_ra_bytes: directory readahead, set through sysfs, read unlocked
 * @sync_decompress: set through sysfs, read unlocked
 * @kobj: /sys/fs/erofs/<id>
 * @kobj_gone: completed by the release of @kobj
 */
struct erofs_sb_info {
	unsigned long ident;
	struct erofs_sb_desc desc;
	struct erofs_opts opts;
	enum erofs_backing backing;
	struct erofs_src *src;
	unsigned int nr_src;
	bool want_file;
	struct erofs_dev *devs;
	unsigned int nr_devs;
	struct erofs_slot_desc *slots;
	u32 *by_uni;
	unsigned int nr_by_uni;
	u32 device_id_mask;
	struct inode *meta;
	struct inode *metabox;
	struct inode *packed;
	struct erofs_prefix *prefixes;
	atomic_t inflight;
	struct z_erofs_pool pool;
	struct workqueue_struct *wait_wq;
	struct fs_context *mount_fc;
	const struct task_struct *mounter;
	struct ratelimit_state said;
	unsigned int dir_ra_bytes;
	unsigned int sync_decompress;
	struct kobject kobj;
	struct completion kobj_gone;
};

static inline struct erofs_sb_info *EROFS_SB(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct erofs_dev *erofs_primary(const struct erofs_sb_info *sbi)
{
	return &sbi->devs[0];
}

static inline bool erofs_sb_has(const struct erofs_sb_info *sbi, u32 incompat)
{
	return sbi->desc.incompat & incompat;
}

/* blocks to bytes; the callers' block numbers have at most 48 bits */
static inline u64 erofs_blk(const struct erofs_sb_info *sbi, u64 blk)
{
	return blk << sbi->desc.blkszbits;
}

/* ---- inodes ---- */

/**
 * struct erofs_inode - an inode; immutable once it is unlocked but for @said, @run
 * @nid: its number in the image
 * @layout: how the data is laid out
 * @raw: an internal inode: the device whose bytes it shows as they are
 * @dot_omitted: a directory that does not store "."
 * @hole: flat plain without an address: all zeroes
 * @start: flat layouts: first data byte in the unified space
 * @chunk_format: chunk-based: the on-disk field
 * @space: the inode that holds the metadata: the mount's, or the metabox
 * @meta_pos: byte of the record in @space
 * @said: jiffies of the last message about it; read and set unlocked
 * @xattr_pos: byte of the xattr body in @space
 * @xattr_isize: bytes of the xattr body
 * @tail_pos: byte in @space right behind record and xattr body
 * @run: addresses inside a long run of encoded extents, or NULL; see zmap.c
 * @vfs_inode: its VFS part
 */
struct erofs_inode {
	u64 nid;
	enum erofs_layout layout;
	struct erofs_dev *raw;
	bool dot_omitted;
	bool hole;
	u64 start;
	u16 chunk_format;
	struct inode *space;
	u64 meta_pos;
	unsigned long said;
	u64 xattr_pos;
	u32 xattr_isize;
	u64 tail_pos;
	struct z_erofs_run *run;
	struct inode vfs_inode;
};

static inline struct erofs_inode *EROFS_I(const struct inode *inode)
{
	return container_of(inode, struct erofs_inode, vfs_inode);
}

static inline bool erofs_layout_encoded(enum erofs_layout layout)
{
	return layout == EROFS_LAYOUT_COMPRESSED_FULL ||
	       layout == EROFS_LAYOUT_COMPRESSED_COMPACT;
}

/* ---- extents ---- */

enum erofs_extent_kind {
	EROFS_EXT_HOLE,
	EROFS_EXT_PLAIN,
	EROFS_EXT_INLINE,
	EROFS_EXT_ENCODED,
	EROFS_EXT_FRAGMENT,
};

/**
 * struct erofs_extent - where a range of a file lies, resolved to a device
 * @kind: what is there
 * @la: first byte of the range in the file
 * @len: bytes of it, never 0
 * @dev: plain and encoded: the device
 * @pa: plain and encoded: byte on @dev; otherwise byte in @space
 * @space: inline and fragment: the metadata space or the packed inode; encoded:
 *	the metadata space where the pcluster is there and not on @dev
 * @plen: encoded: bytes of the pcluster
 * @coding: encoded: how it is to be decoded
 * @algorithm: encoded: by what
 * @partial: encoded: it decodes to more than @len
 */
struct erofs_extent {
	enum erofs_extent_kind kind;
	u64 la;
	u64 len;
	struct erofs_dev *dev;
	u64 pa;
	struct inode *space;
	u64 plen;
	enum z_erofs_coding coding;
	u8 algorithm;
	bool partial;
};

static inline bool erofs_extent_covers(const struct erofs_extent *ext, u64 pos)
{
	return pos >= ext->la && pos - ext->la < ext->len;
}

/* ---- requests: io.c ---- */

/**
 * struct erofs_req - one read of one byte range of one device
 * @ref: the submitter's reference and the completion's
 * @sbi: the mount whose in-flight count it holds
 * @dev: device
 * @pos: first byte on @dev
 * @len: bytes
 * @done: told the outcome once, in any context; may not sleep
 * @opf: flags of a bio beside REQ_OP_READ; REQ_RAHEAD on both transports
 * @nr_vecs: pieces in @vecs
 * @max_vecs: room in @vecs
 * @bio: block transport
 * @iocb: file transport: an asynchronous read
 * @iter: file transport: what of @vecs is still to be read
 * @from: file transport: first byte of the request that goes direct
 * @expect: file transport: how many do, all of which must arrive
 * @alone: file transport: nobody was there to fill the range
 * @work: file transport: runs in the device's workqueue
 * @vecs: memory; one piece never spans two folios
 */
struct erofs_req {
	refcount_t ref;
	struct erofs_sb_info *sbi;
	struct erofs_dev *dev;
	u64 pos;
	u32 len;
	void (*done)(struct erofs_req *req, int err);
	blk_opf_t opf;
	u16 nr_vecs;
	u16 max_vecs;
	union {
		struct bio bio;
		struct {
			struct kiocb iocb;
			struct iov_iter iter;
			size_t from;
			size_t expect;
			bool alone;
			struct work_struct work;
		};
	};
	struct bio_vec vecs[];
};

/**
 * struct erofs_io - gathers pieces into requests, on the caller's stack
 * @sbi: the mount
 * @done: completion of the requests
 * @gfp: how to allocate them
 * @opf: as in struct erofs_req
 * @vecs_hint: how many pieces may still come
 * @req: the open request, or NULL
 */
struct erofs_io {
	struct erofs_sb_info *sbi;
	void (*done)(struct erofs_req *req, int err);
	gfp_t gfp;
	blk_opf_t opf;
	unsigned int vecs_hint;
	struct erofs_req *req;
};

/* ---- mapped metadata: meta.c ---- */

/**
 * struct erofs_buf - a mapped piece of metadata or of a directory
 * @folio: what holds it, or NULL
 * @addr: its mapping
 * @index: which page of the file that is
 */
struct erofs_buf {
	struct folio *folio;
	void *addr;
	pgoff_t index;
};

/* super.c */
extern struct file_system_type erofs_fs_type;
int erofs_init_fs_context(struct fs_context *fc);
void erofs_kill_sb(struct super_block *sb);
int erofs_get_tree(struct fs_context *fc);
void erofs_sbi_free(struct erofs_sb_info *sbi);

__printf(3, 4) __cold
int erofs_fail(struct super_block *sb, int err, const char *fmt, ...);
__printf(3, 4) __cold
int erofs_fail_inode(const struct inode *inode, int err, const char *fmt, ...);
__cold int erofs_fail_fault(const struct inode *inode, int err,
			    const struct erofs_fault *fault);

/* options.c */
extern const struct fs_parameter_spec erofs_fs_parameters[];
extern const struct fs_context_operations erofs_context_ops;
int erofs_show_options(struct seq_file *m, struct dentry *root);

/* dev.c */
int erofs_src_resolve(struct fs_context *fc, struct erofs_src *src,
		      bool primary);
void erofs_src_free(struct erofs_src *src);
bool erofs_src_same(const struct erofs_src *a, const struct erofs_src *b);
int erofs_devices_open(struct super_block *sb);
int erofs_devices_bind(struct super_block *sb);
void erofs_devices_close(struct erofs_sb_info *sbi);
int erofs_map_device(struct inode *inode, unsigned int id, u64 pa,
		     struct erofs_extent *ext);

/* io.c */
extern const struct erofs_dev_ops erofs_bdev_ops;
int erofs_io_add(struct erofs_io *io, struct erofs_dev *dev, u64 pos,
		 struct folio *folio, size_t off, size_t len);
void erofs_io_flush(struct erofs_io *io);
void erofs_req_end(struct erofs_req *req, int err);
void erofs_req_put(struct erofs_req *req);
void erofs_inflight_get(struct erofs_sb_info *sbi);
void erofs_inflight_put(struct erofs_sb_info *sbi);
void erofs_inflight_drain(struct erofs_sb_info *sbi);

/* fileio.c */
extern const struct erofs_dev_ops erofs_file_ops;
struct erofs_queue *erofs_queue_get(const struct super_block *whose);
void erofs_queue_put(struct erofs_queue *queue);
int erofs_file_probe(struct super_block *sb, struct erofs_dev *dev);
ssize_t erofs_file_direct(struct erofs_dev *dev, u64 pos, struct iov_iter *to);

/* watch.c */
int erofs_watch_init(void);
void erofs_watch_exit(void);
struct erofs_watch *erofs_watch_open(struct file *file);
void erofs_watch_close(struct erofs_watch *watch);
bool erofs_watch_asked(const struct file *file);
bool erofs_watch_alive(const struct erofs_watch *watch);
int erofs_watch_holes(struct file *file, loff_t pos, size_t len);

/* meta.c */

/* inodes that are read while others are, the first of them before the next */
enum erofs_lock_class {
	EROFS_LOCK_METABOX,
	EROFS_LOCK_PACKED,
	EROFS_LOCK_STORED,
	EROFS_LOCK_META,
	EROFS_LOCK_CLASSES,
};

struct inode *erofs_raw_inode(struct super_block *sb, struct erofs_dev *dev);
struct inode *erofs_meta_inode(struct super_block *sb);
void erofs_set_lock_class(struct inode *inode, enum erofs_lock_class class);
void *erofs_buf_map(struct erofs_buf *buf, struct inode *space, u64 pos,
		    size_t len);
void *erofs_buf_map_folio(struct erofs_buf *buf, struct folio *folio, u64 pos);
void erofs_buf_put(struct erofs_buf *buf);
int erofs_buf_copy(struct erofs_buf *buf, struct inode *space, u64 pos,
		   void *dst, size_t len);
int erofs_meta_copy(struct inode *space, u64 pos, void *dst, size_t len);
struct folio *erofs_folio_wait(struct address_space *mapping, pgoff_t index,
			       struct folio *folio);
void erofs_window_read(struct inode *inode, pgoff_t first, unsigned long nr,
		       unsigned long mark);

/* data.c */
extern const struct address_space_operations erofs_aops;
extern const struct address_space_operations erofs_dax_aops;
extern const struct file_operations erofs_file_fops;
extern const struct iomap_ops erofs_iomap_ops;
long erofs_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int erofs_map_blocks(struct inode *inode, u64 pos, struct erofs_extent *ext);
int erofs_fiemap(struct inode *inode, struct fiemap_extent_info *info,
		 u64 start, u64 len);

/* inode.c */
extern const struct inode_operations erofs_generic_iops;
u64 erofs_ino(const struct erofs_sb_info *sbi, u64 nid);
struct inode *erofs_iget(struct super_block *sb, u64 nid);
int erofs_getattr(struct k_idmap *idmap, const struct path *path,
		  struct kstat *stat, u32 request_mask, unsigned int flags);

/* dir.c */
extern const struct file_operations erofs_dir_fops;
const void *erofs_dir_block(struct inode *dir, struct erofs_buf *buf, u64 blk,
			    size_t *len);

/* namei.c */
extern const struct inode_operations erofs_dir_iops;
int erofs_dir_find(struct inode *dir, const char *name, size_t len, u64 *nid);

/* xattr.c */
extern const struct xattr_handler * const erofs_xattr_handlers[];
int erofs_prefixes_load(struct super_block *sb);
ssize_t erofs_listxattr(struct dentry *dentry, char *buffer, size_t size);
int erofs_xattr_get(struct inode *inode, unsigned int index, const char *name,
		    void *buffer, size_t size);
struct posix_acl *erofs_get_acl(struct inode *inode, int type, bool rcu);

/* export.c */
extern const struct export_operations erofs_export_ops;

/* sysfs.c */
int erofs_sysfs_init(void);
void erofs_sysfs_exit(void);
int erofs_sysfs_register(struct super_block *sb);
void erofs_sysfs_unregister(struct erofs_sb_info *sbi);

#endif
