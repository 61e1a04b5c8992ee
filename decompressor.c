// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of codecs, and each mount's pool of workspaces.
 *
 * A workspace is made on demand, at most one for each CPU and two, serves one
 * task at a time and goes back under memory pressure. It keeps what it decoded
 * last, because windows of readahead end inside pclusters: whoever decodes the
 * first part of one announces it, the next window waits for it where it may
 * sleep, and finds it in the workspace, so that none is decoded twice.
 *
 * Locks: the pool's spinlock, innermost; the list of pools has a mutex, taken
 * before it.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/vmalloc.h>
#include "decompressor.h"

/* workspaces beside one for each CPU: for what two windows of a reader share */
#define Z_EROFS_WS_KEPT		2U

static const struct z_erofs_codec * const z_erofs_codecs[EROFS_COMPRESSION_MAX] = {
#if IS_ENABLED(CONFIG_LZ4_DECOMPRESS)
	[EROFS_COMPRESSION_LZ4]		= &z_erofs_lz4_codec,
#endif
	[EROFS_COMPRESSION_LZMA]	= &z_erofs_lzma_codec,
#if IS_ENABLED(CONFIG_ZLIB_INFLATE)
	[EROFS_COMPRESSION_DEFLATE]	= &z_erofs_deflate_codec,
#endif
#if IS_ENABLED(CONFIG_ZSTD_DECOMPRESS)
	[EROFS_COMPRESSION_ZSTD]	= &z_erofs_zstd_codec,
#endif
};

/* all pools, for the shrinker */
static LIST_HEAD(z_erofs_pools);
static DEFINE_MUTEX(z_erofs_pools_lock);
static k_shrinker_t z_erofs_shrinker;

/**
 * z_erofs_codec_present - does this build have a codec?
 * @alg: algorithm
 *
 * Return: true if it does.
 */
bool z_erofs_codec_present(unsigned int alg)
{
	return alg < EROFS_COMPRESSION_MAX && z_erofs_codecs[alg];
}

/**
 * z_erofs_codec_reach - how far does a codec come for so many bytes?
 * @alg: algorithm
 * @want: bytes
 *
 * Return: @want or more, maybe more than there are.
 */
u64 z_erofs_codec_reach(unsigned int alg, u64 want)
{
	if (!z_erofs_codec_present(alg))
		return want;
	return round_up(want, z_erofs_codecs[alg]->step);
}

/* ---- workspaces ---- */

static void z_erofs_ws_free(struct z_erofs_ws *ws)
{
	unsigned int i;

	for (i = 0; i < EROFS_COMPRESSION_MAX; i++)
		if (ws->state[i])
			z_erofs_codecs[i]->close(ws->state[i]);
	kvfree(ws->in);
	kvfree(ws->out);
	kfree(ws);
}

/* The head was used last, so the tail's bytes are wanted least. */
static struct z_erofs_ws *z_erofs_ws_oldest(struct z_erofs_pool *pool,
					    bool kept)
{
	struct z_erofs_ws *ws;

	list_for_each_entry_reverse(ws, &pool->idle, node)
		if (!ws->readers && (kept || !ws->keep))
			return ws;
	return NULL;
}

/*
 * None is left but what is kept for somebody. So many stay with whoever wants
 * them, as long as another will be given back: else how many tasks happen to
 * decode at a time would decide what is decoded twice.
 */
static bool z_erofs_pool_gives(const struct z_erofs_pool *pool)
{
	const struct z_erofs_ws *ws;
	unsigned int idle = 0;

	list_for_each_entry(ws, &pool->idle, node)
		idle += !ws->readers;
	return idle > Z_EROFS_WS_KEPT || idle == pool->nr;
}

static struct z_erofs_ws *z_erofs_ws_take(struct z_erofs_pool *pool, bool *more)
{
	struct z_erofs_ws *ws;

	spin_lock(&pool->lock);
	ws = z_erofs_ws_oldest(pool, false);
	if (!ws && pool->nr < pool->max) {
		pool->nr++;
		*more = true;
	} else if (!ws && z_erofs_pool_gives(pool)) {
		ws = z_erofs_ws_oldest(pool, true);
	}
	if (ws) {
		list_del(&ws->node);
		ws->keep = false;
	}
	spin_unlock(&pool->lock);
	return ws;
}

/**
 * z_erofs_ws_get - get a workspace
 * @pool: the mount's
 *
 * Context: sleeps, if every CPU's is in use, until one is given back; whoever
 * has one waits for nothing else of the mount.
 * Return: the workspace; -EINTR after a fatal signal; -ENOMEM.
 */
struct z_erofs_ws *z_erofs_ws_get(struct z_erofs_pool *pool)
{
	struct z_erofs_ws *ws;
	bool more = false;
	int err;

	err = wait_event_killable(pool->wait,
				  (ws = z_erofs_ws_take(pool, &more)) || more);
	if (err)
		return ERR_PTR(-EINTR);
	if (ws)
		return ws;
	ws = kzalloc(sizeof(*ws), GFP_NOFS);
	if (ws)
		return ws;
	spin_lock(&pool->lock);
	pool->nr--;
	spin_unlock(&pool->lock);
	wake_up(&pool->wait);
	return ERR_PTR(-ENOMEM);
}

/*
 * Two extents that claim one stream with different lengths cannot both be right.
 * Who is wrong has to be told so, whatever happens to be there (P17).
 */
static bool z_erofs_key_serves(const struct z_erofs_key *have,
			       const struct z_erofs_key *want)
{
	return have->where == want->where && have->pa == want->pa &&
	       have->plen == want->plen && have->alg == want->alg &&
	       (have->len == want->len || !want->len);
}

/**
 * z_erofs_ws_find - get the workspace that holds a pcluster decoded, if one does
 * @pool: the mount's
 * @key: the pcluster
 * @need: how many decoded bytes are wanted
 *
 * Nobody decodes in it until z_erofs_ws_leave(); others may find it, too.
 *
 * Return: the workspace, or NULL.
 */
struct z_erofs_ws *z_erofs_ws_find(struct z_erofs_pool *pool,
				   const struct z_erofs_key *key, size_t need)
{
	struct z_erofs_ws *ws, *found = NULL;

	spin_lock(&pool->lock);
	list_for_each_entry(ws, &pool->idle, node) {
		if (ws->have >= need && z_erofs_key_serves(&ws->key, key)) {
			list_move(&ws->node, &pool->idle);
			ws->readers++;
			found = ws;
			break;
		}
	}
	spin_unlock(&pool->lock);
	return found;
}

/**
 * z_erofs_ws_leave - undo z_erofs_ws_find()
 * @pool: the mount's
 * @ws: the workspace
 * @ended: the reader has come to the end of the extent, so that nobody is known
 *	to want more of it
 */
void z_erofs_ws_leave(struct z_erofs_pool *pool, struct z_erofs_ws *ws,
		      bool ended)
{
	spin_lock(&pool->lock);
	ws->readers--;
	if (ended)
		ws->keep = false;
	spin_unlock(&pool->lock);
	wake_up(&pool->wait);
}

/**
 * z_erofs_ws_put - give a workspace back
 * @pool: the mount's
 * @ws: the workspace
 */
void z_erofs_ws_put(struct z_erofs_pool *pool, struct z_erofs_ws *ws)
{
	spin_lock(&pool->lock);
	list_add(&ws->node, &pool->idle);
	spin_unlock(&pool->lock);
	wake_up(&pool->wait);
}

/* ---- what is coming ---- */

/**
 * z_erofs_pool_announce - say that a pcluster will be found decoded
 * @pool: the mount's
 * @coming: it, and what of it; in the caller's hands again after the retraction
 *
 * Whoever decodes it waits for nobody who waits for what was announced.
 */
void z_erofs_pool_announce(struct z_erofs_pool *pool,
			   struct z_erofs_coming *coming)
{
	spin_lock(&pool->lock);
	list_add(&coming->node, &pool->coming);
	spin_unlock(&pool->lock);
}

/**
 * z_erofs_pool_retract - say that it is there, or will not be
 * @pool: the mount's
 * @coming: what was announced
 */
void z_erofs_pool_retract(struct z_erofs_pool *pool,
			  struct z_erofs_coming *coming)
{
	spin_lock(&pool->lock);
	list_del(&coming->node);
	spin_unlock(&pool->lock);
	wake_up(&pool->wait);
}

/**
 * z_erofs_pool_expects - was a pcluster announced?
 * @pool: the mount's
 * @key: the pcluster
 * @need: how many decoded bytes are wanted
 *
 * Return: true if it was, and is not there yet.
 */
bool z_erofs_pool_expects(struct z_erofs_pool *pool,
			  const struct z_erofs_key *key, size_t need)
{
	const struct z_erofs_coming *coming;
	bool found = false;

	spin_lock(&pool->lock);
	list_for_each_entry(coming, &pool->coming, node)
		if (coming->have >= need &&
		    z_erofs_key_serves(&coming->key, key)) {
			found = true;
			break;
		}
	spin_unlock(&pool->lock);
	return found;
}

/**
 * z_erofs_pool_wait - wait until nobody announces a pcluster any more
 * @pool: the mount's
 * @key: the pcluster
 * @need: how many decoded bytes are wanted
 *
 * Context: sleeps; not for whoever has announced anything.
 * Return: 0, or -EINTR after a fatal signal.
 */
int z_erofs_pool_wait(struct z_erofs_pool *pool, const struct z_erofs_key *key,
		      size_t need)
{
	return wait_event_killable(pool->wait,
				   !z_erofs_pool_expects(pool, key, need)) ?
		       -EINTR : 0;
}

/* ---- what was decoded in part ---- */

/* never 0, which is no pcluster's */
static u32 z_erofs_key_hash(const struct z_erofs_key *key)
{
	return hash_64(key->pa ^ (unsigned long)key->where, 32) | 1;
}

static unsigned int z_erofs_spent_slot(u32 hash)
{
	return (hash >> 1) % Z_EROFS_SPENDERS;
}

/**
 * z_erofs_pool_spent - what have readers lately had decoded of a pcluster?
 * @pool: the mount's
 * @key: the pcluster
 *
 * A guess, which decides what is decoded in advance and nothing else.
 *
 * Return: bytes of all those decodings, 0 if there were none.
 */
u32 z_erofs_pool_spent(const struct z_erofs_pool *pool,
		       const struct z_erofs_key *key)
{
	const u32 hash = z_erofs_key_hash(key);
	const u64 spent = READ_ONCE(pool->spent[z_erofs_spent_slot(hash)]);

	return spent >> 32 == hash ? (u32)spent : 0;
}

/**
 * z_erofs_pool_spend - remember that a part of a pcluster is decoded
 * @pool: the mount's
 * @key: the pcluster
 * @bytes: how many, not 0
 */
void z_erofs_pool_spend(struct z_erofs_pool *pool,
			const struct z_erofs_key *key, u64 bytes)
{
	const u32 hash = z_erofs_key_hash(key);
	const u64 sum = z_erofs_pool_spent(pool, key) + bytes;

	WRITE_ONCE(pool->spent[z_erofs_spent_slot(hash)],
		   (u64)hash << 32 | min_t(u64, sum, U32_MAX));
}

/* ---- decoding ---- */

static int z_erofs_grow(u8 **buf, size_t *size, size_t want)
{
	u8 *new;

	if (*size >= want)
		return 0;
	new = kvmalloc(want, GFP_NOFS | __GFP_NOWARN);
	if (!new)
		return -ENOMEM;
	kvfree(*buf);
	*buf = new;
	*size = want;
	return 0;
}

/**
 * z_erofs_ws_in - a workspace's buffer for input
 * @ws: the workspace
 * @size: bytes that it must hold; at most EROFS_PCLUSTER_MAX_SIZE
 *
 * Return: the buffer, or NULL when there is no memory.
 */
u8 *z_erofs_ws_in(struct z_erofs_ws *ws, size_t size)
{
	return z_erofs_grow(&ws->in, &ws->in_size, size) ? NULL : ws->in;
}

/**
 * z_erofs_ws_decode - decode into a workspace's output buffer
 * @ws: the workspace
 * @desc: the image, for the configuration of its algorithms
 * @key: the pcluster, of an algorithm that is present
 * @task: input and length of the output; gains the buffer
 *
 * Context: sleeps.
 * Return: 0; -EUCLEAN for a stream that is not what its extent says; -ENOMEM.
 */
int z_erofs_ws_decode(struct z_erofs_ws *ws, const struct erofs_sb_desc *desc,
		      const struct z_erofs_key *key, struct z_erofs_task *task)
{
	const struct z_erofs_codec *codec = z_erofs_codecs[key->alg];
	int err;

	ws->key.where = NULL;
	err = z_erofs_grow(&ws->out, &ws->out_size, task->out_len);
	if (err)
		return err;
	task->out = ws->out;
	if (codec->open && !ws->state[key->alg]) {
		void *state = codec->open(desc);

		if (IS_ERR_OR_NULL(state))
			return state ? PTR_ERR(state) : -ENOMEM;
		ws->state[key->alg] = state;
	}
	err = codec->decode(ws->state[key->alg], task);
	if (err)
		return err;
	ws->key = *key;
	ws->have = task->out_len;
	return 0;
}

/* ---- pools ---- */

static unsigned long z_erofs_pool_drop(struct z_erofs_pool *pool,
				       unsigned long nr)
{
	struct z_erofs_ws *ws, *next;
	unsigned long freed = 0;
	LIST_HEAD(victims);

	spin_lock(&pool->lock);
	while (freed < nr && (ws = z_erofs_ws_oldest(pool, true))) {
		list_move(&ws->node, &victims);
		pool->nr--;
		freed++;
	}
	spin_unlock(&pool->lock);
	list_for_each_entry_safe(ws, next, &victims, node)
		z_erofs_ws_free(ws);
	return freed;
}

/**
 * z_erofs_pool_init - prepare a mount's pool
 * @pool: the pool
 */
void z_erofs_pool_init(struct z_erofs_pool *pool)
{
	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->wait);
	INIT_LIST_HEAD(&pool->idle);
	INIT_LIST_HEAD(&pool->coming);
	pool->max = num_online_cpus() + Z_EROFS_WS_KEPT;
	mutex_lock(&z_erofs_pools_lock);
	list_add(&pool->node, &z_erofs_pools);
	mutex_unlock(&z_erofs_pools_lock);
}

/**
 * z_erofs_pool_shrink - free the workspaces that nobody uses just now
 * @pool: the pool
 */
void z_erofs_pool_shrink(struct z_erofs_pool *pool)
{
	z_erofs_pool_drop(pool, ULONG_MAX);
}

/**
 * z_erofs_pool_destroy - free a mount's workspaces
 * @pool: the pool; nobody decodes any more
 */
void z_erofs_pool_destroy(struct z_erofs_pool *pool)
{
	mutex_lock(&z_erofs_pools_lock);
	list_del(&pool->node);
	mutex_unlock(&z_erofs_pools_lock);
	z_erofs_pool_drop(pool, ULONG_MAX);
}

/* ---- memory pressure ---- */

static unsigned long z_erofs_shrink_count(struct shrinker *shrinker,
					  struct shrink_control *sc)
{
	struct z_erofs_pool *pool;
	unsigned long nr = 0;

	if (!mutex_trylock(&z_erofs_pools_lock))
		return 0;
	list_for_each_entry(pool, &z_erofs_pools, node)
		nr += READ_ONCE(pool->nr);
	mutex_unlock(&z_erofs_pools_lock);
	return nr;
}

static unsigned long z_erofs_shrink_scan(struct shrinker *shrinker,
					 struct shrink_control *sc)
{
	struct z_erofs_pool *pool;
	unsigned long freed = 0;

	if (!mutex_trylock(&z_erofs_pools_lock))
		return SHRINK_STOP;
	list_for_each_entry(pool, &z_erofs_pools, node) {
		if (freed >= sc->nr_to_scan)
			break;
		freed += z_erofs_pool_drop(pool, sc->nr_to_scan - freed);
	}
	mutex_unlock(&z_erofs_pools_lock);
	return freed ?: SHRINK_STOP;
}

/**
 * z_erofs_shrinker_init - let memory pressure reach the pools
 *
 * Return: 0 or -ENOMEM.
 */
int z_erofs_shrinker_init(void)
{
	return k_shrinker_init(&z_erofs_shrinker, z_erofs_shrink_count,
			       z_erofs_shrink_scan, "erofs");
}

/**
 * z_erofs_shrinker_exit - undo z_erofs_shrinker_init()
 */
void z_erofs_shrinker_exit(void)
{
	k_shrinker_exit(&z_erofs_shrinker);
}
