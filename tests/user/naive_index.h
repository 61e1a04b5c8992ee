/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The indexes of encoded files, decoded as naively as FORMAT.md can be read:
 * every record from the first to the last, into a list of all extents of the
 * file. It looks nothing up, so it has none of the cleverness it is to judge.
 *
 * It only speaks about arrays that are consistent as a whole. Of one that is
 * not, it says so, and leaves open what a lookup in it should give.
 */
#ifndef EROFS_TESTS_NAIVE_INDEX_H
#define EROFS_TESTS_NAIVE_INDEX_H

#include "zindex.h"

/* what a lookup of a byte may answer; more than one bit: any of them */
#define NAIVE_FOUND		0x1
#define NAIVE_EUCLEAN		0x2
#define NAIVE_EOPNOTSUPP	0x4

/**
 * struct naive_extent - a range of the file and what a lookup in it must give
 * @e: the extent, with @e.la and @e.len true also where it is refused
 * @answers: NAIVE_*
 */
struct naive_extent {
	struct z_erofs_extent e;
	u32 answers;
};

/**
 * struct naive_map - all of a file
 * @ext: its extents, in order and without gaps
 * @n: how many
 * @init: NAIVE_*: what decoding the map header must give
 * @nr: records of the index
 */
struct naive_map {
	struct naive_extent *ext;
	size_t n;
	u32 init;
	u64 nr;
};

/**
 * struct naive_mem - a piece of a metadata space
 * @bytes: its bytes
 * @base: position of the first
 * @len: how many
 */
struct naive_mem {
	u8 *bytes;
	u64 base;
	size_t len;
};

/* false: not consistent as a whole, and @map is empty */
bool naive_decode(const struct naive_mem *mem, const struct z_erofs_params *p,
		  struct naive_map *map);
void naive_append(struct naive_map *map, const struct naive_extent *ext);
void naive_judge(struct naive_extent *ext, const struct z_erofs_params *p);
void naive_free(struct naive_map *map);

#endif
