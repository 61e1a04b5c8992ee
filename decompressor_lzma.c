// SPDX-License-Identifier: GPL-2.0-only
/*
 * MicroLZMA, FORMAT.md section 16.5, by the kernel's decoder. The output is
 * contiguous and whole, so it serves as the dictionary: an image cannot ask for
 * memory by claiming a large one.
 */
#include <linux/xz.h>
#include "decompressor.h"

static void *z_erofs_lzma_open(const struct erofs_sb_desc *desc)
{
	return xz_dec_microlzma_alloc(XZ_SINGLE, desc->lzma_dict);
}

static void z_erofs_lzma_close(void *state)
{
	xz_dec_microlzma_end(state);
}

static int z_erofs_lzma_decode(void *state, const struct z_erofs_task *task)
{
	struct xz_buf buf = {
		.in = task->in, .in_size = task->in_len,
		.out = task->out, .out_size = task->out_len,
	};
	enum xz_ret ret;

	xz_dec_microlzma_reset(state, task->in_len, task->out_len,
			       !task->partial);
	ret = xz_dec_microlzma_run(state, &buf);
	if (buf.out_pos != buf.out_size)
		return -EUCLEAN;
	return ret == XZ_STREAM_END || (task->partial && ret == XZ_OK) ?
		       0 : -EUCLEAN;
}

const struct z_erofs_codec z_erofs_lzma_codec = {
	.name	= "lzma",
	.step	= 1,
	.open	= z_erofs_lzma_open,
	.close	= z_erofs_lzma_close,
	.decode	= z_erofs_lzma_decode,
};
