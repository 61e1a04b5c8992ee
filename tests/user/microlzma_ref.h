/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MicroLZMA decoder beside liblzma's: both get the same stream in buffers
 * with nothing around them, and must agree on whether it is good and on what is
 * in it. Shared by the test and the fuzzer.
 */
#ifndef EROFS_TESTS_MICROLZMA_REF_H
#define EROFS_TESTS_MICROLZMA_REF_H

#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "microlzma.h"

/* A state that holds what a run before may have left in it. */
static inline struct microlzma *microlzma_dirty_state(void)
{
	static struct microlzma *s;

	if (!s)
		s = malloc(microlzma_state_size());
	if (!s)
		abort();
	memset(s, 0xA5, microlzma_state_size());
	return s;
}

/*
 * The module's decoder on a copy of @in that ends where its allocation ends,
 * into a buffer of just @out_len bytes, which is returned in @res to be freed.
 */
static inline int microlzma_own(const uint8_t *in, size_t in_len,
				size_t out_len, bool whole, uint8_t **res)
{
	uint8_t *copy = malloc(in_len ? in_len : 1);
	uint8_t *out = malloc(out_len ? out_len : 1);
	int err;

	if (!copy || !out)
		abort();
	if (in_len)
		memcpy(copy, in, in_len);
	/* size 0 has to be told from size 1 by the sanitizer as well */
	err = microlzma_decode(microlzma_dirty_state(),
			       in_len ? copy : copy + 1, in_len,
			       out_len ? out : out + 1, out_len, whole);
	free(copy);
	*res = out;
	return err;
}

/* liblzma's verdict on the same; @out has @out_len bytes */
static inline bool microlzma_lib(const uint8_t *in, size_t in_len,
				 uint8_t *out, size_t out_len, bool whole)
{
	static lzma_stream strm = LZMA_STREAM_INIT;
	size_t dict = out_len < LZMA_DICT_SIZE_MIN ? LZMA_DICT_SIZE_MIN :
						     out_len;

	if (lzma_microlzma_decoder(&strm, in_len, out_len, whole, dict) !=
	    LZMA_OK)
		abort();
	strm.next_in = in;
	strm.avail_in = in_len;
	strm.next_out = out;
	strm.avail_out = out_len;
	return lzma_code(&strm, LZMA_FINISH) == LZMA_STREAM_END &&
	       !strm.avail_out && (!whole || !strm.avail_in);
}

/*
 * Both on the same stream; NULL, or what they disagree on. *@good is what they
 * agree on.
 */
static inline const char *microlzma_compare(const uint8_t *in, size_t in_len,
					    size_t out_len, bool whole,
					    bool *good)
{
	uint8_t *ref = calloc(1, out_len ? out_len : 1), *out;
	const char *what = NULL;
	bool lib;
	int err;

	if (!ref)
		abort();
	err = microlzma_own(in, in_len, out_len, whole, &out);
	/* for no output at all liblzma does not look at a stream's start */
	lib = out_len || whole ?
		      microlzma_lib(in, in_len, ref, out_len, whole) : !err;
	if (!err && !lib)
		what = "accepted what liblzma refuses";
	else if (err && lib)
		what = "refused what liblzma accepts";
	else if (err && err != -EUCLEAN)
		what = "an error that is not EUCLEAN";
	else if (!err && memcmp(out, ref, out_len))
		what = "decoded to something else than liblzma's";
	*good = !err;
	free(out);
	free(ref);
	return what;
}

#endif
