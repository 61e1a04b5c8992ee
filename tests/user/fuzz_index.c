// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: map header and lookups of an encoded file, by any bytes. What is
 * consistent is compared with the naive decoder, index_check.c says how.
 */
#include "fuzz.h"
#include "index_check.h"

static u64 hash(const u8 *data, size_t size)
{
	u64 h = 0xCBF29CE484222325ULL;

	while (size--)
		h = (h ^ *data++) * 0x100000001B3ULL;
	return h;
}

void fuzz_index(const u8 *data, size_t size)
{
	struct index_stats stats = {};
	struct index_case c = {};
	struct rng r = { .state = hash(data, size) };
	const char *wrong;

	if (size < FUZZ_INDEX_HEAD)
		return;
	c.p.blkszbits = 9 + data[0] % 8;
	c.p.compact = data[1] & FUZZ_INDEX_COMPACT;
	c.p.big_pcluster = data[1] & FUZZ_INDEX_BIG;
	c.p.legacy = data[1] & FUZZ_INDEX_LEGACY;
	c.p.algorithms = data[2] % 16;
	c.p.tail_pos = get_le(data + 4, 2) * 4;
	/* what erofs_disk_inode() and its callers let through */
	c.p.isize = get_le(data + 8, 8) & ~0ULL >> 1;
	if (!c.p.isize)
		return;
	c.endless = data[1] & FUZZ_INDEX_ENDLESS;
	c.r = &r;
	c.mem.base = (c.p.tail_pos + 7) / 8 * 8;
	c.mem.len = size - FUZZ_INDEX_HEAD;
	c.mem.bytes = must_copy(data + FUZZ_INDEX_HEAD, c.mem.len);
	wrong = index_check(&c, &stats);
	free(c.mem.bytes);
	if (wrong) {
		fprintf(stderr, "fuzz: %s\n", wrong);
		abort();
	}
}
