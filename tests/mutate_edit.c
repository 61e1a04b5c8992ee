// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutants of tests/mutate: a recipe is a list of edits, and can be written as
 * text, so that what was found can be repeated and kept.
 *
 *	s400:ff00	these bytes there	r400:20:5	32 bytes of generator 5
 *	c400:80:20	32 bytes from 80	x400:80:20	exchange them
 *	t1000		cut the file off	n		leave the checksum wrong
 *
 * All numbers are hexadecimal. The first mutants of an image change one field
 * each, to every value that may hurt; those behind are stacks of random changes
 * that depend on nothing but seed, image and number.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../erofs_fs.h"
#include "mutate.h"

/* ---------------------------------------------------------------- numbers */

uint64_t rnd_next(struct rnd *r)
{
	uint64_t x = r->state += 0x9E3779B97F4A7C15ULL;

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
	return x ^ x >> 31;
}

uint64_t rnd_below(struct rnd *r, uint64_t n)
{
	return n ? rnd_next(r) % n : 0;
}

uint64_t hash_bytes(uint64_t h, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint64_t v;

	h ^= len;
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0x9FB21C651E98DF25ULL;
		h ^= h >> 29;
	}
	v = 0;
	memcpy(&v, p, len);
	h = (h ^ v) * 0x9FB21C651E98DF25ULL;
	return h ^ h >> 32;
}

/* ----------------------------------------------------------------- checksum */

static uint32_t crc32c(const uint8_t *p, size_t len)
{
	static uint32_t table[256];
	uint32_t c = ~0U;
	unsigned int n, k;

	for (n = 0; n < 256 && !table[255]; n++) {
		c = n;
		for (k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0x82F63B78 : 0);
		table[n] = c;
	}
	for (c = ~0U; len--; p++)
		c = c >> 8 ^ table[(c ^ *p) & 0xFF];
	return c;
}

/* As the reader of this superblock would compute it, if it can at all */
static void fix_checksum(struct image *img)
{
	uint8_t *sb = img->map + EROFS_SUPER_OFFSET;
	unsigned int bits = sb[12];
	uint64_t len;
	uint32_t crc;

	if (!(sb[8] & 1) || bits < 9 || bits > 16)
		return;
	len = bits > 10 ? (1ULL << bits) - EROFS_SUPER_OFFSET : 1ULL << bits;
	if (EROFS_SUPER_OFFSET + len > img->size)
		return;
	memset(sb + 4, 0, 4);
	crc = crc32c(sb, len);
	memcpy(sb + 4, &crc, 4);
}

/* ---------------------------------------------------------------- applying */

static bool inside(const struct image *img, uint64_t off, uint64_t len)
{
	return off <= img->size && len <= img->size - off;
}

static void swap_bytes(uint8_t *a, uint8_t *b, uint32_t len)
{
	uint8_t c;

	for (; len--; a++, b++) {
		c = *a;
		*a = *b;
		*b = c;
	}
}

static void fill_random(uint8_t *p, uint32_t len, uint64_t seed)
{
	struct rnd r = { seed };

	while (len--)
		*p++ = rnd_next(&r);
}

static void apply_edit(struct image *img, const struct edit *e)
{
	if (!inside(img, e->a, e->len))
		return;
	switch (e->op) {
	case OP_SET:
		memcpy(img->map + e->a, e->bytes, e->len);
		break;
	case OP_RANDOM:
		fill_random(img->map + e->a, e->len, e->b);
		break;
	case OP_COPY:
		if (inside(img, e->b, e->len))
			memmove(img->map + e->a, img->map + e->b, e->len);
		break;
	case OP_SWAP:
		if (inside(img, e->b, e->len))
			swap_bytes(img->map + e->a, img->map + e->b, e->len);
		break;
	case OP_CUT:
		break;
	}
}

static uint64_t cut_of(const struct image *img, const struct recipe *rec)
{
	uint64_t size = img->size;
	unsigned int n;

	for (n = 0; n < rec->nr; n++)
		if (rec->edit[n].op == OP_CUT && rec->edit[n].a < size)
			size = rec->edit[n].a;
	return size;
}

void recipe_apply(struct image *img, const struct recipe *rec)
{
	unsigned int n;

	for (n = 0; n < rec->nr; n++)
		apply_edit(img, &rec->edit[n]);
	if (!rec->keep_checksum)
		fix_checksum(img);
	if (cut_of(img, rec) < img->size && ftruncate(img->fd,
						      cut_of(img, rec)))
		abort();
}

static void restore(struct image *img, uint64_t off, uint64_t len)
{
	if (inside(img, off, len))
		memcpy(img->map + off, img->seed + off, len);
}

void recipe_undo(struct image *img, const struct recipe *rec)
{
	uint64_t cut = cut_of(img, rec);
	unsigned int n;

	if (cut < img->size) {
		if (ftruncate(img->fd, img->size))
			abort();
		/* the rest of its last page is gone too */
		restore(img, cut, img->size - cut);
	}
	for (n = 0; n < rec->nr; n++) {
		restore(img, rec->edit[n].a, rec->edit[n].len);
		if (rec->edit[n].op == OP_SWAP)
			restore(img, rec->edit[n].b, rec->edit[n].len);
	}
	restore(img, EROFS_SUPER_OFFSET + 4, 4);
}

/* ------------------------------------------------------------------- text */

void recipe_print(const struct recipe *rec, char *buf, size_t size)
{
	const struct edit *e = rec->edit;
	size_t len = 0;
	unsigned int n, k;

	buf[0] = 0;
	for (n = 0; n < rec->nr && len < size - 64; n++, e++) {
		len += snprintf(buf + len, size - len, "%s%c%llx",
				n ? "," : "", e->op,
				(unsigned long long)e->a);
		if (e->op == OP_SET) {
			len += snprintf(buf + len, size - len, ":");
			for (k = 0; k < e->len; k++)
				len += snprintf(buf + len, size - len, "%02x",
						e->bytes[k]);
		} else if (e->op == OP_RANDOM) {
			len += snprintf(buf + len, size - len, ":%x:%llx",
					e->len, (unsigned long long)e->b);
		} else if (e->op != OP_CUT) {
			len += snprintf(buf + len, size - len, ":%llx:%x",
					(unsigned long long)e->b, e->len);
		}
	}
	if (rec->keep_checksum)
		snprintf(buf + len, size - len, "%sn", n ? "," : "");
}

static bool parse_bytes(const char *s, struct edit *e)
{
	unsigned int byte;

	for (e->len = 0; sscanf(s, "%2x", &byte) == 1; s += 2) {
		if (e->len == sizeof(e->bytes) || !s[1])
			return false;
		e->bytes[e->len++] = byte;
		if (!s[2])
			return true;
	}
	return false;
}

static bool parse_edit(const char *word, struct edit *e)
{
	unsigned long long a, b, len;
	char rest[64];

	memset(e, 0, sizeof(*e));
	e->op = word[0];
	switch (e->op) {
	case OP_SET:
		if (sscanf(word + 1, "%llx:%63s", &a, rest) != 2)
			return false;
		e->a = a;
		return parse_bytes(rest, e);
	case OP_RANDOM:
		if (sscanf(word + 1, "%llx:%llx:%llx", &a, &len, &b) != 3)
			return false;
		break;
	case OP_COPY:
	case OP_SWAP:
		if (sscanf(word + 1, "%llx:%llx:%llx", &a, &b, &len) != 3)
			return false;
		break;
	case OP_CUT:
		if (sscanf(word + 1, "%llx", &a) != 1)
			return false;
		b = len = 0;
		break;
	default:
		return false;
	}
	e->a = a;
	e->b = b;
	e->len = len;
	return true;
}

bool recipe_parse(const char *text, struct recipe *rec)
{
	char copy[MAX_RECIPE], *word, *save;

	memset(rec, 0, sizeof(*rec));
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	for (word = strtok_r(copy, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		if (!strcmp(word, "n")) {
			rec->keep_checksum = true;
			continue;
		}
		if (rec->nr == MAX_EDITS ||
		    !parse_edit(word, &rec->edit[rec->nr]))
			return false;
		rec->nr++;
	}
	return true;
}

/* ------------------------------------------------------------ single edits */

static struct edit *new_edit(struct recipe *rec, enum op op, uint64_t a,
			     uint64_t b, uint32_t len)
{
	struct edit *e = &rec->edit[rec->nr++];

	memset(e, 0, sizeof(*e));
	e->op = op;
	e->a = a;
	e->b = b;
	e->len = len;
	return e;
}

/* Only the bytes that the field lies in are named */
static void set_field(const struct image *img, struct recipe *rec,
		      const struct field *f, uint64_t v)
{
	uint64_t mask = f->bits == 64 ? ~0ULL : (1ULL << f->bits) - 1;
	unsigned int bytes = (f->shift + f->bits + 7) / 8;
	struct edit *e = new_edit(rec, OP_SET, f->off, 0, bytes);
	uint64_t old = 0;

	memcpy(&old, img->seed + f->off, bytes);
	v = (old & ~(mask << f->shift)) | (v & mask) << f->shift;
	memcpy(e->bytes, &v, bytes);
}

static void make_single(const struct image *img, uint64_t n,
			struct recipe *rec)
{
	uint64_t values[MAX_VALUES];
	unsigned int low = 0, high = img->nr_fields, mid;

	while (high - low > 1) {
		mid = (low + high) / 2;
		if (img->first[mid] <= n)
			low = mid;
		else
			high = mid;
	}
	field_values(img, &img->fields[low], values);
	set_field(img, rec, &img->fields[low], values[n - img->first[low]]);
}

/* False where the field has no value number n */
static bool set_value(const struct image *img, struct recipe *rec,
		      unsigned int field, unsigned int n)
{
	const struct field *f = &img->fields[field];
	uint64_t values[MAX_VALUES];
	unsigned int nr = field_values(img, f, values);

	/* some of many: from all of their range */
	if (nr > PAIR_VALUES)
		n = n * nr / PAIR_VALUES;
	if (n >= nr)
		return false;
	set_field(img, rec, f, values[n]);
	return true;
}

bool recipe_pair(const struct image *img, uint64_t n, struct recipe *rec)
{
	unsigned int second = n % PAIR_VALUES, b;
	unsigned int first = n / PAIR_VALUES % PAIR_VALUES;

	memset(rec, 0, sizeof(*rec));
	n /= PAIR_VALUES * PAIR_VALUES;
	for (b = 1; n >= b; b++)
		n -= b;
	return b < img->nr_pair && set_value(img, rec, img->pair[n], first) &&
	       set_value(img, rec, img->pair[b], second);
}

/* ------------------------------------------------------------ random edits */

static const struct field *any_field(const struct image *img, struct rnd *r)
{
	return &img->fields[rnd_below(r, img->nr_fields)];
}

static void mutate_value(const struct image *img, struct rnd *r,
			 struct recipe *rec)
{
	const struct field *f = any_field(img, r);
	uint64_t values[MAX_VALUES];
	unsigned int nr = field_values(img, f, values);

	if (nr)
		set_field(img, rec, f, values[rnd_below(r, nr)]);
}

static void mutate_bit(const struct image *img, struct rnd *r,
		       struct recipe *rec)
{
	const struct field *f = any_field(img, r);

	set_field(img, rec, f, field_get(img, f) ^
		  1ULL << rnd_below(r, f->bits));
}

static void mutate_random(const struct image *img, struct rnd *r,
			  struct recipe *rec)
{
	const struct field *f = any_field(img, r);

	set_field(img, rec, f, rnd_next(r) >> rnd_below(r, 64));
}

/* What another field of its kind says */
static void mutate_alias(const struct image *img, struct rnd *r,
			 struct recipe *rec)
{
	const struct field *f = any_field(img, r), *g;
	int tries;

	for (tries = 0; tries < 200; tries++) {
		g = any_field(img, r);
		if (g != f && g->kind == f->kind) {
			set_field(img, rec, f, field_get(img, g));
			return;
		}
	}
}

/* One structure over, or in the place of, another of its type */
static void mutate_records(const struct image *img, struct rnd *r,
			   struct recipe *rec)
{
	const struct record *a, *b;
	int tries;

	a = &img->records[rnd_below(r, img->nr_records)];
	for (tries = 0; tries < 200; tries++) {
		b = &img->records[rnd_below(r, img->nr_records)];
		if (b != a && b->type == a->type)
			break;
	}
	if (tries == 200)
		return;
	new_edit(rec, rnd_below(r, 2) ? OP_COPY : OP_SWAP, a->off, b->off,
		 a->len < b->len ? a->len : b->len);
}

static void mutate_bytes(const struct image *img, struct rnd *r,
			 struct recipe *rec)
{
	uint64_t off = rnd_below(r, img->size - 16);
	struct edit *e;

	if (rnd_below(r, 3)) {
		e = new_edit(rec, OP_SET, off, 0, 1 + rnd_below(r, 3));
		fill_random(e->bytes, e->len, rnd_next(r));
	} else {
		new_edit(rec, OP_RANDOM, off, rnd_below(r, 1 << 16),
			 1 + rnd_below(r, 16));
	}
}

static void mutate_block(const struct image *img, struct rnd *r,
			 struct recipe *rec)
{
	uint64_t bs = 1ULL << img->blkbits, nr = img->size / bs;
	uint64_t a, b;

	/* not the superblock: hardly any of them would be mounted */
	a = (1 + rnd_below(r, nr - 1)) * bs;
	b = rnd_below(r, nr) * bs;
	if (rnd_below(r, 3))
		new_edit(rec, OP_COPY, a, b, bs);
	else
		new_edit(rec, OP_RANDOM, a, rnd_below(r, 1 << 16), bs);
}

static void mutate_cut(const struct image *img, struct rnd *r,
		       struct recipe *rec)
{
	uint64_t at = rnd_below(r, img->size), unit[] = { 1, 512, 4096 };

	at &= ~(unit[rnd_below(r, 3)] - 1);
	if (rnd_below(r, 3) == 0)
		at = img->records[rnd_below(r, img->nr_records)].off +
			rnd_below(r, 8);
	new_edit(rec, OP_CUT, at, 0, 0);
}

static const struct {
	unsigned int weight;
	void (*fn)(const struct image *img, struct rnd *r, struct recipe *rec);
} mutators[] = {
	{ 45, mutate_value },
	{ 12, mutate_records },
	{ 10, mutate_bit },
	{ 8, mutate_alias },
	{ 6, mutate_random },
	{ 12, mutate_bytes },
	{ 4, mutate_block },
	{ 3, mutate_cut },
};

void recipe_grow(const struct image *img, struct rnd *r, struct recipe *rec)
{
	unsigned int sum = 0, n, pick;

	for (n = 0; n < ARRAY_SIZE(mutators); n++)
		sum += mutators[n].weight;
	pick = rnd_below(r, sum);
	for (n = 0; pick >= mutators[n].weight; n++)
		pick -= mutators[n].weight;
	if (rec->nr < MAX_EDITS)
		mutators[n].fn(img, r, rec);
}

void recipe_make(const struct image *img, uint64_t seed, uint64_t n,
		 struct recipe *rec)
{
	struct rnd r = { hash_bytes(seed, img->name, strlen(img->name)) };
	unsigned int nr;

	memset(rec, 0, sizeof(*rec));
	if (n < img->nr_single) {
		make_single(img, n, rec);
		return;
	}
	r.state ^= n * 0xD1342543DE82EF95ULL;
	/* one or two mostly: many changes hide what each would have done */
	for (nr = 1; nr < 6 && rnd_below(&r, 2); nr++)
		;
	while (nr--)
		recipe_grow(img, &r, rec);
	rec->keep_checksum = rnd_below(&r, 64) == 0;
}
