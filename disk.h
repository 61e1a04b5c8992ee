/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decoders of the on-disk records.
 *
 * Pure functions from bytes to plain structures: they know no mount, take no
 * lock, allocate nothing and read nothing beyond the length they are given, so
 * the same code is built in user space and fuzzed there. Each record of the
 * format is checked in exactly one of them.
 */
#ifndef EROFS_DISK_H
#define EROFS_DISK_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/overflow.h>
#include <asm/byteorder.h>
#else
#include "tests/disk_user.h"
#endif
#include "erofs_fs.h"

/**
 * struct erofs_fault - why a decoder refused a record
 * @what: the fact in words, with no value in it
 * @value: the value that was found
 * @bound: the limit that it breaks, or 0 where there is none to tell
 */
struct erofs_fault {
	const char *what;
	u64 value;
	u64 bound;
};

/**
 * struct erofs_sb_desc - the checked superblock in native form
 * @compat: compatible feature bits, unknown ones included
 * @incompat: incompatible feature bits, all known
 * @blkszbits: log2 of the block size
 * @sb_size: bytes of the superblock with its extension slots
 * @inos: number of inodes, for statfs only
 * @epoch: base of compact inodes' times in seconds
 * @fixed_nsec: nanoseconds of compact inodes' times
 * @build_time: when the image was made, seconds after @epoch
 * @blocks: size of the primary device in blocks, for statfs only
 * @meta_blkaddr: block at which nid 0 would lie
 * @xattr_blkaddr: block at which shared xattr 0 lies
 * @algorithms: bitmap of the algorithms that the image may use
 * @lzma_dict: LZMA: bytes of the dictionary
 * @zstd_windowlog: ZSTD: log2 of the window, minus 10
 * @extra_devices: number of slots in the device table
 * @devt_pos: byte position of the device table
 * @prefix_count: number of long xattr prefixes
 * @prefix_pos: byte position of their table in the space that holds it
 * @xattr_filter: the name filters of inodes may be used
 * @root_nid: the root directory
 * @packed_nid: the packed inode, 0 if none
 * @metabox_nid: the metabox inode, valid with INCOMPAT_METABOX
 * @uuid: all zero if none
 * @volume_name: NUL-terminated
 */
struct erofs_sb_desc {
	u32 compat;
	u32 incompat;
	u8 blkszbits;
	u32 sb_size;
	u64 inos;
	s64 epoch;
	u32 fixed_nsec;
	u32 build_time;
	u64 blocks;
	u32 meta_blkaddr;
	u32 xattr_blkaddr;
	u32 algorithms;
	u32 lzma_dict;
	u8 zstd_windowlog;
	u32 extra_devices;
	u32 devt_pos;
	u32 prefix_count;
	u64 prefix_pos;
	bool xattr_filter;
	u64 root_nid;
	u64 packed_nid;
	u64 metabox_nid;
	u8 uuid[16];
	char volume_name[17];
};

int erofs_disk_super(const void *buf, size_t len, unsigned int blkszbits_max,
		     struct erofs_sb_desc *sb, struct erofs_fault *fault);
u32 erofs_disk_crc32c(u32 crc, const void *buf, size_t len);
u32 erofs_disk_checksum_len(unsigned int blkszbits);
int erofs_disk_compr_cfg(unsigned int alg, const void *buf, size_t len,
			 struct erofs_sb_desc *sb, struct erofs_fault *fault);

/**
 * struct erofs_slot_desc - one extra device
 * @blocks: its size in blocks
 * @uniaddr: its first block in the unified address space, 0 if not mapped
 */
struct erofs_slot_desc {
	u64 blocks;
	u64 uniaddr;
};

void erofs_disk_device(const struct erofs_deviceslot *slot, bool wide,
		       struct erofs_slot_desc *desc);

/**
 * struct erofs_inode_desc - a checked inode record in native form
 * @size: bytes of the record itself, 32 or 64
 * @layout: how the data is laid out
 * @mode: type and permissions
 * @isize: bytes of file content
 * @mtime: seconds; relative to the epoch when @mtime_relative
 * @mtime_nsec: nanoseconds, unless @mtime_relative
 * @mtime_relative: a compact inode
 * @uid: owner
 * @gid: group
 * @nlink: link count
 * @xattr_isize: bytes of the xattr body behind the record
 * @u: the raw 32-bit field whose meaning depends on type and layout
 * @u_wide: @u with its high 16 bits: start block or block count
 * @u_null: all significant bits of @u_wide are set: no address
 * @dot_omitted: a directory that does not store "."
 */
struct erofs_inode_desc {
	u32 size;
	enum erofs_layout layout;
	u16 mode;
	u64 isize;
	s64 mtime;
	u32 mtime_nsec;
	bool mtime_relative;
	u32 uid;
	u32 gid;
	u32 nlink;
	u32 xattr_isize;
	u32 u;
	u64 u_wide;
	bool u_null;
	bool dot_omitted;
};

u32 erofs_disk_inode_size(const void *buf);
int erofs_disk_inode(const void *buf, size_t len, struct erofs_inode_desc *ino,
		     struct erofs_fault *fault);

/**
 * struct erofs_name - a name inside a directory block
 * @s: first byte, not NUL-terminated
 * @len: bytes
 */
struct erofs_name {
	const char *s;
	u32 len;
};

int erofs_disk_dirblk_check(const void *buf, size_t len,
			    struct erofs_fault *fault);
u32 erofs_disk_dirblk_count(const void *buf);
struct erofs_name erofs_disk_dirent_name(const void *buf, size_t len, u32 i);

/**
 * struct erofs_chunk_desc - where one chunk lies
 * @hole: nowhere, it reads as zeroes
 * @device: device id, not yet masked; 0 is the primary or unified space
 * @blk: first block on that device
 */
struct erofs_chunk_desc {
	bool hole;
	u16 device;
	u64 blk;
};

int erofs_disk_chunk_format(u32 format, struct erofs_fault *fault);
void erofs_disk_chunk(const void *buf, u32 format,
		      struct erofs_chunk_desc *chunk);

/**
 * struct erofs_xattr_desc - header of one xattr entry
 * @name_len: bytes of the name's suffix, behind the header
 * @index: index of the name's prefix
 * @value_len: bytes of the value, behind the name
 * @size: bytes of the whole entry with its padding
 */
struct erofs_xattr_desc {
	u32 name_len;
	u32 index;
	u32 value_len;
	u32 size;
};

void erofs_disk_xattr(const struct erofs_xattr_entry *raw,
		      struct erofs_xattr_desc *desc);

#endif
