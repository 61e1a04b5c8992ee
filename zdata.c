// SPDX-License-Identifier: GPL-2.0-only
/*
 * The encoded path: plan, fetch, decode, finish.
 *
 * Plan: the fill engine hands over pieces of folios, which become segments of
 * pclusters. Fetch: a pcluster's stored bytes are read into folios of its own,
 * that nobody else knows, through the same requests as everything. Decode: when
 * its last input has arrived, where it may sleep, and on as many CPUs as there
 * are pclusters. Finish: segments are copied out and their parts end.
 *
 * A pcluster has one owner at a time: the planner, then its inputs, whose last
 * completion passes it on to the waiting reader or to a worker. It never joins
 * another reader's, and stored bytes never lie in a file's own folios. What
 * another one is decoding already is waited for and copied from its workspace:
 * followers wait, for those that they follow, who are none; see
 * z_erofs_announce_last().
 *
 * Of the invariants of io.c: z_erofs_input_done() only counts, for it may not
 * sleep (3; R10, M3). z_erofs_job_add() raises a part when it plans, long before
 * anything is submitted (4). A pcluster is used when the requests for its input
 * have ended, so it holds an in-flight count of its own until it is gone (5; R7).
 *
 * No folio has two roles and no pcluster two readers: P1, P4, P14 and R6 cannot
 * come up; R2 and R3 neither, see struct z_erofs_batch. P3, P7 to P9, P12 and P16
 * are named where they are dealt with.
 *
 * No locks.
 */
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include "zdata.h"
#include "decompressor.h"
#include "trace.h"

/*
 * Who has its input and waits for nothing, on behalf of all mounts. Those who wait,
 * for another's pcluster or for stored bytes that are to be kept, are in a queue of
 * their mount: here, they could take all places and leave none to those for whom
 * they wait, who may be of the mount that holds the image.
 */
static struct workqueue_struct *z_erofs_wq;

/**
 * struct z_erofs_seg - where a part of the decoded bytes goes
 * @folio: locked, with a part raised for this
 * @off: byte in @folio
 * @len: bytes
 * @skip: byte of the extent
 */
struct z_erofs_seg {
	struct folio *folio;
	size_t off;
	size_t len;
	size_t skip;
};

/* who gets a pcluster when its input is complete */
enum {
	Z_EROFS_TO_WORKER,
	Z_EROFS_TO_READER,
	Z_EROFS_TAKEN,		/* by the reader */
};

/* a small pcluster has room for what it needs: one folio of input, few segments */
#define Z_EROFS_FEW_SEGS	4

/**
 * struct z_erofs_pcl - one encoded unit
 * @node: in its job, then among those that a worker decodes
 * @sbi: the mount
 * @ext: what it decodes to
 * @reach: how much of that is decoded
 * @gfp: how to allocate for it
 * @missing: inputs that have not arrived, and one for the planner
 * @to: Z_EROFS_TO_*
 * @err: of an input that failed
 * @ready: completed for a waiting reader
 * @work: for a worker, of the first that it decodes
 * @in_skip: first byte of the pcluster in @in
 * @in_order: order of each folio of @in
 * @cached: @in is borrowed from the device's cache, and taken when decoding
 * @follows: somebody else decodes it; it is found there, not read
 * @again: a part of it was decoded before
 * @announced: @coming is in the pool's list
 * @coming: tells the next window of it
 * @nr_in: folios in @in
 * @in: stored bytes, from a block's start to a block's end
 * @one: @in of a single folio
 * @nr_segs: segments
 * @max_segs: room in @segs
 * @segs: segments, ascending
 * @few: @segs as long as there are no more
 */
struct z_erofs_pcl {
	struct list_head node;
	struct erofs_sb_info *sbi;
	struct erofs_extent ext;
	u64 reach;
	gfp_t gfp;
	atomic_t missing;
	atomic_t to;
	int err;
	struct completion ready;
	struct work_struct work;
	u32 in_skip;
	u32 in_order;
	bool cached;
	bool follows;
	bool again;
	bool announced;
	struct z_erofs_coming coming;
	u32 nr_in;
	struct folio **in;
	struct folio *one;
	u32 nr_segs;
	u32 max_segs;
	struct z_erofs_seg *segs;
	struct z_erofs_seg few[Z_EROFS_FEW_SEGS];
};

static int z_erofs_job_run(struct z_erofs_job *job, bool foreground);

/* ---- finish ---- */

/* the one place where input goes, whoever it was borrowed from (P12) */
static void z_erofs_pcl_free_inputs(struct z_erofs_pcl *pcl)
{
	u32 i;

	for (i = 0; i < pcl->nr_in; i++) {
		if (!pcl->cached)
			pcl->in[i]->private = NULL;
		folio_put(pcl->in[i]);
	}
	if (pcl->in != &pcl->one)
		kfree(pcl->in);
}

/*
 * The parts end before the in-flight count is dropped: until then the mount is
 * there, and after it nothing of it is touched (invariant 5, R5).
 */
static void z_erofs_pcl_finish(struct z_erofs_pcl *pcl, int err)
{
	struct erofs_sb_info *sbi = pcl->sbi;
	u32 i;

	if (pcl->announced)
		z_erofs_pool_retract(&sbi->pool, &pcl->coming);
	z_erofs_pcl_free_inputs(pcl);
	for (i = 0; i < pcl->nr_segs; i++)
		erofs_folio_put_part(pcl->segs[i].folio, err);
	if (pcl->segs != pcl->few)
		kfree(pcl->segs);
	kfree(pcl);
	erofs_inflight_put(sbi);
}

/* ---- plan ---- */

/*
 * Two lookups of one read may see two versions of an index, if its pages had to be
 * read again and the backing file has changed since. What a segment takes lies in
 * the extent of its own lookup, so that has to be as long as the pcluster's: else
 * bytes would be taken that nobody has decoded (B12, P3).
 */
static bool z_erofs_same_extent(const struct erofs_extent *a,
				const struct erofs_extent *b)
{
	return a->la == b->la && a->len == b->len && a->pa == b->pa &&
	       a->dev == b->dev && a->space == b->space;
}

/* Memory that a pcluster holds from when it is planned until it is decoded */
static u64 z_erofs_ext_cost(const struct erofs_extent *ext)
{
	return round_up(ext->plen, PAGE_SIZE) + sizeof(struct z_erofs_pcl) +
	       sizeof(struct erofs_req);
}

static struct z_erofs_pcl *z_erofs_pcl_new(struct z_erofs_job *job,
					   const struct erofs_extent *ext)
{
	struct z_erofs_pcl *pcl = kzalloc(sizeof(*pcl), job->io.gfp);

	if (!pcl)
		return NULL;
	pcl->sbi = job->io.sbi;
	pcl->ext = *ext;
	pcl->gfp = job->io.gfp;
	pcl->segs = pcl->few;
	pcl->max_segs = Z_EROFS_FEW_SEGS;
	atomic_set(&pcl->missing, 1);
	init_completion(&pcl->ready);
	erofs_inflight_get(pcl->sbi);
	list_add_tail(&pcl->node, &job->pcls);
	job->nr++;
	job->held += z_erofs_ext_cost(ext);
	return pcl;
}

static int z_erofs_pcl_more_segs(struct z_erofs_pcl *pcl)
{
	struct z_erofs_seg *const old = pcl->segs == pcl->few ? NULL : pcl->segs;
	struct z_erofs_seg *segs;

	segs = krealloc_array(old, 2 * pcl->max_segs, sizeof(*segs), pcl->gfp);
	if (!segs)
		return -ENOMEM;
	if (!old)
		memcpy(segs, pcl->few, sizeof(pcl->few));
	pcl->segs = segs;
	pcl->max_segs *= 2;
	return 0;
}

static int z_erofs_pcl_attach(struct z_erofs_pcl *pcl,
			      const struct z_erofs_seg *seg)
{
	int err;

	if (pcl->nr_segs == pcl->max_segs) {
		err = z_erofs_pcl_more_segs(pcl);
		if (err)
			return err;
	}
	pcl->segs[pcl->nr_segs++] = *seg;
	return 0;
}

static struct z_erofs_key z_erofs_pcl_key(const struct erofs_extent *ext)
{
	return (struct z_erofs_key) {
		.where	= ext->dev ? (const void *)ext->dev : ext->space,
		.pa	= ext->pa,
		.len	= ext->partial ? 0 : ext->len,
		.plen	= ext->plen,
		.alg	= ext->algorithm,
	};
}

/* Then what was kept for the next window need not be kept any longer. */
static bool z_erofs_seg_ends(const struct erofs_extent *ext,
			     const struct z_erofs_seg *seg)
{
	return seg->skip + seg->len == ext->len;
}

/* What a workspace still holds decoded needs no pcluster at all. */
static bool z_erofs_take_decoded(struct erofs_sb_info *sbi,
				 const struct erofs_extent *ext,
				 const struct z_erofs_seg *seg)
{
	const struct z_erofs_key key = z_erofs_pcl_key(ext);
	struct z_erofs_ws *ws;

	if (ext->coding != Z_EROFS_ENCODED)
		return false;
	ws = z_erofs_ws_find(&sbi->pool, &key, seg->skip + seg->len);
	if (!ws)
		return false;
	k_memcpy_to_folio(seg->folio, seg->off, ws->out + seg->skip, seg->len);
	z_erofs_ws_leave(&sbi->pool, ws, z_erofs_seg_ends(ext, seg));
	return true;
}

static bool z_erofs_is_coming(struct erofs_sb_info *sbi,
			      const struct erofs_extent *ext)
{
	const struct z_erofs_key key = z_erofs_pcl_key(ext);

	return ext->coding == Z_EROFS_ENCODED && ext->dev &&
	       z_erofs_pool_expects(&sbi->pool, &key, ext->len);
}

/**
 * z_erofs_job_init - begin a read call's job
 * @job: the job
 * @io: the call's own gatherer, as a pattern
 * @streams: the reader is expected to go on behind this call's folios
 */
void z_erofs_job_init(struct z_erofs_job *job, const struct erofs_io *io,
		      bool streams)
{
	INIT_LIST_HEAD(&job->pcls);
	job->io = *io;
	job->streams = streams;
	job->alone = false;
	job->held = job->stored = job->filled = 0;
	job->nr = 0;
}

/**
 * z_erofs_job_takes_all - will all of an extent be decoded?
 * @job: the job
 * @ext: the extent, encoded
 * @want: how much of it is wanted, from its start on
 *
 * A stream wants the rest next. A read that stands alone may be the only one
 * here and gets what it wants, until those before it have had as much decoded as
 * there is: so nobody pays more than twice what knowing the future would cost.
 *
 * Return: true if the rest costs no decoding.
 */
bool z_erofs_job_takes_all(const struct z_erofs_job *job,
			   const struct erofs_extent *ext, u64 want)
{
	const struct z_erofs_key key = z_erofs_pcl_key(ext);

	if (job->streams || ext->coding != Z_EROFS_ENCODED ||
	    z_erofs_codec_reach(ext->algorithm, want) >= ext->len)
		return true;
	return z_erofs_pool_spent(&job->io.sbi->pool, &key) >= ext->len;
}

/* what a job plans before it decodes; a window of readahead has less, as a rule */
#define Z_EROFS_JOB_BYTES	(8U << 20)
/* pieces of that many bytes on average are no writer's; a block has 512 and more */
#define Z_EROFS_PIECE_MIN	64
/* nor are so many stored bytes for one: a block of 512 of a megabyte is 2048 */
#define Z_EROFS_STORED_MAX	4096

/*
 * Of extents that are short, and whose pclusters are long or are decoded in large
 * steps, one page may have thousands, each with a megabyte of its own. What is
 * planned already is done with before more is, so that no image can have more memory
 * than that (M1); and who has that many of them is refused, before any is decoded
 * (T24). Nothing was announced yet, so that all others are waited for safely.
 */
static int z_erofs_job_relieve(struct z_erofs_job *job,
			       const struct inode *inode)
{
	const bool alone = job->alone;
	int err;

	if (job->held < Z_EROFS_JOB_BYTES)
		return 0;
	job->stored += job->held;
	job->held = 0;
	if (job->filled < job->nr * Z_EROFS_PIECE_MIN ||
	    job->filled < job->stored / Z_EROFS_STORED_MAX)
		return erofs_fail_inode(inode, -EUCLEAN,
					"%llu bytes in %llu extents of %llu stored bytes",
					job->filled, job->nr, job->stored);
	/* nobody waits for what workers decode */
	job->alone = true;
	err = z_erofs_job_run(job, true);
	job->alone = alone;
	return err;
}

/**
 * z_erofs_job_add - plan to fill a piece of a folio from an encoded extent
 * @job: the job
 * @ext: the extent; pieces come in the order of the file
 * @folio: locked
 * @off: byte in @folio
 * @len: bytes, inside @folio and @ext
 * @skip: byte of the extent
 *
 * Raises the folio's parts, where it does not fill the piece at once. Where much is
 * planned already, that is read and decoded first.
 *
 * Context: sleeps.
 * Return: 0; -EOPNOTSUPP for an algorithm that this build lacks; -EUCLEAN for too
 * many extents of too little; -ENOMEM; or what z_erofs_job_submit() returns.
 */
int z_erofs_job_add(struct z_erofs_job *job, const struct erofs_extent *ext,
		    struct folio *folio, size_t off, size_t len, u64 skip)
{
	const struct z_erofs_seg seg = {
		.folio = folio, .off = off, .len = len, .skip = skip,
	};
	struct z_erofs_pcl *pcl = NULL;
	bool follows;
	int err;

	if (ext->coding == Z_EROFS_ENCODED &&
	    !z_erofs_codec_present(ext->algorithm))
		return erofs_fail_inode(folio->mapping->host, -EOPNOTSUPP,
					"algorithm %u is not in this build",
					ext->algorithm);
	if (!list_empty(&job->pcls))
		pcl = list_last_entry(&job->pcls, struct z_erofs_pcl, node);
	if (!pcl || !z_erofs_same_extent(&pcl->ext, ext)) {
		err = z_erofs_job_relieve(job, folio->mapping->host);
		if (err)
			return err;
		/* asked first: what has come since is found by the second */
		follows = z_erofs_is_coming(job->io.sbi, ext);
		if (!follows && z_erofs_take_decoded(job->io.sbi, ext, &seg))
			return 0;
		pcl = z_erofs_pcl_new(job, ext);
		if (!pcl)
			return -ENOMEM;
		pcl->follows = follows;
	}
	err = z_erofs_pcl_attach(pcl, &seg);
	if (!err) {
		erofs_folio_get_part(folio);
		job->filled += len;
	} else if (!pcl->nr_segs) {
		list_del(&pcl->node);
		z_erofs_pcl_finish(pcl, err);
	}
	return err;
}

/* ---- decode ---- */

/* byte @pos of the pcluster; @room receives how many follow it in one piece */
static const u8 *z_erofs_in_at(const struct z_erofs_pcl *pcl, size_t pos,
			       size_t *room)
{
	const size_t unit = PAGE_SIZE << pcl->in_order;
	const size_t off = (pos + pcl->in_skip) & (unit - 1);

	*room = unit - off;
	return folio_address(pcl->in[(pos + pcl->in_skip) / unit]) + off;
}

/*
 * Byte @skip of a pcluster that is not encoded; FORMAT.md section 16.2. Inside of
 * it, for z_extent_check() lets no plain extent be longer than plen (Z7), and
 * z_plain_coding() none be interlaced that is not whole blocks (P7, P8, E5).
 */
static size_t z_erofs_plain_pos(const struct z_erofs_pcl *pcl, size_t skip,
				size_t *run)
{
	const u32 bs = 1U << pcl->sbi->desc.blkszbits;
	const size_t first = bs - (pcl->ext.la & (bs - 1));

	*run = pcl->ext.plen - skip;
	if (pcl->ext.coding == Z_EROFS_SHIFTED)
		return skip;
	if (skip >= first)
		return skip - first;
	*run = first - skip;
	return pcl->ext.plen - first + skip;
}

static void z_erofs_plain_seg(const struct z_erofs_pcl *pcl,
			     const struct z_erofs_seg *seg)
{
	size_t done, n, run, room;

	for (done = 0; done < seg->len; done += n) {
		size_t pos = z_erofs_plain_pos(pcl, seg->skip + done, &run);
		const u8 *from = z_erofs_in_at(pcl, pos, &room);

		n = min3(seg->len - done, run, room);
		k_memcpy_to_folio(seg->folio, seg->off + done, from, n);
	}
}

static void z_erofs_plain(const struct z_erofs_pcl *pcl)
{
	u32 i;

	for (i = 0; i < pcl->nr_segs; i++)
		z_erofs_plain_seg(pcl, &pcl->segs[i]);
}

/* The stored bytes in one piece: as they are, or gathered in @ws. */
static const u8 *z_erofs_in_whole(struct z_erofs_pcl *pcl,
				  struct z_erofs_ws *ws)
{
	const size_t plen = pcl->ext.plen;
	const u8 *from;
	size_t pos, n;
	u8 *in;

	from = z_erofs_in_at(pcl, 0, &n);
	if (pcl->nr_in == 1)
		return from;
	in = z_erofs_ws_in(ws, plen);
	if (!in)
		return ERR_PTR(-ENOMEM);
	for (pos = 0; pos < plen; pos += n) {
		from = z_erofs_in_at(pcl, pos, &n);
		n = min(n, plen - pos);
		memcpy(in + pos, from, n);
	}
	return in;
}

/* FORMAT.md section 16.3: zeroes in front, inside the first block only (P16) */
static int z_erofs_skip_padding(const struct z_erofs_pcl *pcl,
				struct z_erofs_task *task)
{
	const struct erofs_sb_info *sbi = pcl->sbi;
	const u32 bs = 1U << sbi->desc.blkszbits;
	const u32 max = min_t(u64, bs - (pcl->ext.pa & (bs - 1)),
			      pcl->ext.plen);
	u32 pad = 0;

	task->padded = pcl->ext.algorithm != EROFS_COMPRESSION_LZ4 ||
		       erofs_sb_has(sbi, EROFS_FEATURE_INCOMPAT_LZ4_0PADDING);
	if (!task->padded)
		return 0;
	while (pad < max && !task->in[pad])
		pad++;
	if (pad == max)
		return -EUCLEAN;
	task->in += pad;
	task->in_len -= pad;
	return 0;
}

static void z_erofs_segs_out(const struct z_erofs_pcl *pcl, const u8 *out)
{
	u32 i;

	for (i = 0; i < pcl->nr_segs; i++) {
		const struct z_erofs_seg *seg = &pcl->segs[i];

		k_memcpy_to_folio(seg->folio, seg->off, out + seg->skip,
				  seg->len);
	}
}

/*
 * All of the input at once, and room for all of the output (P9). Nothing reaches
 * a folio unless the decoder has written all that was asked for (P3).
 */
static int z_erofs_encoded(struct z_erofs_pcl *pcl, struct z_erofs_ws *ws)
{
	const struct z_erofs_key key = z_erofs_pcl_key(&pcl->ext);
	struct z_erofs_task task = {
		.in		= z_erofs_in_whole(pcl, ws),
		.in_len		= pcl->ext.plen,
		.out_len	= pcl->reach,
		.partial	= pcl->ext.partial ||
				  pcl->reach < pcl->ext.len,
	};
	int err;

	if (IS_ERR(task.in))
		return PTR_ERR(task.in);
	err = z_erofs_skip_padding(pcl, &task);
	if (!err)
		err = z_erofs_ws_decode(ws, &pcl->sbi->desc, &key, &task);
	if (err)
		return err;
	ws->keep = pcl->announced;
	z_erofs_segs_out(pcl, task.out);
	return 0;
}

/*
 * What another window decodes is taken from there. Returns 1 if it was; 0 if it
 * is gone already or has failed, and so has to be read after all.
 */
static int z_erofs_follow(struct z_erofs_pcl *pcl)
{
	const struct z_erofs_key key = z_erofs_pcl_key(&pcl->ext);
	struct z_erofs_pool *pool = &pcl->sbi->pool;
	struct z_erofs_ws *ws;
	int err;

	err = z_erofs_pool_wait(pool, &key, pcl->ext.len);
	if (err)
		return err;
	ws = z_erofs_ws_find(pool, &key, pcl->ext.len);
	if (ws) {
		z_erofs_segs_out(pcl, ws->out);
		z_erofs_ws_leave(pool, ws,
				 z_erofs_seg_ends(&pcl->ext,
						  &pcl->segs[pcl->nr_segs - 1]));
		return 1;
	}
	pcl->cached = true;
	pcl->in_skip = offset_in_page(pcl->ext.pa);
	return 0;
}

/* What nobody else has decoded for it. */
static int z_erofs_decode_own(struct z_erofs_pcl *pcl)
{
	struct erofs_sb_info *sbi = pcl->sbi;
	struct z_erofs_ws *ws;
	int err;

	if (pcl->cached) {
		err = z_erofs_cache_take(&pcl->ext, &pcl->in, &pcl->nr_in,
					 pcl->gfp);
		if (err)
			return err;
	}
	if (pcl->ext.coding != Z_EROFS_ENCODED) {
		z_erofs_plain(pcl);
		return 0;
	}
	ws = z_erofs_ws_get(&sbi->pool);
	if (IS_ERR(ws))
		return PTR_ERR(ws);
	err = z_erofs_encoded(pcl, ws);
	trace_erofs_decode(pcl->segs[0].folio->mapping->host, &pcl->ext,
			   pcl->reach, err);
	z_erofs_ws_put(&sbi->pool, ws);
	return err;
}

/*
 * Whoever allocates for it, a codec or a page cache below, must not come back for
 * memory: an inode that nobody has open and no directory names is evicted there,
 * and that waits for its folios, which may be those that are filled here (B14).
 *
 * Returns what became of it; the pcluster is gone.
 */
static int z_erofs_decode(struct z_erofs_pcl *pcl)
{
	const unsigned int nofs = memalloc_nofs_save();
	int err = pcl->err;

	if (!err && pcl->follows)
		err = z_erofs_follow(pcl);
	if (!err)
		err = z_erofs_decode_own(pcl);
	if (err == -EUCLEAN)
		erofs_fail_inode(pcl->segs[0].folio->mapping->host, err,
				 "bad data in the pcluster at %llu (%llu)",
				 pcl->ext.pa, pcl->ext.plen);
	err = min(err, 0);
	z_erofs_pcl_finish(pcl, err);
	memalloc_nofs_restore(nofs);
	return err;
}

/* ---- who decodes ---- */

/* what another CPU is woken for, while the reader decodes something else */
#define Z_EROFS_SPREAD_BYTES	(32U << 10)

/**
 * struct z_erofs_batch - pclusters that one worker decodes, one after the other
 * @pcls: they
 * @bytes: how much that is
 *
 * Small ones arrive by the hundred in one request, and waking a worker for each
 * would cost as much as decoding it.
 *
 * A batch is whoever's stack it lies on, and holds what is complete and has no other
 * owner. Its list leaves with the first pcluster, the head stays behind: nobody adds
 * to what was sent (R2, R3), and no worker knows the stack (R4).
 */
struct z_erofs_batch {
	struct list_head pcls;
	u64 bytes;
};

static void z_erofs_batch_init(struct z_erofs_batch *batch)
{
	INIT_LIST_HEAD(&batch->pcls);
	batch->bytes = 0;
}

/* The list has no head on its way: the first one's node is known. */
static void z_erofs_work(struct work_struct *work)
{
	struct z_erofs_pcl *pcl = container_of(work, struct z_erofs_pcl, work);
	struct z_erofs_pcl *next;
	LIST_HEAD(pcls);

	list_add_tail(&pcls, &pcl->node);
	list_for_each_entry_safe(pcl, next, &pcls, node)
		z_erofs_decode(pcl);
}

static void z_erofs_queue(struct workqueue_struct *wq, struct z_erofs_pcl *pcl)
{
	INIT_WORK(&pcl->work, z_erofs_work);
	queue_work(wq, &pcl->work);
}

static void z_erofs_batch_send(struct z_erofs_batch *batch)
{
	struct z_erofs_pcl *pcl;

	if (list_empty(&batch->pcls))
		return;
	pcl = list_first_entry(&batch->pcls, struct z_erofs_pcl, node);
	list_del_init(&batch->pcls);
	batch->bytes = 0;
	z_erofs_queue(z_erofs_wq, pcl);
}

/* Who has to wait for something else keeps nobody waiting. */
static void z_erofs_batch_add(struct z_erofs_batch *batch,
			      struct z_erofs_pcl *pcl)
{
	if (pcl->follows || pcl->cached) {
		INIT_LIST_HEAD(&pcl->node);
		z_erofs_queue(pcl->sbi->wait_wq, pcl);
		return;
	}
	list_add_tail(&pcl->node, &batch->pcls);
	batch->bytes += pcl->reach;
	if (batch->bytes >= Z_EROFS_SPREAD_BYTES)
		z_erofs_batch_send(batch);
}

/*
 * Any context: counts, and hands over to a task that may sleep (R10); to a worker
 * when @batch is sent.
 */
static void z_erofs_arrived(struct z_erofs_pcl *pcl, int err,
			    struct z_erofs_batch *batch)
{
	if (err)
		WRITE_ONCE(pcl->err, err);
	if (!atomic_dec_and_test(&pcl->missing))
		return;
	if (atomic_cmpxchg(&pcl->to, Z_EROFS_TO_READER, Z_EROFS_TAKEN) ==
	    Z_EROFS_TO_READER)
		complete(&pcl->ready);
	else
		z_erofs_batch_add(batch, pcl);
}

/* ---- fetch ---- */

static void z_erofs_input_done(struct erofs_req *req, int err)
{
	struct z_erofs_batch batch;
	u32 i;

	z_erofs_batch_init(&batch);
	for (i = 0; i < req->nr_vecs; i++)
		z_erofs_arrived(page_folio(req->vecs[i].bv_page)->private, err,
				&batch);
	z_erofs_batch_send(&batch);
}

/* One folio where there is one so large, else single pages. */
static int z_erofs_alloc_inputs(struct z_erofs_pcl *pcl, size_t bytes)
{
	const gfp_t gfp = pcl->gfp | __GFP_NOWARN;
	const u32 pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct folio *folio;

	pcl->in = &pcl->one;
	pcl->in_order = order_base_2(pages);
	folio = folio_alloc(pcl->in_order ? gfp | __GFP_NORETRY : gfp,
			    pcl->in_order);
	if (folio) {
		pcl->in[pcl->nr_in++] = folio;
		folio->private = pcl;
		return 0;
	}
	if (pages == 1)
		return -ENOMEM;
	pcl->in = kcalloc(pages, sizeof(*pcl->in), gfp);
	if (!pcl->in)
		return -ENOMEM;
	for (pcl->in_order = 0; pcl->nr_in < pages; pcl->nr_in++) {
		folio = folio_alloc(gfp, 0);
		if (!folio)
			return -ENOMEM;
		pcl->in[pcl->nr_in] = folio;
		folio->private = pcl;
	}
	return 0;
}

/*
 * An inline pcluster is copied before a workspace is held: its metadata may
 * itself have to be decoded. And before anything waits, so that no signal can
 * leave it half there (B9).
 */
static int z_erofs_fetch_meta(struct z_erofs_pcl *pcl)
{
	const struct erofs_extent *ext = &pcl->ext;
	int err = z_erofs_alloc_inputs(pcl, ext->plen);

	if (err)
		return err;
	return erofs_meta_copy(ext->space, ext->pa, folio_address(pcl->in[0]),
			       ext->plen);
}

static u64 z_erofs_pcl_taken(const struct z_erofs_pcl *pcl)
{
	u64 taken = 0;
	u32 i;

	for (i = 0; i < pcl->nr_segs; i++)
		taken += pcl->segs[i].len;
	return taken;
}

/* Does the reader take less of it than all? */
static bool z_erofs_pcl_partly(const struct z_erofs_pcl *pcl)
{
	return z_erofs_pcl_taken(pcl) < pcl->ext.len;
}

/*
 * Is more of it left than the bytes at its ends, in folios that it shares with
 * its neighbours? Or was it read for a part before, and is in the cache?
 */
static bool z_erofs_pcl_recurs(const struct z_erofs_pcl *pcl)
{
	return z_erofs_pcl_taken(pcl) < pcl->ext.len - pcl->ext.len / 8 ||
	       (z_erofs_pcl_partly(pcl) && pcl->again);
}

static bool z_erofs_pcl_caches(struct z_erofs_job *job, struct z_erofs_pcl *pcl)
{
	return z_erofs_pcl_recurs(pcl) &&
	       z_erofs_cache_wants(&pcl->ext,
				   READ_ONCE(job->io.sbi->opts.cache),
				   list_is_first(&pcl->node, &job->pcls),
				   list_is_last(&pcl->node, &job->pcls));
}

/*
 * The window ends inside of its last pcluster, and whoever reads on will want
 * the rest: it stays in the workspace, and need not be read again.
 */
static void z_erofs_announce_last(struct z_erofs_job *job)
{
	struct z_erofs_pcl *pcl;

	if (list_empty(&job->pcls))
		return;
	pcl = list_last_entry(&job->pcls, struct z_erofs_pcl, node);
	if (!job->streams || pcl->ext.coding != Z_EROFS_ENCODED || !pcl->ext.dev ||
	    pcl->follows || pcl->segs[0].skip || !z_erofs_pcl_partly(pcl))
		return;
	pcl->coming.key = z_erofs_pcl_key(&pcl->ext);
	pcl->coming.have = pcl->ext.len;
	pcl->announced = true;
	z_erofs_pool_announce(&job->io.sbi->pool, &pcl->coming);
}

/*
 * How far a pcluster is decoded is settled when all its segments are known: no
 * less than the furthest of them needs, since what is copied into a folio must
 * have been written by this decoding and no earlier one (P3, P9).
 */
static void z_erofs_pcl_set_reach(struct z_erofs_job *job,
				  struct z_erofs_pcl *pcl)
{
	const struct z_erofs_key key = z_erofs_pcl_key(&pcl->ext);
	struct z_erofs_pool *pool = &pcl->sbi->pool;
	u64 want = 0;
	u32 i;

	pcl->again = z_erofs_pool_spent(pool, &key);
	for (i = 0; i < pcl->nr_segs; i++)
		want = max(want, pcl->segs[i].skip + pcl->segs[i].len);
	pcl->reach = pcl->ext.len;
	if (z_erofs_job_takes_all(job, &pcl->ext, want))
		return;
	pcl->reach = z_erofs_codec_reach(pcl->ext.algorithm, want);
	z_erofs_pool_spend(pool, &key, pcl->reach);
}

/* Whole blocks, for a device reads no less; the last one may be cut. */
static int z_erofs_fetch(struct z_erofs_job *job, struct z_erofs_pcl *pcl)
{
	const u32 bs = 1U << pcl->sbi->desc.blkszbits;
	const struct erofs_extent *ext = &pcl->ext;
	u64 pos, end;
	u32 i;
	int err;

	if (ext->space)
		return z_erofs_fetch_meta(pcl);
	if (pcl->follows)
		return 0;
	if (!pcl->announced && z_erofs_pcl_caches(job, pcl)) {
		pcl->cached = true;
		pcl->in_skip = offset_in_page(ext->pa);
		z_erofs_cache_start(ext);
		return 0;
	}
	pos = round_down(ext->pa, bs);
	end = min(round_up(ext->pa + ext->plen, bs), ext->dev->span);
	pcl->in_skip = ext->pa - pos;
	err = z_erofs_alloc_inputs(pcl, end - pos);
	for (i = 0; i < pcl->nr_in && !err; i++) {
		const size_t n = min_t(u64, end - pos,
				       PAGE_SIZE << pcl->in_order);

		/* before it can be submitted, as parts are (invariant 4) */
		atomic_inc(&pcl->missing);
		err = erofs_io_add(&job->io, ext->dev, pos, pcl->in[i], 0, n);
		if (err)
			atomic_dec(&pcl->missing);
		pos += n;
	}
	return err;
}

/*
 * A reader that waits decodes itself. If it is killed first, the pcluster goes
 * to a worker, for its folios have to end (M5). What is waited on lies in the
 * pcluster, which only who decodes it frees, and not on this stack (R4).
 */
static int z_erofs_await(struct z_erofs_pcl *pcl)
{
	if (wait_for_completion_killable(&pcl->ready)) {
		if (atomic_cmpxchg(&pcl->to, Z_EROFS_TO_READER,
				   Z_EROFS_TO_WORKER) == Z_EROFS_TO_READER)
			return -EINTR;
		/* too late: it is being passed to this reader */
		wait_for_completion(&pcl->ready);
	}
	return z_erofs_decode(pcl);
}

/* Others may wait for what is announced, so followers come last. */
static int z_erofs_job_await(struct z_erofs_job *job, bool followers)
{
	struct z_erofs_pcl *pcl, *next;
	int err = 0, ret;

	list_for_each_entry_safe(pcl, next, &job->pcls, node) {
		if (pcl->follows && !followers)
			continue;
		list_del(&pcl->node);
		ret = z_erofs_await(pcl);
		err = err ?: ret;
	}
	return err;
}

/*
 * Who decodes it? A reader that waits takes the first one itself, and all if it
 * was told to, or if they are small.
 */
static int z_erofs_pcl_decoder(const struct z_erofs_job *job,
			       const struct z_erofs_pcl *pcl, bool foreground)
{
	const unsigned int mode = READ_ONCE(job->io.sbi->sync_decompress);

	if (!foreground)
		return Z_EROFS_TO_WORKER;
	if (mode == EROFS_SYNC_ALWAYS || job->alone || num_online_cpus() == 1 ||
	    list_is_first(&pcl->node, &job->pcls) ||
	    pcl->ext.coding != Z_EROFS_ENCODED ||
	    pcl->reach < Z_EROFS_SPREAD_BYTES)
		return Z_EROFS_TO_READER;
	return Z_EROFS_TO_WORKER;
}

static int z_erofs_job_run(struct z_erofs_job *job, bool foreground)
{
	struct z_erofs_pcl *pcl, *next;
	struct z_erofs_batch batch;
	int err, ret;

	job->io.done = z_erofs_input_done;
	list_for_each_entry(pcl, &job->pcls, node) {
		z_erofs_pcl_set_reach(job, pcl);
		atomic_set(&pcl->to, z_erofs_pcl_decoder(job, pcl, foreground));
		err = z_erofs_fetch(job, pcl);
		if (err)
			WRITE_ONCE(pcl->err, err);
	}
	erofs_io_flush(&job->io);
	/* from here on one that goes to a worker may be gone */
	z_erofs_batch_init(&batch);
	list_for_each_entry_safe(pcl, next, &job->pcls, node) {
		if (atomic_read(&pcl->to) == Z_EROFS_TO_WORKER)
			list_del(&pcl->node);
		z_erofs_arrived(pcl, 0, &batch);
	}
	z_erofs_batch_send(&batch);
	err = z_erofs_job_await(job, false);
	ret = z_erofs_job_await(job, true);
	return err ?: ret;
}

/**
 * z_erofs_job_submit - read and decode what a job has planned
 * @job: the job; it is empty afterwards
 * @foreground: decode in this task, after waiting; else in workers
 *
 * Context: sleeps; for @foreground until what is left to this task is decoded,
 * or a fatal signal.
 * Return: the first errno of what this task has decoded, -EINTR for what it left
 * to others, or 0.
 */
int z_erofs_job_submit(struct z_erofs_job *job, bool foreground)
{
	z_erofs_announce_last(job);
	return z_erofs_job_run(job, foreground);
}

/**
 * z_erofs_init - prepare the encoded path of the module
 *
 * Return: 0 or -ENOMEM.
 */
int z_erofs_init(void)
{
	int err;

	z_erofs_wq = alloc_workqueue("erofs_decode", WQ_UNBOUND | WQ_HIGHPRI |
				     WQ_MEM_RECLAIM, 0);
	if (!z_erofs_wq)
		return -ENOMEM;
	err = z_erofs_shrinker_init();
	if (err)
		destroy_workqueue(z_erofs_wq);
	return err;
}

/**
 * z_erofs_exit - undo z_erofs_init()
 */
void z_erofs_exit(void)
{
	z_erofs_shrinker_exit();
	destroy_workqueue(z_erofs_wq);
}
