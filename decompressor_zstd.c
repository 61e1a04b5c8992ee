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

/* Length of a frame's header; RFC 8878 section 3.1.1.1 */
static size_t z_erofs_zstd_header(const u8 *in, size_t len)
{
	static const u8 dictionary_id[] = { 0, 1, 2, 4 };
	size_t n = 5;

	if (len < n)
		return len;
	/* a single segment has no window, but always its content's size */
	if (in[4] & BIT(5))
		n += in[4] >> 6 ? 0 : 1;
	else
		n += 1;
	n += dictionary_id[in[4] & 3];
	if (in[4] >> 6)
		n += 1 << (in[4] >> 6);
	return min(n, len);
}

/* End of the block that begins at @pos; RFC 8878 section 3.1.1.2 */
static size_t z_erofs_zstd_block(const u8 *in, size_t len, size_t pos)
{
	u32 head;

	if (len - pos < 3)
		return len;
	head = in[pos] | in[pos + 1] << 8 | in[pos + 2] << 16;
	/* a run of one byte holds that, but says how long the run is */
	return min_t(size_t, len, pos + 3 + ((head >> 1 & 3) == 1 ? 1 : head >> 3));
}

/*
 * The library decodes what input it has, even when there is no more room for
 * output. A part of a frame is decoded block by block, so as not to pay for those
 * behind it; and because they may be damaged, or cut off.
 */
static int z_erofs_zstd_decode(void *state, const struct z_erofs_task *task)
{
	struct z_erofs_zstd *z = state;
	zstd_in_buffer in = { .src = task->in, .size = task->in_len };
	zstd_out_buffer out = { .dst = task->out, .size = task->out_len };
	size_t ret, in_pos, out_pos;
	bool more;

	z->stream = zstd_init_dstream(z->window, z->workspace, z->size);
	if (!z->stream)
		return -EUCLEAN;
	if (task->partial)
		in.size = z_erofs_zstd_header(task->in, task->in_len);
	do {
		in_pos = in.pos;
		out_pos = out.pos;
		ret = zstd_decompress_stream(z->stream, &out, &in);
		if (zstd_is_error(ret))
			return -EUCLEAN;
		/* a step that moves nothing would be made for ever */
		more = in.pos != in_pos || out.pos != out_pos;
		if (in.pos == in.size && in.size < task->in_len) {
			in.size = z_erofs_zstd_block(task->in, task->in_len,
						     in.pos);
			more = true;
		}
	} while (ret && more && (out.pos < out.size || !task->partial));
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
