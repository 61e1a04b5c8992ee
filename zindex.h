/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The indexes of encoded files: from a byte of a file to the encoded extent
 * that holds it.
 *
 * Pure code like disk.h: it knows no mount and gets metadata through a callback,
 * so the same code is built in user space, compared there with a linear decoder,
 * and fuzzed.
 */
#ifndef EROFS_ZINDEX_H
#define EROFS_ZINDEX_H

#include "disk.h"

/**
 * struct z_erofs_cursor - how far a run of records has been added up
 * @rec: record of which @pa is known
 * @pa: its byte address, relative to the run's start
 *
 * All zero at first. It belongs to the reader, not to the inode, and makes
 * lookups in ascending order linear.
 */
struct z_erofs_cursor {
	u64 rec;
	u64 pa;
};

/* at how many records a source is told of a cursor */
#define Z_EROFS_RUN_STEP	1024

/**
 * struct z_erofs_source - where an index is read from
 * @copy: copies @len bytes at @pos of the metadata space to @dst; 0 or an errno
 * @stop: asked now and then in long loops; true ends them with -EINTR
 * @keep: is told of every Z_EROFS_RUN_STEPth record that a cursor comes to;
 *        may be NULL
 * @recall: advances a cursor, to record @rec at most, to one it was told of;
 *          may be NULL
 */
struct z_erofs_source {
	int (*copy)(struct z_erofs_source *src, u64 pos, void *dst, size_t len);
	bool (*stop)(struct z_erofs_source *src);
	void (*keep)(struct z_erofs_source *src,
		     const struct z_erofs_cursor *cursor);
	void (*recall)(struct z_erofs_source *src, u64 rec,
		       struct z_erofs_cursor *cursor);
};

enum z_erofs_index_kind {
	Z_EROFS_WHOLE_FRAGMENT,		/* all of the file is in the packed inode */
	Z_EROFS_FULL,
	Z_EROFS_COMPACT,
	Z_EROFS_EXTENTS,
};

/**
 * struct z_erofs_params - what an index has to be told about its file and image
 * @compact: the inode's layout is COMPRESSED_COMPACT
 * @isize: bytes of the file, not 0
 * @tail_pos: first byte behind inode and xattrs in the metadata space
 * @blkszbits: log2 of the block size
 * @algorithms: bitmap of the algorithms that the image may use
 * @big_pcluster: the image may have pclusters of several blocks
 * @legacy: streams stand at the start of their blocks (LZ4_0PADDING is clear)
 */
struct z_erofs_params {
	bool compact;
	u64 isize;
	u64 tail_pos;
	u32 blkszbits;
	u32 algorithms;
	bool big_pcluster;
	bool legacy;
};

/**
 * struct z_erofs_index - a decoded map header; what else a lookup needs to know
 * @p: as it was given
 * @kind: which of the forms
 * @advise: flags of the header
 * @alg: algorithms of HEAD1 and HEAD2
 * @lclusterbits: log2 of the lcluster size; extents of S = 4 and 8: of theirs
 * @idata_size: bytes of the inline pcluster, 0 if there is none
 * @fragment: packed-inode offset of the tail, or of the whole file
 * @recsz: extents: bytes of a record
 * @records: byte of the first record in the metadata space
 * @nr: number of records
 * @run_start: extents of S = 4: byte address of the first pcluster
 * @has_tail: the last extent is inline or a fragment, so @tail_la counts
 * @tail_la: first byte of the last extent
 */
struct z_erofs_index {
	struct z_erofs_params p;
	enum z_erofs_index_kind kind;
	u16 advise;
	u8 alg[2];
	u8 lclusterbits;
	u16 idata_size;
	u64 fragment;
	u32 recsz;
	u64 records;
	u64 nr;
	u64 run_start;
	bool has_tail;
	u64 tail_la;
};

enum z_erofs_coding {
	Z_EROFS_HOLE,
	Z_EROFS_SHIFTED,		/* not encoded */
	Z_EROFS_INTERLACED,		/* not encoded, rotated inside a block */
	Z_EROFS_ENCODED,
	Z_EROFS_FRAGMENT,
};

/**
 * struct z_erofs_extent - one extent, as an index describes it
 * @coding: how its bytes are to be had
 * @alg: encoded: the algorithm
 * @in_meta: the pcluster lies in the metadata space, not on a device
 * @partial: the pcluster decodes to more than @len
 * @la: first byte in the file
 * @len: bytes of it
 * @pa: byte address of the pcluster, or offset in the packed inode
 * @plen: bytes of the pcluster
 */
struct z_erofs_extent {
	enum z_erofs_coding coding;
	u8 alg;
	bool in_meta;
	bool partial;
	u64 la;
	u64 len;
	u64 pa;
	u64 plen;
};

int z_erofs_index_init(struct z_erofs_index *idx, struct z_erofs_source *src,
		       const struct z_erofs_params *params,
		       struct erofs_fault *fault);
int z_erofs_index_find(const struct z_erofs_index *idx,
		       struct z_erofs_source *src, u64 pos,
		       struct z_erofs_cursor *cursor,
		       struct z_erofs_extent *ext, struct erofs_fault *fault);
void z_erofs_index_join(const struct z_erofs_index *idx,
			struct z_erofs_source *src, struct z_erofs_extent *ext);

#endif
