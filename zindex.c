// SPDX-License-Identifier: GPL-2.0-only
/*
 * The indexes of encoded files; zindex.h says what they promise.
 *
 * Three drivers {full, compact, extents} find the extent, and one function
 * checks whatever they found, so that no form is checked less than another. A
 * lookup that succeeds returns an extent that holds the byte it was asked for
 * (Z4), on which every loop over extents stands.
 *
 * Records are copied before they are looked at (Z12); lengths and addresses have
 * 64 bits wherever they are shifted or compared (Z13, Z14). Every loop ends by
 * the number of records or by a constant; long ones ask whether to stop.
 * The rows Z and E of tests/PITFALLS are named where they are dealt with;
 * tests/user/index_model compares all of this with a naive decoder.
 */
#include "zindex.h"

static int z_refuse(struct erofs_fault *fault, int err, const char *what,
		    u64 value, u64 bound)
{
	fault->what = what;
	fault->value = value;
	fault->bound = bound;
	return err;
}

static int z_copy(struct z_erofs_source *src, u64 pos, void *dst, size_t len,
		  struct erofs_fault *fault)
{
	int err = src->copy(src, pos, dst, len);

	return err ? z_refuse(fault, err, "unreadable index at", pos, 0) : 0;
}

static u32 z_le16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static u32 z_le32(const u8 *p)
{
	return z_le16(p) | z_le16(p + 2) << 16;
}

static u64 z_le64(const u8 *p)
{
	return z_le32(p) | (u64)z_le32(p + 4) << 32;
}

static u64 z_round_up(u64 v, u64 align)
{
	return (v + align - 1) & ~(align - 1);
}

/* how often a long loop asks whether it should stop */
#define Z_STOP_INTERVAL		4096

/*
 * A metabox may repeat itself, and so have room for any number of records. No
 * writer needs more than these: a run of so many lengths is a file of 128 GiB
 * in extents of 4 KiB, and a tail of so many lclusters is one of 32 GiB. Deltas
 * pass 2047 of these at a step, those of shorter extents perhaps only one. Z2, E7.
 */
#define Z_RUN_MAX		(1ULL << 25)
#define Z_TAIL_MAX		(1ULL << 23)
#define Z_STEPS_MAX		(1U << 15)

/* records of holes that one lookup tells of as one extent */
#define Z_HOLES_MAX		4096

/* ---- lcluster records: FORMAT.md sections 12 and 13 ---- */

/**
 * struct z_lcluster - one record of an lcluster index, of either layout
 * @type: EROFS_LCLUSTER_*
 * @ofs: heads: where in the lcluster the extent starts
 * @back: others: lclusters back to the head, or to a record that knows more
 * @has_cblks: others: @cblks is stored here, and the head is the one before
 * @cblks: blocks of the pcluster
 * @blkaddr: heads: first block of the pcluster
 * @partial: heads: the pcluster decodes to more than this extent
 * @hole: heads: the extent is zeroes
 */
struct z_lcluster {
	u8 type;
	u32 ofs;
	u32 back;
	bool has_cblks;
	u32 cblks;
	u64 blkaddr;
	bool partial;
	bool hole;
};

static bool z_is_head(const struct z_lcluster *lc)
{
	return lc->type != EROFS_LCLUSTER_NONHEAD;
}

static u64 z_lcluster_size(const struct z_erofs_index *idx)
{
	return 1ULL << idx->lclusterbits;
}

/* may the pcluster of a head of this type have several blocks? */
static bool z_is_big(const struct z_erofs_index *idx, u8 type)
{
	return idx->advise & (type == EROFS_LCLUSTER_HEAD1 ?
			      EROFS_ADVISE_BIG_PCLUSTER_1 :
			      EROFS_ADVISE_BIG_PCLUSTER_2);
}

/* each record, once, right after it is decoded: Z1, Z6 */
static int z_lcluster_check(const struct z_erofs_index *idx,
			    const struct z_lcluster *lc,
			    struct erofs_fault *fault)
{
	if (z_is_head(lc)) {
		if (lc->ofs >= z_lcluster_size(idx))
			return z_refuse(fault, -EUCLEAN, "bad cluster offset",
					lc->ofs, z_lcluster_size(idx));
		return 0;
	}
	if (lc->has_cblks && !(idx->advise & (EROFS_ADVISE_BIG_PCLUSTER_1 |
					      EROFS_ADVISE_BIG_PCLUSTER_2)))
		return z_refuse(fault, -EUCLEAN,
				"block count without big pclusters", lc->cblks,
				0);
	return 0;
}

static int z_full_read(const struct z_erofs_index *idx,
		       struct z_erofs_source *src, u64 lcn,
		       struct z_lcluster *lc, struct erofs_fault *fault)
{
	u8 raw[sizeof(struct erofs_lcluster_index)];
	u32 advise, d0;
	int err;

	err = z_copy(src, idx->records + lcn * sizeof(raw), raw, sizeof(raw),
		     fault);
	if (err)
		return err;
	advise = z_le16(raw);
	*lc = (struct z_lcluster) { .type = advise & EROFS_LI_TYPE_MASK };
	if (z_is_head(lc)) {
		lc->ofs = z_le16(raw + 2);
		lc->blkaddr = z_le32(raw + 4);
		lc->partial = advise & EROFS_LI_PARTIAL_REF;
		lc->hole = advise & EROFS_LI_HOLE;
	} else {
		d0 = z_le16(raw + 4);
		lc->has_cblks = d0 & EROFS_LI_CBLKCNT;
		lc->cblks = d0 & EROFS_LI_CBLKCNT_MASK;
		lc->back = lc->has_cblks ? 1 : d0;
	}
	return z_lcluster_check(idx, lc, fault);
}

/**
 * struct z_pack - a pack of compact records
 * @raw: its bytes
 * @n: records in it
 * @bits: of one record
 * @lobits: of a record's value
 * @i: the record that was asked for
 */
struct z_pack {
	u8 raw[32];
	u32 n;
	u32 bits;
	u32 lobits;
	u32 i;
};

/* Which regions there are, and in which of them is record @k? */
static void z_pack_locate(const struct z_erofs_index *idx, u64 k,
			  struct z_pack *pack, u64 *pos)
{
	const u64 n = idx->nr;
	u64 c4 = ((32 - idx->records % 32) / 4) & 7;
	u64 c2 = 0, first = 0, at = idx->records;

	if ((idx->advise & EROFS_ADVISE_COMPACTED_2B) && c4 < n)
		c2 = (n - c4) & ~15ULL;
	pack->n = 2;
	if (k >= c4 && k < c4 + c2) {
		pack->n = 16;
		first = c4;
		at += 4 * c4;
	} else if (k >= c4 + c2 && c2) {
		first = c4 + c2;
		at += 4 * c4 + 2 * c2;
	}
	k -= first;
	pack->i = k & (pack->n - 1);
	*pos = at + (pack->n == 16 ? k / 16 * 32 : k / 2 * 8);
}

static u32 z_pack_bytes(const struct z_pack *pack)
{
	return pack->n == 16 ? 32 : 8;
}

static int z_pack_read(const struct z_erofs_index *idx,
		       struct z_erofs_source *src, u64 k, struct z_pack *pack,
		       struct erofs_fault *fault)
{
	u64 pos;

	z_pack_locate(idx, k, pack, &pos);
	pack->bits = (z_pack_bytes(pack) - 4) * 8 / pack->n;
	pack->lobits = idx->lclusterbits > 12 ? idx->lclusterbits : 12;
	/* what has no room in a record is not decoded (Z5) */
	if (pack->lobits + 2 > pack->bits)
		return z_refuse(fault, -EOPNOTSUPP,
				"lclusters too large for this index, log2",
				idx->lclusterbits, pack->bits - 2);
	return z_copy(src, pos, pack->raw, z_pack_bytes(pack), fault);
}

/* value and type of record @i of a pack; at most 16 bits, so 3 bytes hold it */
static u32 z_pack_get(const struct z_pack *pack, u32 i, u8 *type)
{
	const u32 bit = i * pack->bits;
	const u8 *p = pack->raw + bit / 8;
	const u32 v = (p[0] | p[1] << 8 | (u32)p[2] << 16) >> (bit % 8);

	*type = (v >> pack->lobits) & 3;
	return v & ((1U << pack->lobits) - 1);
}

/*
 * FORMAT.md section 13.1: pclusters follow each other, so counting finds one. A
 * step is at least one record, whatever it stores (Z6).
 */
static int z_pack_blkaddr(const struct z_erofs_index *idx,
			  const struct z_pack *pack, u64 *blkaddr,
			  struct erofs_fault *fault)
{
	const bool big = idx->advise & EROFS_ADVISE_BIG_PCLUSTER_1;
	s32 j = pack->i;
	u32 blks = big ? 0 : 1;
	u32 lo;
	u8 type;

	while (j-- > 0) {
		lo = z_pack_get(pack, j, &type);
		if (!big) {
			if (type == EROFS_LCLUSTER_NONHEAD)
				j -= lo;
			if (j >= 0)
				blks++;
		} else if (type != EROFS_LCLUSTER_NONHEAD) {
			blks++;
		} else if (lo & EROFS_LI_CBLKCNT) {
			blks += lo & EROFS_LI_CBLKCNT_MASK;
			j--;
		} else if (lo <= 1) {
			return z_refuse(fault, -EUCLEAN, "bad lookback", lo, 2);
		} else {
			j -= lo - 2;
		}
	}
	*blkaddr = blks + (u64)z_le32(pack->raw + z_pack_bytes(pack) - 4);
	return 0;
}

/* the last record of a pack stores the way forth, not the way back */
static u32 z_pack_back(const struct z_pack *pack)
{
	u32 lo;
	u8 type;

	if (pack->i + 1 < pack->n)
		return z_pack_get(pack, pack->i, &type);
	lo = z_pack_get(pack, pack->i - 1, &type);
	if (type != EROFS_LCLUSTER_NONHEAD)
		return 1;
	return lo & EROFS_LI_CBLKCNT ? 2 : lo + 1;
}

static int z_compact_read(const struct z_erofs_index *idx,
			  struct z_erofs_source *src, u64 lcn,
			  struct z_lcluster *lc, struct erofs_fault *fault)
{
	struct z_pack pack;
	u32 lo;
	int err;

	err = z_pack_read(idx, src, lcn, &pack, fault);
	if (err)
		return err;
	*lc = (struct z_lcluster) {};
	lo = z_pack_get(&pack, pack.i, &lc->type);
	if (z_is_head(lc)) {
		lc->ofs = lo;
		err = z_pack_blkaddr(idx, &pack, &lc->blkaddr, fault);
		if (err)
			return err;
	} else if (lo & EROFS_LI_CBLKCNT) {
		lc->has_cblks = true;
		lc->cblks = lo & EROFS_LI_CBLKCNT_MASK;
		lc->back = 1;
	} else {
		lc->back = z_pack_back(&pack);
	}
	return z_lcluster_check(idx, lc, fault);
}

static int z_lcluster_read(const struct z_erofs_index *idx,
			   struct z_erofs_source *src, u64 lcn,
			   struct z_lcluster *lc, struct erofs_fault *fault)
{
	if (lcn >= idx->nr)
		return z_refuse(fault, -EUCLEAN, "lcluster behind the file",
				lcn, idx->nr);
	if (idx->kind == Z_EROFS_FULL)
		return z_full_read(idx, src, lcn, lc, fault);
	return z_compact_read(idx, src, lcn, lc, fault);
}

/* ---- extents of lclusters: FORMAT.md section 14 ---- */

/*
 * The head of the extent that holds @pos. Every step goes back by at least one
 * (Z2); only fragments may be longer than an extent may be otherwise (F3).
 */
static int z_find_head(const struct z_erofs_index *idx,
		       struct z_erofs_source *src, u64 pos, u64 *head,
		       struct z_lcluster *lc, struct erofs_fault *fault)
{
	const u64 off = pos & (z_lcluster_size(idx) - 1);
	const u64 first = pos >> idx->lclusterbits;
	const u64 reach = idx->advise & EROFS_ADVISE_FRAGMENT ? Z_TAIL_MAX :
			  (EROFS_EXTENT_MAX_SIZE >> idx->lclusterbits) + 1;
	u64 lcn = first;
	u32 back, steps = 0;
	int err;

	err = z_lcluster_read(idx, src, lcn, lc, fault);
	while (!err && !(z_is_head(lc) && (lcn != first || off >= lc->ofs))) {
		back = z_is_head(lc) ? 1 : lc->back;
		if (!back || back > lcn)
			return z_refuse(fault, -EUCLEAN, "bad lookback", back,
					lcn);
		lcn -= back;
		if (first - lcn > reach)
			return z_refuse(fault, -EOPNOTSUPP,
					"extent too long, lclusters",
					first - lcn, reach);
		if (++steps > Z_STEPS_MAX)
			return z_refuse(fault, -EUCLEAN,
					"too many steps back to a head", lcn,
					Z_STEPS_MAX);
		if (!(steps % Z_STOP_INTERVAL) && src->stop(src))
			return z_refuse(fault, -EINTR, "interrupted", 0, 0);
		err = z_lcluster_read(idx, src, lcn, lc, fault);
	}
	*head = lcn;
	return err;
}

/*
 * The extent ends where the next head says, or with the file. Records are read
 * one by one: what they store of the way forth is not believed (Z3).
 */
static int z_find_end(const struct z_erofs_index *idx,
		      struct z_erofs_source *src, u64 head, u64 *end,
		      struct erofs_fault *fault)
{
	const u64 reach = (EROFS_EXTENT_MAX_SIZE >> idx->lclusterbits) + 1;
	struct z_lcluster lc;
	u64 lcn;
	int err;

	*end = idx->p.isize;
	if (idx->has_tail && *end > idx->tail_la &&
	    (head << idx->lclusterbits) < idx->tail_la)
		*end = idx->tail_la;
	for (lcn = head + 1; lcn < idx->nr; lcn++) {
		if ((lcn << idx->lclusterbits) >= *end)
			return 0;
		if (lcn - head > reach)
			return z_refuse(fault, -EOPNOTSUPP,
					"extent too long, lclusters",
					lcn - head, reach);
		err = z_lcluster_read(idx, src, lcn, &lc, fault);
		if (err)
			return err;
		if (z_is_head(&lc)) {
			const u64 la = (lcn << idx->lclusterbits) + lc.ofs;

			*end = la < *end ? la : *end;
			return 0;
		}
	}
	return 0;
}

/* the "CBLKCNT rule": blocks of the pcluster that belongs to a head */
static int z_head_blocks(const struct z_erofs_index *idx,
			 struct z_erofs_source *src, u64 head,
			 const struct z_lcluster *lc, u64 *blocks,
			 struct erofs_fault *fault)
{
	struct z_lcluster next;
	int err;

	*blocks = 1;
	if (lc->hole) {
		*blocks = 0;
		return 0;
	}
	if (!z_is_big(idx, lc->type) || head + 1 >= idx->nr)
		return 0;
	err = z_lcluster_read(idx, src, head + 1, &next, fault);
	if (err || z_is_head(&next))
		return err;
	if (!next.has_cblks)
		return z_refuse(fault, -EUCLEAN, "pcluster without block count",
				head, 0);
	*blocks = next.cblks;
	return 0;
}

/* interlaced only if both ends are on blocks (E5) */
static enum z_erofs_coding z_plain_coding(const struct z_erofs_index *idx,
					  const struct z_erofs_extent *ext)
{
	const u64 mask = (1ULL << idx->p.blkszbits) - 1;

	if (!(idx->advise & EROFS_ADVISE_INTERLACED) || ext->in_meta ||
	    ((ext->pa | ext->plen) & mask))
		return Z_EROFS_SHIFTED;
	return Z_EROFS_INTERLACED;
}

/*
 * ztailpacking, FORMAT.md section 17: behind the index, inside one block (Z16).
 * That it is inline says in_meta, no special address (Z8).
 */
static int z_inline_place(const struct z_erofs_index *idx,
			  struct z_erofs_extent *ext, struct erofs_fault *fault)
{
	const u64 bs = 1ULL << idx->p.blkszbits;
	struct z_pack pack;
	u64 pos;

	if (idx->kind == Z_EROFS_FULL) {
		pos = idx->records +
		      idx->nr * sizeof(struct erofs_lcluster_index);
	} else {
		z_pack_locate(idx, idx->nr - 1, &pack, &pos);
		pos += z_pack_bytes(&pack);
	}
	if ((pos & (bs - 1)) + idx->idata_size > bs)
		return z_refuse(fault, -EUCLEAN,
				"inline pcluster crosses a block, end",
				(pos & (bs - 1)) + idx->idata_size, bs);
	ext->in_meta = true;
	ext->pa = pos;
	ext->plen = idx->idata_size;
	return 0;
}

static int z_lcluster_place(const struct z_erofs_index *idx,
			    struct z_erofs_source *src, u64 head,
			    const struct z_lcluster *lc,
			    struct z_erofs_extent *ext,
			    struct erofs_fault *fault)
{
	const bool tail = idx->has_tail && ext->la == idx->tail_la;
	u64 blocks;
	int err;

	if (tail && (idx->advise & EROFS_ADVISE_FRAGMENT)) {
		ext->coding = Z_EROFS_FRAGMENT;
		ext->pa = idx->fragment;
		return 0;
	}
	if (tail) {
		err = z_inline_place(idx, ext, fault);
	} else {
		err = z_head_blocks(idx, src, head, lc, &blocks, fault);
		ext->pa = lc->blkaddr << idx->p.blkszbits;
		ext->plen = err ? 0 : blocks << idx->p.blkszbits;
	}
	if (err)
		return err;
	ext->partial = lc->partial;
	if (!ext->plen) {
		ext->coding = Z_EROFS_HOLE;
	} else if (lc->type == EROFS_LCLUSTER_PLAIN) {
		ext->coding = z_plain_coding(idx, ext);
	} else {
		ext->coding = Z_EROFS_ENCODED;
		ext->alg = idx->alg[lc->type == EROFS_LCLUSTER_HEAD2];
	}
	return 0;
}

static int z_find_lcluster(const struct z_erofs_index *idx,
			   struct z_erofs_source *src, u64 pos,
			   struct z_erofs_extent *ext,
			   struct erofs_fault *fault)
{
	struct z_lcluster lc;
	u64 head, end;
	int err;

	/* a tail may be long, and its head is known */
	if (idx->has_tail && pos >= idx->tail_la)
		pos = idx->tail_la;
	err = z_find_head(idx, src, pos, &head, &lc, fault);
	if (err)
		return err;
	ext->la = (head << idx->lclusterbits) + lc.ofs;
	if (idx->has_tail && ext->la == idx->tail_la)
		end = idx->p.isize;
	else
		err = z_find_end(idx, src, head, &end, fault);
	if (err)
		return err;
	if (end <= ext->la)
		return z_refuse(fault, -EUCLEAN, "empty extent at", ext->la,
				end);
	ext->len = end - ext->la;
	return z_lcluster_place(idx, src, head, &lc, ext, fault);
}

/* ---- encoded extents: FORMAT.md section 15 ---- */

/* records with a start of their own; the others have a fixed length */
static bool z_has_lstart(const struct z_erofs_index *idx)
{
	return idx->recsz >= 16;
}

static int z_record_read(const struct z_erofs_index *idx,
			 struct z_erofs_source *src, u64 rec, u8 *raw,
			 struct erofs_fault *fault)
{
	return z_copy(src, idx->records + rec * idx->recsz, raw, idx->recsz,
		      fault);
}

static u64 z_record_lstart(const struct z_erofs_index *idx, const u8 *raw)
{
	return z_le32(raw + 12) |
	       (idx->recsz == 32 ? (u64)z_le32(raw + 16) << 32 : 0);
}

/* The last record that starts at or before @pos; false: none does. (E3) */
static int z_search_record(const struct z_erofs_index *idx,
			   struct z_erofs_source *src, u64 pos, u64 *found,
			   bool *any, struct erofs_fault *fault)
{
	u64 lo = 0, hi = idx->nr, lo_start = 0, hi_start = idx->p.isize;
	u8 raw[32];
	int err;

	while (lo < hi) {
		const u64 mid = lo + (hi - lo) / 2;
		u64 start;

		err = z_record_read(idx, src, mid, raw, fault);
		if (err)
			return err;
		start = z_record_lstart(idx, raw);
		if (start < lo_start || start >= hi_start)
			return z_refuse(fault, -EUCLEAN,
					"extents out of order at", start,
					hi_start);
		if (start <= pos) {
			lo = mid + 1;
			lo_start = start;
		} else {
			hi = mid;
			hi_start = start;
		}
	}
	*any = lo;
	*found = lo - 1;
	return 0;
}

/*
 * Address of a record in a run: the sum of the lengths before it. From the
 * nearest that is known, lest a file be read in the square of its records (E7).
 */
static int z_run_address(const struct z_erofs_index *idx,
			 struct z_erofs_source *src, u64 rec,
			 struct z_erofs_cursor *cursor,
			 struct erofs_fault *fault)
{
	u8 raw[64 * 4];
	u32 steps = 0;
	int err;

	if (cursor->rec > rec)
		*cursor = (struct z_erofs_cursor) {};
	if (src->recall)
		src->recall(src, rec, cursor);
	while (cursor->rec < rec) {
		const u64 left = rec - cursor->rec;
		/* up to a multiple, and so no step is missed */
		const u32 more = 64 - cursor->rec % 64;
		const u32 n = left < more ? left : more;
		u32 i;

		err = z_copy(src, idx->records + cursor->rec * 4, raw, n * 4,
			     fault);
		if (err)
			return err;
		for (i = 0; i < n; i++)
			cursor->pa += z_le32(raw + 4 * i) &
				      EROFS_EXTENT_PLEN_MASK;
		cursor->rec += n;
		if (src->keep && cursor->rec % Z_EROFS_RUN_STEP == 0)
			src->keep(src, cursor);
		if (!(++steps % Z_STOP_INTERVAL) && src->stop(src))
			return z_refuse(fault, -EINTR, "interrupted", 0, 0);
	}
	return 0;
}

/* Which record holds @pos, and what part of the file is it? */
static int z_record_range(const struct z_erofs_index *idx,
			  struct z_erofs_source *src, u64 pos, u64 *rec,
			  struct z_erofs_extent *ext, struct erofs_fault *fault)
{
	u64 end = idx->p.isize;
	u8 raw[32];
	bool any;
	int err;

	if (!z_has_lstart(idx)) {
		*rec = pos >> idx->lclusterbits;
		ext->la = *rec << idx->lclusterbits;
		ext->len = end - ext->la;
		if (ext->len > z_lcluster_size(idx))
			ext->len = z_lcluster_size(idx);
		return 0;
	}
	err = z_search_record(idx, src, pos, rec, &any, fault);
	if (err)
		return err;
	if (any) {
		err = z_record_read(idx, src, *rec, raw, fault);
		if (err)
			return err;
		ext->la = z_record_lstart(idx, raw);
	}
	if (*rec + 1 < idx->nr) {
		err = z_record_read(idx, src, *rec + 1, raw, fault);
		if (err)
			return err;
		end = z_record_lstart(idx, raw);
	}
	if (end <= pos || end > idx->p.isize)
		return z_refuse(fault, -EUCLEAN, "extents out of order at",
				end, idx->p.isize);
	ext->len = end - ext->la;
	ext->coding = any ? Z_EROFS_ENCODED : Z_EROFS_HOLE;
	return 0;
}

static int z_record_place(const struct z_erofs_index *idx,
			  struct z_erofs_source *src, u64 rec,
			  struct z_erofs_cursor *cursor,
			  struct z_erofs_extent *ext, struct erofs_fault *fault)
{
	u8 raw[32] = {};
	u32 plen, format;
	int err;

	err = z_record_read(idx, src, rec, raw, fault);
	if (err)
		return err;
	plen = z_le32(raw);
	if ((idx->advise & EROFS_ADVISE_FRAGMENT) && rec == idx->nr - 1) {
		ext->coding = Z_EROFS_FRAGMENT;
		ext->pa = plen;
		if (idx->recsz > 4)
			ext->pa |= (u64)z_le32(raw + 4) << 32;
		return 0;
	}
	/* masked first, and then compared (E1) */
	ext->plen = plen & EROFS_EXTENT_PLEN_MASK;
	ext->partial = plen & EROFS_EXTENT_PARTIAL;
	ext->coding = Z_EROFS_HOLE;
	if (!ext->plen)
		return 0;
	if (idx->recsz == 4) {
		err = z_run_address(idx, src, rec, cursor, fault);
		if (err)
			return err;
		if (idx->run_start > ~0ULL - cursor->pa)
			return z_refuse(fault, -EUCLEAN, "bad address",
					idx->run_start, 0);
		ext->pa = idx->run_start + cursor->pa;
	} else {
		ext->pa = z_le32(raw + 4);
		if (idx->recsz > 8)
			ext->pa |= (u64)z_le32(raw + 8) << 32;
	}
	format = plen >> EROFS_EXTENT_FORMAT_SHIFT;
	/* before anything is looked up by it (E4) */
	if (format > EROFS_COMPRESSION_MAX)
		return z_refuse(fault, -EOPNOTSUPP, "unknown extent format",
				format, EROFS_COMPRESSION_MAX);
	ext->coding = Z_EROFS_ENCODED;
	if (!format)
		ext->coding = z_plain_coding(idx, ext);
	else
		ext->alg = format - 1;
	return 0;
}

static int z_find_record(const struct z_erofs_index *idx,
			 struct z_erofs_source *src, u64 pos,
			 struct z_erofs_cursor *cursor,
			 struct z_erofs_extent *ext, struct erofs_fault *fault)
{
	u64 rec;
	int err;

	ext->coding = Z_EROFS_ENCODED;
	err = z_record_range(idx, src, pos, &rec, ext, fault);
	if (err || ext->coding == Z_EROFS_HOLE)
		return err;
	return z_record_place(idx, src, rec, cursor, ext, fault);
}

/* ---- checks of whatever was found ---- */

/*
 * End of FORMAT.md section 14; addresses have at most 48 bits of blocks. What
 * follows a lookup relies on this: that the extent holds @pos (Z4), that both
 * lengths are bounded and can be allocated for (Z10, P18), that no sum wraps
 * (E2), that plain bytes suffice (Z7), and that the image has the algorithm (Z9).
 * Fragments may have any length (F3); and an extent of a legacy image, a partial
 * one and the last of a file may be shorter than their pcluster (Z17).
 */
static int z_extent_check(const struct z_erofs_index *idx,
			  const struct z_erofs_extent *ext, u64 pos,
			  struct erofs_fault *fault)
{
	const u64 pa_max = 1ULL << (48 + (idx->p.blkszbits < 15 ?
					  idx->p.blkszbits : 15));

	if (pos < ext->la || pos - ext->la >= ext->len)
		return z_refuse(fault, -EUCLEAN, "no extent for byte", pos,
				ext->la);
	if (ext->coding == Z_EROFS_HOLE)
		return 0;
	if (ext->coding == Z_EROFS_FRAGMENT)
		return ext->pa > ~0ULL - ext->len ?
		       z_refuse(fault, -EUCLEAN, "bad fragment offset",
				ext->pa, 0) : 0;
	if (ext->plen > EROFS_PCLUSTER_MAX_SIZE)
		return z_refuse(fault, -EOPNOTSUPP, "pcluster too large",
				ext->plen, EROFS_PCLUSTER_MAX_SIZE);
	if (ext->len > EROFS_EXTENT_MAX_SIZE)
		return z_refuse(fault, -EOPNOTSUPP, "extent too long",
				ext->len, EROFS_EXTENT_MAX_SIZE);
	if (ext->pa >= pa_max || ext->plen > pa_max - ext->pa)
		return z_refuse(fault, -EUCLEAN, "bad address", ext->pa,
				pa_max);
	if (ext->coding != Z_EROFS_ENCODED) {
		if (ext->len > ext->plen)
			return z_refuse(fault, -EUCLEAN,
					"plain extent longer than its pcluster",
					ext->len, ext->plen);
		return 0;
	}
	if (!(idx->p.algorithms & (1U << ext->alg)))
		return z_refuse(fault, -EUCLEAN,
				"algorithm that the image does not have",
				ext->alg, idx->p.algorithms);
	/* the writers of legacy images gave a block to what is shorter than one */
	if (!idx->p.legacy && !ext->partial &&
	    ext->la + ext->len < idx->p.isize && ext->plen > ext->len)
		return z_refuse(fault, -EUCLEAN,
				"extent shorter than its pcluster", ext->len,
				ext->plen);
	return 0;
}

/**
 * z_erofs_index_find - find the extent that holds a byte
 * @idx: a decoded index
 * @src: where it is read from
 * @pos: byte of the file, below its size
 * @cursor: the reader's; makes ascending lookups linear
 * @ext: receives the extent; it holds @pos
 * @fault: says why, on failure
 *
 * FORMAT.md sections 12 to 15 and 17. Bounded by the number of records.
 *
 * Return: 0; -EUCLEAN; -EOPNOTSUPP; -EINTR; or the errno of the source.
 */
int z_erofs_index_find(const struct z_erofs_index *idx,
		       struct z_erofs_source *src, u64 pos,
		       struct z_erofs_cursor *cursor,
		       struct z_erofs_extent *ext, struct erofs_fault *fault)
{
	int err = 0;

	*ext = (struct z_erofs_extent) {};
	switch (idx->kind) {
	case Z_EROFS_WHOLE_FRAGMENT:
		ext->coding = Z_EROFS_FRAGMENT;
		ext->len = idx->p.isize;
		ext->pa = idx->fragment;
		break;
	case Z_EROFS_EXTENTS:
		err = z_find_record(idx, src, pos, cursor, ext, fault);
		break;
	default:
		err = z_find_lcluster(idx, src, pos, ext, fault);
	}
	return err ?: z_extent_check(idx, ext, pos, fault);
}

/**
 * z_erofs_index_join - let a hole reach as far as holes follow it
 * @idx: a decoded index
 * @src: where it is read from
 * @ext: a hole, as z_erofs_index_find() gave it
 *
 * Else whoever looks for data would pass small ones one by one. Only lengths
 * without starts are looked at, and a bounded number of them; what cannot be
 * read is left to whoever comes to it.
 */
void z_erofs_index_join(const struct z_erofs_index *idx,
			struct z_erofs_source *src, struct z_erofs_extent *ext)
{
	u64 rec, last;
	u8 raw[256];
	u32 n, i;

	if (idx->kind != Z_EROFS_EXTENTS || z_has_lstart(idx))
		return;
	rec = ext->la >> idx->lclusterbits;
	/* the very last one is shorter, and may be a fragment */
	last = rec + Z_HOLES_MAX < idx->nr ? rec + Z_HOLES_MAX : idx->nr - 1;
	for (rec++; rec < last; rec += n) {
		n = sizeof(raw) / idx->recsz;
		n = last - rec < n ? last - rec : n;
		if (src->copy(src, idx->records + rec * idx->recsz, raw,
			      n * idx->recsz))
			return;
		for (i = 0; i < n; i++) {
			if (z_le32(raw + i * idx->recsz) &
			    EROFS_EXTENT_PLEN_MASK)
				return;
			ext->len += z_lcluster_size(idx);
		}
	}
}

/* ---- the map header: FORMAT.md section 11 ---- */

static int z_init_extents(struct z_erofs_index *idx, struct z_erofs_source *src,
			  u64 header, const u8 *raw, struct erofs_fault *fault)
{
	u8 start[8];
	u64 at = header + EROFS_MAP_HEADER_SIZE;
	int err;

	idx->kind = Z_EROFS_EXTENTS;
	idx->recsz = 4 << ((idx->advise >> EROFS_ADVISE_EXTRECSZ_SHIFT) &
			   EROFS_ADVISE_EXTRECSZ_MASK);
	idx->records = z_round_up(at, idx->recsz);
	if (z_has_lstart(idx)) {
		idx->nr = z_le32(raw) | (u64)z_le16(raw + 6) << 32;
		/* each needs at least a byte of the file, and a place */
		if (idx->nr > idx->p.isize)
			return z_refuse(fault, -EUCLEAN, "too many extents",
					idx->nr, idx->p.isize);
		return 0;
	}
	idx->lclusterbits = idx->p.blkszbits + (raw[7] & 15);
	idx->nr = ((idx->p.isize - 1) >> idx->lclusterbits) + 1;
	if (idx->recsz != 4)
		return 0;
	if (idx->nr > Z_RUN_MAX)
		return z_refuse(fault, -EOPNOTSUPP, "run of too many extents",
				idx->nr, Z_RUN_MAX);
	err = z_copy(src, idx->records, start, sizeof(start), fault);
	idx->run_start = z_le64(start);
	idx->records += sizeof(start);
	return err;
}

/* The last extent is special: which one is it? */
static int z_init_tail(struct z_erofs_index *idx, struct z_erofs_source *src,
		       struct erofs_fault *fault)
{
	struct z_lcluster lc;
	u64 head;
	int err;

	if (!(idx->advise & EROFS_ADVISE_FRAGMENT) && !idx->idata_size)
		return 0;
	err = z_find_head(idx, src, idx->p.isize - 1, &head, &lc, fault);
	if (err)
		return err;
	idx->has_tail = true;
	idx->tail_la = (head << idx->lclusterbits) + lc.ofs;
	if ((idx->advise & EROFS_ADVISE_FRAGMENT) && idx->kind == Z_EROFS_FULL)
		idx->fragment |= lc.blkaddr << 32;
	return 0;
}

static int z_init_lclusters(struct z_erofs_index *idx,
			    struct z_erofs_source *src, u64 header,
			    const u8 *raw, struct erofs_fault *fault)
{
	const u16 big = EROFS_ADVISE_BIG_PCLUSTER_1 |
			EROFS_ADVISE_BIG_PCLUSTER_2;

	idx->kind = idx->p.compact ? Z_EROFS_COMPACT : Z_EROFS_FULL;
	idx->lclusterbits = idx->p.blkszbits + (raw[7] & 15);
	idx->alg[0] = raw[6] & 15;
	idx->alg[1] = raw[6] >> 4;
	if (idx->alg[0] >= EROFS_COMPRESSION_MAX ||
	    idx->alg[1] >= EROFS_COMPRESSION_MAX)
		return z_refuse(fault, -EOPNOTSUPP, "unknown algorithms",
				raw[6], EROFS_COMPRESSION_MAX - 1);
	if ((idx->advise & big) && !idx->p.big_pcluster)
		return z_refuse(fault, -EUCLEAN,
				"big pclusters that the image does not have",
				idx->advise, 0);
	if (idx->p.compact && (idx->advise & big) && (idx->advise & big) != big)
		return z_refuse(fault, -EUCLEAN,
				"only one kind of big pclusters", idx->advise,
				0);
	/* offsets in an lcluster have 16 bits, in a pack 14 */
	if (idx->lclusterbits > (idx->p.compact ? 14 : 15))
		return z_refuse(fault, -EOPNOTSUPP, "lclusters too large, log2",
				idx->lclusterbits, 15);
	if (idx->p.compact) {
		idx->records = header + EROFS_MAP_HEADER_SIZE;
		idx->nr = ((idx->p.isize - 1) >> idx->p.blkszbits) + 1;
	} else {
		idx->records = header + 2 * EROFS_MAP_HEADER_SIZE;
		idx->nr = ((idx->p.isize - 1) >> idx->lclusterbits) + 1;
	}
	if (idx->advise & EROFS_ADVISE_FRAGMENT)
		idx->fragment = z_le32(raw);
	else if (idx->advise & EROFS_ADVISE_INLINE_PCLUSTER)
		idx->idata_size = z_le16(raw + 2);
	return z_init_tail(idx, src, fault);
}

/**
 * z_erofs_index_init - decode and check the map header of an encoded file
 * @idx: receives the result
 * @src: where it is read from
 * @params: the file and its image
 * @fault: says why, on failure
 *
 * FORMAT.md section 11.
 *
 * Return: 0; -EUCLEAN; -EOPNOTSUPP; -EINTR; or the errno of the source.
 */
int z_erofs_index_init(struct z_erofs_index *idx, struct z_erofs_source *src,
		       const struct z_erofs_params *params,
		       struct erofs_fault *fault)
{
	const u64 header = z_round_up(params->tail_pos, EROFS_MAP_HEADER_SIZE);
	u8 raw[EROFS_MAP_HEADER_SIZE];
	int err;

	memset(idx, 0, sizeof(*idx));
	idx->p = *params;
	err = z_copy(src, header, raw, sizeof(raw), fault);
	if (err)
		return err;
	if (z_le64(raw) & EROFS_MAP_WHOLE_FRAGMENT) {
		idx->kind = Z_EROFS_WHOLE_FRAGMENT;
		idx->fragment = z_le64(raw) & ~EROFS_MAP_WHOLE_FRAGMENT;
		return 0;
	}
	idx->advise = z_le16(raw + 4);
	if (!params->compact && (idx->advise & EROFS_ADVISE_EXTENTS))
		return z_init_extents(idx, src, header, raw, fault);
	return z_init_lclusters(idx, src, header, raw, fault);
}
