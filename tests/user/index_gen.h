/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random encoded files: first what a file consists of, then the index that says
 * so, in any of the forms of FORMAT.md sections 11 to 15. Both come out, so that
 * whoever decodes the index can be compared with what it was made from.
 */
#ifndef EROFS_TESTS_INDEX_GEN_H
#define EROFS_TESTS_INDEX_GEN_H

#include "naive_index.h"
#include "util.h"

enum gen_form {
	GEN_FULL,
	GEN_COMPACT4,		/* 4-byte packs only */
	GEN_COMPACT2,		/* with the 2-byte region */
	GEN_EXTENTS4,
	GEN_EXTENTS8,
	GEN_EXTENTS16,
	GEN_EXTENTS32,
	GEN_WHOLE_FRAGMENT,
	GEN_FORMS,
};

extern const char *const gen_form_name[GEN_FORMS];

/**
 * struct gen_stats - what has been generated, so that nothing is left out unseen
 * @coding: extents by Z_EROFS_*
 * @packs: heads by form of pack (0: 4-byte, 1: 2-byte) and place in it
 * @c4: files with a 2-byte region, by leading 4-byte records / 2
 * @big: extents of several blocks
 * @far: extents of more than 2047 lclusters
 * @partial: those that decode to more
 * @in_meta: inline ones
 * @tail_fragment: files that end in a fragment
 * @terminator: files with one
 * @aligned: files that end with an lcluster
 */
struct gen_stats {
	u64 coding[5];
	u64 packs[2][16];
	u64 c4[4];
	u64 big;
	u64 far;
	u64 partial;
	u64 in_meta;
	u64 tail_fragment;
	u64 terminator;
	u64 aligned;
};

/**
 * struct gen_file - one file
 * @form: of its index
 * @p: what the index has to be told
 * @mem: header and index, not a byte more
 * @truth: what it was made from
 * @recsz: bytes of a record, of a pack's share in the compact form
 */
struct gen_file {
	enum gen_form form;
	struct z_erofs_params p;
	struct naive_mem mem;
	struct naive_map truth;
	u32 recsz;
};

void gen_make(struct gen_file *f, enum gen_form form, struct rng *r,
	      struct gen_stats *stats);
void gen_free(struct gen_file *f);

#endif
