// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zstandard frames, FORMAT.md section 16.7.
 */
#include <linux/vmalloc.h>
#include <linux/zstd.h>
#include "decompressor.h"

/* the decoder lives in its workspace, which is all there is to free */
struct z_erofs_zstd {
	zstd_dstream *stream;
	size_t window;
	size_t size;
	u8 workspace[] __aligned(8);
};

static void *z_erofs_zstd_open(const struct erofs_sb_desc *desc)
{
	const size_t window = (size_t)1 << (desc->zstd_windowlog + 10);
	const size_t size = zstd_dstream_workspace_bound(window);
	struct z_erofs_zstd *z;

	z = kvmalloc(sizeof(*z) + size, GFP_NOFS | __GFP_NOWARN);
	if (!z)
		return NULL;
	z->window = window;
	z->size = size;
	return z;
}

static void z_erofs_zstd_close(void *state)
{
	kvfree(state);
}

static int z_erofs_zstd_decode(void *state, const struct z_erofs_task *task)
{
	struct z_erofs_zstd *z = state;
	zstd_in_buffer in = { .src = task->in, .size = task->in_len };
	zstd_out_buffer out = { .dst = task->out, .size = task->out_len };
	size_t ret, in_pos, out_pos;

	z->stream = zstd_init_dstream(z->window, z->workspace, z->size);
	if (!z->stream)
		return -EUCLEAN;
	do {
		in_pos = in.pos;
		out_pos = out.pos;
		ret = zstd_decompress_stream(z->stream, &out, &in);
		if (zstd_is_error(ret))
			return -EUCLEAN;
		/* a step that moves nothing would be made for ever */
	} while (ret && (out.pos < out.size || !task->partial) &&
		 (in.pos != in_pos || out.pos != out_pos));
	/* all of it is there; a whole frame has to end with it */
	if (out.pos != out.size || (ret && !task->partial))
		return -EUCLEAN;
	return 0;
}

const struct z_erofs_codec z_erofs_zstd_codec = {
	.name	= "zstd",
	.step	= ZSTD_BLOCKSIZE_MAX,
	.open	= z_erofs_zstd_open,
	.close	= z_erofs_zstd_close,
	.decode	= z_erofs_zstd_decode,
};
