// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw DEFLATE, FORMAT.md section 16.6.
 */
#include <linux/vmalloc.h>
#include <linux/zlib.h>
#include "decompressor.h"

/* the stream and its workspace in one allocation */
struct z_erofs_deflate {
	struct z_stream_s strm;
	u8 workspace[];
};

static void *z_erofs_deflate_open(const struct erofs_sb_desc *desc)
{
	struct z_erofs_deflate *z;

	z = kvzalloc(sizeof(*z) + zlib_inflate_workspacesize(), GFP_NOFS);
	if (z)
		z->strm.workspace = z->workspace;
	return z;
}

static void z_erofs_deflate_close(void *state)
{
	kvfree(state);
}

static int z_erofs_deflate_decode(void *state, const struct z_erofs_task *task)
{
	struct z_erofs_deflate *z = state;
	int ret;

	/* the largest window: a stream is decoded whatever it was made with */
	if (zlib_inflateInit2(&z->strm, -MAX_WBITS) != Z_OK)
		return -EUCLEAN;
	z->strm.next_in = task->in;
	z->strm.avail_in = task->in_len;
	z->strm.next_out = task->out;
	z->strm.avail_out = task->out_len;
	ret = zlib_inflate(&z->strm, Z_SYNC_FLUSH);
	zlib_inflateEnd(&z->strm);
	if (z->strm.avail_out)
		return -EUCLEAN;
	/* all of it is there; a whole stream has to know that too */
	return ret == Z_STREAM_END || (task->partial && ret == Z_OK) ?
		       0 : -EUCLEAN;
}

const struct z_erofs_codec z_erofs_deflate_codec = {
	.name	= "deflate",
	.step	= 1,
	.open	= z_erofs_deflate_open,
	.close	= z_erofs_deflate_close,
	.decode	= z_erofs_deflate_decode,
};
