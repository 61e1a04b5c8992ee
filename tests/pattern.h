/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes that a test can compute instead of store. Each aligned 8-byte word of
 * a file depends on the file's seed and on the word's own number, is never
 * zero, and hardly ever equals that of another place, so that a wrong block, a
 * shifted block and a lost block are all seen, and named. The trees of the
 * images are filled with it on the host; the guest computes it again.
 */
#ifndef EROFS_TESTS_PATTERN_H
#define EROFS_TESTS_PATTERN_H

#include <stdint.h>
#include <stddef.h>
#include <string.h>

static inline uint64_t pattern_word(uint64_t seed, uint64_t nr)
{
	uint64_t x = (seed * 0x9e3779b97f4a7c15ULL) ^ (nr + 1);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (x ^ (x >> 31)) | 0x0101010101010101ULL;
}

/* Bytes [off, off + len) of the pattern, little-endian on every machine */
static inline void pattern_fill(void *buf, size_t len, uint64_t seed,
				uint64_t off)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; ) {
		uint64_t w = pattern_word(seed, (off + i) / 8);
		unsigned int b = (off + i) % 8;

		for (; b < 8 && i < len; b++, i++)
			p[i] = (unsigned char)(w >> (8 * b));
	}
}

/* Place of the first wrong byte, or -1 */
static inline long long pattern_check(const void *buf, size_t len,
				      uint64_t seed, uint64_t off)
{
	const unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; ) {
		uint64_t w = pattern_word(seed, (off + i) / 8);
		unsigned int b = (off + i) % 8;

		for (; b < 8 && i < len; b++, i++)
			if (p[i] != (unsigned char)(w >> (8 * b)))
				return (long long)(off + i);
	}
	return -1;
}

/* The seed of what erofsimg.py fills: a hash of the file's name */
static inline uint64_t pattern_seed(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	while (*name)
		h = (h ^ (unsigned char)*name++) * 0x100000001b3ULL;
	return h;
}

/*
 * The files whose shape the tests rely on. A sparse file is data where its
 * table says so, and holes elsewhere; all borders are multiples of 64 KiB, so
 * that they stay borders with every chunk size that the recipes use.
 */
#define PATTERN_BIG_SEED	1
#define PATTERN_BIG_SIZE	(40ULL << 20)
#define PATTERN_MID_SEED	2
#define PATTERN_MID_SIZE	((1ULL << 20) + 4321)
#define PATTERN_EXACT_SEED	3
#define PATTERN_EXACT_SIZE	(128ULL << 10)
#define PATTERN_SPARSE_SEED	4

struct pattern_range {
	uint64_t start, end;
};

struct pattern_sparse {
	const char *name;
	uint64_t size;
	struct pattern_range data[3];	/* up to the first empty one */
};

static const struct pattern_sparse pattern_sparse[] = {
	{ "hole-start",  0x20000, { { 0x10000, 0x20000 } } },
	{ "hole-middle", 0x30000, { { 0, 0x10000 }, { 0x20000, 0x30000 } } },
	{ "hole-end",    0x20000, { { 0, 0x10000 } } },
	{ "hole-all",    0x20000, { { 0, 0 } } },
	{ "hole-odd",    0x50000 + 1234,
	  { { 0x10000, 0x20000 }, { 0x30000, 0x40000 },
	    { 0x50000, 0x50000 + 1234 } } },
};

#define PATTERN_NR_SPARSE (sizeof(pattern_sparse) / sizeof(pattern_sparse[0]))

/* Whether a byte of a sparse file is data */
static inline int pattern_sparse_data(const struct pattern_sparse *s,
				      uint64_t pos)
{
	int i;

	for (i = 0; i < 3 && s->data[i].end; i++)
		if (pos >= s->data[i].start && pos < s->data[i].end)
			return 1;
	return 0;
}

/* Bytes of a sparse file: pattern in its data, zeros in its holes */
static inline void pattern_sparse_fill(const struct pattern_sparse *s,
				       void *buf, size_t len, uint64_t off)
{
	unsigned char *p = buf;
	size_t i;

	pattern_fill(buf, len, PATTERN_SPARSE_SEED, off);
	for (i = 0; i < len; i++)
		if (!pattern_sparse_data(s, off + i))
			p[i] = 0;
}

/*
 * The three devices of the other-device image are seen in 512-byte sectors,
 * each filled from a seed of its own device, so that a sector of the wrong
 * device at the right place is still wrong.
 */
#define PATTERN_DEV_SEED(dev)	(0x100 + (uint64_t)(dev))

#endif
