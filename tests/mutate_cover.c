// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage for tests/mutate: which ways through the module one mutant takes,
 * by KCOV, in the kernel whose module was built with it. Only what the task
 * itself does is seen, which is all but decoding by workers.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcov.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mutate.h"

#define ENTRIES		(1UL << 16)
#define MAP_BITS	17

static unsigned long *cover;
static uint8_t seen[1 << MAP_BITS];
static unsigned int total;

bool cover_open(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return false;
	if (ioctl(fd, KCOV_INIT_TRACE, ENTRIES))
		goto bad;
	map = mmap(NULL, ENTRIES * sizeof(*cover), PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto bad;
	/* fd stays open: closing it ends the collection */
	if (ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		munmap(map, ENTRIES * sizeof(*cover));
		goto bad;
	}
	cover = map;
	return true;
bad:
	close(fd);
	return false;
}

void cover_start(void)
{
	if (cover)
		__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
}

/* An edge has a bit for each order of magnitude of how often it is taken */
static uint8_t magnitude(unsigned int n)
{
	if (n < 4)
		return 1 << (n - 1);
	if (n < 8)
		return 8;
	if (n < 32)
		return 16;
	return n < 256 ? 32 : 64;
}

unsigned int cover_new(void)
{
	static uint16_t count[1 << MAP_BITS];
	static uint32_t used[ENTRIES];
	unsigned long n, nr, pc, last = 0;
	unsigned int fresh = 0, nr_used = 0, k;
	uint32_t edge;

	if (!cover)
		return 0;
	nr = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);
	for (n = 1; n <= nr && n < ENTRIES; n++) {
		pc = cover[n];
		edge = ((pc ^ last << 1) * 0x9E3779B97F4A7C15UL) >>
			(64 - MAP_BITS);
		last = pc;
		if (!count[edge])
			used[nr_used++] = edge;
		if (count[edge] < 256)
			count[edge]++;
	}
	for (k = 0; k < nr_used; k++) {
		uint8_t bit = magnitude(count[used[k]]);

		count[used[k]] = 0;
		if (seen[used[k]] & bit)
			continue;
		fresh++;
		total += !seen[used[k]];
		seen[used[k]] |= bit;
	}
	return fresh;
}

unsigned int cover_total(void)
{
	return total;
}

void cover_forget(void)
{
	memset(seen, 0, sizeof(seen));
	total = 0;
}
