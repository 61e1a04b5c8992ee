/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A decoder of MicroLZMA streams (FORMAT.md section 16.5), for kernels that are
 * built without one.
 *
 * Pure code like disk.h: it allocates nothing, knows nothing of the kernel, and
 * is safe on any input, so the same file is built, compared with liblzma and
 * fuzzed in user space.
 */
#ifndef EROFS_MICROLZMA_H
#define EROFS_MICROLZMA_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

struct microlzma;

size_t microlzma_state_size(void);
int microlzma_decode(struct microlzma *s, const unsigned char *in,
		     size_t in_len, unsigned char *out, size_t out_len,
		     int whole);

#endif
