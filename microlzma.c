// SPDX-License-Identifier: GPL-2.0-only
/*
 * MicroLZMA: one LZMA1 stream whose first byte, always zero in LZMA, holds the
 * complement of the properties instead. microlzma.h says what is promised.
 *
 * The output is one buffer that starts where the stream starts, so it is the
 * dictionary as well: what bounds a distance is the number of bytes written so
 * far, whatever dictionary size an image claims.
 */
#include "microlzma.h"

#define PROB_BITS	11	/* probabilities of a 0 bit, in 1/2048 */
#define PROB_MOVE	5	/* how fast they follow */
#define RANGE_TOP	(1U << 24)
#define START_BYTES	5	/* properties and the first value of code */
#define LC_LP_MAX	4
#define LITERAL_PROBS	0x300
#define POS_STATES	16
#define STATES		12
#define STATE_MATCH	7	/* states below come after a literal */
#define LEN_MIN		2
#define LEN_LOW		8	/* lengths of the low and of the mid tree */
#define LEN_HIGH	256
#define SLOT_LENS	4	/* lengths that have distance slots of their own */
#define SLOTS		64
#define SLOT_FOOTER	4	/* first slot with a footer */
#define SLOT_DIRECT	14	/* first slot with bits of even odds in it */
#define ALIGN_BITS	4	/* which it ends with after those */

/*
 * A symbol takes at most 22 modelled bits, each of which reads one byte at
 * most, and 26 direct bits, which read four; so one that starts with this many
 * bytes in front of it needs no check for the end of the input.
 */
#define SYMBOL_BYTES	32

struct lz_len {
	uint16_t choice;
	uint16_t choice2;
	uint16_t low[POS_STATES][LEN_LOW];
	uint16_t mid[POS_STATES][LEN_LOW];
	uint16_t high[LEN_HIGH];
};

/* the model: uint16_t only, since it is reset as an array of them */
struct lz_probs {
	uint16_t is_match[STATES][POS_STATES];
	uint16_t is_rep[STATES];
	uint16_t is_rep0[STATES];
	uint16_t is_rep1[STATES];
	uint16_t is_rep2[STATES];
	uint16_t is_rep0_long[STATES][POS_STATES];
	uint16_t slot[SLOT_LENS][SLOTS];
	uint16_t footer[128 - SLOT_DIRECT];
	uint16_t align[1 << ALIGN_BITS];
	struct lz_len match_len;
	struct lz_len rep_len;
	uint16_t literal[LITERAL_PROBS << LC_LP_MAX];
};

/*
 * What changes with every symbol. The loop works on a local copy that the
 * compiler keeps in registers, which is why all that is given a pointer to it
 * has to be inlined.
 */
struct lz_cursor {
	const uint8_t *in;
	uint32_t range;
	uint32_t code;
	uint32_t state;		/* which symbols came last */
	uint32_t rep0;		/* last distances, each less one */
	uint32_t rep1;
	uint32_t rep2;
	uint32_t rep3;
	size_t pos;
};

struct microlzma {
	struct lz_probs p;
	struct lz_cursor cur;
	uint8_t *out;
	size_t out_len;
	int whole;
	uint32_t lc;		/* high bits of the last byte in a literal's context */
	uint32_t lp_mask;	/* bits of the position in it */
	uint32_t pb_mask;	/* bits of the position in other contexts */
	uint8_t tail[2 * SYMBOL_BYTES];
};

/* ---- range coder ---- */

static __always_inline void rc_normalize(struct lz_cursor *c)
{
	if (c->range < RANGE_TOP) {
		c->range <<= 8;
		c->code = c->code << 8 | *c->in++;
	}
}

static __always_inline uint32_t rc_bit(struct lz_cursor *c, uint16_t *prob)
{
	uint32_t p = *prob, bound;

	rc_normalize(c);
	bound = (c->range >> PROB_BITS) * p;
	if (c->code < bound) {
		c->range = bound;
		*prob = p + (((1 << PROB_BITS) - p) >> PROB_MOVE);
		return 0;
	}
	c->range -= bound;
	c->code -= bound;
	*prob = p - (p >> PROB_MOVE);
	return 1;
}

/* a number below @limit, a power of two, highest bit first */
static __always_inline uint32_t rc_tree(struct lz_cursor *c, uint16_t *probs,
					uint32_t limit)
{
	uint32_t sym = 1;

	do {
		sym = sym << 1 | rc_bit(c, &probs[sym]);
	} while (sym < limit);
	return sym - limit;
}

/* @bits bits, lowest first; the root of their tree is at @probs itself */
static __always_inline uint32_t rc_reverse(struct lz_cursor *c, uint16_t *probs,
					   uint32_t bits)
{
	uint32_t sym = 1, val = 0, i;

	for (i = 0; i < bits; i++) {
		uint32_t bit = rc_bit(c, &probs[sym - 1]);

		sym = sym << 1 | bit;
		val |= bit << i;
	}
	return val;
}

/* @bits bits of even odds, highest first */
static __always_inline uint32_t rc_direct(struct lz_cursor *c, uint32_t bits)
{
	uint32_t val = 0, zero;

	do {
		rc_normalize(c);
		c->range >>= 1;
		c->code -= c->range;
		/* all ones if that is negative, which means a 0 */
		zero = 0 - (c->code >> 31);
		c->code += c->range & zero;
		val = (val << 1) + 1 + zero;
	} while (--bits);
	return val;
}

/* ---- symbols ---- */

static __always_inline void lz_literal(struct microlzma *s, struct lz_cursor *c,
				       uint8_t *out)
{
	uint32_t last = c->pos ? out[c->pos - 1] : 0;
	uint32_t ctx = ((c->pos & s->lp_mask) << s->lc) + (last >> (8 - s->lc));
	uint16_t *probs = &s->p.literal[LITERAL_PROBS * ctx];
	uint32_t sym = 1, off = 0x100, match;

	if (c->state < STATE_MATCH) {
		out[c->pos++] = rc_tree(c, probs, 0x100);
		c->state = c->state < 4 ? 0 : c->state - 3;
		return;
	}
	/*
	 * After a match it is known which byte does not follow: the one that
	 * would have continued it. Its bits are context as long as they agree.
	 */
	match = out[c->pos - c->rep0 - 1];
	do {
		uint32_t same;

		match <<= 1;
		same = match & off;
		if (rc_bit(c, &probs[off + same + sym])) {
			sym = sym << 1 | 1;
			off = same;
		} else {
			sym <<= 1;
			off ^= same;
		}
	} while (sym < 0x100);
	out[c->pos++] = sym;
	c->state -= c->state < 10 ? 3 : 6;
}

static __always_inline uint32_t lz_len(struct lz_cursor *c, struct lz_len *l,
				       uint32_t pos_state)
{
	if (!rc_bit(c, &l->choice))
		return LEN_MIN + rc_tree(c, l->low[pos_state], LEN_LOW);
	if (!rc_bit(c, &l->choice2))
		return LEN_MIN + LEN_LOW +
		       rc_tree(c, l->mid[pos_state], LEN_LOW);
	return LEN_MIN + 2 * LEN_LOW + rc_tree(c, l->high, LEN_HIGH);
}

/* the distance, less one, of a match of @len */
static __always_inline uint32_t lz_distance(struct lz_cursor *c,
					    struct lz_probs *p, uint32_t len)
{
	uint32_t i = len - LEN_MIN, slot, bits, dist;

	slot = rc_tree(c, p->slot[i < SLOT_LENS ? i : SLOT_LENS - 1], SLOTS);
	if (slot < SLOT_FOOTER)
		return slot;
	bits = (slot >> 1) - 1;
	dist = (2 | (slot & 1)) << bits;
	if (slot < SLOT_DIRECT)
		return dist + rc_reverse(c, &p->footer[dist - slot], bits);
	dist += rc_direct(c, bits - ALIGN_BITS) << ALIGN_BITS;
	return dist + rc_reverse(c, p->align, ALIGN_BITS);
}

/* which of the last distances comes back, and moves to the front */
static __always_inline void lz_rep(struct lz_cursor *c, struct lz_probs *p)
{
	uint32_t rep = c->rep1;

	if (rc_bit(c, &p->is_rep1[c->state])) {
		rep = c->rep2;
		if (rc_bit(c, &p->is_rep2[c->state])) {
			rep = c->rep3;
			c->rep3 = c->rep2;
		}
		c->rep2 = c->rep1;
	}
	c->rep1 = c->rep0;
	c->rep0 = rep;
}

/* a match up to its copying: sets rep0 and gives the length */
static __always_inline uint32_t lz_match(struct lz_cursor *c,
					 struct lz_probs *p, uint32_t pos_state)
{
	uint32_t state = c->state, len;
	int after_literal = state < STATE_MATCH;

	if (!rc_bit(c, &p->is_rep[state])) {
		c->state = after_literal ? STATE_MATCH : 10;
		len = lz_len(c, &p->match_len, pos_state);
		c->rep3 = c->rep2;
		c->rep2 = c->rep1;
		c->rep1 = c->rep0;
		c->rep0 = lz_distance(c, p, len);
		return len;
	}
	if (rc_bit(c, &p->is_rep0[state])) {
		lz_rep(c, p);
	} else if (!rc_bit(c, &p->is_rep0_long[state][pos_state])) {
		c->state = after_literal ? 9 : 11;
		return 1;
	}
	c->state = after_literal ? 8 : 11;
	return lz_len(c, &p->rep_len, pos_state);
}

/*
 * Copies @len bytes to @dst from @dist in front of it. Whole words where there
 * is @room for what they write too much, which the next symbol overwrites.
 */
static __always_inline void lz_copy(uint8_t *dst, size_t dist, size_t len,
				    size_t room)
{
	const uint8_t *src = dst - dist, *end = dst + len;

	if (dist >= 8 && room - len >= 8) {
		do {
			memcpy(dst, src, 8);
			dst += 8;
			src += 8;
		} while (dst < end);
		return;
	}
	do {
		*dst++ = *src++;
	} while (dst < end);
}

/*
 * Decodes until the output is complete, or a symbol has started at or in front
 * of @limit and ended behind it. SYMBOL_BYTES behind @limit are readable.
 */
static int lz_run(struct microlzma *s, const uint8_t *limit)
{
	struct lz_cursor c = s->cur;
	const size_t out_len = s->out_len;
	uint8_t *out = s->out;

	while (c.pos < out_len && c.in <= limit) {
		uint32_t pos_state = c.pos & s->pb_mask;
		size_t len, room = out_len - c.pos;

		if (!rc_bit(&c, &s->p.is_match[c.state][pos_state])) {
			lz_literal(s, &c, out);
			continue;
		}
		len = lz_match(&c, &s->p, pos_state);
		if (c.rep0 >= c.pos || (len > room && s->whole))
			return -EUCLEAN;
		if (len > room)
			len = room;
		lz_copy(out + c.pos, (size_t)c.rep0 + 1, len, room);
		c.pos += len;
	}
	s->cur = c;
	return 0;
}

/* ---- the stream ---- */

static int lz_start(struct microlzma *s, const uint8_t *in, size_t in_len)
{
	uint16_t *probs = (uint16_t *)&s->p;
	uint32_t props, lp, pb, i, n;

	if (in_len < START_BYTES)
		return -EUCLEAN;
	props = in[0] ^ 0xff;
	s->lc = props % 9;
	lp = props / 9 % 5;
	pb = props / 45;
	if (s->lc + lp > LC_LP_MAX || pb > 4)
		return -EUCLEAN;
	s->lp_mask = (1U << lp) - 1;
	s->pb_mask = (1U << pb) - 1;

	/* the literals are last because not all of them are in use */
	n = offsetof(struct lz_probs, literal) / sizeof(*probs) +
	    (LITERAL_PROBS << (s->lc + lp));
	for (i = 0; i < n; i++)
		probs[i] = 1 << (PROB_BITS - 1);

	memset(&s->cur, 0, sizeof(s->cur));
	s->cur.range = ~0U;
	for (i = 1; i < START_BYTES; i++)
		s->cur.code = s->cur.code << 8 | in[i];
	s->cur.in = in + START_BYTES;
	return 0;
}

/*
 * Moves the rest of the input to where zeroes follow it, for its last symbols
 * to be decoded by the same loop. Whether the zeroes were used is seen then.
 */
static const uint8_t *lz_tail(struct microlzma *s, const uint8_t *end)
{
	size_t left = end - s->cur.in;

	memset(s->tail, 0, sizeof(s->tail));
	memcpy(s->tail, s->cur.in, left);
	s->cur.in = s->tail;
	return s->tail + left;
}

/**
 * microlzma_state_size - what a decoding needs beside its buffers
 *
 * Return: bytes of struct microlzma, for the caller to allocate, aligned for
 * pointers; it need not be initialised and can be used again.
 */
size_t microlzma_state_size(void)
{
	return sizeof(struct microlzma);
}

/**
 * microlzma_decode - decode one stream
 * @s: state, used by this call alone
 * @in: the stream, without padding
 * @in_len: bytes of @in
 * @out: where the decoded bytes go, apart from @in
 * @out_len: how many are wanted
 * @whole: demand that the stream ends with the last byte of @in and of @out;
 *	otherwise it may go on behind either
 *
 * Takes time in proportion to @out_len, whatever is in @in. After an error the
 * contents of @out are undefined.
 *
 * Return: 0 when all of @out was decoded, -EUCLEAN for a bad stream.
 */
int microlzma_decode(struct microlzma *s, const unsigned char *in,
		     size_t in_len, unsigned char *out, size_t out_len,
		     int whole)
{
	const uint8_t *end = in + in_len;
	int err;

	err = lz_start(s, in, in_len);
	if (err)
		return err;
	s->out = out;
	s->out_len = out_len;
	s->whole = whole;
	if (in_len > SYMBOL_BYTES)
		err = lz_run(s, end - SYMBOL_BYTES);
	if (!err && s->cur.pos < out_len) {
		end = lz_tail(s, end);
		err = lz_run(s, end);
	}
	if (err || s->cur.in > end)
		return -EUCLEAN;
	if (!whole)
		return 0;
	/* as encoders do; a byte too many is one of the tail's zeroes */
	rc_normalize(&s->cur);
	return s->cur.in == end && !s->cur.code ? 0 : -EUCLEAN;
}
