// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test: lookups in the indexes of encoded files (zindex.c) against the naive
 * decoder, on the vectors of FORMAT.md, on random files in every form, on
 * damaged ones, and on those of real images.
 *
 *   index_model [IMAGES]
 *
 * IMAGES is a folder of *.erofs. $SEED repeats a run, $SCALE (default 100) is how
 * much of it, in percent.
 */
#include "image.h"
#include "index_check.h"
#include "index_gen.h"

static struct ktap ktap;
static u32 scale = 100;

static u32 scaled(u32 n)
{
	const u32 v = n * scale / 100;

	return v ? v : 1;
}

/* ---- vectors of FORMAT.md section 27 ---- */

struct vector {
	const char *name;
	struct z_erofs_params p;
	size_t len;
	struct {
		u32 pos;
		const char *hex;
	} bytes[8];
	struct {
		u64 pos;
		struct z_erofs_extent e;
	} want[12];
};

/*
 * Only some packs of the compact vectors are given. The others are zero, which
 * are plain heads at the start of their lclusters; only what the given ones say
 * is looked up. Inodes end at 0, so that records start at 8.
 */
#define LCN(n, ofs)	((n) * 4096ULL + (ofs))
#define HEAD(n, ofs, end, blk, blks)					\
	{ LCN(n, ofs), { .coding = Z_EROFS_ENCODED, .la = LCN(n, ofs),	\
			 .len = (end) - LCN(n, ofs), .pa = LCN(blk, 0),	\
			 .plen = LCN(blks, 0) } }

static const struct vector vectors[] = {
	{
		.name = "compact, one-block pclusters",
		.p = { .compact = true, .isize = 1794650, .blkszbits = 12,
		       .algorithms = 1 },
		.len = 8 + 24 + 432 * 2 + 8,
		.bytes = {
			{ 0, "0000000001000000" },
			{ 8, "0010012000000000" },
			/* lcn 38 to 53 */
			{ 8 + 24 + 64, "97570028d90580a65c0008e205806e5a"
				       "00786605808291951700fa7712000000" },
			/* lcn 54, made up: NONHEAD, 1 back */
			{ 8 + 24 + 96, "0120" },
			/* lcn 437, made up: HEAD1 at 100; 15 more before it */
			{ 8 + 24 + 864 - 6, "9141" },
			{ 8 + 24 + 864, "5a020000e0000000" },
		},
		.want = {
			HEAD(0, 0, LCN(2, 0), 1, 1),
			HEAD(38, 1943, LCN(40, 3474), 19, 1),
			HEAD(40, 3474, LCN(42, 3238), 20, 1),
			HEAD(42, 3238, LCN(44, 3616), 21, 1),
			HEAD(44, 3616, LCN(46, 2670), 22, 1),
			HEAD(46, 2670, LCN(48, 1639), 23, 1),
			HEAD(48, 1639, LCN(50, 386), 24, 1),
			HEAD(50, 386, LCN(51, 3670), 25, 1),
			HEAD(51, 3670, LCN(53, 3582), 26, 1),
			HEAD(53, 3582, LCN(55, 0), 27, 1),
			HEAD(437, 100, 1794650, 16, 1),
		},
	},
	{
		.name = "compact, big pclusters",
		.p = { .compact = true, .isize = 1794650, .blkszbits = 12,
		       .algorithms = 1, .big_pcluster = true },
		.len = 8 + 24 + 432 * 2 + 8,
		.bytes = {
			{ 0, "0000000007000000" },
			{ 8 + 24 + 64, "09202344800a8003200158001a800720"
				       "02888a11a002e0004800128011000000" },
		},
		.want = {
			HEAD(39, 140, LCN(48, 2216), 17, 4),
			HEAD(48, 2216, LCN(54, 0), 21, 4),
		},
	},
	{
		.name = "extents, S = 4",
		.p = { .isize = 3 << 16, .blkszbits = 12, .algorithms = 8,
		       .tail_pos = 0x5a0 },
		.len = 8 + 8 + 12,
		.bytes = {
			{ 0, "0000000001000004" "0010000000000000"
			     "195d0040" "464f0040" "08560040" },
		},
		.want = {
			{ 0, { Z_EROFS_ENCODED, EROFS_COMPRESSION_ZSTD, false,
			       false, 0, 65536, 4096, 23833 } },
			{ 65536, { Z_EROFS_ENCODED, EROFS_COMPRESSION_ZSTD,
				   false, false, 65536, 65536, 27929, 20294 } },
			{ 131072, { Z_EROFS_ENCODED, EROFS_COMPRESSION_ZSTD,
				    false, false, 131072, 65536, 48223, 22024 } },
		},
	},
	{
		.name = "extents, S = 16",
		.p = { .isize = 0x39961 + 100000, .blkszbits = 12,
		       .algorithms = 1, .tail_pos = 0x5a0 },
		.len = 16 + 2 * 16,
		.bytes = {
			/* two extents, not nine */
			{ 0, "0200000005000000" "0000000000000000"
			     "00000110" "00100000" "00000000" "00000000"
			     "00000110" "00100100" "00000000" "61990300" },
		},
		.want = {
			{ 0, { Z_EROFS_ENCODED, 0, false, false, 0, 0x39961,
			       0x1000, 65536 } },
			{ 0x39961, { Z_EROFS_ENCODED, 0, false, false, 0x39961,
				     100000, 0x11000, 65536 } },
		},
	},
	{
		.name = "whole-file fragment",
		.p = { .isize = 77, .blkszbits = 12, .algorithms = 1 },
		.len = 8,
		.bytes = { { 0, "15b3010000000080" } },
		.want = {
			{ 0, { .coding = Z_EROFS_FRAGMENT, .len = 77,
			       .pa = 111381 } },
		},
	},
};

static void put_hex(u8 *p, const char *hex)
{
	unsigned int v;

	for (; *hex; hex += 2) {
		if (sscanf(hex, "%2x", &v) != 1)
			abort();
		*p++ = v;
	}
}

struct vector_src {
	struct z_erofs_source src;
	const u8 *bytes;
	u64 base;
	size_t len;
};

static int vector_copy(struct z_erofs_source *src, u64 pos, void *dst, size_t len)
{
	const struct vector_src *s = (struct vector_src *)src;

	if (pos < s->base || pos - s->base + len > s->len)
		return -EIO;
	memcpy(dst, s->bytes + (pos - s->base), len);
	return 0;
}

static bool vector_stop(struct z_erofs_source *src)
{
	(void)src;
	return false;
}

static bool vector_lookup(const struct z_erofs_index *idx, struct vector_src *s,
			  u64 pos, const struct z_erofs_extent *want)
{
	struct z_erofs_cursor cursor = {};
	struct erofs_fault fault = {};
	struct z_erofs_extent e;
	const int err = z_erofs_index_find(idx, &s->src, pos, &cursor, &e,
					   &fault);

	if (!err && e.coding == want->coding && e.alg == want->alg &&
	    e.in_meta == want->in_meta && e.partial == want->partial &&
	    e.la == want->la && e.len == want->len && e.pa == want->pa &&
	    e.plen == want->plen)
		return true;
	printf("# byte %llu: error %d (%s), la %llu len %llu pa %llu plen %llu; "
	       "wanted la %llu len %llu pa %llu plen %llu\n",
	       pos, err, fault.what ? fault.what : "", e.la, e.len, e.pa, e.plen,
	       want->la, want->len, want->pa, want->plen);
	return false;
}

static bool run_vector(const struct vector *v)
{
	struct vector_src s = {
		.src = { .copy = vector_copy, .stop = vector_stop },
		.base = v->p.tail_pos, .len = v->len,
	};
	struct erofs_fault fault = {};
	struct z_erofs_index idx;
	u8 *bytes = must_alloc(v->len);
	bool ok = true;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(v->bytes) && v->bytes[i].hex; i++)
		put_hex(bytes + v->bytes[i].pos, v->bytes[i].hex);
	s.bytes = bytes;
	if (z_erofs_index_init(&idx, &s.src, &v->p, &fault)) {
		printf("# init: %s\n", fault.what);
		free(bytes);
		return false;
	}
	for (i = 0; i < ARRAY_SIZE(v->want) && v->want[i].e.len; i++) {
		const struct z_erofs_extent *e = &v->want[i].e;

		ok &= vector_lookup(&idx, &s, v->want[i].pos, e);
		ok &= vector_lookup(&idx, &s, e->la + e->len - 1, e);
	}
	free(bytes);
	return ok;
}

/* ---- what has to be refused, and how ---- */

/* Full records of lclusters of 4096 bytes, or extents; byte @pos of them. */
static const struct refusal {
	const char *name;
	u32 isize;
	u32 pos;
	int err;
	const char *hex;
} refusals[] = {
	{ "cluster offset of a whole lcluster", 8192, 5000, -EUCLEAN,
	  "0000000000000000" "0000000000000000"
	  "0100000001000000" "0100001002000000" },
	{ "lookback of nothing", 8192, 5000, -EUCLEAN,
	  "0000000000000000" "0000000000000000"
	  "0100000001000000" "0200000000000000" },
	{ "lookback before the file", 8192, 5000, -EUCLEAN,
	  "0000000000000000" "0000000000000000"
	  "0100000001000000" "0200000002000000" },
	{ "block count without big pclusters", 8192, 5000, -EUCLEAN,
	  "0000000000000000" "0000000000000000"
	  "0100000001000000" "0200000001080000" },
	{ "big pcluster without a block count", 8192, 0, -EUCLEAN,
	  "0000000002000000" "0000000000000000"
	  "0100000001000000" "0200000001000000" },
	{ "byte before the first head", 8192, 0, -EUCLEAN,
	  "0000000000000000" "0000000000000000"
	  "0100010001000000" "0100000002000000" },
	{ "extent that starts before the one before", 12288, 9000, -EUCLEAN,
	  "0300000005000000" "0000000000000000"
	  "00100010001000000000000000000000"
	  "00100010002000000000000000200000"
	  "00100010003000000000000000100000" },
	{ "extent that starts behind the next one", 12288, 5000, -EUCLEAN,
	  "0300000005000000" "0000000000000000"
	  "00100010001000000000000000280000"
	  "00100010002000000000000000200000"
	  "00100010003000000000000000290000" },
};

static bool run_refusal(const struct refusal *t)
{
	const struct z_erofs_params p = {
		.isize = t->isize, .blkszbits = 12, .algorithms = 1,
		.big_pcluster = true,
	};
	struct vector_src s = {
		.src = { .copy = vector_copy, .stop = vector_stop },
		.len = strlen(t->hex) / 2,
	};
	struct z_erofs_cursor cursor = {};
	struct erofs_fault fault = {};
	struct z_erofs_index idx;
	struct z_erofs_extent e;
	u8 *bytes = must_alloc(s.len);
	int err;

	put_hex(bytes, t->hex);
	s.bytes = bytes;
	err = z_erofs_index_init(&idx, &s.src, &p, &fault);
	if (!err)
		err = z_erofs_index_find(&idx, &s.src, t->pos, &cursor, &e,
					 &fault);
	free(bytes);
	if (err != t->err)
		printf("# error %d, wanted %d\n", err, t->err);
	return err == t->err && fault.what;
}

/* ---- random files ---- */

static const struct {
	enum gen_form form;
	u32 valid;	/* files */
	u32 damaged;
} plan[] = {
	{ GEN_FULL, 400, 2500 },
	{ GEN_COMPACT4, 400, 2500 },
	{ GEN_COMPACT2, 800, 5000 },
	{ GEN_EXTENTS4, 400, 2500 },
	{ GEN_EXTENTS8, 400, 2000 },
	{ GEN_EXTENTS16, 400, 2500 },
	{ GEN_EXTENTS32, 400, 2500 },
	{ GEN_WHOLE_FRAGMENT, 400, 1000 },
};

static void describe(const struct gen_file *f, u64 state)
{
	printf("# %s: isize %llu blkszbits %u tail_pos %llu algorithms %#x big %d "
	       "header",
	       gen_form_name[f->form], f->p.isize, f->p.blkszbits, f->p.tail_pos,
	       f->p.algorithms, f->p.big_pcluster);
	for (size_t i = 0; i < 8 && i < f->mem.len; i++)
		printf(" %02x", f->mem.bytes[i]);
	printf("; generator state %#llx\n", state);
}

static bool run_valid(enum gen_form form, u32 files, struct rng *r,
		      struct gen_stats *gstats, struct index_stats *stats)
{
	struct gen_file f;
	const char *wrong = NULL;
	u32 i;

	for (i = 0; i < files && !wrong; i++) {
		const u64 state = r->state;

		gen_make(&f, form, r, gstats);
		wrong = index_check(&(struct index_case) {
			.mem = f.mem, .p = f.p, .truth = &f.truth, .r = r,
		}, stats);
		if (wrong) {
			printf("# file %u: %s\n", i, wrong);
			describe(&f, state);
		}
		gen_free(&f);
	}
	return !wrong;
}

/* ---- damage ---- */

static u32 odd_value(struct rng *r)
{
	static const u32 odd[] = {
		0, 1, 2, 15, 16, 0x7ff, 0x800, 0x801, 0xfff, 0x1000, 0x1800,
		0x2000, 0x2001, 0x2800, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xffff,
		0x10000, 0x1fffff, 0x200000, 0x7fffffff, 0x80000000, 0xffffffff,
	};

	if (rng_percent(r, 30))
		return rng_u64(r);
	return odd[rng_below(r, ARRAY_SIZE(odd))];
}

static void damage_bytes(struct gen_file *f, struct rng *r)
{
	const size_t len = f->mem.len;
	const u32 size = 1 << rng_below(r, 3);
	const size_t at = rng_below(r, len);
	size_t from;

	switch (rng_below(r, 5)) {
	case 0:
		f->mem.bytes[at] ^= 1 << rng_below(r, 8);
		break;
	case 1:
		f->mem.bytes[at] = rng_u64(r);
		break;
	case 2:
		/* one record in the place of another */
		from = rng_below(r, len) / f->recsz * f->recsz;
		if (from + f->recsz <= len &&
		    at / f->recsz * f->recsz + f->recsz <= len)
			memmove(f->mem.bytes + at / f->recsz * f->recsz,
				f->mem.bytes + from, f->recsz);
		break;
	default:
		if (at / size * size + size <= len)
			put_le(f->mem.bytes + at / size * size, odd_value(r),
			       size);
	}
}

static void damage_header(struct gen_file *f, struct rng *r)
{
	const u32 at = rng_below(r, 8);

	if (f->mem.len < 8)
		return;
	if (rng_percent(r, 50))
		f->mem.bytes[4] ^= 1 << rng_below(r, 6);	/* advise */
	else
		f->mem.bytes[at] = odd_value(r);
}

static void damage_params(struct gen_file *f, struct rng *r)
{
	const u64 block = 1ULL << f->p.blkszbits;
	u64 isize = f->p.isize;

	switch (rng_below(r, 8)) {
	case 0:
		isize -= 1;
		break;
	case 1:
		isize += 1;
		break;
	case 2:
		isize += block;
		break;
	case 3:
		isize = rng_range(r, 1, isize);
		break;
	case 4:
		isize = 1 + (rng_u64(r) >> rng_range(r, 1, 63));
		break;
	case 5:
		f->p.algorithms = rng_below(r, 16);
		break;
	case 6:
		f->p.big_pcluster ^= 1;
		f->p.legacy = rng_percent(r, 50);
		break;
	default:
		/* into a copy that ends there, so that the sanitizer knows */
		if (f->mem.len) {
			const size_t len = rng_below(r, f->mem.len);
			u8 *cut = must_copy(f->mem.bytes, len);

			free(f->mem.bytes);
			f->mem.bytes = cut;
			f->mem.len = len;
		}
	}
	if (isize && !(isize >> 63))
		f->p.isize = isize;
}

static void damage(struct gen_file *f, struct rng *r)
{
	u32 n = rng_range(r, 1, 4);

	while (n-- && f->mem.len) {
		const u32 what = rng_below(r, 100);

		if (what < 75)
			damage_bytes(f, r);
		else if (what < 90)
			damage_header(f, r);
		else
			damage_params(f, r);
	}
}

static bool run_damaged(enum gen_form form, u32 files, struct rng *r,
			struct index_stats *stats)
{
	struct gen_stats unused = {};
	struct gen_file f;
	const char *wrong = NULL;
	u32 i;

	for (i = 0; i < files && !wrong; i++) {
		const u64 state = r->state;

		gen_make(&f, form, r, &unused);
		damage(&f, r);
		wrong = index_check(&(struct index_case) {
			.mem = f.mem, .p = f.p, .r = r,
			.endless = rng_percent(r, 3),
		}, stats);
		if (wrong) {
			printf("# damaged file %u: %s\n", i, wrong);
			describe(&f, state);
		}
		gen_free(&f);
	}
	return !wrong;
}

/* ---- one seed ---- */

static void show_stats(const struct index_stats *s)
{
	printf("# %llu lookups, %llu refused; %llu indexes consistent, "
	       "%llu not; at most %llu %% of the records read by one\n",
	       s->lookups, s->refused, s->consistent, s->inconsistent, s->worst);
}

/* A generator that never makes a thing would hide that it is not tested. */
static bool is_complete(const struct gen_stats *g)
{
	bool ok = g->big && g->far && g->partial && g->in_meta &&
		  g->tail_fragment && g->terminator && g->aligned;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(g->coding); i++)
		ok &= !!g->coding[i];
	for (i = 0; i < ARRAY_SIZE(g->c4); i++)
		ok &= !!g->c4[i];
	for (i = 0; i < 16; i++)
		ok &= g->packs[1][i] && (i > 1 || g->packs[0][i]);
	printf("# extents: %llu holes, %llu shifted, %llu interlaced, %llu encoded, "
	       "%llu fragments; %llu inline, %llu partial, %llu big, %llu far\n",
	       g->coding[0], g->coding[1], g->coding[2], g->coding[3],
	       g->coding[4], g->in_meta, g->partial, g->big, g->far);
	printf("# files with a 2-byte region behind 0, 2, 4, 6 records: %llu %llu %llu %llu\n",
	       g->c4[0], g->c4[1], g->c4[2], g->c4[3]);
	return ok;
}

static void run_seed(u64 seed)
{
	struct gen_stats gstats = {};
	u32 i;

	printf("# seed %llu\n", seed);
	for (i = 0; i < ARRAY_SIZE(plan); i++) {
		struct rng r = { .state = seed * 64 + i };
		struct index_stats stats = {};
		bool ok;

		ok = run_valid(plan[i].form, scaled(plan[i].valid), &r,
			       &gstats, &stats);
		show_stats(&stats);
		ktap_result(&ktap, ok, "seed %llu: %s: %u files", seed,
			    gen_form_name[plan[i].form], scaled(plan[i].valid));
		stats = (struct index_stats) {};
		ok = run_damaged(plan[i].form, scaled(plan[i].damaged), &r,
				 &stats);
		show_stats(&stats);
		ktap_result(&ktap, ok, "seed %llu: %s: %u damaged files", seed,
			    gen_form_name[plan[i].form],
			    scaled(plan[i].damaged));
	}
	if (scale < 100)
		ktap_skip(&ktap, "every kind of extent was there",
			  "too few files at this SCALE");
	else
		ktap_result(&ktap, is_complete(&gstats),
			    "seed %llu: every kind of extent was there", seed);
}

/* ---- real images ---- */

struct image_run {
	struct rng r;
	struct index_stats stats;
	u64 files;
	bool failed;
};

/* files of all images by form */
static u64 seen[GEN_FORMS];

static enum gen_form form_of(const struct image *img,
			     const struct z_erofs_params *p)
{
	const u8 *h = img->bytes + (p->tail_pos + 7) / 8 * 8;
	const u32 advise = get_le(h + 4, 2);

	if (h[7] >> 7)
		return GEN_WHOLE_FRAGMENT;
	if (p->compact)
		return advise & EROFS_ADVISE_COMPACTED_2B ? GEN_COMPACT2 :
							    GEN_COMPACT4;
	return advise & EROFS_ADVISE_EXTENTS ?
	       GEN_EXTENTS4 + (advise >> 1 & 3) : GEN_FULL;
}

static void visit_inode(struct image *img, const struct image_inode *ino,
			void *arg)
{
	struct image_run *run = arg;
	struct index_case c = {
		.mem = { .bytes = img->bytes, .len = img->size },
		.p = image_index_params(img, ino),
		.r = &run->r,
	};
	struct naive_map map;
	const char *wrong = "the model does not take it";
	size_t i;

	if (!ino->desc.isize || !image_is_encoded(ino))
		return;
	run->files++;
	if (naive_decode(&c.mem, &c.p, &map)) {
		seen[form_of(img, &c.p)]++;
		wrong = map.init == NAIVE_FOUND ? NULL : "bad header";
		for (i = 0; i < map.n; i++)
			if (map.ext[i].answers != NAIVE_FOUND)
				wrong = "the model refuses an extent";
		if (!wrong)
			wrong = index_check(&c, &run->stats);
		naive_free(&map);
	}
	if (wrong) {
		printf("# nid %llu: %s\n", ino->nid, wrong);
		run->failed = true;
	}
}

static void run_image(const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct image_run run = { .r = { .state = 1 } };
	struct image img;

	if (image_open(&img, path)) {
		ktap_result(&ktap, false, "image %s can be read", name);
		return;
	}
	if (!image_walk(&img, visit_inode, &run))
		run.failed = true;
	image_close(&img);
	ktap_result(&ktap, !run.failed && run.files,
		    "image %s: %llu encoded files, %llu lookups", name,
		    run.files, run.stats.lookups);
}

static void run_images(const char *folder)
{
	u32 i;

	if (!image_each(folder, run_image)) {
		ktap_skip(&ktap, "real images", "there are none: no mkfs.erofs");
		return;
	}
	for (i = 0; i < GEN_FORMS; i++)
		printf("# in real images: %llu files, %s\n", seen[i],
		       gen_form_name[i]);
}

int main(int argc, char **argv)
{
	u64 seeds[2];
	u32 n, i;

	if (getenv("SCALE"))
		scale = atoi(getenv("SCALE"));
	ktap_begin();
	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		ktap_result(&ktap, run_vector(&vectors[i]), "vector: %s",
			    vectors[i].name);
	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		ktap_result(&ktap, run_refusal(&refusals[i]), "refused: %s",
			    refusals[i].name);
	n = rng_seeds(seeds);
	for (i = 0; i < n; i++)
		run_seed(seeds[i]);
	if (argc > 1)
		run_images(argv[1]);
	return ktap_end(&ktap);
}
