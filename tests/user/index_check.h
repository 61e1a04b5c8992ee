/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judges z_erofs_index_init() and z_erofs_index_find() on one index: against the
 * naive decoder where the index is consistent, and by what must hold for any
 * bytes where it is not.
 */
#ifndef EROFS_TESTS_INDEX_CHECK_H
#define EROFS_TESTS_INDEX_CHECK_H

#include "naive_index.h"
#include "util.h"

/**
 * struct index_case - an index and how it is to be judged
 * @mem: its bytes
 * @p: what the index is told
 * @truth: what it was made from, or NULL
 * @endless: @mem repeats without end, so that nothing stops a walk but itself
 * @r: where chance comes from
 */
struct index_case {
	struct naive_mem mem;
	struct z_erofs_params p;
	const struct naive_map *truth;
	bool endless;
	struct rng *r;
};

/**
 * struct index_stats - what was judged
 * @lookups: calls of z_erofs_index_find()
 * @consistent: indexes that were compared with the naive decoder
 * @inconsistent: those that were not
 * @refused: lookups that failed
 * @worst: most records that one lookup read, in percent of those there are
 */
struct index_stats {
	u64 lookups;
	u64 consistent;
	u64 inconsistent;
	u64 refused;
	u64 worst;
};

/* NULL, or what is wrong; the text is valid until the next call */
const char *index_check(const struct index_case *c, struct index_stats *stats);

#endif
