/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fill engine and the encoded path offer each other.
 */
#ifndef EROFS_ZDATA_H
#define EROFS_ZDATA_H

#include "internal.h"
#include "zindex.h"

/**
 * struct z_erofs_view - one reader's view of an encoded file's index
 * @ready: @idx has been decoded
 * @idx: the index
 * @cursor: keeps ascending lookups linear
 *
 * All zero at first. It is the reader's own: lookups never write the inode.
 */
struct z_erofs_view {
	bool ready;
	struct z_erofs_index idx;
	struct z_erofs_cursor cursor;
};

/**
 * struct z_erofs_job - the pclusters of one read call
 * @pcls: those planned and not yet submitted, in the order of the file
 * @io: gathers the reads of their stored bytes
 * @streams: the reader is expected to go on behind this call's folios
 * @alone: a reader that waits decodes all of it, whatever there is, for the errno
 * @held: bytes of memory that @pcls will need
 * @stored: the same of those that were submitted to make room
 * @filled: bytes of folios that all of them fill
 * @nr: how many pclusters that are
 */
struct z_erofs_job {
	struct list_head pcls;
	struct erofs_io io;
	bool streams;
	bool alone;
	u64 held;
	u64 stored;
	u64 filled;
	u64 nr;
};

/* zmap.c */
void z_erofs_run_free(struct erofs_inode *ei);
int z_erofs_map_view(struct inode *inode, struct z_erofs_view *view, u64 pos,
		     struct erofs_extent *ext);

/* zdata.c */
int z_erofs_init(void);
void z_erofs_exit(void);
void z_erofs_job_init(struct z_erofs_job *job, const struct erofs_io *io,
		      bool streams);
bool z_erofs_job_takes_all(const struct z_erofs_job *job,
			   const struct erofs_extent *ext, u64 want);
int z_erofs_job_add(struct z_erofs_job *job, const struct erofs_extent *ext,
		    struct folio *folio, size_t off, size_t len, u64 skip);
int z_erofs_job_submit(struct z_erofs_job *job, bool foreground);

/* zcache.c */
int z_erofs_cache_init(struct super_block *sb);
void z_erofs_cache_exit(struct erofs_sb_info *sbi);
void z_erofs_cache_drop(struct erofs_sb_info *sbi);
bool z_erofs_cache_wants(const struct erofs_extent *ext,
			 enum erofs_cache_strategy cache, bool first,
			 bool last);
void z_erofs_cache_start(const struct erofs_extent *ext);
int z_erofs_cache_take(const struct erofs_extent *ext, struct folio ***pages,
		       u32 *nr, gfp_t gfp);

/* data.c */
void erofs_folio_get_part(struct folio *folio);
void erofs_folio_put_part(struct folio *folio, int err);

#endif
