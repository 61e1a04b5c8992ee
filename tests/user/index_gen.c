// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generator and encoder of indexes; index_gen.h says what they give.
 */
#include "index_gen.h"

const char *const gen_form_name[GEN_FORMS] = {
	[GEN_FULL]		= "full",
	[GEN_COMPACT4]		= "compact, 4-byte",
	[GEN_COMPACT2]		= "compact, 2-byte",
	[GEN_EXTENTS4]		= "extents, S = 4",
	[GEN_EXTENTS8]		= "extents, S = 8",
	[GEN_EXTENTS16]		= "extents, S = 16",
	[GEN_EXTENTS32]		= "extents, S = 32",
	[GEN_WHOLE_FRAGMENT]	= "whole fragment",
};

#define MIB		(1ULL << 20)
#define LEN_MAX		(12 * MIB)
#define CBLKS_MAX	2047
/* lclusters from which on a file has extents that deltas cannot reach across */
#define FAR_FILE	3001

/**
 * struct plan - one extent of an lcluster index before it is encoded
 * @head: its lcluster
 * @next: lcluster of the next head, terminators included, or their number
 * @ofs: where it starts in @head
 * @type: EROFS_LCLUSTER_*
 * @blkaddr: as stored or, in the compact form, as counted
 * @blocks: of its pcluster
 * @cblks: the record behind the head says @blocks
 * @hole: flag of the full form
 * @partial: flag of the full form
 */
struct plan {
	u64 head;
	u64 next;
	u32 ofs;
	u32 type;
	u64 blkaddr;
	u32 blocks;
	bool cblks;
	bool hole;
	bool partial;
};

struct gen {
	struct gen_file *f;
	struct rng *r;
	struct gen_stats *stats;
	u32 bits;		/* log2 of lclusters */
	u64 nr;			/* lclusters */
	u32 advise;
	u32 algs;
	u64 fragment;
	u32 idata;
	bool terminator;
	struct plan *plan;
	size_t n;
	u64 addr;		/* compact: where the next pcluster lies */
};

static bool is_compact(const struct gen *g)
{
	return g->f->p.compact;
}

static bool has_big(const struct gen *g, u32 type)
{
	return g->advise & (type == EROFS_LCLUSTER_HEAD1 ?
			    EROFS_ADVISE_BIG_PCLUSTER_1 :
			    EROFS_ADVISE_BIG_PCLUSTER_2);
}

/* ---- the file ---- */

/* Mostly small, because that is where the borders are; now and then large. */
static u64 pick_count(struct rng *r)
{
	const u32 what = rng_below(r, 1000);

	if (what < 600)
		return rng_range(r, 1, 40);
	if (what < 960)
		return rng_range(r, 41, 300);
	if (what < 990)
		return rng_range(r, 301, 3000);
	return rng_range(r, FAR_FILE, 12000);
}

static u64 pick_span(const struct gen *g)
{
	const u64 max = LEN_MAX >> g->bits;
	const u32 what = rng_below(g->r, 100);
	u64 span;

	if (g->nr >= FAR_FILE && what < 30)
		span = rng_range(g->r, 2000, 5000);
	else if (what < 60)
		span = rng_range(g->r, 1, 3);
	else if (what < 90)
		span = rng_range(g->r, 1, 40);
	else if (what < 98)
		span = rng_range(g->r, 1, 600);
	else
		span = rng_range(g->r, 1, max);
	return span < max ? span : max - 1;
}

static u32 pick_ofs(const struct gen *g)
{
	const u32 size = 1 << g->bits;

	switch (rng_below(g->r, 6)) {
	case 0:
		return 0;
	case 1:
		return size - 1;
	default:
		return rng_below(g->r, size);
	}
}

static u32 pick_algorithm(const struct gen *g)
{
	u32 alg;

	do
		alg = rng_below(g->r, EROFS_COMPRESSION_MAX);
	while (!(g->f->p.algorithms >> alg & 1));
	return alg;
}

/* Type and size of a pcluster that fits @len bytes. */
static void pick_pcluster(struct gen *g, struct plan *e, u64 len, bool last)
{
	const u32 bs = 1 << g->f->p.blkszbits;
	const u32 max = MIB / bs < CBLKS_MAX ? MIB / bs : CBLKS_MAX;
	const bool has_room = e->next > e->head + 1;
	u64 lo = 1, hi = max;

	e->partial = !is_compact(g) && rng_percent(g->r, 10);
	e->type = rng_percent(g->r, 70) ? EROFS_LCLUSTER_HEAD1 :
					  EROFS_LCLUSTER_HEAD2;
	if (rng_percent(g->r, 15) || (len < bs && !last && !e->partial))
		e->type = EROFS_LCLUSTER_PLAIN;
	if (e->type == EROFS_LCLUSTER_PLAIN)
		lo = (len + bs - 1) / bs;
	else if (!last && !e->partial)
		hi = len / bs < max ? len / bs : max;
	e->cblks = has_room && has_big(g, e->type);
	if (!e->cblks)
		hi = 1;
	if (lo > hi) {	/* too long for a plain one */
		e->type = EROFS_LCLUSTER_HEAD1;
		e->cblks = has_room && has_big(g, e->type);
		lo = hi = 1;
	}
	e->blocks = rng_range(g->r, lo, hi);
	if (rng_percent(g->r, 3)) {
		e->hole = !is_compact(g) && rng_percent(g->r, 50);
		if (e->hole || e->cblks)
			e->blocks = 0;
	}
}

static void pick_address(struct gen *g, struct plan *e)
{
	e->blkaddr = rng_percent(g->r, 5) ? 0xFFFFFFFF - rng_below(g->r, 3) :
					    rng_below(g->r, 1ULL << 32);
	if (!is_compact(g))
		return;
	e->blkaddr = g->addr;
	g->addr += has_big(g, EROFS_LCLUSTER_HEAD1) ? e->blocks : 1;
}

static void plan_extents(struct gen *g)
{
	const u64 isize = g->f->p.isize;
	const bool tail = g->idata ||
			  (g->advise & EROFS_ADVISE_FRAGMENT);
	struct plan next = {};

	g->plan = must_alloc((g->nr + 1) * sizeof(*g->plan));
	g->addr = rng_range(g->r, 1, 0x70000000);
	do {
		struct plan *e = &g->plan[g->n++];
		u64 la, end;
		bool last;

		*e = next;
		la = (e->head << g->bits) + e->ofs;
		next.head = e->head + pick_span(g);
		next.ofs = pick_ofs(g);
		end = (next.head << g->bits) + next.ofs;
		last = end >= isize;
		/* only a fragment may be longer */
		if (last && !(g->advise & EROFS_ADVISE_FRAGMENT) &&
		    isize - la > LEN_MAX) {
			last = false;
			next.head = e->head + (LEN_MAX >> g->bits) - 1;
			next.ofs = 0;
			end = next.head << g->bits;
		}
		if (last)
			end = isize;
		g->terminator = last && !tail && e->head != g->nr - 1 &&
				(isize & ((1ULL << g->bits) - 1));
		e->next = last ? g->nr - g->terminator : next.head;
		pick_pcluster(g, e, end - la, last);
		pick_address(g, e);
		/* the blocks of a tail that has none of its own may be unsaid */
		if (last && tail && rng_percent(g->r, 30))
			e->cblks = false;
		if (last)
			next.head = g->nr;
	} while (next.head < g->nr);
}

/* ---- what a lookup should say ---- */

static void tell_extent(struct gen *g, const struct plan *e, u64 la, u64 end)
{
	struct naive_extent x = { .e.la = la, .e.len = end - la };
	const bool last = end == g->f->p.isize;

	x.e.coding = Z_EROFS_ENCODED;
	x.e.alg = e->type == EROFS_LCLUSTER_HEAD1 ? g->algs & 15 : g->algs >> 4;
	x.e.pa = e->blkaddr << g->f->p.blkszbits;
	x.e.plen = (u64)e->blocks << g->f->p.blkszbits;
	x.e.partial = e->partial;
	if (last && (g->advise & EROFS_ADVISE_FRAGMENT)) {
		x.e.coding = Z_EROFS_FRAGMENT;
		x.e.pa = g->fragment;
	} else if (last && g->idata) {
		x.e.in_meta = true;
		x.e.pa = g->f->mem.base + g->f->mem.len;
		x.e.plen = g->idata;
		if (e->type == EROFS_LCLUSTER_PLAIN)
			x.e.coding = Z_EROFS_SHIFTED;
	} else if (!e->blocks) {
		x.e.coding = Z_EROFS_HOLE;
	} else if (e->type == EROFS_LCLUSTER_PLAIN) {
		x.e.coding = g->advise & EROFS_ADVISE_INTERLACED ?
			     Z_EROFS_INTERLACED : Z_EROFS_SHIFTED;
	}
	x.answers = NAIVE_FOUND;
	naive_append(&g->f->truth, &x);
}

static void tell_all(struct gen *g)
{
	size_t i;

	for (i = 0; i < g->n; i++) {
		const struct plan *e = &g->plan[i];
		u64 end = g->f->p.isize;

		if (i + 1 < g->n)
			end = (e[1].head << g->bits) + e[1].ofs;
		tell_extent(g, e, (e->head << g->bits) + e->ofs, end);
		g->stats->big += e->blocks > 1;
		g->stats->far += e->next - e->head > 2048;
	}
}

static void count_extents(struct gen *g)
{
	const struct naive_map *t = &g->f->truth;
	size_t i;

	for (i = 0; i < t->n; i++) {
		const struct z_erofs_extent *e = &t->ext[i].e;

		g->stats->coding[e->coding]++;
		g->stats->in_meta += e->in_meta;
		g->stats->partial += e->coding == Z_EROFS_ENCODED && e->partial;
	}
	g->stats->terminator += g->terminator;
	g->stats->tail_fragment += !!(g->advise & EROFS_ADVISE_FRAGMENT);
}

/* ---- records ---- */

static u64 capped(u64 distance)
{
	return distance < 2047 ? distance : 2047;
}

static void encode_head(u8 *p, const struct plan *e)
{
	put_le(p, e->type | (e->hole ? 0x4000 : 0) | (e->partial ? 0x8000 : 0), 2);
	put_le(p + 2, e->ofs, 2);
	put_le(p + 4, e->blkaddr, 4);
}

static void encode_full(struct gen *g, u8 *p)
{
	const u64 low = (1ULL << g->bits) - 1;
	size_t i;
	u64 k;

	for (i = 0; i < g->n; i++) {
		const struct plan *e = &g->plan[i];

		encode_head(p + 8 * e->head, e);
		for (k = e->head + 1; k < e->next; k++) {
			u32 delta0 = capped(k - e->head);

			if (k == e->head + 1 && e->cblks)
				delta0 = 0x800 | e->blocks;
			put_le(p + 8 * k, EROFS_LCLUSTER_NONHEAD, 2);
			put_le(p + 8 * k + 4, delta0, 2);
			/* 0 is what an old writer made of 1 */
			put_le(p + 8 * k + 6, e->next - k == 1 ?
			       rng_below(g->r, 2) : capped(e->next - k), 2);
		}
	}
	if (g->terminator)
		put_le(p + 8 * (g->nr - 1) + 2, g->f->p.isize & low, 2);
	/* the tail's record has the rest of the offset, and of an inline's nothing */
	if (g->advise & EROFS_ADVISE_FRAGMENT)
		put_le(p + 8 * g->plan[g->n - 1].head + 4, g->fragment >> 32, 4);
}

static void put_bits(u8 *p, u32 first, u32 n, u32 v)
{
	u32 i;

	for (i = first; n--; i++, v >>= 1)
		p[i / 8] |= (v & 1) << i % 8;
}

/* value and type of record @k; @last: it is the last of its pack */
static u32 compact_value(const struct gen *g, const struct plan *e, u64 k,
			 bool last, u32 *type)
{
	*type = e ? e->type : EROFS_LCLUSTER_PLAIN;
	if (!e)
		return g->f->p.isize & ((1ULL << g->bits) - 1);
	if (k == e->head)
		return e->ofs;
	*type = EROFS_LCLUSTER_NONHEAD;
	if (k == e->head + 1 && e->cblks)
		return 0x800 | e->blocks;
	return last ? capped(e->next - k) : capped(k - e->head);
}

/*
 * What the base of a pack has to be for its first head to be found, where @e is
 * the extent that holds the pack's first record, or NULL at the terminator.
 */
static u32 compact_base(const struct gen *g, const struct plan *e, u64 first)
{
	const bool big = has_big(g, EROFS_LCLUSTER_HEAD1);
	u64 addr = g->addr;

	if (e && (first == e->head ||
		  (big && e->cblks && first == e->head + 1)))
		addr = e->blkaddr;
	else if (e && e < g->plan + g->n - 1)
		addr = e[1].blkaddr;
	return big ? addr : addr - 1;
}

static void encode_pack(struct gen *g, u8 *p, u64 first, u32 vcnt, size_t *at)
{
	const u32 size = vcnt == 16 ? 32 : 8;
	const u32 width = vcnt == 16 ? 14 : 16;
	const u32 lobits = g->bits > 12 ? g->bits : 12;
	const struct plan *e = NULL;
	u32 i, type, value;

	for (i = 0; i < vcnt && first + i < g->nr; i++) {
		while (*at < g->n && first + i >= g->plan[*at].next)
			++*at;
		e = *at < g->n ? &g->plan[*at] : NULL;
		if (!i)
			put_le(p + size - 4, compact_base(g, e, first), 4);
		value = compact_value(g, e, first + i, i == vcnt - 1, &type);
		put_bits(p, i * width, lobits, value);
		put_bits(p, i * width + lobits, 2, type);
		if (e && first + i == e->head)
			g->stats->packs[vcnt == 16][i]++;
	}
}

static void compact_regions(const struct gen *g, u64 start, u64 *c4, u64 *c2)
{
	*c4 = (32 - start % 32) % 32 / 4;
	*c2 = 0;
	if (g->f->form == GEN_COMPACT2 && *c4 < g->nr)
		*c2 = (g->nr - *c4) / 16 * 16;
}

static u64 compact_bytes(const struct gen *g, u64 start)
{
	u64 c4, c2, rest;

	compact_regions(g, start, &c4, &c2);
	if (!c2)
		return (g->nr + 1) / 2 * 8;
	rest = g->nr - c4 - c2;
	return c4 * 4 + c2 * 2 + (rest + 1) / 2 * 8;
}

static void encode_compact(struct gen *g, u8 *p, u64 start)
{
	size_t at = 0;
	u64 c4, c2, k;

	compact_regions(g, start, &c4, &c2);
	g->stats->c4[c4 / 2] += c2 != 0;
	for (k = 0; k < g->nr;) {
		const bool two = k >= c4 && k < c4 + c2;

		encode_pack(g, p, k, two ? 16 : 2, &at);
		k += two ? 16 : 2;
		p += two ? 32 : 8;
	}
}

/* ---- files with lclusters ---- */

static void pick_lcluster_header(struct gen *g)
{
	struct z_erofs_params *p = &g->f->p;
	const bool big = rng_percent(g->r, 60);

	g->algs = pick_algorithm(g) | pick_algorithm(g) << 4;
	if (g->f->form == GEN_COMPACT2)
		g->advise |= EROFS_ADVISE_COMPACTED_2B;
	if (rng_percent(g->r, 30))
		g->advise |= EROFS_ADVISE_INTERLACED;
	if (big)
		g->advise |= EROFS_ADVISE_BIG_PCLUSTER_1 |
			     EROFS_ADVISE_BIG_PCLUSTER_2;
	if (big && !p->compact && rng_percent(g->r, 30))
		g->advise ^= EROFS_ADVISE_BIG_PCLUSTER_1 <<
			     rng_below(g->r, 2);
	p->big_pcluster = big || rng_percent(g->r, 50);
	if (rng_percent(g->r, 20)) {
		g->advise |= EROFS_ADVISE_FRAGMENT;
		g->fragment = rng_below(g->r, p->compact ? 1ULL << 32 :
							   1ULL << 62);
	}
	if (rng_percent(g->r, 25))	/* counts for nothing beside a fragment */
		g->advise |= EROFS_ADVISE_INLINE_PCLUSTER;
}

/* Section 17: what is inline has to end in the block where it starts. */
static void pick_idata(struct gen *g, u64 pos)
{
	const u64 bs = 1ULL << g->f->p.blkszbits;

	if (!(g->advise & EROFS_ADVISE_INLINE_PCLUSTER) ||
	    (g->advise & EROFS_ADVISE_FRAGMENT) || rng_percent(g->r, 10))
		return;
	g->idata = rng_range(g->r, 1, bs - pos % bs);
	if (rng_percent(g->r, 20))
		g->idata = bs - pos % bs;
}

/* The inline bytes may not do for what was planned. */
static void fit_tail(struct gen *g)
{
	struct plan *e = &g->plan[g->n - 1];
	const u64 la = (e->head << g->bits) + e->ofs;

	if (g->idata && e->type == EROFS_LCLUSTER_PLAIN &&
	    g->f->p.isize - la > g->idata)
		e->type = EROFS_LCLUSTER_HEAD1;
}

static void put_lcluster_header(const struct gen *g, u8 *h)
{
	if (g->advise & EROFS_ADVISE_FRAGMENT)
		put_le(h, g->fragment, 4);
	else
		put_le(h + 2, g->idata, 2);
	put_le(h + 4, g->advise, 2);
	h[6] = g->algs;
	h[7] = g->bits - g->f->p.blkszbits;
}

static void pick_place(struct gen *g)
{
	struct gen_file *f = g->f;

	/* behind an inode and what follows it, so at a multiple of 4 */
	f->p.tail_pos = 4 * rng_below(g->r, rng_percent(g->r, 90) ?
				      1 << 16 : 1ULL << 50);
	f->mem.base = f->p.tail_pos + (f->p.tail_pos & 4);
}

static u64 pick_isize(struct gen *g, u64 nr)
{
	const u64 size = 1ULL << g->bits;
	u64 in_last = rng_range(g->r, 1, size);

	switch (rng_below(g->r, 10)) {
	case 0:
		in_last = size;
		break;
	case 1:
		in_last = 1;
		break;
	case 2:
		in_last = size - 1;
	}
	g->stats->aligned += in_last == size;
	return ((nr - 1) << g->bits) + in_last;
}

static void make_lclusters(struct gen *g)
{
	struct gen_file *f = g->f;
	const u32 most = f->form == GEN_FULL ? 15 :
			 f->form == GEN_COMPACT4 ? 14 : 12;
	u64 start;

	f->p.compact = f->form != GEN_FULL;
	if (f->p.blkszbits > most)
		f->p.blkszbits = most;
	g->bits = f->p.blkszbits;
	if (f->form == GEN_FULL && rng_percent(g->r, 10))
		g->bits = rng_range(g->r, g->bits, most);
	g->nr = pick_count(g->r);
	f->p.isize = pick_isize(g, g->nr);
	f->recsz = f->form == GEN_FULL ? 8 : f->form == GEN_COMPACT2 ? 2 : 4;
	pick_lcluster_header(g);
	start = f->mem.base + (f->p.compact ? 8 : 16);
	f->mem.len = (f->p.compact ? 8 + compact_bytes(g, start) :
				     16 + 8 * g->nr);
	f->mem.bytes = must_alloc(f->mem.len);
	pick_idata(g, f->mem.base + f->mem.len);
	plan_extents(g);
	fit_tail(g);
	put_lcluster_header(g, f->mem.bytes);
	if (f->p.compact)
		encode_compact(g, f->mem.bytes + 8, start);
	else
		encode_full(g, f->mem.bytes + 16);
	f->truth.nr = g->nr;
	tell_all(g);
	free(g->plan);
}

/* ---- encoded extents ---- */

static u64 pa_limit(const struct gen *g)
{
	const u32 bits = g->f->p.blkszbits;

	return 1ULL << (48 + (bits < 15 ? bits : 15));
}

/* A pcluster for @x.len bytes; its address is given by whoever calls. */
static u32 pick_extent(struct gen *g, struct naive_extent *x, bool last)
{
	const u32 bs = 1 << g->f->p.blkszbits;
	struct z_erofs_extent *e = &x->e;
	u32 max = MIB;

	x->answers = NAIVE_FOUND;
	if (e->len > LEN_MAX || rng_percent(g->r, 8)) {
		e->coding = Z_EROFS_HOLE;
		return 0;
	}
	e->partial = rng_percent(g->r, 15);
	if (e->len <= MIB && rng_percent(g->r, 25)) {
		e->plen = rng_range(g->r, e->len, MIB);
		if (rng_percent(g->r, 50))
			e->plen = (e->len + bs - 1) / bs * bs;
		e->coding = Z_EROFS_SHIFTED;	/* until the address is known */
		return e->plen | (e->partial ? 1 << 27 : 0);
	}
	if (!last && !e->partial && e->len < max)
		max = e->len;
	e->plen = rng_range(g->r, 1, max);
	e->coding = Z_EROFS_ENCODED;
	e->alg = pick_algorithm(g);
	return e->plen | (e->partial ? 1 << 27 : 0) | (e->alg + 1) << 28;
}

static void see_interlaced(const struct gen *g, struct z_erofs_extent *e)
{
	const u32 bs = 1 << g->f->p.blkszbits;

	if (e->coding == Z_EROFS_SHIFTED &&
	    (g->advise & EROFS_ADVISE_INTERLACED) &&
	    e->pa % bs == 0 && e->plen % bs == 0)
		e->coding = Z_EROFS_INTERLACED;
}

static void make_record(struct gen *g, u8 *raw, struct naive_extent *x,
			bool last, u64 *run)
{
	const u32 size = g->f->recsz;
	u64 pa = rng_below(g->r, size == 8 ? 1ULL << 32 : pa_limit(g) - MIB);
	u32 word;

	if (rng_percent(g->r, 40))
		pa &= ~((1ULL << g->f->p.blkszbits) - 1);
	if (last && (g->advise & EROFS_ADVISE_FRAGMENT)) {
		pa = rng_below(g->r, size == 4 ? 1ULL << 32 : 1ULL << 62);
		x->e.coding = Z_EROFS_FRAGMENT;
		x->e.pa = pa;
		x->answers = NAIVE_FOUND;
		put_le(raw, pa, 4);
		if (size > 4)
			put_le(raw + 4, pa >> 32, 4);
		return;
	}
	word = pick_extent(g, x, last);
	x->e.pa = size == 4 ? *run : pa;
	*run += x->e.plen;
	see_interlaced(g, &x->e);
	if (rng_percent(g->r, 5))	/* reserved bits */
		word |= rng_below(g->r, 64) << 21;
	put_le(raw, word, 4);
	if (size > 4)
		put_le(raw + 4, pa, size == 8 ? 4 : 8);
}

/* S = 4 and 8: all of one length */
static void make_fixed(struct gen *g, u64 start)
{
	struct gen_file *f = g->f;
	u64 k, run = 0;
	u8 *raw;

	g->bits = f->p.blkszbits + rng_below(g->r, 10);
	g->nr = pick_count(g->r);
	if (rng_percent(g->r, 5)) {	/* larger than an extent: holes */
		g->bits = f->p.blkszbits + rng_range(g->r, 10, 15);
		g->nr = rng_range(g->r, 1, 40);
	}
	f->p.isize = pick_isize(g, g->nr);
	f->mem.len = start - f->mem.base + (f->recsz == 4 ? 8 : 0) +
		     f->recsz * g->nr;
	f->mem.bytes = must_alloc(f->mem.len);
	f->mem.bytes[7] = g->bits - f->p.blkszbits;
	raw = f->mem.bytes + (start - f->mem.base);
	if (f->recsz == 4) {
		run = rng_below(g->r, pa_limit(g) - (12000 + 1) * MIB);
		put_le(raw, run, 8);
		raw += 8;
	}
	for (k = 0; k < g->nr; k++, raw += f->recsz) {
		struct naive_extent x = { .e.la = k << g->bits };

		x.e.len = k == g->nr - 1 ? f->p.isize - x.e.la : 1ULL << g->bits;
		make_record(g, raw, &x, k == g->nr - 1, &run);
		naive_append(&f->truth, &x);
	}
}

static u64 pick_length(struct rng *r, bool wide)
{
	switch (rng_below(r, 8)) {
	case 0:
		return 1;
	case 1:
		return rng_range(r, 1, 64);
	case 2:
		return rng_range(r, 1, LEN_MAX);
	case 3:
		/* a hole, for nothing else may be as long */
		return rng_percent(r, 3) ?
		       rng_range(r, LEN_MAX, wide ? 1ULL << 34 : 1 << 26) : 512;
	default:
		return rng_range(r, 1, 1 << 18);
	}
}

/* S = 16 and 32: each with its start */
static void make_sorted(struct gen *g, u64 start)
{
	struct gen_file *f = g->f;
	const bool wide = f->recsz == 32;
	u64 k, la = 0, run = 0;
	u8 *raw;

	g->nr = rng_percent(g->r, 3) ? 0 : pick_count(g->r);
	if (!g->nr)
		g->advise &= ~EROFS_ADVISE_FRAGMENT;
	f->mem.len = start - f->mem.base + f->recsz * g->nr;
	/* what is between the header and the first record is not the index's */
	f->mem.bytes = must_alloc(f->mem.len);
	put_le(f->mem.bytes, g->nr, 4);
	put_le(f->mem.bytes + 6, g->nr >> 32, 2);
	if (!g->nr || rng_percent(g->r, 25)) {
		struct naive_extent x = {
			.e.coding = Z_EROFS_HOLE, .answers = NAIVE_FOUND,
		};

		la = x.e.len = pick_length(g->r, wide);
		naive_append(&f->truth, &x);
	}
	raw = f->mem.bytes + (start - f->mem.base);
	for (k = 0; k < g->nr; k++, raw += f->recsz) {
		struct naive_extent x = { .e.la = la };

		x.e.len = pick_length(g->r, wide);
		/* starts have 32 bits, those still to come too */
		if (!wide && la + x.e.len > (1ULL << 32) - g->nr)
			x.e.len = 1;
		make_record(g, raw, &x, k == g->nr - 1, &run);
		put_le(raw + 12, la, wide ? 8 : 4);
		naive_append(&f->truth, &x);
		la += x.e.len;
	}
	f->p.isize = la;
}

static void make_extents(struct gen *g)
{
	struct gen_file *f = g->f;
	const u32 log = f->form - GEN_EXTENTS4;
	u64 start;

	f->recsz = 4 << log;
	g->advise = EROFS_ADVISE_EXTENTS | log << 1;
	if (rng_percent(g->r, 40))
		g->advise |= EROFS_ADVISE_INTERLACED;
	if (rng_percent(g->r, 25))
		g->advise |= EROFS_ADVISE_FRAGMENT;
	start = f->mem.base + 8;
	start = (start + f->recsz - 1) / f->recsz * f->recsz;
	if (f->recsz < 16)
		make_fixed(g, start);
	else
		make_sorted(g, start);
	put_le(f->mem.bytes + 4, g->advise, 2);
	f->truth.nr = g->nr;
}

static void make_whole(struct gen *g)
{
	struct gen_file *f = g->f;
	struct naive_extent x = {
		.e.coding = Z_EROFS_FRAGMENT, .answers = NAIVE_FOUND,
	};

	f->recsz = 8;
	f->p.isize = rng_range(g->r, 1, 1ULL << rng_range(g->r, 0, 62));
	f->p.compact = rng_percent(g->r, 30);
	f->mem.len = 8;
	f->mem.bytes = must_alloc(8);
	x.e.pa = rng_below(g->r, 1ULL << 63);
	x.e.len = f->p.isize;
	put_le(f->mem.bytes, x.e.pa | 1ULL << 63, 8);
	naive_append(&f->truth, &x);
}

/* ---- all ---- */

/**
 * gen_make - make a file
 * @f: receives it
 * @form: of its index
 * @r: where chance comes from
 * @stats: counts what was made
 */
void gen_make(struct gen_file *f, enum gen_form form, struct rng *r,
	      struct gen_stats *stats)
{
	struct gen g = { .f = f, .r = r, .stats = stats };

	*f = (struct gen_file) { .form = form };
	f->p.blkszbits = rng_percent(r, 85) ? rng_range(r, 9, 12) :
					      rng_range(r, 13, 16);
	f->p.algorithms = rng_range(r, 1, 15);
	f->truth.init = NAIVE_FOUND;
	pick_place(&g);
	if (form == GEN_WHOLE_FRAGMENT)
		make_whole(&g);
	else if (form >= GEN_EXTENTS4)
		make_extents(&g);
	else
		make_lclusters(&g);
	count_extents(&g);
}

void gen_free(struct gen_file *f)
{
	naive_free(&f->truth);
	free(f->mem.bytes);
	f->mem.bytes = NULL;
}
