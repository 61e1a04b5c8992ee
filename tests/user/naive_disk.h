/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The records of disk.h, decoded once more from the tables of FORMAT.md by byte
 * offset, with no structure and no helper in common with what they judge.
 */
#ifndef EROFS_TESTS_NAIVE_DISK_H
#define EROFS_TESTS_NAIVE_DISK_H

#include "disk.h"

/* what a name in a directory block is */
struct naive_name {
	u32 off;
	u32 len;
};

/* a directory block has fewer entries than bytes / 12 */
#define NAIVE_NAMES_MAX		(65536 / 12)

/* each: false if the record has to be refused */
bool naive_super(const u8 *b, size_t len, u32 blkszbits_max,
		 struct erofs_sb_desc *sb);
bool naive_inode(const u8 *b, size_t len, struct erofs_inode_desc *ino);
bool naive_dirblk(const u8 *b, size_t len, struct naive_name *names, u32 *n);
bool naive_config(u32 alg, const u8 *b, size_t len, u32 blkszbits);
void naive_chunk(const u8 *b, u32 format, struct erofs_chunk_desc *chunk);
void naive_device(const u8 *b, bool wide, struct erofs_slot_desc *slot);
void naive_xattr(const u8 *b, struct erofs_xattr_desc *xattr);

/* NULL, or what disk.c makes of these bytes that it should not */
const char *check_super(const u8 *b, size_t len, u32 blkszbits_max);
const char *check_configs(const u8 *b, size_t len,
			  const struct erofs_sb_desc *sb);
const char *check_inode(const u8 *b, size_t len);
const char *check_dirblk(const u8 *b, size_t len, bool *good);
const char *check_chunk(const u8 *b, size_t len, u32 format);
const char *check_device(const u8 *b, bool wide);
const char *check_xattrs(const u8 *b, size_t len);

#endif
