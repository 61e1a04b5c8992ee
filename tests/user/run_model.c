// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test: long runs of encoded extents (FORMAT.md section 15, S = 4), whose
 * addresses are sums. They are what adding up gives, in whatever order they are
 * asked for, and a source that keeps what it is told of never makes a lookup
 * read much more than one step of records. $SEED repeats a run.
 */
#include "util.h"
#include "zindex.h"

#define RECORDS		50001U
#define EXTENT		4096U
#define RUN_START	0x123456000ULL
#define HEADER		8U
#define STEPS		(RECORDS / Z_EROFS_RUN_STEP)

struct run_src {
	struct z_erofs_source src;
	const u8 *bytes;
	size_t len;
	u64 read;
	u32 known;
	u64 pa[STEPS];
};

static int run_copy(struct z_erofs_source *src, u64 pos, void *dst, size_t len)
{
	struct run_src *s = (struct run_src *)src;

	if (pos > s->len || len > s->len - pos)
		return -EUCLEAN;
	memcpy(dst, s->bytes + pos, len);
	s->read += len;
	return 0;
}

static bool run_stop(struct z_erofs_source *src)
{
	(void)src;
	return false;
}

static void run_keep(struct z_erofs_source *src,
		     const struct z_erofs_cursor *cursor)
{
	struct run_src *s = (struct run_src *)src;
	const u64 k = cursor->rec / Z_EROFS_RUN_STEP - 1;

	if (cursor->rec % Z_EROFS_RUN_STEP || k >= STEPS)
		abort();
	if (k == s->known)
		s->pa[s->known++] = cursor->pa;
}

static void run_recall(struct z_erofs_source *src, u64 rec,
		       struct z_erofs_cursor *cursor)
{
	const struct run_src *s = (struct run_src *)src;
	u64 k = rec / Z_EROFS_RUN_STEP;

	if (k > s->known)
		k = s->known;
	if (!k || k * Z_EROFS_RUN_STEP <= cursor->rec)
		return;
	cursor->rec = k * Z_EROFS_RUN_STEP;
	cursor->pa = s->pa[k - 1];
}

/* An index of RECORDS lengths; @sums receives the address of each. */
static u8 *make_run(struct rng *r, u64 *sums, size_t *len)
{
	u8 *bytes = must_alloc(*len = HEADER + 8 + 4 * RECORDS);
	u64 pa = RUN_START;
	u32 i;

	put_le(bytes + 4, 1, 2);	/* EXTENTS, S = 4 */
	put_le(bytes + HEADER, RUN_START, 8);
	for (i = 0; i < RECORDS; i++) {
		const u32 plen = rng_range(r, 1, EXTENT);

		sums[i] = pa;
		pa += plen;
		put_le(bytes + HEADER + 8 + 4 * i, plen | 1U << 28, 4);
	}
	return bytes;
}

/* Looks @rec up as a new reader does; returns what it had to read. */
static u64 look(struct run_src *s, const struct z_erofs_index *idx, u32 rec,
		u64 want, bool *right)
{
	struct z_erofs_cursor cursor = {};
	struct erofs_fault fault = {};
	struct z_erofs_extent e;
	const u64 before = s->read;
	const int err = z_erofs_index_find(idx, &s->src, (u64)rec * EXTENT,
					   &cursor, &e, &fault);

	if (err || e.pa != want || e.la != (u64)rec * EXTENT) {
		printf("# record %u: error %d (%s), pa %llu, wanted %llu\n",
		       rec, err, fault.what ? fault.what : "", e.pa, want);
		*right = false;
	}
	return s->read - before;
}

static void run_seed(struct ktap *ktap, u64 seed)
{
	static u64 sums[RECORDS];
	struct rng r = { seed };
	struct run_src plain = { .src = { .copy = run_copy, .stop = run_stop } };
	struct run_src keeps = plain;
	const struct z_erofs_params p = {
		.isize = (u64)RECORDS * EXTENT, .blkszbits = 12, .algorithms = 1,
		.big_pcluster = true,
	};
	u64 most = 0, cost = 0;
	struct erofs_fault fault;
	struct z_erofs_index idx;
	bool right = true, same = true;
	u32 i;

	plain.bytes = keeps.bytes = make_run(&r, sums, &plain.len);
	keeps.len = plain.len;
	keeps.src.keep = run_keep;
	keeps.src.recall = run_recall;
	if (z_erofs_index_init(&idx, &plain.src, &p, &fault)) {
		ktap_result(ktap, false, "run: seed %llu: %s", seed, fault.what);
		free((u8 *)plain.bytes);
		return;
	}
	for (i = 0; i < 200; i++) {
		const u32 rec = rng_below(&r, RECORDS);

		look(&plain, &idx, rec, sums[rec], &right);
		look(&keeps, &idx, rec, sums[rec], &same);
	}
	cost = look(&plain, &idx, RECORDS - 1, sums[RECORDS - 1], &right);
	look(&keeps, &idx, RECORDS - 1, sums[RECORDS - 1], &same);
	for (i = 0; i < RECORDS; i += 1 + rng_below(&r, 40)) {
		const u64 n = look(&keeps, &idx, i, sums[i], &same);

		most = n > most ? n : most;
	}
	ktap_result(ktap, right && cost > 4ULL * (RECORDS - 1),
		    "run: seed %llu: sums from the first record", seed);
	ktap_result(ktap, same, "run: seed %llu: the same from where it is known",
		    seed);
	ktap_result(ktap, most && most <= 4 * (Z_EROFS_RUN_STEP + 1),
		    "run: seed %llu: a lookup reads one step, %llu bytes", seed,
		    most);
	free((u8 *)plain.bytes);
}

int main(void)
{
	struct ktap ktap = {};
	u64 seeds[2];
	u32 n, i;

	ktap_begin();
	n = rng_seeds(seeds);
	for (i = 0; i < n; i++)
		run_seed(&ktap, seeds[i]);
	return ktap_end(&ktap);
}
