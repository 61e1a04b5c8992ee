/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small things that the programs here share: a random generator that gives the
 * same numbers everywhere for one seed, KTAP results, and allocation that does
 * not fail.
 */
#ifndef EROFS_TESTS_UTIL_H
#define EROFS_TESTS_UTIL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "disk.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- random numbers: splitmix64 ---- */

struct rng {
	u64 state;
};

static inline u64 rng_u64(struct rng *r)
{
	u64 z = r->state += 0x9E3779B97F4A7C15ULL;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
	return z ^ z >> 31;
}

/* 0 ... n - 1; the bias of a remainder does not matter here */
static inline u64 rng_below(struct rng *r, u64 n)
{
	return rng_u64(r) % n;
}

/* lo ... hi */
static inline u64 rng_range(struct rng *r, u64 lo, u64 hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

static inline bool rng_percent(struct rng *r, u32 percent)
{
	return rng_below(r, 100) < percent;
}

/*
 * The seeds of a run: $SEED alone, or a fixed one and a fresh one. Returns how
 * many there are.
 */
static inline u32 rng_seeds(u64 seeds[2])
{
	const char *env = getenv("SEED");

	seeds[0] = 1;
	if (env && *env) {
		seeds[0] = strtoull(env, NULL, 0);
		return 1;
	}
	if (getrandom(&seeds[1], sizeof(seeds[1]), 0) != sizeof(seeds[1]))
		abort();
	seeds[1] &= 0xFFFFFFFF;
	return 2;
}

/* ---- memory ---- */

static inline void *must_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p) {
		fprintf(stderr, "out of memory\n");
		abort();
	}
	return p;
}

/* A copy with nothing around it, so that the sanitizer sees each step outside. */
static inline void *must_copy(const void *src, size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p) {
		fprintf(stderr, "out of memory\n");
		abort();
	}
	if (size)
		memcpy(p, src, size);
	return p;
}

/* ---- KTAP ---- */

struct ktap {
	u32 n;
	u32 failed;
	u32 skipped;
};

static inline void ktap_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n");
}

static inline void __attribute__((format(printf, 3, 4)))
ktap_result(struct ktap *k, bool ok, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%s %u ", ok ? "ok" : "not ok", ++k->n);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	k->failed += !ok;
}

static inline void ktap_skip(struct ktap *k, const char *what, const char *why)
{
	printf("ok %u %s # SKIP %s\n", ++k->n, what, why);
	k->skipped++;
}

/* The plan comes last; a program that dies before has none. */
static inline int ktap_end(const struct ktap *k)
{
	printf("1..%u\n", k->n);
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n",
	       k->n - k->failed - k->skipped, k->failed, k->skipped);
	if (k->failed || !k->n)
		return 1;
	return k->skipped == k->n ? 4 : 0;
}

/* ---- little-endian bytes ---- */

static inline void put_le(u8 *p, u64 v, u32 bytes)
{
	while (bytes--) {
		*p++ = v;
		v >>= 8;
	}
}

static inline u64 get_le(const u8 *p, u32 bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

#endif
