// SPDX-License-Identifier: GPL-2.0-only
/*
 * MicroLZMA, FORMAT.md section 16.5, by the project's own decoder: for kernels
 * that are built without theirs, as Debian's 6.1 is.
 */
#include <linux/vmalloc.h>
#include "decompressor.h"
#include "microlzma.h"

static void *z_erofs_lzma_open(const struct erofs_sb_desc *desc)
{
	return kvmalloc(microlzma_state_size(), GFP_NOFS);
}

static void z_erofs_lzma_close(void *state)
{
	kvfree(state);
}

static int z_erofs_lzma_decode(void *state, const struct z_erofs_task *task)
{
	return microlzma_decode(state, task->in, task->in_len, task->out,
				task->out_len, !task->partial) ? -EUCLEAN : 0;
}

const struct z_erofs_codec z_erofs_lzma_codec = {
	.name	= "lzma",
	.step	= 1,
	.open	= z_erofs_lzma_open,
	.close	= z_erofs_lzma_close,
	.decode	= z_erofs_lzma_decode,
};
