/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fuzz targets. Each takes any bytes, and aborts with a message where the
 * code under test breaks a promise; the sanitizers see to the rest. fuzz_entry.c
 * gives one of them to libFuzzer, replay.c runs them all without it.
 */
#ifndef EROFS_TESTS_FUZZ_H
#define EROFS_TESTS_FUZZ_H

#include "disk.h"

void fuzz_super(const u8 *data, size_t size);
void fuzz_inode(const u8 *data, size_t size);
void fuzz_dirblk(const u8 *data, size_t size);
void fuzz_chunk(const u8 *data, size_t size);
void fuzz_xattr(const u8 *data, size_t size);
void fuzz_index(const u8 *data, size_t size);

/*
 * What fuzz_index() takes: a head, then the metadata from the map header on.
 *
 *   0   1  block size, log2 - 9, modulo 8
 *   1   1  flags: FUZZ_INDEX_*
 *   2   1  algorithms of the image
 *   4   4  end of the inode and its xattrs, in units of 4 bytes, modulo 2^16
 *   8   8  size of the file
 */
#define FUZZ_INDEX_HEAD		16
#define FUZZ_INDEX_COMPACT	1
#define FUZZ_INDEX_BIG		2
#define FUZZ_INDEX_ENDLESS	4
#define FUZZ_INDEX_LEGACY	8

/*
 * fuzz_super() takes one byte, the log2 of the largest block that the reader can
 * handle (modulo 17), then the superblock and what follows it; fuzz_chunk() two
 * bytes of chunk format and then entries. The others take the records alone.
 */

#endif
