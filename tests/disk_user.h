/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What disk.h and zindex.h take from kernel headers, for user space: integer
 * types, byte order, errno and string functions. Nothing here knows the format.
 */
#ifndef EROFS_DISK_USER_H
#define EROFS_DISK_USER_H

#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

static inline u16 le16_to_cpu(__le16 v)
{
	return le16toh(v);
}

static inline u32 le32_to_cpu(__le32 v)
{
	return le32toh(v);
}

static inline u64 le64_to_cpu(__le64 v)
{
	return le64toh(v);
}

#endif
