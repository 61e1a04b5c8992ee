/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that is asked of a mounted image, one operation at a time, each
 * with a sum of all that it saw: the fault tests run them with something broken
 * and then again, and compare the sums with those of a mount that is well.
 */
#ifndef EROFS_TESTS_FILEOPS_H
#define EROFS_TESTS_FILEOPS_H

#include <limits.h>
#include <stdint.h>

#include "lib_mount.h"

/* What an image has for the operations to work on; empty where it has none */
struct subject {
	struct source src;
	const char *mnt;		/* where it is mounted, or will be */
	char dir[PATH_MAX];		/* with the most entries */
	char file[PATH_MAX];		/* the largest that is not too large */
	char link[PATH_MAX];		/* with the longest target */
	char xattr[PATH_MAX];		/* the file with the most of them */
	char name[256];			/* one of these */
	size_t size;			/* of file */
	struct {
		unsigned int bytes;
		int type;
		unsigned char handle[128];
	} handle;			/* of file */
};

/* What is in memory before the operation begins */
enum warmth {
	COLD,				/* nothing: paths are looked up again */
	COLD_DATA,			/* the inode, because it is open */
};

struct file_op {
	const char *name;
	enum warmth warmth;
	int open_flags;			/* of COLD_DATA */
	/* 0 or -errno; *sum takes in what was seen, and fd is what is open */
	int (*fn)(const struct subject *s, int fd, uint64_t *sum);
	/* the field of struct subject it is about */
	size_t what;
};

extern const struct file_op file_ops[];
extern const size_t nr_file_ops;
const struct file_op *file_op_find(const char *name);

/* Finds what there is in the mount at s->mnt, which must be well */
void subject_find(struct subject *s);
const char *op_path(const struct file_op *op, const struct subject *s);
/* For COLD_DATA what it works on, open; else -1 */
int op_open(const struct file_op *op, const struct subject *s);
/* Throws everything out of memory that can go */
void forget_all(int fd);
void sum_bytes(uint64_t *sum, const void *data, size_t len);

#endif
