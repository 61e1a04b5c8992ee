/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A MicroLZMA encoder that is told each symbol, for streams that no sensible
 * encoder makes. It has lc = lp = pb = 0, so contexts are what is left: the
 * state, and the byte at rep0 after a match. It keeps the data as well.
 */
#ifndef EROFS_TESTS_MICROLZMA_ENC_H
#define EROFS_TESTS_MICROLZMA_ENC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "util.h"

#define ENC_MAX		(1 << 20)

struct enc_len {
	u16 choice, choice2, low[8], mid[8], high[256];
};

struct enc {
	/* range coder: what low overflows into is @cache and @pending 0xff */
	u64 low;
	u32 range;
	u8 cache;
	u32 pending;
	/* model */
	u32 state, rep[4];
	u16 is_match[12], is_rep[12], is_rep0[12], is_rep1[12], is_rep2[12];
	u16 is_rep0_long[12];
	u16 slot[4][64], footer[128], align[16], literal[3 * 256];
	struct enc_len match_len, rep_len;
	/* result */
	u8 in[ENC_MAX], data[ENC_MAX];
	size_t in_len, len;
};

static inline struct enc *enc_new(void)
{
	struct enc *e = must_alloc(sizeof(*e));
	u16 *p, *models = e->is_match, *end = (u16 *)e->in;

	for (p = models; p < end; p++)
		*p = 1024;
	e->range = 0xFFFFFFFF;
	e->pending = 1;
	return e;
}

static inline void enc_shift(struct enc *e)
{
	if (e->low < 0xFF000000 || e->low >> 32) {
		u8 carry = e->low >> 32;

		do {
			if (e->in_len == ENC_MAX)
				abort();
			e->in[e->in_len++] = e->cache + carry;
			e->cache = 0xff;
		} while (--e->pending);
		e->cache = e->low >> 24;
	}
	e->pending++;
	e->low = (e->low & 0x00FFFFFF) << 8;
}

static inline void enc_bit(struct enc *e, u16 *p, u32 bit)
{
	u32 bound = (e->range >> 11) * *p;

	if (bit) {
		e->low += bound;
		e->range -= bound;
		*p -= *p >> 5;
	} else {
		e->range = bound;
		*p += (2048 - *p) >> 5;
	}
	while (e->range < 1 << 24) {
		e->range <<= 8;
		enc_shift(e);
	}
}

static inline void enc_tree(struct enc *e, u16 *probs, u32 bits, u32 val)
{
	u32 m = 1;

	while (bits--) {
		enc_bit(e, &probs[m], val >> bits & 1);
		m = m << 1 | (val >> bits & 1);
	}
}

static inline void enc_reverse(struct enc *e, u16 *probs, u32 bits, u32 val)
{
	u32 m = 1;

	for (; bits; bits--, val >>= 1) {
		enc_bit(e, &probs[m], val & 1);
		m = m << 1 | (val & 1);
	}
}

static inline void enc_direct(struct enc *e, u32 bits, u32 val)
{
	while (bits--) {
		e->range >>= 1;
		if (val >> bits & 1)
			e->low += e->range;
		while (e->range < 1 << 24) {
			e->range <<= 8;
			enc_shift(e);
		}
	}
}

static inline void enc_put(struct enc *e, u8 byte)
{
	if (e->len == ENC_MAX)
		abort();
	e->data[e->len++] = byte;
}

static inline void enc_literal(struct enc *e, u8 byte)
{
	static const u8 next[] = { 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5 };
	u32 m = 1, i, known = e->state >= 7;
	u8 match = known ? e->data[e->len - 1 - e->rep[0]] : 0;

	enc_bit(e, &e->is_match[e->state], 0);
	for (i = 8; i--; ) {
		u32 bit = byte >> i & 1, same = match >> i & 1;

		enc_bit(e, &e->literal[(known ? 256 + (same << 8) : 0) + m],
			bit);
		m = m << 1 | bit;
		known &= bit == same;
	}
	enc_put(e, byte);
	e->state = next[e->state];
}

static inline void enc_copy(struct enc *e, u32 len)
{
	/* what reaches outside is wanted in the stream only */
	while (len-- && e->rep[0] < e->len)
		enc_put(e, e->data[e->len - 1 - e->rep[0]]);
}

static inline void enc_length(struct enc *e, struct enc_len *l, u32 len)
{
	len -= 2;
	enc_bit(e, &l->choice, len >= 8);
	if (len < 8) {
		enc_tree(e, l->low, 3, len);
		return;
	}
	enc_bit(e, &l->choice2, len >= 16);
	if (len < 16)
		enc_tree(e, l->mid, 3, len - 8);
	else
		enc_tree(e, l->high, 8, len - 16);
}

/* a new match; @dist is less one, as it is stored */
static inline void enc_match(struct enc *e, u32 dist, u32 len)
{
	u32 slot = dist, bits = 0;

	enc_bit(e, &e->is_match[e->state], 1);
	enc_bit(e, &e->is_rep[e->state], 0);
	e->state = e->state < 7 ? 7 : 10;
	enc_length(e, &e->match_len, len);
	if (dist >= 4) {
		bits = 30 - __builtin_clz(dist);
		slot = (bits + 1) * 2 + (dist >> bits & 1);
	}
	enc_tree(e, e->slot[len < 6 ? len - 2 : 3], 6, slot);
	if (slot >= 14) {
		enc_direct(e, bits - 4, dist >> 4 & ((1 << (bits - 4)) - 1));
		enc_reverse(e, e->align, 4, dist & 15);
	} else if (slot >= 4) {
		/* a tree of its own for each slot, one behind the other */
		u32 base = (2 | (slot & 1)) << bits;

		enc_reverse(e, &e->footer[base - slot], bits, dist - base);
	}
	memmove(e->rep + 1, e->rep, 3 * sizeof(*e->rep));
	e->rep[0] = dist;
	enc_copy(e, len);
}

/* a match at the @which last distance; of length 1, which has to be the last */
static inline void enc_rep(struct enc *e, u32 which, u32 len)
{
	u32 s = e->state, dist = e->rep[which];

	enc_bit(e, &e->is_match[s], 1);
	enc_bit(e, &e->is_rep[s], 1);
	enc_bit(e, &e->is_rep0[s], which > 0);
	if (!which) {
		enc_bit(e, &e->is_rep0_long[s], len > 1);
	} else {
		enc_bit(e, &e->is_rep1[s], which > 1);
		if (which > 1)
			enc_bit(e, &e->is_rep2[s], which > 2);
	}
	memmove(e->rep + 1, e->rep, which * sizeof(*e->rep));
	e->rep[0] = dist;
	if (len > 1)
		enc_length(e, &e->rep_len, len);
	e->state = s >= 7 ? 11 : len > 1 ? 8 : 9;
	enc_copy(e, len);
}

static inline void enc_end(struct enc *e)
{
	u32 i;

	for (i = 0; i < 5; i++)
		enc_shift(e);
	/* lc, lp and pb */
	e->in[0] = 0xff;
}

#endif
