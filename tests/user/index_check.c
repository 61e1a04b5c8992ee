// SPDX-License-Identifier: GPL-2.0-only
/*
 * The judge of lookups; index_check.h says by what it goes.
 */
#include "index_check.h"

/* errno of a source that was told to fail: none that a decoder gives itself */
#define CHECK_ERRNO	ENXIO
/* how often an endless walk asks in vain whether it should stop */
#define CHECK_STOPS	2
/* extents from which on only as many of them are looked at closely */
#define CHECK_MANY	200
/*
 * Reads between two such questions: an interval of 4096 steps, and the lclusters
 * of one extent of at most 12 MiB, which are not asked about.
 */
#define CHECK_UNASKED	(4096 + (12 << 20 >> 9) + 64)

/**
 * struct check_src - a source that watches what is read from it
 * @src: what the finder sees
 * @c: where the bytes come from
 * @copies: reads since the last reset
 * @bytes: what they amounted to
 * @unasked: reads since @src.stop was called
 * @stops: how often it was
 * @fail_at: the read that has to fail, 0 for none
 * @outside: a read was not inside the index
 * @stuck: too many reads without a question
 */
struct check_src {
	struct z_erofs_source src;
	const struct index_case *c;
	u64 copies;
	u64 bytes;
	u64 unasked;
	u64 stops;
	u64 fail_at;
	bool outside;
	bool stuck;
};

/* what one lookup cost */
struct work {
	u64 reads;
	u64 records;
};

static char message[512];

static const char * __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return message;
}

static int check_copy(struct z_erofs_source *src, u64 pos, void *dst, size_t len)
{
	struct check_src *s = (struct check_src *)src;
	const struct naive_mem *m = &s->c->mem;
	size_t i;

	s->copies++;
	s->bytes += len;
	if (++s->unasked > CHECK_UNASKED) {
		s->stuck = true;
		return -CHECK_ERRNO;
	}
	if (s->copies == s->fail_at)
		return -CHECK_ERRNO;
	if (s->c->endless && m->len) {
		for (i = 0; i < len; i++)
			((u8 *)dst)[i] = m->bytes[(pos - m->base + i) % m->len];
		return 0;
	}
	if (pos < m->base || pos - m->base > m->len ||
	    len > m->len - (pos - m->base)) {
		s->outside = true;
		return -EIO;
	}
	memcpy(dst, m->bytes + (pos - m->base), len);
	return 0;
}

static bool check_stop(struct z_erofs_source *src)
{
	struct check_src *s = (struct check_src *)src;

	s->unasked = 0;
	return ++s->stops > CHECK_STOPS;
}

static void reset(struct check_src *s, const struct index_case *c)
{
	*s = (struct check_src) {
		.src = { .copy = check_copy, .stop = check_stop }, .c = c,
	};
}

/* Records read; of the compact form each read is of one, with its pack. */
static u64 records_read(const struct check_src *s, const struct z_erofs_index *idx)
{
	if (idx->kind == Z_EROFS_EXTENTS && idx->recsz)
		return (s->bytes + idx->recsz - 1) / idx->recsz;
	return s->copies;
}

static bool is_found(int err, u32 answers)
{
	switch (err) {
	case 0:
		return answers & NAIVE_FOUND;
	case -EUCLEAN:
		return answers & NAIVE_EUCLEAN;
	case -EOPNOTSUPP:
		return answers & NAIVE_EOPNOTSUPP;
	default:
		return false;
	}
}

static bool same_extent(const struct z_erofs_extent *a,
			const struct z_erofs_extent *b)
{
	if (a->coding != b->coding || a->la != b->la || a->len != b->len)
		return false;
	if (a->coding == Z_EROFS_HOLE)
		return true;
	if (a->coding == Z_EROFS_FRAGMENT)
		return a->pa == b->pa;
	return a->in_meta == b->in_meta && a->pa == b->pa &&
	       a->plen == b->plen && a->partial == b->partial &&
	       (a->coding != Z_EROFS_ENCODED || a->alg == b->alg);
}

static const char *show(const struct z_erofs_extent *e, char *buf, size_t size)
{
	snprintf(buf, size,
		 "coding %d alg %u%s%s la %llu len %llu pa %llu plen %llu",
		 e->coding, e->alg, e->in_meta ? " meta" : "",
		 e->partial ? " partial" : "", e->la, e->len, e->pa, e->plen);
	return buf;
}

/* ---- what holds for any bytes ---- */

static const char *check_bounds(const struct index_case *c,
				const struct z_erofs_extent *e, u64 pos)
{
	const u32 bits = c->p.blkszbits < 15 ? 48 + c->p.blkszbits : 63;
	char buf[200];

	show(e, buf, sizeof(buf));
	if (!e->len || pos < e->la || pos - e->la >= e->len)
		return say("byte %llu: not in its extent: %s", pos, buf);
	if (e->la > c->p.isize || e->len > c->p.isize - e->la)
		return say("byte %llu: extent past the file of %llu: %s", pos,
			   c->p.isize, buf);
	if (e->coding == Z_EROFS_HOLE)
		return NULL;
	if (e->coding == Z_EROFS_FRAGMENT)
		return e->pa + e->len < e->pa ?
		       say("byte %llu: fragment wraps: %s", pos, buf) : NULL;
	if (!e->plen || e->plen > 1 << 20 || e->len > 12 << 20 ||
	    e->pa >> bits || (e->pa + e->plen - 1) >> bits)
		return say("byte %llu: out of bounds: %s", pos, buf);
	if (e->coding == Z_EROFS_ENCODED ?
	    e->alg >= EROFS_COMPRESSION_MAX || !(c->p.algorithms >> e->alg & 1) :
	    e->len > e->plen)
		return say("byte %llu: cannot be decoded: %s", pos, buf);
	if (e->in_meta && e->pa % (1ULL << c->p.blkszbits) + e->plen >
			  1ULL << c->p.blkszbits)
		return say("byte %llu: inline across a block: %s", pos, buf);
	return NULL;
}

static const char *check_work(const struct check_src *s,
			      const struct z_erofs_index *idx,
			      struct index_stats *stats, u64 pos)
{
	const u64 n = records_read(s, idx);

	if (s->stuck)
		return say("byte %llu: reads without end", pos);
	if (s->c->endless)
		return NULL;
	if (n > 64 + 4 * idx->nr)
		return say("byte %llu: %llu of %llu records read", pos, n,
			   idx->nr);
	if (idx->nr > 64 && n * 100 / idx->nr > stats->worst)
		stats->worst = n * 100 / idx->nr;
	return NULL;
}

static bool is_known_errno(const struct check_src *s, int err)
{
	if (s->stops > CHECK_STOPS)
		return err == -EINTR;
	if (s->outside)
		return err == -EIO;
	return err == -EUCLEAN || err == -EOPNOTSUPP;
}

static const char *check_error(const struct check_src *s, int err,
			       const struct erofs_fault *fault, u64 pos)
{
	if (!is_known_errno(s, err))
		return say("byte %llu: error %d (%s)", pos, err,
			   s->outside ? "unreadable" : "readable");
	if (!fault->what)
		return say("byte %llu: error %d without a reason", pos, err);
	return NULL;
}

/* One lookup, with everything that holds whatever comes out of it. */
static const char *look_up(const struct index_case *c,
			   const struct z_erofs_index *idx, u64 pos,
			   struct z_erofs_cursor *cursor, int *err,
			   struct z_erofs_extent *e, struct index_stats *stats,
			   struct work *work)
{
	struct erofs_fault fault = {};
	struct check_src s;
	const char *wrong;

	reset(&s, c);
	stats->lookups++;
	*err = z_erofs_index_find(idx, &s.src, pos, cursor, e, &fault);
	*work = (struct work) { s.copies, records_read(&s, idx) };
	stats->refused += *err != 0;
	wrong = check_work(&s, idx, stats, pos);
	if (!wrong && (*err || s.outside || s.stops > CHECK_STOPS))
		wrong = check_error(&s, *err, &fault, pos);
	if (!wrong && !*err)
		wrong = check_bounds(c, e, pos);
	return wrong;
}

/* The same with a cursor: it may not change what comes out. */
static const char *look_twice(const struct index_case *c,
			      const struct z_erofs_index *idx, u64 pos,
			      struct z_erofs_cursor *cursor, int *err,
			      struct z_erofs_extent *e,
			      struct index_stats *stats, struct work *work)
{
	struct z_erofs_cursor none = {};
	struct z_erofs_extent other;
	const char *wrong;
	struct work work2;
	int err2;

	wrong = look_up(c, idx, pos, &none, err, e, stats, work);
	if (wrong || !cursor)
		return wrong;
	wrong = look_up(c, idx, pos, cursor, &err2, &other, stats, &work2);
	if (wrong)
		return wrong;
	/* it may get there where a lookup without one was stopped on the way */
	if (*err == -EINTR || err2 == -EINTR)
		return NULL;
	if (*err != err2 || (!err2 && !same_extent(e, &other)))
		return say("byte %llu: cursor changes the answer: %d, not %d",
			   pos, err2, *err);
	return NULL;
}

/* A source that fails: the lookup says so, and the cursor stays true. */
static const char *look_with_failure(const struct index_case *c,
				     const struct z_erofs_index *idx, u64 pos,
				     struct z_erofs_cursor *cursor,
				     const struct work *work)
{
	struct erofs_fault fault = {};
	struct z_erofs_extent e;
	struct check_src s;
	int err;

	if (!work->reads)
		return NULL;
	reset(&s, c);
	s.fail_at = rng_range(c->r, 1, work->reads);
	err = z_erofs_index_find(idx, &s.src, pos, cursor, &e, &fault);
	/* with a cursor there may be fewer reads than without */
	if (s.copies < s.fail_at)
		return NULL;
	if (err != -CHECK_ERRNO || !fault.what)
		return say("byte %llu: errno of the source becomes %d", pos,
			   err);
	return NULL;
}

/* ---- consistent indexes ---- */

static const char *check_answer(const struct naive_extent *x, u64 pos, int err,
				const struct z_erofs_extent *e)
{
	char buf[200], buf2[200];

	if (!is_found(err, x->answers))
		return say("byte %llu: error %d, wanted one of %#x; %s", pos,
			   err, x->answers, show(&x->e, buf, sizeof(buf)));
	if (!err && !same_extent(e, &x->e))
		return say("byte %llu: %s; wanted %s", pos,
			   show(e, buf, sizeof(buf)),
			   show(&x->e, buf2, sizeof(buf2)));
	return NULL;
}

static const char *check_extent(const struct index_case *c,
				const struct z_erofs_index *idx,
				const struct naive_extent *x,
				struct z_erofs_cursor *cursor,
				struct index_stats *stats)
{
	const u64 at[] = {
		x->e.la, x->e.la + x->e.len / 2,
		x->e.la + rng_below(c->r, x->e.len), x->e.la + x->e.len - 1,
	};
	struct z_erofs_extent e;
	const char *wrong;
	struct work work;
	u32 i;
	int err;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		wrong = look_twice(c, idx, at[i], cursor, &err, &e, stats, &work);
		if (!wrong)
			wrong = check_answer(x, at[i], err, &e);
		if (!wrong && rng_percent(c->r, 2))
			wrong = look_with_failure(c, idx, at[i], cursor, &work);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* What a reader of the whole file does: its lookups together stay linear. */
static const char *check_ascent(const struct index_case *c,
				const struct z_erofs_index *idx,
				const struct naive_map *map,
				struct index_stats *stats)
{
	struct z_erofs_cursor cursor = {};
	struct z_erofs_extent e;
	const char *wrong;
	struct work work;
	u64 total = 0;
	size_t i;
	int err;

	for (i = 0; i < map->n; i++) {
		wrong = look_up(c, idx, map->ext[i].e.la, &cursor, &err, &e,
				stats, &work);
		if (!wrong)
			wrong = check_answer(&map->ext[i], map->ext[i].e.la,
					     err, &e);
		if (wrong)
			return wrong;
		total += work.records;
	}
	/* a binary search for each, where the records have starts */
	if (idx->kind == Z_EROFS_EXTENTS && idx->recsz < 16 &&
	    total > 64 + 4 * idx->nr)
		return say("reading in order reads %llu records where there are %llu",
			   total, idx->nr);
	return NULL;
}

static const char *check_consistent(const struct index_case *c,
				    const struct z_erofs_index *idx,
				    const struct naive_map *map,
				    struct index_stats *stats)
{
	struct z_erofs_cursor cursor = {};
	const char *wrong = NULL;
	size_t i, j;

	for (i = 0; !wrong && i < map->n; i++) {
		/* of a large file some; its ascent has all */
		if (i && i < map->n - 1 && rng_below(c->r, map->n) >= CHECK_MANY)
			continue;
		wrong = check_extent(c, idx, &map->ext[i], &cursor, stats);
		/* back and forth */
		if (!wrong && rng_percent(c->r, 20)) {
			j = rng_below(c->r, map->n);
			wrong = check_extent(c, idx, &map->ext[j], &cursor,
					     stats);
		}
	}
	return wrong ? wrong : check_ascent(c, idx, map, stats);
}

/* ---- inconsistent ones ---- */

static const char *check_any(const struct index_case *c,
			     const struct z_erofs_index *idx,
			     struct index_stats *stats)
{
	struct z_erofs_cursor cursor = {};
	struct z_erofs_extent e = {};
	const char *wrong = NULL;
	struct work work;
	u64 pos = 0;
	u32 i;
	int err;

	/* as a reader does, from one extent to the next, and then anywhere */
	for (i = 0; !wrong && i < 48; i++) {
		wrong = look_twice(c, idx, pos, &cursor, &err, &e, stats, &work);
		if (i < 32 && !err)
			pos = e.la + e.len;
		else if (i < 32)
			pos += 1ULL << c->p.blkszbits;
		if (i >= 32 || pos >= c->p.isize)
			pos = i == 33 ? c->p.isize - 1 :
					rng_below(c->r, c->p.isize);
	}
	return wrong;
}

static const char *compare_maps(const struct naive_map *truth,
				const struct naive_map *map)
{
	char buf[200], buf2[200];
	size_t i;

	if (truth->n != map->n || truth->init != map->init)
		return say("the model has %zu extents, there are %zu", map->n,
			   truth->n);
	for (i = 0; i < map->n; i++)
		if (map->ext[i].answers != truth->ext[i].answers ||
		    !same_extent(&map->ext[i].e, &truth->ext[i].e))
			return say("the model has %#x %s; in truth it is %#x %s",
				   map->ext[i].answers,
				   show(&map->ext[i].e, buf, sizeof(buf)),
				   truth->ext[i].answers,
				   show(&truth->ext[i].e, buf2, sizeof(buf2)));
	return NULL;
}

static const char *check_init(const struct index_case *c,
			      const struct naive_map *map, bool consistent,
			      struct z_erofs_index *idx, int *err,
			      struct index_stats *stats)
{
	struct erofs_fault fault = {};
	struct check_src s;
	const char *wrong;

	reset(&s, c);
	*err = z_erofs_index_init(idx, &s.src, &c->p, &fault);
	wrong = check_work(&s, idx, stats, 0);
	if (!wrong && (*err || s.outside))
		wrong = check_error(&s, *err, &fault, 0);
	if (wrong || !consistent)
		return wrong;
	if (!is_found(*err, map->init))
		return say("init: error %d, wanted one of %#x", *err, map->init);
	if (!*err && idx->kind != Z_EROFS_WHOLE_FRAGMENT && idx->nr != map->nr)
		return say("%llu records, wanted %llu", idx->nr, map->nr);
	return NULL;
}

const char *index_check(const struct index_case *c, struct index_stats *stats)
{
	struct z_erofs_index idx;
	struct naive_map map = {};
	const char *wrong = NULL;
	bool consistent = false;
	int err;

	if (!c->endless)
		consistent = naive_decode(&c->mem, &c->p, &map);
	if (c->truth && !consistent)
		return say("the model does not take it");
	if (c->truth)
		wrong = compare_maps(c->truth, &map);
	if (!wrong)
		wrong = check_init(c, &map, consistent, &idx, &err, stats);
	if (!wrong && !err && consistent)
		wrong = check_consistent(c, &idx, &map, stats);
	else if (!wrong && !err)
		wrong = check_any(c, &idx, stats);
	stats->consistent += consistent;
	stats->inconsistent += !consistent;
	naive_free(&map);
	return wrong;
}
