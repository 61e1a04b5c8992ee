/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of a reader to get the records out of real images: superblock,
 * inodes and flat directories of the primary device, by way of disk.h. What is
 * inside a metabox or a compressed directory is not seen.
 */
#ifndef EROFS_TESTS_IMAGE_H
#define EROFS_TESTS_IMAGE_H

#include "disk.h"
#include "zindex.h"

/**
 * struct image - an image in memory
 * @bytes: all of it
 * @size: how many
 * @sb: its superblock
 */
struct image {
	u8 *bytes;
	u64 size;
	struct erofs_sb_desc sb;
};

/**
 * struct image_inode - an inode of it
 * @nid: its number
 * @pos: where it is
 * @tail_pos: first byte behind it and its xattrs
 * @desc: decoded
 */
struct image_inode {
	u64 nid;
	u64 pos;
	u64 tail_pos;
	struct erofs_inode_desc desc;
};

/* 0, or an errno of the decoders or of the file */
int image_open(struct image *img, const char *path);
void image_close(struct image *img);

typedef void (*image_visit_t)(struct image *img, const struct image_inode *ino,
			      void *arg);

/* Visits each inode that can be reached, once; false: one cannot be decoded. */
bool image_walk(struct image *img, image_visit_t visit, void *arg);

/* Calls run for each *.erofs of the folder; how many there are. */
size_t image_each(const char *folder, void (*run)(const char *path));

/* whether the inode's data has an index, and what a lookup in it goes by */
bool image_is_encoded(const struct image_inode *ino);
struct z_erofs_params image_index_params(const struct image *img,
					 const struct image_inode *ino);

/* a block of a flat directory, or NULL; @len receives its valid bytes */
const u8 *image_dirblk(const struct image *img, const struct image_inode *ino,
		       u64 blk, size_t *len);

#endif
