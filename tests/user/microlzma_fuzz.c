// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target of the MicroLZMA decoder. Input: three bytes, of which 23
 * bits are the length of the output and the highest is "whole", and the stream.
 * Any difference from liblzma is a crash.
 */
#include <stdio.h>
#include "microlzma_ref.h"

/* more than this many bytes only repeat what fewer do, slower */
#define OUT_MAX		(1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *what;
	size_t out_len;
	bool whole, good;

	if (size < 3)
		return 0;
	out_len = data[0] | data[1] << 8 | (data[2] & 0x7f) << 16;
	whole = data[2] >> 7;
	if (out_len > OUT_MAX)
		return 0;
	what = microlzma_compare(data + 3, size - 3, out_len, whole, &good);
	if (what) {
		fprintf(stderr, "%s (%zu bytes to %zu, whole %d)\n", what,
			size - 3, out_len, whole);
		abort();
	}
	return 0;
}
