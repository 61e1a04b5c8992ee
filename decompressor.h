/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Codecs: what they are given, and the pool of workspaces that they run in.
 */
#ifndef EROFS_DECOMPRESSOR_H
#define EROFS_DECOMPRESSOR_H

#include "internal.h"

/**
 * struct z_erofs_task - one decoding
 * @in: the stream, without padding in front
 * @in_len: bytes of @in
 * @out: where the decoded bytes go
 * @out_len: how many are wanted, all of them
 * @partial: the stream holds more than that, so stop early
 * @padded: @in ends with the stream, not with zeroes behind it
 */
struct z_erofs_task {
	const u8 *in;
	size_t in_len;
	u8 *out;
	size_t out_len;
	bool partial;
	bool padded;
};

/**
 * struct z_erofs_codec - one algorithm
 * @name: for people
 * @step: it writes in pieces of so many bytes, and gains nothing by stopping
 *	inside of one
 * @open: makes the state that decode() needs, by the image's configuration;
 *	NULL when there is no memory, or an ERR_PTR
 * @close: frees it
 * @decode: 0 when exactly out_len bytes were written, else -EUCLEAN
 *
 * A codec knows neither pages nor folios, and runs where it may sleep.
 */
struct z_erofs_codec {
	const char *name;
	u32 step;
	void *(*open)(const struct erofs_sb_desc *desc);
	void (*close)(void *state);
	int (*decode)(void *state, const struct z_erofs_task *task);
};

extern const struct z_erofs_codec z_erofs_lz4_codec;
extern const struct z_erofs_codec z_erofs_lzma_codec;
extern const struct z_erofs_codec z_erofs_deflate_codec;
extern const struct z_erofs_codec z_erofs_zstd_codec;

/**
 * struct z_erofs_key - which pcluster a workspace still holds decoded
 * @where: its device or metadata space, NULL for none
 * @pa: its address there
 * @plen: its length
 * @alg: its algorithm
 * @len: how long its stream is, by who asks; 0 for one that wants a part of it
 */
struct z_erofs_key {
	const void *where;
	u64 pa;
	u64 len;
	u32 plen;
	u8 alg;
};

/**
 * struct z_erofs_coming - a pcluster that will be found decoded
 * @node: in the pool's list
 * @key: the pcluster
 * @have: how much of it will be decoded
 */
struct z_erofs_coming {
	struct list_head node;
	struct z_erofs_key key;
	size_t have;
};

/**
 * struct z_erofs_ws - a workspace; one task decodes in it, or any number copy
 * @node: in the pool's list while nobody decodes in it
 * @readers: who copy from @out just now; under the pool's lock
 * @state: of each codec, made on first use
 * @in: contiguous copy of scattered input
 * @in_size: bytes of @in
 * @out: decoded bytes
 * @out_size: bytes of @out
 * @key: what @out holds
 * @have: how much of it
 * @keep: somebody is going to ask for it; others take it last
 */
struct z_erofs_ws {
	struct list_head node;
	unsigned int readers;
	void *state[EROFS_COMPRESSION_MAX];
	u8 *in;
	size_t in_size;
	u8 *out;
	size_t out_size;
	struct z_erofs_key key;
	size_t have;
	bool keep;
};

bool z_erofs_codec_present(unsigned int alg);
u64 z_erofs_codec_reach(unsigned int alg, u64 want);
void z_erofs_pool_init(struct z_erofs_pool *pool);
void z_erofs_pool_shrink(struct z_erofs_pool *pool);
void z_erofs_pool_destroy(struct z_erofs_pool *pool);
struct z_erofs_ws *z_erofs_ws_get(struct z_erofs_pool *pool);
struct z_erofs_ws *z_erofs_ws_find(struct z_erofs_pool *pool,
				   const struct z_erofs_key *key, size_t need);
void z_erofs_ws_put(struct z_erofs_pool *pool, struct z_erofs_ws *ws);
void z_erofs_ws_leave(struct z_erofs_pool *pool, struct z_erofs_ws *ws,
		      bool ended);
void z_erofs_pool_announce(struct z_erofs_pool *pool,
			   struct z_erofs_coming *coming);
void z_erofs_pool_retract(struct z_erofs_pool *pool,
			  struct z_erofs_coming *coming);
bool z_erofs_pool_expects(struct z_erofs_pool *pool,
			  const struct z_erofs_key *key, size_t need);
int z_erofs_pool_wait(struct z_erofs_pool *pool, const struct z_erofs_key *key,
		      size_t need);
u32 z_erofs_pool_spent(const struct z_erofs_pool *pool,
		       const struct z_erofs_key *key);
void z_erofs_pool_spend(struct z_erofs_pool *pool,
			const struct z_erofs_key *key, u64 bytes);
u8 *z_erofs_ws_in(struct z_erofs_ws *ws, size_t size);
int z_erofs_ws_decode(struct z_erofs_ws *ws, const struct erofs_sb_desc *desc,
		      const struct z_erofs_key *key,
		      struct z_erofs_task *task);
int z_erofs_shrinker_init(void);
void z_erofs_shrinker_exit(void);

#endif
