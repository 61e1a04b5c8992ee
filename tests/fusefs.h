/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test and a running fusefs -c share, in a file that both have mapped:
 * which of the next reads goes wrong, how, and how many there were.
 */
#ifndef EROFS_TESTS_FUSEFS_H
#define EROFS_TESTS_FUSEFS_H

#include <stdint.h>

struct fuse_control {
	volatile uint32_t seen;		/* reads since the test set it to 0 */
	volatile uint32_t nth;		/* from that on they are hurt; 0: none is */
	volatile uint32_t last;		/* up to this one */
	volatile uint32_t hurt;		/* how many were */
	/* in which of these ways */
	volatile uint32_t error;	/* errno of the answer */
	volatile uint32_t limit;	/* no more bytes than that */
	volatile uint32_t delay_ms;	/* some time later */
	volatile uint32_t stall;	/* not before this is 0 again */
	volatile uint32_t flip;		/* with these bits of some bytes turned */
	volatile uint32_t spoil;	/* up to so many records of each block are others */
	/* and a place that cannot be read before another was, and then waits */
	volatile uint32_t trap;
	volatile uint64_t trap_at;
	volatile uint64_t trap_after;
};

enum {
	TRAP_NONE,
	TRAP_FAILS,			/* what holds trap_at is EIO */
	TRAP_OPEN,			/* trap_after was read */
	TRAP_CAUGHT,			/* a read of trap_at waits for TRAP_NONE */
};

#endif
