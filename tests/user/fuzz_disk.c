// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz targets: the records that disk.c decodes. Each is compared with the naive
 * decoder of naive_disk.c, so that not only crashes are findings.
 */
#include "fuzz.h"
#include "naive_disk.h"
#include "util.h"

static void expect(const char *wrong)
{
	if (wrong) {
		fprintf(stderr, "fuzz: %s\n", wrong);
		abort();
	}
}

void fuzz_super(const u8 *data, size_t size)
{
	struct erofs_sb_desc sb;
	u32 max;

	if (!size)
		return;
	max = data[0] % 17;
	data++;
	size--;
	expect(check_super(data, size, max));
	if (naive_super(data, size, max, &sb) && size > sb.sb_size)
		expect(check_configs(data + sb.sb_size, size - sb.sb_size, &sb));
	/* any bytes are a device slot */
	if (size >= 128)
		expect(check_device(data + size - 128, data[0] & 1));
}

void fuzz_inode(const u8 *data, size_t size)
{
	expect(check_inode(data, size));
}

void fuzz_dirblk(const u8 *data, size_t size)
{
	bool good;

	/* no block is larger */
	expect(check_dirblk(data, size < 65536 ? size : 65536, &good));
}

void fuzz_chunk(const u8 *data, size_t size)
{
	if (size >= 2)
		expect(check_chunk(data + 2, size - 2, get_le(data, 2)));
}

void fuzz_xattr(const u8 *data, size_t size)
{
	expect(check_xattrs(data, size));
}
