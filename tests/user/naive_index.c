// SPDX-License-Identifier: GPL-2.0-only
/*
 * A linear decoder of indexes; naive_index.h says what it is for. Written from
 * FORMAT.md sections 11 to 15, 17 and 18 alone, each rule where the text has it.
 */
#include "naive_index.h"
#include "util.h"

/* more records than any array that is tested */
#define NAIVE_NR_MAX	(1U << 20)

/* one lcluster's record, of either layout */
struct naive_rec {
	u32 type;
	u32 ofs;
	u64 blkaddr;
	bool partial;
	bool hole;
	bool has_cblks;
	u32 cblks;
	u32 stored;	/* delta[0] as stored; unused for has_cblks and @last */
	bool last;	/* last of its pack: it does not store delta[0] */
};

struct naive_ctx {
	const struct naive_mem *mem;
	const struct z_erofs_params *p;
	struct naive_map *map;
	u64 header;
	u32 advise;
	u32 algs;
	u32 lcbits;
	u64 fragment;
	u32 idata;
	u64 behind;	/* first byte behind the index */
	struct naive_rec *rec;
};

/* Every byte that the index takes must be there. */
static const u8 *at(const struct naive_ctx *c, u64 pos, u64 len)
{
	const struct naive_mem *m = c->mem;

	if (pos < m->base || len > m->len || pos - m->base > m->len - len)
		return NULL;
	return m->bytes + (pos - m->base);
}

static u64 align_up(u64 v, u64 a)
{
	while (v % a)
		v++;
	return v;
}

void naive_append(struct naive_map *map, const struct naive_extent *ext)
{
	if (!(map->n & (map->n - 1))) {
		const size_t room = map->n ? 2 * map->n : 1;

		map->ext = realloc(map->ext, room * sizeof(*ext));
		if (!map->ext)
			abort();
	}
	map->ext[map->n++] = *ext;
}

void naive_free(struct naive_map *map)
{
	free(map->ext);
	*map = (struct naive_map) {};
}

/* The checks at the end of section 14. An answer given before stays. */
void naive_judge(struct naive_extent *ext, const struct z_erofs_params *p)
{
	const struct z_erofs_extent *e = &ext->e;
	const bool at_end = e->la + e->len == p->isize;
	const u32 bits = p->blkszbits < 15 ? 48 + p->blkszbits : 63;
	u32 bad = ext->answers;

	if (e->coding == Z_EROFS_FRAGMENT && e->pa + e->len < e->pa)
		bad |= NAIVE_EUCLEAN;
	if (e->coding != Z_EROFS_FRAGMENT && e->coding != Z_EROFS_HOLE) {
		if (e->plen > 1 << 20 || e->len > 12 << 20)
			bad |= NAIVE_EOPNOTSUPP;
		if (e->pa >> bits || (e->pa + e->plen - 1) >> bits)
			bad |= NAIVE_EUCLEAN;
	}
	if ((e->coding == Z_EROFS_SHIFTED || e->coding == Z_EROFS_INTERLACED) &&
	    e->len > e->plen)
		bad |= NAIVE_EUCLEAN;
	if (e->coding == Z_EROFS_ENCODED) {
		if (!(p->algorithms >> e->alg & 1))
			bad |= NAIVE_EUCLEAN;
		if (!p->legacy && !e->partial && !at_end && e->plen > e->len)
			bad |= NAIVE_EUCLEAN;
	}
	ext->answers = bad ? bad : NAIVE_FOUND;
}

/* ---- section 12 ---- */

static bool read_full(struct naive_ctx *c, u64 nr)
{
	const u64 start = c->header + 16;
	const u8 *p = at(c, start, nr * 8);
	u64 k;

	if (!p)
		return false;
	c->behind = start + nr * 8;
	for (k = 0; k < nr; k++, p += 8) {
		struct naive_rec *r = &c->rec[k];
		const u32 advise = get_le(p, 2);

		r->type = advise % 4;
		if (r->type != EROFS_LCLUSTER_NONHEAD) {
			r->partial = advise >> 15 & 1;
			r->hole = advise >> 14 & 1;
			r->ofs = get_le(p + 2, 2);
			r->blkaddr = get_le(p + 4, 4);
			continue;
		}
		r->stored = get_le(p + 4, 2);
		r->has_cblks = r->stored >> 11 & 1;
		r->cblks = r->stored & 0x7ff;
	}
	return true;
}

/* ---- section 13 ---- */

static u32 get_bits(const u8 *p, u32 first, u32 n)
{
	u32 v = 0, i;

	for (i = 0; i < n; i++)
		v |= (p[(first + i) / 8] >> (first + i) % 8 & 1u) << i;
	return v;
}

static void read_rec(struct naive_rec *r, const u8 *pack, u32 i, u32 vcnt,
		     u32 width, u32 lobits)
{
	const u32 lo = get_bits(pack, i * width, lobits);

	*r = (struct naive_rec) {};
	r->type = get_bits(pack, i * width + lobits, 2);
	if (r->type != EROFS_LCLUSTER_NONHEAD) {
		r->ofs = lo;
		return;
	}
	r->stored = lo;
	r->last = i == vcnt - 1;
	r->has_cblks = lo >> 11 & 1;
	r->cblks = lo & 0x7ff;
}

/* Section 13.1 in the order of the file: each pack counts on from its base. */
static void count_blocks(struct naive_rec *r, u32 n, u32 base, bool big)
{
	u64 addr = base;
	u32 i;

	if (!big)
		addr++;
	for (i = 0; i < n; i++) {
		if (r[i].type != EROFS_LCLUSTER_NONHEAD) {
			r[i].blkaddr = addr;
			/* else the record behind it says how many */
			if (!big || (i + 1 < n && !r[i + 1].has_cblks))
				addr++;
		} else if (big && r[i].has_cblks) {
			addr += r[i].cblks;
		}
	}
}

static bool read_compact(struct naive_ctx *c, u64 nr)
{
	const u64 start = c->header + 8;
	const bool big = c->advise & EROFS_ADVISE_BIG_PCLUSTER_1;
	const u32 lobits = c->lcbits > 12 ? c->lcbits : 12;
	u64 c4 = 0, c2 = 0, k, pos = start;

	while ((start + 4 * c4) % 32)
		c4++;
	if ((c->advise & EROFS_ADVISE_COMPACTED_2B) && c4 < nr)
		c2 = (nr - c4) / 16 * 16;
	if (c2 && c->lcbits > 12)
		return false;
	for (k = 0; k < nr;) {
		const bool two = k >= c4 && k < c4 + c2;
		const u32 vcnt = two ? 16 : 2;
		const u32 size = two ? 32 : 8;
		const u32 width = two ? 14 : 16;
		const u8 *pack = at(c, pos, size);
		u32 n;

		if (!pack)
			return false;
		for (n = 0; n < vcnt && k + n < nr; n++)
			read_rec(&c->rec[k + n], pack, n, vcnt, width, lobits);
		count_blocks(&c->rec[k], n, get_le(pack + size - 4, 4), big);
		k += n;
		pos += size;
	}
	c->behind = pos;
	return true;
}

/* ---- section 14 ---- */

static bool may_be_big(const struct naive_ctx *c, u32 type)
{
	if (type == EROFS_LCLUSTER_HEAD1)
		return c->advise & EROFS_ADVISE_BIG_PCLUSTER_1;
	return c->advise & EROFS_ADVISE_BIG_PCLUSTER_2;
}

static bool has_big(const struct naive_ctx *c)
{
	return c->advise & (EROFS_ADVISE_BIG_PCLUSTER_1 |
			    EROFS_ADVISE_BIG_PCLUSTER_2);
}

/*
 * Does each record say the distance to its head that it has? Only in the full
 * layout a shorter one that stays in the extent is as good: there it is of use
 * to lookback alone, which then goes on.
 */
static bool distance_is_true(const struct naive_ctx *c,
			     const struct naive_rec *r, u64 dist)
{
	if (r->has_cblks)
		return has_big(c) && dist == 1;
	if (r->last)
		return true;
	if (c->p->compact)
		return r->stored == (dist < 2047 ? dist : 2047);
	return r->stored >= 1 && r->stored <= dist;
}

static bool records_are_true(const struct naive_ctx *c, u64 nr)
{
	u64 k, head = 0;

	for (k = 0; k < nr; k++) {
		const struct naive_rec *r = &c->rec[k];

		if (r->type != EROFS_LCLUSTER_NONHEAD) {
			if (r->ofs >> c->lcbits)
				return false;
			head = k;
		} else if (!k || !distance_is_true(c, r, k - head)) {
			return false;
		}
	}
	return true;
}

/* the "CBLKCNT rule" */
static void size_pcluster(const struct naive_ctx *c, u64 head, u64 nr,
			  struct naive_extent *ext)
{
	const struct naive_rec *r = &c->rec[head];
	u64 blocks = 1;

	if (r->hole) {
		blocks = 0;
	} else if (may_be_big(c, r->type) && head + 1 < nr &&
		   r[1].type == EROFS_LCLUSTER_NONHEAD) {
		blocks = r[1].cblks;
		if (!r[1].has_cblks)
			ext->answers = NAIVE_EUCLEAN;
	}
	ext->e.pa = r->blkaddr << c->p->blkszbits;
	ext->e.plen = blocks << c->p->blkszbits;
}

/* sections 17 and 18; false: the extent is not a special one */
static bool place_tail(const struct naive_ctx *c, u64 head,
		       struct naive_extent *ext)
{
	const u64 bs = 1ULL << c->p->blkszbits;

	if (c->advise & EROFS_ADVISE_FRAGMENT) {
		ext->e.coding = Z_EROFS_FRAGMENT;
		ext->e.pa = c->fragment;
		if (!c->p->compact)
			ext->e.pa |= c->rec[head].blkaddr << 32;
		return true;
	}
	if (!c->idata)
		return false;
	ext->e.in_meta = true;
	ext->e.pa = c->behind;
	ext->e.plen = c->idata;
	if (c->behind % bs + c->idata > bs)
		ext->answers = NAIVE_EUCLEAN;
	return true;
}

static void decode_extent(const struct naive_ctx *c, u64 head, u64 nr, u64 end)
{
	const struct naive_rec *r = &c->rec[head];
	struct naive_extent ext = {};

	ext.e.la = (head << c->lcbits) + r->ofs;
	ext.e.len = end - ext.e.la;
	if (end != c->p->isize || !place_tail(c, head, &ext))
		size_pcluster(c, head, nr, &ext);
	if (ext.e.coding != Z_EROFS_FRAGMENT) {
		ext.e.partial = r->partial;
		if (!ext.e.plen && !ext.answers) {
			ext.e.coding = Z_EROFS_HOLE;
			/* how long an empty lookback may be is not said */
			if (ext.e.len > 12 << 20)
				ext.answers = NAIVE_FOUND | NAIVE_EOPNOTSUPP;
		} else if (r->type != EROFS_LCLUSTER_PLAIN) {
			ext.e.coding = Z_EROFS_ENCODED;
			ext.e.alg = r->type == EROFS_LCLUSTER_HEAD1 ?
				    c->algs % 16 : c->algs / 16;
		} else if ((c->advise & EROFS_ADVISE_INTERLACED) &&
			   !ext.e.in_meta) {
			ext.e.coding = Z_EROFS_INTERLACED;
		} else {
			ext.e.coding = Z_EROFS_SHIFTED;
		}
	}
	naive_judge(&ext, c->p);
	naive_append(c->map, &ext);
}

/*
 * Counting blocks needs to know those of every pcluster before; only the last
 * one's do not matter.
 */
static bool all_are_counted(const struct naive_ctx *c, u64 nr)
{
	bool missing = false;
	u64 k;

	if (!c->p->compact || !has_big(c))
		return true;
	for (k = 0; k < nr; k++) {
		if (c->rec[k].type != EROFS_LCLUSTER_NONHEAD) {
			if (missing)
				return false;
		} else if (c->rec[k - 1].type != EROFS_LCLUSTER_NONHEAD &&
			   !c->rec[k].has_cblks) {
			missing = true;
		}
	}
	return true;
}

static bool list_extents(const struct naive_ctx *c, u64 nr)
{
	struct naive_extent none = { .answers = NAIVE_EUCLEAN };
	u64 k, head = nr;

	for (k = 0; k <= nr; k++) {
		u64 la = c->p->isize;

		if (k < nr) {
			if (c->rec[k].type == EROFS_LCLUSTER_NONHEAD)
				continue;
			la = (k << c->lcbits) + c->rec[k].ofs;
			/* a terminator, or something else behind the end */
			if (la >= c->p->isize)
				continue;
		}
		if (head < nr) {
			decode_extent(c, head, nr, la);
		} else if (la) {
			none.e.len = la;
			naive_append(c->map, &none);
		}
		head = k;
	}
	return true;
}

static bool decode_lclusters(struct naive_ctx *c)
{
	const u64 nr = ((c->p->isize - 1) >> c->lcbits) + 1;
	bool ok;

	c->map->nr = nr;
	if (nr > NAIVE_NR_MAX)
		return false;
	c->rec = must_alloc(nr * sizeof(*c->rec));
	ok = (c->p->compact ? read_compact(c, nr) : read_full(c, nr)) &&
	     records_are_true(c, nr) && all_are_counted(c, nr) &&
	     list_extents(c, nr);
	/* which extent is the last one has to be known from the start */
	if (ok && ((c->advise & EROFS_ADVISE_FRAGMENT) || c->idata) &&
	    ((c->rec[0].ofs >= c->p->isize)))
		c->map->init = NAIVE_EUCLEAN;
	free(c->rec);
	return ok;
}

static bool decode_indexes(struct naive_ctx *c)
{
	const u8 *h = at(c, c->header, 8);
	const bool big1 = c->advise & EROFS_ADVISE_BIG_PCLUSTER_1;
	const bool big2 = c->advise & EROFS_ADVISE_BIG_PCLUSTER_2;
	u32 bad = 0;

	c->algs = h[6];
	c->lcbits = c->p->blkszbits + h[7] % 16;
	if (c->algs % 16 > 3 || c->algs / 16 > 3)
		bad |= NAIVE_EOPNOTSUPP;
	if ((big1 || big2) && !c->p->big_pcluster)
		bad |= NAIVE_EUCLEAN;
	if (c->p->compact && big1 != big2)
		bad |= NAIVE_EUCLEAN;
	if (c->lcbits > (c->p->compact ? 14 : 15))
		bad |= NAIVE_EOPNOTSUPP;
	if (bad) {
		c->map->init = bad;
		return true;
	}
	/* section 11: not self-consistent */
	if (c->p->compact && c->lcbits != c->p->blkszbits)
		return false;
	if (c->advise & EROFS_ADVISE_FRAGMENT)
		c->fragment = get_le(h, 4);
	else if (c->advise & EROFS_ADVISE_INLINE_PCLUSTER)
		c->idata = get_le(h + 2, 2);
	return decode_lclusters(c);
}

/* ---- section 15 ---- */

static void decode_record(const struct naive_ctx *c, const u8 *raw, u32 size,
			  u64 run, bool last, struct naive_extent *ext)
{
	const u64 bs = 1ULL << c->p->blkszbits;
	struct z_erofs_extent *e = &ext->e;
	const u32 word = get_le(raw, 4);

	if (last && (c->advise & EROFS_ADVISE_FRAGMENT)) {
		e->coding = Z_EROFS_FRAGMENT;
		e->pa = word | (size > 4 ? get_le(raw + 4, 4) << 32 : 0);
	} else if (!(word & 0x1FFFFF)) {
		e->coding = Z_EROFS_HOLE;
	} else {
		e->plen = word & 0x1FFFFF;
		e->partial = word >> 27 & 1;
		e->pa = size == 4 ? run : get_le(raw + 4, size == 8 ? 4 : 8);
		e->coding = Z_EROFS_ENCODED;
		if (word >> 28)
			e->alg = (word >> 28) - 1;
		else if ((c->advise & EROFS_ADVISE_INTERLACED) &&
			 e->pa % bs == 0 && e->plen % bs == 0)
			e->coding = Z_EROFS_INTERLACED;
		else
			e->coding = Z_EROFS_SHIFTED;
		if (word >> 28 > 4)
			ext->answers = NAIVE_EOPNOTSUPP;
	}
	naive_judge(ext, c->p);
}

/* S = 4 and 8 */
static bool decode_fixed(struct naive_ctx *c, const u8 *h, u64 pos, u32 size)
{
	const u32 bits = c->p->blkszbits + h[7] % 16;
	const u64 len = 1ULL << bits;
	const u64 nr = ((c->p->isize - 1) >> bits) + 1;
	const u8 *start = at(c, pos, 8), *raw;
	u64 k, run = 0;

	c->map->nr = nr;
	if (nr > NAIVE_NR_MAX)
		return false;
	if (size == 4) {
		if (!start)
			return false;
		run = get_le(start, 8);
		pos += 8;
	}
	raw = at(c, pos, nr * size);
	if (!raw)
		return false;
	for (k = 0; k < nr; k++, raw += size) {
		struct naive_extent ext = {};
		const u32 plen = get_le(raw, 4) & 0x1FFFFF;

		ext.e.la = k * len;
		ext.e.len = k == nr - 1 ? c->p->isize - k * len : len;
		decode_record(c, raw, size, run, k == nr - 1, &ext);
		naive_append(c->map, &ext);
		/* nothing is said about a run that wraps around */
		if (run + plen < run)
			return false;
		run += plen;
	}
	return true;
}

static u64 lstart(const u8 *raw, u32 size)
{
	return get_le(raw + 12, size == 32 ? 8 : 4);
}

/* S = 16 and 32 */
static bool decode_sorted(struct naive_ctx *c, const u8 *h, u64 pos, u32 size)
{
	const u64 nr = get_le(h, 4) | get_le(h + 6, 2) << 32;
	struct naive_extent ext = { .e.coding = Z_EROFS_HOLE };
	const u8 *raw;
	u64 k;

	c->map->nr = nr;
	if (nr > c->p->isize) {
		c->map->init = NAIVE_EUCLEAN;
		return true;
	}
	if (nr > NAIVE_NR_MAX)
		return false;
	raw = at(c, pos, nr * size);
	if (!raw && nr)
		return false;
	ext.e.len = nr ? lstart(raw, size) : c->p->isize;
	if (ext.e.len >= c->p->isize && nr)
		return false;
	ext.answers = NAIVE_FOUND;
	if (ext.e.len)
		naive_append(c->map, &ext);
	for (k = 0; k < nr; k++, raw += size) {
		u64 end = c->p->isize;

		ext = (struct naive_extent) { .e.la = lstart(raw, size) };
		if (k < nr - 1)
			end = lstart(raw + size, size);
		if (end <= ext.e.la || end > c->p->isize ||
		    (k < nr - 1 && end == c->p->isize))
			return false;
		ext.e.len = end - ext.e.la;
		decode_record(c, raw, size, 0, k == nr - 1, &ext);
		naive_append(c->map, &ext);
	}
	return true;
}

static bool decode_extents(struct naive_ctx *c)
{
	const u8 *h = at(c, c->header, 8);
	const u32 size = 4 << (c->advise >> 1 & 3);
	const u64 pos = align_up(c->header + 8, size);

	if (size < 16)
		return decode_fixed(c, h, pos, size);
	return decode_sorted(c, h, pos, size);
}

/* ---- section 11 ---- */

static bool decode_header(struct naive_ctx *c)
{
	const u8 *h = at(c, c->header, 8);
	struct naive_extent ext = {};

	if (!h)
		return false;
	c->map->init = NAIVE_FOUND;
	if (get_le(h, 8) >> 63) {
		ext.e.coding = Z_EROFS_FRAGMENT;
		ext.e.len = c->p->isize;
		ext.e.pa = get_le(h, 8) << 1 >> 1;
		naive_judge(&ext, c->p);
		naive_append(c->map, &ext);
		return true;
	}
	c->advise = get_le(h + 4, 2);
	if (!c->p->compact && (c->advise & EROFS_ADVISE_EXTENTS))
		return decode_extents(c);
	return decode_indexes(c);
}

bool naive_decode(const struct naive_mem *mem, const struct z_erofs_params *p,
		  struct naive_map *map)
{
	struct naive_ctx c = { .mem = mem, .p = p, .map = map };

	*map = (struct naive_map) {};
	c.header = align_up(p->tail_pos, 8);
	if (decode_header(&c))
		return true;
	naive_free(map);
	return false;
}
