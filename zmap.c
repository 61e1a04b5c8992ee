// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map of the encoded layouts (FORMAT.md sections 11 to 15).
 *
 * The place where the index drivers {full, compact, extents} go. Until they
 * are there, an encoded file can be found and described, but not read.
 */
#include "internal.h"

/**
 * z_erofs_map_blocks - find the extent that holds a byte of an encoded file
 * @inode: the file
 * @pos: byte in it
 * @ext: receives the extent
 *
 * Return: -EOPNOTSUPP, after a message: this build reads no encoded files.
 */
int z_erofs_map_blocks(struct inode *inode, u64 pos, struct erofs_extent *ext)
{
	return erofs_fail_inode(inode, -EOPNOTSUPP,
				"encoded layout %u is not supported by this build",
				EROFS_I(inode)->layout);
}
