// SPDX-License-Identifier: GPL-2.0-only
/*
 * LZ4 blocks, FORMAT.md section 16.4.
 */
#include <linux/lz4.h>
#include "decompressor.h"

/*
 * A match with itself, which no writer makes, leaves what it should write as it
 * is when LZ4_decompress_safe_partial() meets it: what this buffer held for some
 * other file. LZ4_decompress_safe() writes zeroes for it, and so does this (P3).
 */
static int z_erofs_lz4_partial(const struct z_erofs_task *task)
{
	memset(task->out, 0, task->out_len);
	return LZ4_decompress_safe_partial(task->in, task->out, task->in_len,
					   task->out_len, task->out_len);
}

static int z_erofs_lz4_decode(void *state, const struct z_erofs_task *task)
{
	int ret;

	/* without padding in front the end of the stream is not known */
	if (task->partial || !task->padded)
		ret = z_erofs_lz4_partial(task);
	else
		ret = LZ4_decompress_safe(task->in, task->out, task->in_len,
					  task->out_len);
	return ret >= 0 && ret == task->out_len ? 0 : -EUCLEAN;
}

const struct z_erofs_codec z_erofs_lz4_codec = {
	.name	= "lz4",
	.step	= 1,
	.decode	= z_erofs_lz4_decode,
};
