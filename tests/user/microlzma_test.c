// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MicroLZMA decoder on what liblzma's encoder makes: data of many kinds and
 * sizes, every valid setting, streams cut to the size of a pcluster; then cut,
 * extended and damaged streams, for which liblzma's decoder says what is right.
 *
 *   microlzma_test            all of it, KTAP; $SEED as for the other programs
 *   microlzma_test -s DIR     writes seeds for the fuzzer
 *   microlzma_test -b FILE... compares speeds with liblzma's decoders
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include "microlzma_enc.h"
#include "microlzma_ref.h"
#include "util.h"

#define BIG		((1 << 20) + 4097)
#define MUTANTS		100000
#define BENCH_MAX	(16 << 20)

/* ---- kinds of data ---- */

static void gen_zero(struct rng *r, u8 *p, size_t n)
{
	(void)r;
	memset(p, 0, n);
}

static void gen_ones(struct rng *r, u8 *p, size_t n)
{
	(void)r;
	memset(p, 0xff, n);
}

static void gen_random(struct rng *r, u8 *p, size_t n)
{
	while (n--)
		*p++ = rng_u64(r);
}

static void gen_text(struct rng *r, u8 *p, size_t n)
{
	static const char * const words[] = {
		"the", "image", "of", "a", "file", "system", "is", "read",
		"only", "and", "every", "byte", "that", "it", "holds", "was",
		"written", "once", "before", "anyone", "mounted", "it.\n",
	};
	size_t i = 0;

	while (i < n) {
		const char *w = words[rng_below(r, ARRAY_SIZE(words))];

		while (*w && i < n)
			p[i++] = *w++;
		if (i < n)
			p[i++] = ' ';
	}
}

/* machine code and tables: this very program, from anywhere in it */
static void gen_elf(struct rng *r, u8 *p, size_t n)
{
	FILE *f = fopen("/proc/self/exe", "rb");
	struct stat st;
	size_t got;

	if (!f || fstat(fileno(f), &st))
		abort();
	if (n < (size_t)st.st_size)
		fseek(f, rng_below(r, st.st_size - n), SEEK_SET);
	for (; n; n -= got, p += got) {
		got = fread(p, 1, n, f);
		if (!got)
			rewind(f);
	}
	fclose(f);
}

static void gen_period(struct rng *r, u8 *p, size_t n, size_t period)
{
	size_t i;

	gen_random(r, p, n < period ? n : period);
	for (i = period; i < n; i++)
		p[i] = p[i - period];
}

static void gen_period2(struct rng *r, u8 *p, size_t n)
{
	gen_period(r, p, n, 2);
}

static void gen_period7(struct rng *r, u8 *p, size_t n)
{
	gen_period(r, p, n, 7);
}

static void gen_period300(struct rng *r, u8 *p, size_t n)
{
	gen_period(r, p, n, 300);
}

/* found again by the largest dictionaries only */
static void gen_period200k(struct rng *r, u8 *p, size_t n)
{
	gen_period(r, p, n, 200000);
}

static void gen_counters(struct rng *r, u8 *p, size_t n)
{
	u32 v = rng_u64(r);
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (v + i / 4) >> i % 4 * 8;
}

static void gen_sparse(struct rng *r, u8 *p, size_t n)
{
	size_t i;

	memset(p, 0, n);
	for (i = rng_below(r, 300); i < n; i += rng_below(r, 300))
		p[i++] = rng_u64(r);
}

static void gen_four(struct rng *r, u8 *p, size_t n)
{
	while (n--)
		*p++ = "ACGT"[rng_below(r, 4)];
}

static void gen_printable(struct rng *r, u8 *p, size_t n)
{
	while (n--)
		*p++ = 48 + rng_below(r, 64);
}

/* 16-bit samples of a walk, little endian */
static void gen_samples(struct rng *r, u8 *p, size_t n)
{
	u32 v = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!(i & 1))
			v += rng_range(r, 0, 400) - 200;
		p[i] = v >> (i & 1) * 8;
	}
}

/* records of 24 bytes with constant, counting and random fields */
static void gen_records(struct rng *r, u8 *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		size_t at = i % 24;

		if (at < 12)
			p[i] = 0x40 + at;
		else if (at < 16)
			p[i] = i / 24 >> (at - 12) * 8;
		else
			p[i] = at < 20 ? rng_below(r, 4) : 0;
	}
}

static void gen_fibonacci(struct rng *r, u8 *p, size_t n)
{
	size_t a = 1, b = 2, i;

	(void)r;
	for (i = 0; i < n; i++) {
		if (i < 2) {
			p[i] = "ab"[i];
			continue;
		}
		if (i >= a + b) {
			b += a;
			a = b - a;
		}
		p[i] = p[i - b];
	}
}

/* bytes whose bits are mostly 0: literals that cost less than a bit each */
static void gen_skewed(struct rng *r, u8 *p, size_t n)
{
	while (n--)
		*p++ = rng_u64(r) & rng_u64(r) & rng_u64(r) & rng_u64(r);
}

static void gen_log(struct rng *r, u8 *p, size_t n)
{
	char line[80];
	size_t i = 0;
	u32 t = 0;

	while (i < n) {
		int len = snprintf(line, sizeof(line),
				   "%08u [%u] erofs: nid %llu, error -%u\n",
				   t += rng_below(r, 90), (u32)rng_below(r, 9),
				   (unsigned long long)rng_below(r, 1 << 20),
				   (u32)rng_below(r, 130));
		size_t part = n - i < (size_t)len ? n - i : (size_t)len;

		memcpy(p + i, line, part);
		i += part;
	}
}

/* copies with one byte changed: short repeats, literals right after matches */
static void gen_edited(struct rng *r, u8 *p, size_t n)
{
	size_t i = n < 64 ? n : 64;

	gen_random(r, p, i);
	for (; i < n; i++)
		p[i] = rng_below(r, 20) ? p[i - 64] : rng_u64(r);
}

/* pieces of what came before, from everywhere: long distances of all sizes */
static void gen_shuffled(struct rng *r, u8 *p, size_t n)
{
	size_t i = n < 256 ? n : 256;

	gen_random(r, p, i);
	while (i < n) {
		size_t from = rng_below(r, i), len = rng_range(r, 1, 40);

		for (; len && i < n; len--)
			p[i++] = p[from++];
		if (i < n && rng_percent(r, 40))
			p[i++] = rng_u64(r);
	}
}

static void gen_runs(struct rng *r, u8 *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		u32 len = rng_range(r, 1, 600);
		u8 v = rng_u64(r);

		for (; len && i < n; len--)
			p[i++] = v;
	}
}

static void gen_mixed(struct rng *r, u8 *p, size_t n);

static const struct kind {
	const char *name;
	void (*fill)(struct rng *r, u8 *p, size_t n);
} kinds[] = {
	{ "zero", gen_zero },
	{ "ones", gen_ones },
	{ "random", gen_random },
	{ "text", gen_text },
	{ "elf", gen_elf },
	{ "period-2", gen_period2 },
	{ "period-7", gen_period7 },
	{ "period-300", gen_period300 },
	{ "period-200000", gen_period200k },
	{ "counters", gen_counters },
	{ "sparse", gen_sparse },
	{ "four-letters", gen_four },
	{ "printable", gen_printable },
	{ "samples", gen_samples },
	{ "records", gen_records },
	{ "fibonacci", gen_fibonacci },
	{ "skewed", gen_skewed },
	{ "log", gen_log },
	{ "edited", gen_edited },
	{ "shuffled", gen_shuffled },
	{ "runs", gen_runs },
	{ "mixed", gen_mixed },		/* last: it uses the others */
};

static void gen_mixed(struct rng *r, u8 *p, size_t n)
{
	while (n) {
		size_t part = rng_range(r, 1, 5000);

		if (part > n)
			part = n;
		kinds[rng_below(r, ARRAY_SIZE(kinds) - 1)].fill(r, p, part);
		p += part;
		n -= part;
	}
}

static u8 *make_data(struct rng *r, u32 kind, size_t n)
{
	u8 *p = must_alloc(n);

	kinds[kind].fill(r, p, n);
	return p;
}

/* ---- streams ---- */

/**
 * struct stream - what an encoder made
 * @in: the stream
 * @in_len: its length
 * @data: what was encoded
 * @len: how much of that is in the stream
 */
struct stream {
	u8 *in;
	size_t in_len;
	const u8 *data;
	size_t len;
};

static lzma_options_lzma encoder_setting(u32 lc, u32 lp, u32 pb, u32 dict,
					 bool fast)
{
	lzma_options_lzma o;

	if (lzma_lzma_preset(&o, fast ? 1 : 6))
		abort();
	o.lc = lc;
	o.lp = lp;
	o.pb = pb;
	o.dict_size = dict;
	return o;
}

/* as much of the data as fits into @limit bytes; all of it for 0 */
static struct stream encode(const u8 *data, size_t len,
			    const lzma_options_lzma *o, size_t limit)
{
	static lzma_stream strm = LZMA_STREAM_INIT;
	struct stream s = { .data = data };
	size_t size = limit ? limit : len + len / 16 + 64;

	s.in = must_alloc(size);
	if (lzma_microlzma_encoder(&strm, o) != LZMA_OK)
		abort();
	strm.next_in = data;
	strm.avail_in = len;
	strm.next_out = s.in;
	strm.avail_out = size;
	if (lzma_code(&strm, LZMA_FINISH) != LZMA_STREAM_END)
		abort();
	s.in_len = strm.total_out;
	s.len = strm.total_in;
	if (!limit && s.len != len)
		abort();
	return s;
}

/* ---- checks, each NULL or what is wrong ---- */

/* Decodes to @len bytes: refused, or accepted and equal to the data? */
static const char *expect(const struct stream *s, size_t in_len, size_t len,
			  bool whole, bool good)
{
	u8 *out;
	int err = microlzma_own(s->in, in_len, len, whole, &out);
	bool same = !err && !memcmp(out, s->data, len);

	free(out);
	if (good && err)
		return "refused";
	if (!good && !err)
		return "accepted";
	return good && !same ? "wrong bytes" : NULL;
}

static const char *check_complete(const struct stream *s)
{
	const char *bad = expect(s, s->in_len, s->len, true, true);

	return bad ? bad : expect(s, s->in_len, s->len, false, true);
}

/* the start of the data, by a reader that stops early */
static const char *check_partial(const struct stream *s)
{
	const char *bad = NULL;
	u32 i;

	for (i = 0; i < 16 && !bad; i++)
		bad = expect(s, s->in_len, s->len * i / 16, false, true);
	return bad ? bad : expect(s, s->in_len, s->len - 1, false, true);
}

/*
 * A stream that lacks its last bytes is never whole. It may still hold all that
 * is asked for, since an encoder flushes more than a decoder needs, but then
 * the bytes are right.
 */
static const char *check_cut(const struct stream *s)
{
	const char *bad = NULL;
	u32 i;

	for (i = 0; i < 24 && !bad; i++) {
		size_t cut = i < 16 ? s->in_len * i / 16 :
			     s->in_len > i - 15 ? s->in_len - (i - 15) : 0;
		u8 *out;

		bad = expect(s, cut, s->len, true, false);
		if (bad)
			break;
		if (!microlzma_own(s->in, cut, s->len, false, &out) &&
		    memcmp(out, s->data, s->len))
			bad = "wrong bytes of a cut stream";
		free(out);
	}
	return bad;
}

/* a byte too many: never whole, and of no concern to others */
static const char *check_longer(const struct stream *s)
{
	struct stream more = *s;
	const char *bad;

	more.in = must_alloc(s->in_len + 1);
	memcpy(more.in, s->in, s->in_len);
	bad = expect(&more, s->in_len + 1, s->len, true, false);
	if (!bad)
		bad = expect(&more, s->in_len + 1, s->len, false, true);
	free(more.in);
	return bad;
}

/*
 * Output one byte shorter or longer than the stream's. The format has no mark
 * for the end, so what is right is what liblzma says.
 */
static const char *check_lengths(const struct stream *s)
{
	const char *bad;
	bool good;

	bad = microlzma_compare(s->in, s->in_len, s->len + 1, true, &good);
	if (!bad)
		bad = microlzma_compare(s->in, s->in_len, s->len - 1, true,
					&good);
	return bad;
}

/* @full: more than that it decodes */
static bool check_stream(const struct stream *s, bool full, const char *where)
{
	static const struct {
		const char *name;
		const char *(*check)(const struct stream *s);
	} checks[] = {
		{ "complete", check_complete },
		{ "longer input", check_longer },
		{ "other length", check_lengths },
		{ "partial", check_partial },
		{ "cut", check_cut },
	};
	u32 n = full ? ARRAY_SIZE(checks) : 1, i;

	for (i = 0; i < n; i++) {
		const char *bad = checks[i].check(s);

		if (!bad)
			continue;
		printf("# %s, %zu bytes to %zu: %s: %s\n", where, s->in_len,
		       s->len, checks[i].name, bad);
		return false;
	}
	return true;
}

static bool check_encoded(const u8 *data, size_t len,
			  const lzma_options_lzma *o, size_t limit, bool full)
{
	struct stream s = encode(data, len, o, limit);
	char where[80];
	bool ok;

	snprintf(where, sizeof(where), "lc %u lp %u pb %u dict %u limit %zu",
		 o->lc, o->lp, o->pb, o->dict_size, limit);
	ok = check_stream(&s, full, where);
	free(s.in);
	return ok;
}

/* ---- the tests ---- */

/*
 * One kind of data in all sizes, with the dictionaries that make a difference
 * to what the encoder finds there and do not take it long.
 */
static bool test_kind(struct rng *r, u32 kind, size_t max)
{
	static const size_t sizes[] = {
		1, 2, 3, 4, 7, 17, 64, 272, 273, 274, 275, 547, 4095, 4096,
		4097, 20000, 65537, 300000, BIG
	};
	static const u32 dicts[] = { 4096, 1 << 16, 1 << 20, 8 << 20 };
	bool ok = true;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= max; i++) {
		bool small = sizes[i] < 20000, large = sizes[i] > 65537;
		u8 *data = make_data(r, kind, sizes[i]);

		for (j = 0; j < ARRAY_SIZE(dicts); j++) {
			bool fast = large || !(j & 1);
			lzma_options_lzma o;

			if ((small && j) || (large && (j == 1 || j == 2)))
				continue;
			o = encoder_setting(3, 0, 2, dicts[j], fast);
			ok &= check_encoded(data, sizes[i], &o, 0, !j && !large);
		}
		free(data);
	}
	return ok;
}

/* every valid lc, lp and pb on every kind */
static bool test_settings(struct rng *r, u32 lc, u32 lp)
{
	bool ok = true;
	u32 kind, pb;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (pb = 0; pb <= 4; pb++) {
			lzma_options_lzma o =
				encoder_setting(lc, lp, pb, 1 << 16, pb & 1);
			size_t len = rng_range(r, 1000, 5000);
			u8 *data = make_data(r, kind, len);

			ok &= check_encoded(data, len, &o, 0, true);
			free(data);
		}
	}
	return ok;
}

/* streams that fill a pcluster and end where it ends, as images have them */
static bool test_limit(struct rng *r, size_t limit)
{
	size_t len = limit * 8 < BIG ? limit * 8 : BIG;
	bool ok = true;
	u32 kind;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		lzma_options_lzma o =
			encoder_setting(3, 0, 2, 1 << 20, limit > 4096);
		u8 *data = make_data(r, kind, len);

		ok &= check_encoded(data, len, &o, limit, limit <= 4096);
		free(data);
	}
	return ok;
}

/* a first byte for each wrong setting, and streams too short to have started */
static bool test_start(struct rng *r)
{
	lzma_options_lzma o = encoder_setting(3, 0, 2, 4096, true);
	u8 *data = make_data(r, 3, 100);
	struct stream s = encode(data, 100, &o, 0);
	bool ok = true;
	u32 i;

	for (i = 0; i < 256; i++) {
		bool good = i < 225 && i % 9 + i / 9 % 5 <= 4;
		u8 *out;

		s.in[0] = ~i;
		/* other settings decode to other bytes, but they do decode */
		if (!microlzma_own(s.in, s.in_len, 1, false, &out) != good) {
			printf("# properties %u\n", i);
			ok = false;
		}
		free(out);
	}
	s.in[0] = (u8)~((2 * 5 + 0) * 9 + 3);
	for (i = 0; i < 5; i++)
		ok &= !expect(&s, i, 0, false, false);
	ok &= !expect(&s, s.in_len, 0, false, true);
	memset(s.in + 1, 0xff, 4);
	ok &= !expect(&s, s.in_len, 1, false, false);
	free(s.in);
	free(data);
	return ok;
}

/* random symbols: every state, length, and distance slot within reach */
static bool test_symbols(struct rng *r, u32 symbols)
{
	struct enc *e = enc_new();
	struct stream s;
	bool ok;

	while (symbols-- && e->len < ENC_MAX - 300) {
		u32 len = rng_percent(r, 50) ? rng_range(r, 2, 20) :
					       rng_range(r, 2, 273);
		u32 how = rng_below(r, 10), which = rng_below(r, 4);

		if (!e->len || how < 3)
			enc_literal(e, rng_percent(r, 50) ? 0 : rng_u64(r));
		else if (how < 6)
			enc_match(e, rng_below(r, 1 + rng_below(r, e->len)),
				  len);
		else if (how < 7 && e->rep[0] < e->len)
			enc_rep(e, 0, 1);
		else if (e->rep[which] < e->len)
			enc_rep(e, which, len);
	}
	enc_end(e);
	s = (struct stream){ .in = e->in, .in_len = e->in_len, .data = e->data,
			     .len = e->len };
	ok = check_stream(&s, true, "random symbols");
	free(e);
	return ok;
}

/*
 * Makes the longest symbol that can be had: a match of which all bits are what
 * the model expects least, with the largest distance, so it is to be refused,
 * having been read.
 */
static struct enc *longest_symbol(size_t *start)
{
	struct enc *e = enc_new();
	u32 i, bit;

	for (i = 0; i < 100000; i++)
		enc_literal(e, 0);
	/* the nodes on the paths of all ones, of high and align: expect 0 */
	for (bit = 8; bit--; )
		for (i = 0; i < 150; i++)
			enc_match(e, 0, 18 + (0xff & ~(0xff >> bit)));
	for (bit = 4; bit--; )
		for (i = 0; i < 150; i++)
			enc_match(e, 0x10000 + (0xf >> (4 - bit)), 18);
	/* then choice2 and choice, the latter last, and the root of the slots */
	for (i = 0; i < 150; i++)
		enc_match(e, 0, 10);
	for (i = 0; i < 150; i++)
		enc_match(e, 0, 9);
	/* then is_rep and is_match of the state after literals */
	for (i = 0; i < 150; i++) {
		enc_literal(e, 0);
		enc_literal(e, 0);
		enc_literal(e, 0);
		enc_literal(e, 0);
		enc_rep(e, 0, 2);
	}
	for (i = 0; i < 300; i++)
		enc_literal(e, 0);
	/* with what waits for a carry */
	*start = e->in_len + e->pending;
	enc_match(e, 0xFFFFFFFF, 273);
	return e;
}

/* which must neither be read behind the input, wherever it ends, nor decoded */
static bool test_longest(void)
{
	size_t start, cut;
	struct enc *e = longest_symbol(&start);
	size_t len = e->len, bytes = e->in_len + e->pending - start;
	bool ok = bytes >= 16;

	enc_end(e);
	printf("# the longest symbol takes %zu bytes\n", bytes);
	for (cut = start - 40; cut <= e->in_len; cut++) {
		struct stream s = { .in = e->in, .data = e->data };

		ok &= !expect(&s, cut, len + 273, false, false);
		/* with enough of it, up to there all is well */
		if (cut > start + 8)
			ok &= !expect(&s, cut, len, false, true);
	}
	free(e);
	return ok;
}

/* Changes 1 to 8 bits, or some bytes, or moves some. */
static void mutate(struct rng *r, u8 *p, size_t n)
{
	u32 i = rng_range(r, 1, 8), how = rng_below(r, 8);
	size_t at = rng_below(r, n), from = rng_below(r, n);

	if (how == 0) {
		for (; i && at < n; i--)
			p[at++] = rng_u64(r);
	} else if (how == 1) {
		for (; i && at < n && from < n; i--)
			p[at++] = p[from++];
	} else {
		for (i = how < 5 ? 1 : i; i; i--)
			p[rng_below(r, n)] ^= 1 << rng_below(r, 8);
	}
}

struct tally {
	u32 good;
	u32 refused;
	u32 disagree;
};

/* @count mutants of one stream, of which some ask for another length as well */
static void test_mutants(struct rng *r, const struct stream *s, u32 count,
			 struct tally *t)
{
	u8 *copy = must_alloc(s->in_len);

	while (count--) {
		size_t in_len = s->in_len, len = s->len;
		const char *bad;
		bool good;

		memcpy(copy, s->in, in_len);
		mutate(r, copy, in_len);
		if (rng_percent(r, 10))
			in_len = rng_below(r, in_len + 1);
		if (rng_percent(r, 10))
			len = rng_below(r, 2 * len + 1);
		bad = microlzma_compare(copy, in_len, len, rng_percent(r, 60),
					&good);
		if (bad) {
			printf("# mutant of %zu bytes to %zu: %s\n", in_len,
			       len, bad);
			t->disagree++;
		}
		t->good += good;
		t->refused += !good;
	}
	free(copy);
}

static struct tally test_all_mutants(struct rng *r, u32 count)
{
	struct tally t = { 0 };
	u32 left = count, bases = 400;

	for (; bases; bases--) {
		u32 lc = rng_below(r, 5), lp = rng_below(r, 5 - lc);
		lzma_options_lzma o = encoder_setting(lc, lp, rng_below(r, 5),
						      4096, bases & 1);
		size_t len = rng_range(r, 1, 2000);
		u8 *data = make_data(r, bases % ARRAY_SIZE(kinds), len);
		struct stream s = encode(data, len, &o, 0);
		u32 n = left / bases;

		test_mutants(r, &s, n, &t);
		left -= n;
		free(s.in);
		free(data);
	}
	return t;
}

/* @max: bytes of the largest data */
static void run_seed(struct ktap *k, u64 seed, size_t max, u32 mutants)
{
	static const size_t limits[] = { 16, 64, 512, 4096, 65536 };
	static const u32 symbols[] = { 1, 2, 10, 100, 1000, 20000 };
	struct rng r = { .state = seed };
	struct tally t;
	u32 i, lp;

	printf("# SEED=%llu\n", (unsigned long long)seed);
	ktap_result(k, test_start(&r), "start of a stream");
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		ktap_result(k, test_kind(&r, i, max), "%s up to %zu bytes",
			    kinds[i].name, max);
	for (i = 0; i <= 4; i++)
		for (lp = 0; i + lp <= 4; lp++)
			ktap_result(k, test_settings(&r, i, lp),
				    "lc %u lp %u, pb 0 to 4", i, lp);
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		ktap_result(k, test_limit(&r, limits[i]),
			    "streams cut to %zu bytes", limits[i]);
	for (i = 0; i < ARRAY_SIZE(symbols); i++)
		ktap_result(k, test_symbols(&r, symbols[i]),
			    "%u random symbols", symbols[i]);
	ktap_result(k, test_longest(), "longest symbol, cut everywhere");
	t = test_all_mutants(&r, mutants);
	/* if none or all were refused, something else than damage was tested */
	ktap_result(k, !t.disagree && t.good && t.refused &&
		    t.good + t.refused == mutants,
		    "%u mutants: %u decoded, %u refused, %u disagree", mutants,
		    t.good, t.refused, t.disagree);
}

/* ---- seeds for the fuzzer ---- */

static int write_seeds(const char *dir)
{
	struct rng r = { .state = 1 };
	u32 kind, i;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (i = 0; i < 4; i++) {
			lzma_options_lzma o = encoder_setting(i, 3 - i, i + 1,
							      4096, i & 1);
			size_t len = rng_range(&r, 1, i < 3 ? 400 : 3000);
			u8 *data = make_data(&r, kind, len), head[3];
			struct stream s = encode(data, len, &o, 0);
			char path[4096];
			FILE *f;

			snprintf(path, sizeof(path), "%s/%s-%u", dir,
				 kinds[kind].name, i);
			put_le(head, len | (i < 3) << 23, 3);
			f = fopen(path, "wb");
			if (!f || fwrite(head, 3, 1, f) != 1 ||
			    fwrite(s.in, s.in_len, 1, f) != 1 || fclose(f)) {
				perror(path);
				return 1;
			}
			free(s.in);
			free(data);
		}
	}
	return 0;
}

/* ---- speed ---- */

enum { BENCH_OWN, BENCH_RAW, BENCH_MICRO, BENCH_N };

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* liblzma's LZMA1 decoder without a container: byte 0 is 0 for it */
static bool bench_raw(const struct stream *s, lzma_options_lzma o, u8 *out)
{
	static lzma_stream strm = LZMA_STREAM_INIT;
	lzma_filter filters[] = {
		{ .id = LZMA_FILTER_LZMA1, .options = &o },
		{ .id = LZMA_VLI_UNKNOWN },
	};
	u8 first = s->in[0];
	lzma_ret ret;

	o.dict_size = s->len < LZMA_DICT_SIZE_MIN ? LZMA_DICT_SIZE_MIN : s->len;
	s->in[0] = 0;
	if (lzma_raw_decoder(&strm, filters) != LZMA_OK)
		abort();
	strm.next_in = s->in;
	strm.avail_in = s->in_len;
	strm.next_out = out;
	strm.avail_out = s->len;
	ret = lzma_code(&strm, LZMA_RUN);
	s->in[0] = first;
	return ret == LZMA_OK && !strm.avail_out;
}

static bool bench_one(u32 which, struct microlzma *state,
		      const struct stream *s, const lzma_options_lzma *o,
		      u8 *out)
{
	if (which == BENCH_OWN)
		return !microlzma_decode(state, s->in, s->in_len, out, s->len,
					 true);
	if (which == BENCH_RAW)
		return bench_raw(s, *o, out);
	return microlzma_lib(s->in, s->in_len, out, s->len, true);
}

/* Speeds in the best of several runs, so that a busy machine matters less. */
static int bench_data(const char *name, const u8 *data, size_t len,
		      size_t limit)
{
	lzma_options_lzma o = encoder_setting(3, 0, 2, 1 << 20, false);
	struct microlzma *state = must_alloc(microlzma_state_size());
	size_t cap = len / 6 + 1, n = 0, at = 0, in_len = 0, i;
	struct stream *s = must_alloc(cap * sizeof(*s));
	double best[BENCH_N] = { 1e9, 1e9, 1e9 };
	u8 *out = must_alloc(len);
	u32 run, which;
	int err = 0;

	/* no stream is longer than what mkfs puts into one pcluster */
	for (; at < len; at += s[n++].len) {
		size_t max = limit * 16 < len - at ? limit * 16 : len - at;

		s[n] = encode(data + at, max, &o, limit);
		in_len += s[n].in_len;
	}
	for (run = 0; run < 5 * BENCH_N && !err; run++) {
		double t = cpu_seconds();

		which = run % BENCH_N;
		for (i = 0; i < n && !err; i++)
			err = !bench_one(which, state, &s[i], &o,
					 out + (s[i].data - data));
		t = cpu_seconds() - t;
		if (t < best[which])
			best[which] = t;
		err |= memcmp(out, data, len) != 0;
		memset(out, 0, len);
	}
	printf("%-30.30s %8zu to %8zu in %5zu: %6.1f MB/s; "
	       "raw %6.1f, %3.0f %%; micro %6.1f, %3.0f %%%s\n",
	       name, in_len, len, n, len / best[BENCH_OWN] / 1e6,
	       len / best[BENCH_RAW] / 1e6,
	       100 * best[BENCH_RAW] / best[BENCH_OWN],
	       len / best[BENCH_MICRO] / 1e6,
	       100 * best[BENCH_MICRO] / best[BENCH_OWN],
	       err ? " WRONG" : "");
	for (i = 0; i < n; i++)
		free(s[i].in);
	free(s);
	free(out);
	free(state);
	return err;
}

static int bench_file(const char *path)
{
	static const size_t limits[] = { 4096, 65536, 1 << 20 };
	u8 *data = must_alloc(BENCH_MAX);
	FILE *f = fopen(path, "rb");
	size_t len, i;
	int err = 0;

	if (!f) {
		perror(path);
		free(data);
		return 1;
	}
	len = fread(data, 1, BENCH_MAX, f);
	fclose(f);
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		err |= bench_data(path, data, len, limits[i]);
	free(data);
	return err;
}

int main(int argc, char **argv)
{
	struct ktap k = { 0 };
	u64 seeds[2];
	u32 n, i;
	int err = 0, arg;

	if (argc == 3 && !strcmp(argv[1], "-s"))
		return write_seeds(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "-b")) {
		for (arg = 2; arg < argc; arg++)
			err |= bench_file(argv[arg]);
		return err;
	}
	if (argc > 1) {
		fprintf(stderr, "usage: %s [-s DIR | -b FILE...]\n", argv[0]);
		return 2;
	}
	ktap_begin();
	n = rng_seeds(seeds);
	/* the large ones take most of the time and hardly depend on the seed */
	for (i = 0; i < n; i++)
		run_seed(&k, seeds[i], i ? 20000 : BIG, MUTANTS / n);
	return ktap_end(&k);
}
