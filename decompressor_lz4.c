// SPDX-License-Identifier: GPL-2.0-only
/*
 * LZ4 blocks, FORMAT.md section 16.4.
 */
#include <linux/lz4.h>
#include "decompressor.h"

static int z_erofs_lz4_decode(void *state, const struct z_erofs_task *task)
{
	int ret;

	/* without padding in front the end of the stream is not known */
	if (task->partial || !task->padded)
		ret = LZ4_decompress_safe_partial(task->in, task->out,
						  task->in_len, task->out_len,
						  task->out_len);
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
