// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file transport: requests become reads of a backing file.
 *
 * What the backing file's cache already holds is copied, because an image that
 * was just unpacked is there and forcing it to disk and back is slow. What it
 * does not hold is read direct and asynchronously, past that cache, so that
 * every byte is kept in memory once and several reads are in flight. Ranges
 * that are misaligned, and files that cannot do either, are read through the
 * cache.
 *
 * A submitter may be in a page fault, with mmap_lock held, and whoever reads the
 * same file into user memory takes mmap_lock inside the file's own lock: for a
 * direct read, and on many filesystems (XFS, NFS, those of the kernel's own
 * numbers) for any read. So a submitter only tries that lock (IOCB_NOWAIT); where
 * it cannot have it, or gets only a part, a worker, which holds nothing, reads.
 *
 * All reads run with the credentials of the file's opener, those of metadata
 * like those of data (B10), always through the struct file (B2), without coming
 * back for memory (B14), and are asked about first (B11).
 *
 * Of the invariants of io.c: device and range of a request stay as they were
 * submitted, whatever becomes of it here (1). A task that goes on with it later
 * takes a submitter's reference of its own (2; B5). However a read ends, at once,
 * queued, or given to a worker, one erofs_req_end() follows (3; B13), and what is
 * short when a worker has asked for the rest is an error: a request never reaches
 * behind the size that the file had at mount (3; B7, B8, B12).
 *
 * No locks but erofs_queues_lock, at mount and unmount.
 */
#include <linux/cred.h>
#include <linux/fsnotify.h>
#include <linux/magic.h>
#include <linux/sched/mm.h>
#include <linux/stat.h>
#include "internal.h"

/**
 * struct erofs_queue - workers that wait for a store
 * @node: in erofs_queues
 * @whose: the mount, or the filesystem of its stores, for which they work
 * @users: devices that have it
 * @wq: where they work
 */
struct erofs_queue {
	struct list_head node;
	const struct super_block *whose;
	unsigned int users;
	struct workqueue_struct *wq;
};

static LIST_HEAD(erofs_queues);
static DEFINE_MUTEX(erofs_queues_lock);	/* the list, and @users */

/* a file that is filled while it is read has been asked about before */
static ssize_t erofs_file_issue(struct erofs_dev *dev, struct kiocb *iocb,
				struct iov_iter *to)
{
	ssize_t ret;

	if (!dev->watch)
		return vfs_iocb_iter_read(dev->file, iocb, to);
	ret = dev->file->f_op->read_iter(iocb, to);
	if (ret >= 0)
		fsnotify_access(dev->file);
	return ret;
}

static ssize_t erofs_file_iocb(struct erofs_dev *dev, u64 pos, int flags,
			       struct iov_iter *to)
{
	struct kiocb iocb = {
		.ki_filp	= dev->file,
		.ki_pos		= dev->base + pos,
		.ki_flags	= flags,
	};

	return erofs_file_issue(dev, &iocb, to);
}

/* the bytes [@from, @from + @len) of the request's memory */
static void erofs_file_iter(struct erofs_req *req, struct iov_iter *iter,
			    size_t from, size_t len)
{
	iov_iter_bvec(iter, ITER_DEST, req->vecs, req->nr_vecs, req->len);
	iov_iter_advance(iter, from);
	iov_iter_truncate(iter, len);
}

/* how many bytes the cache gave at once, from the request's start on */
static size_t erofs_file_peek(struct erofs_req *req)
{
	struct iov_iter iter;
	ssize_t ret;

	erofs_file_iter(req, &iter, 0, req->len);
	ret = erofs_file_iocb(req->dev, req->pos, IOCB_NOWAIT | IOCB_NOIO,
			      &iter);
	return ret > 0 ? ret : 0;
}

/* -EAGAIN: only for a task that may wait */
static int erofs_file_buffered(struct erofs_req *req, size_t from, size_t len,
			       bool may_wait)
{
	const struct erofs_dev *dev = req->dev;
	int flags = may_wait || dev->no_locks ? 0 : IOCB_NOWAIT;
	struct iov_iter iter;
	ssize_t ret;

	if (flags && len && !dev->can_peek)
		return -EAGAIN;
	/* a signal may cut a read short: the rest is asked for, or fails (B8) */
	for (; len; from += ret, len -= ret) {
		erofs_file_iter(req, &iter, from, len);
		ret = erofs_file_iocb(req->dev, req->pos + from, flags, &iter);
		if (ret < 0)
			return ret;
		/* the file ends before what it held at mount: it has shrunk */
		if (!ret)
			return -EIO;
	}
	return 0;
}

/*
 * How many bytes at the end of the request, from @got on, cannot go direct.
 * An image may end anywhere, so its last bytes are often such.
 */
static size_t erofs_file_undirect(struct erofs_req *req, size_t got)
{
	const struct erofs_dev *dev = req->dev;
	const u64 pos = dev->base + req->pos;
	const enum erofs_io_mode mode = req->sbi->opts.io_mode;
	size_t tail = (pos + req->len) & dev->dio_mask;
	struct iov_iter iter;
	unsigned long align;

	if (!dev->can_direct || mode == EROFS_IO_BUFFERED ||
	    (mode == EROFS_IO_AUTO && !dev->can_peek))
		return req->len - got;
	if (((pos + got) & dev->dio_mask) || got + tail >= req->len)
		return req->len - got;
	erofs_file_iter(req, &iter, got, req->len - got - tail);
	align = iov_iter_alignment(&iter);
	if ((align & dev->dio_mask) || (align & dev->dio_mem_mask))
		return req->len - got;
	return tail;
}

/* Any context: the part that goes direct is there, or will not be. */
static void erofs_file_end(struct erofs_req *req, ssize_t ret)
{
	erofs_req_end(req, min_t(ssize_t, ret, 0));
}

/*
 * A stack of filesystems may find out late that it cannot read direct. And some
 * then read through their cache by themselves (a file that fs-verity has sealed
 * meanwhile, extents of btrfs that are compressed), so that who may not wait gets
 * what is cached, and no more.
 */
static bool erofs_file_undone(const struct erofs_req *req, ssize_t ret)
{
	return ret == -EAGAIN || ret == -EINVAL || ret == -EOPNOTSUPP ||
	       (ret >= 0 && ret < req->expect);
}

/* The part that goes direct, once more, by a task that may wait for locks. */
static void erofs_file_again(struct work_struct *work)
{
	struct erofs_req *req = container_of(work, struct erofs_req, work);
	const struct cred *old = override_creds(req->dev->file->f_cred);
	unsigned int nofs = memalloc_nofs_save();
	struct iov_iter iter;
	ssize_t ret;
	size_t got;

	erofs_file_iter(req, &iter, req->from, req->expect);
	ret = erofs_file_iocb(req->dev, req->pos + req->from, IOCB_DIRECT,
			      &iter);
	if (erofs_file_undone(req, ret)) {
		got = max_t(ssize_t, ret, 0);
		ret = erofs_file_buffered(req, req->from + got,
					  req->expect - got, true);
	}
	erofs_file_end(req, ret);
	memalloc_nofs_restore(nofs);
	revert_creds(old);
	erofs_req_put(req);
}

/* Any context; the worker is a submitter of its own. */
static void erofs_file_defer(struct erofs_req *req)
{
	refcount_inc(&req->ref);
	INIT_WORK(&req->work, erofs_file_again);
	queue_work(req->dev->queue->wq, &req->work);
}

static void erofs_file_complete(struct kiocb *iocb, long ret)
{
	struct erofs_req *req = container_of(iocb, struct erofs_req, iocb);

	if (erofs_file_undone(req, ret))
		erofs_file_defer(req);
	else
		erofs_file_end(req, ret);
}

static void erofs_file_queue(struct erofs_req *req, size_t from, size_t len,
			     bool may_wait)
{
	ssize_t ret;

	req->from = from;
	req->expect = len;
	if (!may_wait && !req->dev->can_peek) {
		erofs_file_defer(req);
		return;
	}
	erofs_file_iter(req, &req->iter, from, len);
	req->iocb = (struct kiocb) {
		.ki_filp	= req->dev->file,
		.ki_pos		= req->dev->base + req->pos + from,
		.ki_flags	= IOCB_DIRECT | (may_wait ? 0 : IOCB_NOWAIT),
		.ki_complete	= erofs_file_complete,
	};
	/* it may be over already: the submitter's reference keeps iocb (B5, B13) */
	ret = erofs_file_issue(req->dev, &req->iocb, &req->iter);
	if (ret != -EIOCBQUEUED)
		erofs_file_complete(&req->iocb, ret);
}

/* False if only a task that may wait can go on, from the start again. */
static bool erofs_file_start(struct erofs_req *req, bool may_wait)
{
	size_t got = 0, tail;
	int err;

	if (req->dev->can_peek && req->sbi->opts.io_mode == EROFS_IO_AUTO)
		got = erofs_file_peek(req);
	tail = erofs_file_undirect(req, got);
	err = erofs_file_buffered(req, req->len - tail, tail, may_wait);
	if (err == -EAGAIN && !may_wait)
		return false;
	if (err || got + tail == req->len)
		erofs_req_end(req, err);
	else
		erofs_file_queue(req, got, req->len - got - tail, may_wait);
	return true;
}

/*
 * The lower filesystem may allocate while the reader holds folios locked: it
 * must not come back here for memory (B14).
 */
static bool erofs_file_read(struct erofs_req *req, bool may_wait)
{
	const struct cred *old = override_creds(req->dev->file->f_cred);
	unsigned int nofs = memalloc_nofs_save();
	const bool started = erofs_file_start(req, may_wait);

	memalloc_nofs_restore(nofs);
	revert_creds(old);
	return started;
}

/*
 * A range is asked about once, and by whoever reads: the answer may be long in
 * coming, and a task that is killed has to go. It may even be the one that should
 * have answered. Later, in a worker, the question would be another task's (B11).
 */
static int erofs_file_ask(struct erofs_dev *dev, u64 pos, size_t len,
			  bool *alone)
{
	const struct cred *old;
	loff_t at = dev->base + pos;
	unsigned int nofs;
	int err;

	*alone = false;
	if (!dev->watch)
		return 0;
	old = override_creds(dev->file->f_cred);
	nofs = memalloc_nofs_save();
	err = rw_verify_area(READ, dev->file, &at, len);
	memalloc_nofs_restore(nofs);
	revert_creds(old);
	if (!err)
		*alone = !erofs_watch_alive(dev->watch);
	return err == -ERESTARTSYS ? -EINTR : err;
}

static void erofs_file_work(struct work_struct *work)
{
	struct erofs_req *req = container_of(work, struct erofs_req, work);
	struct erofs_dev *dev = req->dev;
	int err = 0;

	if (req->alone)
		err = erofs_watch_holes(dev->file, dev->base + req->pos,
					req->len);
	if (err)
		erofs_req_end(req, err);
	else
		erofs_file_read(req, true);
	erofs_req_put(req);
}

static void erofs_file_submit(struct erofs_req *req)
{
	int err = erofs_file_ask(req->dev, req->pos, req->len, &req->alone);

	if (err) {
		erofs_req_end(req, err);
		return;
	}
	if (!req->dev->stacked && !req->alone && erofs_file_read(req, false))
		return;
	/* the worker is a submitter of its own */
	refcount_inc(&req->ref);
	INIT_WORK(&req->work, erofs_file_work);
	queue_work(req->dev->queue->wq, &req->work);
}

const struct erofs_dev_ops erofs_file_ops = {
	.submit		= erofs_file_submit,
};

/* at a time, so that neither the arrays nor what is held get large */
#define EROFS_HELD_PAGES	256

/**
 * struct erofs_held - a user's memory, which cannot go while it is filled
 * @vecs: the bytes of each page
 * @pages: the pages
 * @nr: how many
 * @len: bytes in all
 */
struct erofs_held {
	struct bio_vec *vecs;
	struct page **pages;
	unsigned int nr;
	size_t len;
};

/* Some, if not all; they are taken off @to */
static int erofs_held_get(struct erofs_held *held, struct iov_iter *to)
{
	const unsigned int max = iov_iter_npages(to, EROFS_HELD_PAGES);
	size_t off, len;
	ssize_t got;

	held->vecs = kmalloc_array(max, sizeof(*held->vecs) +
					sizeof(*held->pages), GFP_KERNEL);
	if (!held->vecs)
		return -ENOMEM;
	held->pages = (struct page **)(held->vecs + max);
	/* what is contiguous comes at once */
	while (held->nr < max && iov_iter_count(to)) {
		got = k_user_pages_get(to, held->pages + held->nr,
				       max - held->nr, &off);
		if (got <= 0)
			return held->nr ? 0 : got ?: -EFAULT;
		for (held->len += got; got; got -= len, off = 0) {
			len = min_t(size_t, got, PAGE_SIZE - off);
			held->vecs[held->nr] = (struct bio_vec) {
				.bv_page	= held->pages[held->nr],
				.bv_len		= len,
				.bv_offset	= off,
			};
			held->nr++;
		}
	}
	return 0;
}

static void erofs_held_put(struct erofs_held *held, bool filled)
{
	if (held->nr)
		k_user_pages_put(held->pages, held->nr, filled);
	kfree(held->vecs);
}

/*
 * No store sees a user's memory: that may be a file of this very image, which has
 * to be read from the store before it can be written to, and a store that finds it
 * missing may have taken a lock that this needs (i_rwsem on ext4 and XFS, where
 * others wait for it, the whole mode of reading on NFS).
 */
static ssize_t erofs_file_into_user(struct erofs_dev *dev, u64 pos,
				    struct iov_iter *to)
{
	struct erofs_held held = {};
	struct iov_iter iter;
	ssize_t ret = erofs_held_get(&held, to);

	held.len &= ~(size_t)dev->dio_mask;
	if (!ret && held.len) {
		iov_iter_bvec(&iter, ITER_DEST, held.vecs, held.nr, held.len);
		ret = erofs_file_iocb(dev, pos, IOCB_DIRECT, &iter);
	}
	erofs_held_put(&held, ret > 0);
	return ret;
}

/**
 * erofs_file_direct - read past every cache into the memory of a reader
 * @dev: a device on a file that can do direct reads
 * @pos: first byte on @dev
 * @to: where to; more of it may be taken than was read, also on failure
 *
 * Context: sleeps, without locks, and may fault in files of the same mount.
 * Return: bytes read, 0 if they cannot be read direct, or an errno.
 */
ssize_t erofs_file_direct(struct erofs_dev *dev, u64 pos, struct iov_iter *to)
{
	const size_t len = iov_iter_count(to);
	const struct cred *old;
	bool alone;
	ssize_t ret = erofs_file_ask(dev, pos, len, &alone);

	if (!ret && alone)
		ret = erofs_watch_holes(dev->file, dev->base + pos, len);
	if (ret)
		return ret;
	old = override_creds(dev->file->f_cred);
	ret = user_backed_iter(to) ? erofs_file_into_user(dev, pos, to) :
				     erofs_file_iocb(dev, pos, IOCB_DIRECT, to);
	revert_creds(old);
	return ret;
}

/* what the file says, or else what is safe on any disk */
static void erofs_file_alignment(struct erofs_dev *dev)
{
	const struct super_block *lower = file_inode(dev->file)->i_sb;
	struct kstat stat = {};
	int err;

	dev->dio_mask = PAGE_SIZE - 1;
	if (lower->s_bdev)
		dev->dio_mask = bdev_logical_block_size(lower->s_bdev) - 1;
	dev->dio_mem_mask = dev->dio_mask;
	err = vfs_getattr(&dev->file->f_path, &stat, STATX_DIOALIGN,
			  AT_STATX_SYNC_AS_STAT);
	if (err || !(stat.result_mask & STATX_DIOALIGN))
		return;
	if (!is_power_of_2(stat.dio_offset_align) ||
	    !is_power_of_2(stat.dio_mem_align)) {
		dev->can_direct = false;
		return;
	}
	dev->dio_mask = stat.dio_offset_align - 1;
	dev->dio_mem_mask = stat.dio_mem_align - 1;
}

/**
 * erofs_file_probe - find out how a backing file can be read
 * @sb: the mount
 * @dev: the device, with its file
 *
 * Context: mount time; sleeps.
 * Return: 0, or -EINVAL when an option asks for what the file cannot do.
 */
int erofs_file_probe(struct super_block *sb, struct erofs_dev *dev)
{
	const unsigned long magic = file_inode(dev->file)->i_sb->s_magic;
	const fmode_t mode = dev->file->f_mode;

	dev->no_locks = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
	dev->can_direct = mode & FMODE_CAN_ODIRECT;
	dev->can_peek = mode & FMODE_NOWAIT;
	if (dev->can_direct)
		erofs_file_alignment(dev);
	if (EROFS_SB(sb)->opts.io_mode == EROFS_IO_DIRECT && !dev->can_direct)
		return erofs_fail(sb, -EINVAL,
				  "directio: %pD cannot do direct I/O",
				  dev->file);
	return 0;
}

/* Without a rescuer, as nobody frees memory by reading: it costs no thread */
static struct erofs_queue *erofs_queue_new(const struct super_block *whose)
{
	struct erofs_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL);

	if (!queue)
		return NULL;
	queue->whose = whose;
	queue->wq = alloc_workqueue("erofs/%.17s", WQ_UNBOUND | WQ_HIGHPRI, 0,
				    whose->s_id);
	if (!queue->wq) {
		kfree(queue);
		return NULL;
	}
	list_add(&queue->node, &erofs_queues);
	return queue;
}

static struct erofs_queue *erofs_queue_find(const struct super_block *whose)
{
	struct erofs_queue *queue;

	list_for_each_entry(queue, &erofs_queues, node)
		if (queue->whose == whose)
			return queue;
	return NULL;
}

/**
 * erofs_queue_get - the workers for a mount, or for a filesystem of stores
 * @whose: which of them; it stays for as long as the queue is held
 *
 * A queue runs so many workers at a time (256, and 1024 on newer kernels), and when
 * as many wait for something that does not answer, all others stand behind them.
 *
 * Context: mount time; sleeps.
 * Return: the queue, or NULL without memory.
 */
struct erofs_queue *erofs_queue_get(const struct super_block *whose)
{
	struct erofs_queue *queue;

	mutex_lock(&erofs_queues_lock);
	queue = erofs_queue_find(whose) ?: erofs_queue_new(whose);
	if (queue)
		queue->users++;
	mutex_unlock(&erofs_queues_lock);
	return queue;
}

/**
 * erofs_queue_put - give back what erofs_queue_get() gave
 * @queue: the queue, for which no request of its user is on its way; or NULL
 *
 * Context: sleeps.
 */
void erofs_queue_put(struct erofs_queue *queue)
{
	bool last;

	if (!queue)
		return;
	mutex_lock(&erofs_queues_lock);
	last = !--queue->users;
	if (last)
		list_del(&queue->node);
	mutex_unlock(&erofs_queues_lock);
	if (!last)
		return;
	destroy_workqueue(queue->wq);
	kfree(queue);
}
