// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: one read of one byte range of one device; and their block
 * transport. fileio.c has the other one.
 *
 * Invariants, on which both transports and all fillers stand:
 *
 * 1. A request is one device and one byte range; it never changes after
 *    submit.
 * 2. Two references: the submitter's and the completion's. A file may complete
 *    before submit returns, and the lower filesystem may still use the kiocb
 *    after it has queued it.
 * 3. done() runs exactly once, in any context, and may not sleep. It gets one
 *    errno; there is no partial success.
 * 4. A folio's part counter starts at one, is raised before an append can
 *    submit, and is dropped by done(); the filler drops the first one last.
 * 5. After the last folio_end_read() of a request nothing reachable from the
 *    superblock may be touched, but for the in-flight count, which each request
 *    holds until its last reference goes and which put_super drains.
 * 6. Readahead may fail in silence. read_folio returns the errno of what it
 *    could not start, or decoded itself; what it has started ends the folio.
 *
 * Comments of the other files name these by number, as "invariant 4", and rows
 * of tests/PITFALLS, where it says what tests each, by letter and number: C3.
 *
 * Here, erofs_req_takes() keeps 1 (C3), erofs_req_alloc() counts the two of 2
 * (B5), only erofs_req_end() calls done() (3), and the in-flight count is there
 * for 5 (R5).
 *
 * No locks. Context: erofs_io_*() may sleep; erofs_req_end() and
 * erofs_req_put() run anywhere.
 */
#include <linux/wait_bit.h>
#include "internal.h"
#include "trace.h"

/* at most this much in one request, so that a window becomes several */
#define EROFS_REQ_BYTES_MAX	(4U << 20)
/* room in a request of which nobody knows how many pieces it gets */
#define EROFS_REQ_VECS_MIN	8U

/**
 * erofs_inflight_get - hold a mount for what may touch it later
 * @sbi: the mount
 *
 * Context: any, with a reader or another count on the mount.
 */
void erofs_inflight_get(struct erofs_sb_info *sbi)
{
	atomic_inc(&sbi->inflight);
}

/**
 * erofs_inflight_put - undo erofs_inflight_get()
 * @sbi: the mount; it may be gone right afterwards
 *
 * Context: any.
 */
void erofs_inflight_put(struct erofs_sb_info *sbi)
{
	if (atomic_dec_and_test(&sbi->inflight))
		wake_up_var(&sbi->inflight);
}

static struct erofs_req *erofs_req_alloc(struct erofs_io *io,
					 struct erofs_dev *dev, u64 pos)
{
	unsigned int n = clamp(io->vecs_hint, EROFS_REQ_VECS_MIN, BIO_MAX_VECS);
	struct erofs_req *req;

	req = kmalloc(struct_size(req, vecs, n), io->gfp);
	if (!req)
		return NULL;
	refcount_set(&req->ref, 2);
	req->sbi = io->sbi;
	req->dev = dev;
	req->pos = pos;
	req->len = 0;
	req->done = io->done;
	req->opf = io->opf;
	req->nr_vecs = 0;
	req->max_vecs = n;
	erofs_inflight_get(io->sbi);
	return req;
}

/**
 * erofs_req_put - drop one of a request's two references
 * @req: the request
 *
 * Context: any.
 */
void erofs_req_put(struct erofs_req *req)
{
	struct erofs_sb_info *sbi = req->sbi;

	if (!refcount_dec_and_test(&req->ref))
		return;
	if (req->dev->bdev)
		bio_uninit(&req->bio);
	kfree(req);
	erofs_inflight_put(sbi);
}

/**
 * erofs_inflight_drain - wait until no request can touch the mount any more
 * @sbi: the mount, which starts no new ones
 *
 * Context: sleeps.
 */
void erofs_inflight_drain(struct erofs_sb_info *sbi)
{
	wait_var_event(&sbi->inflight, !atomic_read(&sbi->inflight));
}

/* Not through erofs_fail(): this may be an interrupt of the mounting task */
static __cold void erofs_req_report(const struct erofs_req *req, int err)
{
	if (__ratelimit(&req->sbi->said))
		pr_err("erofs (%s): device %td: read of %u bytes at %llu failed: %d\n",
		       req->sbi->meta->i_sb->s_id, req->dev - req->sbi->devs,
		       req->len, req->pos, err);
}

/**
 * erofs_req_end - complete a request and drop the completion's reference
 * @req: the request
 * @err: 0 if all of its bytes have arrived, else an errno
 *
 * Context: any.
 */
void erofs_req_end(struct erofs_req *req, int err)
{
	trace_erofs_req_end(req, err);
	if (err && err != -EINTR && !(req->opf & REQ_RAHEAD))
		erofs_req_report(req, err);
	req->done(req, err);
	erofs_req_put(req);
}

/* bytes decide, and the device: sectors of two devices may be alike (C3) */
static bool erofs_req_takes(const struct erofs_req *req,
			    const struct erofs_dev *dev, u64 pos, size_t len)
{
	return req->dev == dev && req->pos + req->len == pos &&
	       req->nr_vecs < req->max_vecs &&
	       req->len + len <= EROFS_REQ_BYTES_MAX;
}

/**
 * erofs_io_flush - submit what has been gathered
 * @io: the gatherer; it can be used again
 *
 * Context: may sleep.
 */
void erofs_io_flush(struct erofs_io *io)
{
	struct erofs_req *req = io->req;

	if (!req)
		return;
	io->req = NULL;
	trace_erofs_req_submit(req, 0);
	req->dev->ops->submit(req);
	erofs_req_put(req);
}

/**
 * erofs_io_add - append a piece of a folio to what is read
 * @io: the gatherer
 * @dev: device
 * @pos: byte on @dev
 * @folio: where the bytes go
 * @off: byte in @folio
 * @len: bytes, inside @folio
 *
 * A piece that does not continue the open request, on the same device and in
 * bytes, submits that one and starts another. The caller has raised the part
 * counter of @folio, and done() will drop it.
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM with nothing added.
 */
int erofs_io_add(struct erofs_io *io, struct erofs_dev *dev, u64 pos,
		 struct folio *folio, size_t off, size_t len)
{
	struct erofs_req *req = io->req;

	if (req && !erofs_req_takes(req, dev, pos, len)) {
		erofs_io_flush(io);
		req = NULL;
	}
	if (!req) {
		req = erofs_req_alloc(io, dev, pos);
		if (!req)
			return -ENOMEM;
		io->req = req;
	}
	req->vecs[req->nr_vecs++] = (struct bio_vec) {
		.bv_page = folio_page(folio, off >> PAGE_SHIFT),
		.bv_offset = offset_in_page(off),
		.bv_len = len,
	};
	req->len += len;
	if (io->vecs_hint)
		io->vecs_hint--;
	return 0;
}

/* ---- block transport ---- */

static void erofs_bdev_end(struct bio *bio)
{
	struct erofs_req *req = container_of(bio, struct erofs_req, bio);

	erofs_req_end(req, blk_status_to_errno(bio->bi_status));
}

static void erofs_bdev_submit(struct erofs_req *req)
{
	struct bio *bio = &req->bio;

	bio_init(bio, req->dev->bdev, req->vecs, req->max_vecs,
		 REQ_OP_READ | req->opf);
	bio->bi_vcnt = req->nr_vecs;
	bio->bi_iter.bi_sector = (req->dev->base + req->pos) >> SECTOR_SHIFT;
	bio->bi_iter.bi_size = req->len;
	bio->bi_end_io = erofs_bdev_end;
	submit_bio(bio);
}

const struct erofs_dev_ops erofs_bdev_ops = {
	.submit		= erofs_bdev_submit,
};
