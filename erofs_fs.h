/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The EROFS on-disk format: structures, feature bits and limits.
 *
 * Nothing here knows of a mount, so the header compiles in user space too.
 * Integers are little-endian, structures are packed by construction, and each
 * has an assertion of its size. Section numbers are those of FORMAT.md.
 */
#ifndef EROFS_FS_H
#define EROFS_FS_H

#include <linux/types.h>

#define EROFS_SUPER_MAGIC		0xE0F5E1E2U
#define EROFS_SUPER_OFFSET		1024
#define EROFS_SB_BASE_SIZE		128
#define EROFS_SB_EXTSLOT_SIZE		16

/* Section 2: the format's own bounds of a block */
#define EROFS_BLKSZBITS_MIN		9
#define EROFS_BLKSZBITS_MAX		16

/* Section 3.1: compatible features, which a reader may ignore */
#define EROFS_FEATURE_COMPAT_SB_CHKSUM		0x00000001
#define EROFS_FEATURE_COMPAT_MTIME		0x00000002
#define EROFS_FEATURE_COMPAT_XATTR_FILTER	0x00000004
#define EROFS_FEATURE_COMPAT_SHARED_EA_METABOX	0x00000008
#define EROFS_FEATURE_COMPAT_PLAIN_XATTR_PFX	0x00000010
#define EROFS_FEATURE_COMPAT_ISHARE_XATTRS	0x00000020

/* Section 3.2: incompatible features; an unknown one refuses the mount */
#define EROFS_FEATURE_INCOMPAT_LZ4_0PADDING	0x00000001
#define EROFS_FEATURE_INCOMPAT_COMPR_CFGS	0x00000002
#define EROFS_FEATURE_INCOMPAT_CHUNKED_FILE	0x00000004
#define EROFS_FEATURE_INCOMPAT_DEVICE_TABLE	0x00000008
#define EROFS_FEATURE_INCOMPAT_ZTAILPACKING	0x00000010
#define EROFS_FEATURE_INCOMPAT_FRAGMENTS	0x00000020
#define EROFS_FEATURE_INCOMPAT_XATTR_PREFIXES	0x00000040
#define EROFS_FEATURE_INCOMPAT_48BIT		0x00000080
#define EROFS_FEATURE_INCOMPAT_METABOX		0x00000100
#define EROFS_FEATURE_INCOMPAT_ALL		0x000001FF

/* Section 2: the superblock, at byte 1024 of the primary device */
struct erofs_super_block {
	__le32 magic;
	__le32 checksum;		/* CRC-32C, section 2.1 */
	__le32 feature_compat;
	__u8 blkszbits;
	__u8 sb_extslots;		/* 16-byte slots after the first 128 */
	union {
		__le16 rootnid_2b;
		__le16 blocks_hi;	/* when rootnid_8b is in force */
	} __attribute__((packed)) rb;
	__le64 inos;
	__le64 epoch;			/* signed seconds */
	__le32 fixed_nsec;
	__le32 blocks_lo;
	__le32 meta_blkaddr;
	__le32 xattr_blkaddr;
	__u8 uuid[16];
	__u8 volume_name[16];		/* no NUL when all 16 are used */
	__le32 feature_incompat;
	union {
		__le16 available_compr_algs;	/* with COMPR_CFGS */
		__le16 lz4_max_distance;
	} __attribute__((packed)) u1;
	__le16 extra_devices;
	__le16 devt_slotoff;		/* in device slots from byte 0 */
	__u8 dirblkbits;
	__u8 xattr_prefix_count;
	__le32 xattr_prefix_start;	/* in units of 4 bytes */
	__le64 packed_nid;
	__u8 xattr_filter_reserved;
	__u8 ishare_xattr_prefix_id;
	__u8 reserved1[2];
	__le32 build_time;		/* seconds after epoch */
	__le64 rootnid_8b;		/* with 48BIT, when not 0 */
	__u8 reserved2[8];
	__le64 metabox_nid;		/* first field of extension slot 0 */
	__u8 reserved3[8];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_super_block) == 144, "superblock");

/* Section 4: identifiers of algorithms, bits of available_compr_algs */
enum {
	EROFS_COMPRESSION_LZ4,
	EROFS_COMPRESSION_LZMA,
	EROFS_COMPRESSION_DEFLATE,
	EROFS_COMPRESSION_ZSTD,
	EROFS_COMPRESSION_MAX,
};

/* Section 5: one slot of the device table; slot n is device n + 1 */
struct erofs_deviceslot {
	__u8 tag[64];
	__le32 blocks_lo;
	__le32 uniaddr_lo;
	__le16 blocks_hi;
	__le16 uniaddr_hi;
	__u8 reserved[52];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_deviceslot) == 128, "device slot");

/* Section 6.1: inodes start on slots; the top bit of a nid means "metabox" */
#define EROFS_ISLOT_BITS		5
#define EROFS_NID_METABOX		(1ULL << 63)

/* Section 6.2: i_format */
#define EROFS_I_EXTENDED		0x0001
#define EROFS_I_LAYOUT_SHIFT		1
#define EROFS_I_LAYOUT_MASK		0x0007
#define EROFS_I_NLINK_1			0x0010	/* compact, not a directory */
#define EROFS_I_DOT_OMITTED		0x0010	/* directories */
#define EROFS_I_KNOWN			0x001F

enum erofs_layout {
	EROFS_LAYOUT_FLAT_PLAIN,
	EROFS_LAYOUT_COMPRESSED_FULL,
	EROFS_LAYOUT_FLAT_INLINE,
	EROFS_LAYOUT_COMPRESSED_COMPACT,
	EROFS_LAYOUT_CHUNK_BASED,
	EROFS_LAYOUT_MAX,
};

/* Section 6.3 */
struct erofs_inode_compact {
	__le16 i_format;
	__le16 i_xattr_icount;
	__le16 i_mode;
	__le16 i_nb;
	__le32 i_size;
	__le32 i_mtime;
	__le32 i_u;
	__le32 i_ino;
	__le16 i_uid;
	__le16 i_gid;
	__le32 i_reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_inode_compact) == 32, "compact inode");

/* Section 6.4 */
struct erofs_inode_extended {
	__le16 i_format;
	__le16 i_xattr_icount;
	__le16 i_mode;
	__le16 i_nb;
	__le64 i_size;
	__le32 i_u;
	__le32 i_ino;
	__le32 i_uid;
	__le32 i_gid;
	__le64 i_mtime;			/* signed seconds */
	__le32 i_mtime_nsec;
	__le32 i_nlink;
	__u8 i_reserved[16];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_inode_extended) == 64, "extended inode");

/* Section 8: directory entries and their file types */
struct erofs_dirent {
	__le64 nid;
	__le16 nameoff;
	__u8 file_type;
	__u8 reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "dirent");

#define EROFS_NAME_LEN			255

/* Section 10: chunk format and 8-byte chunk index */
#define EROFS_CHUNK_FORMAT_BLKBITS	0x001F
#define EROFS_CHUNK_FORMAT_INDEXES	0x0020
#define EROFS_CHUNK_FORMAT_48BIT	0x0040
#define EROFS_CHUNK_FORMAT_ALL		0x007F

struct erofs_chunk_index {
	__le16 startblk_hi;
	__le16 device_id;
	__le32 startblk_lo;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_chunk_index) == 8, "chunk index");

/* Section 20: extended attributes */
struct erofs_xattr_ibody_header {
	__le32 h_name_filter;
	__u8 h_shared_count;
	__u8 h_reserved[7];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_xattr_ibody_header) == 12, "xattr body");

struct erofs_xattr_entry {
	__u8 e_name_len;
	__u8 e_name_index;
	__le16 e_value_size;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_xattr_entry) == 4, "xattr entry");

#define EROFS_XATTR_INDEX_HIDDEN		0
#define EROFS_XATTR_INDEX_USER			1
#define EROFS_XATTR_INDEX_POSIX_ACL_ACCESS	2
#define EROFS_XATTR_INDEX_POSIX_ACL_DEFAULT	3
#define EROFS_XATTR_INDEX_TRUSTED		4
#define EROFS_XATTR_INDEX_SECURITY		6
#define EROFS_XATTR_LONG_PREFIX			0x80
#define EROFS_XATTR_LONG_PREFIX_MASK		0x7F
#define EROFS_XATTR_PREFIX_MAX			128
/* a record's length: base index and an infix of up to 255 bytes */
#define EROFS_XATTR_PREFIX_LEN_MAX		256
#define EROFS_XATTR_FILTER_SEED			0x25BBE08FU

/* Section 11: header of an encoded inode's map */
#define EROFS_MAP_HEADER_SIZE		8
#define EROFS_MAP_WHOLE_FRAGMENT	(1ULL << 63)	/* of the le64 */

#define EROFS_ADVISE_COMPACTED_2B	0x0001		/* layout 3 */
#define EROFS_ADVISE_EXTENTS		0x0001		/* layout 1 */
#define EROFS_ADVISE_BIG_PCLUSTER_1	0x0002
#define EROFS_ADVISE_BIG_PCLUSTER_2	0x0004
#define EROFS_ADVISE_EXTRECSZ_SHIFT	1
#define EROFS_ADVISE_EXTRECSZ_MASK	0x0003
#define EROFS_ADVISE_INLINE_PCLUSTER	0x0008
#define EROFS_ADVISE_INTERLACED		0x0010
#define EROFS_ADVISE_FRAGMENT		0x0020

/* Section 12: types of lclusters and flags of full records */
enum {
	EROFS_LCLUSTER_PLAIN,
	EROFS_LCLUSTER_HEAD1,
	EROFS_LCLUSTER_NONHEAD,
	EROFS_LCLUSTER_HEAD2,
};
#define EROFS_LI_TYPE_MASK		0x0003
#define EROFS_LI_HOLE			0x4000
#define EROFS_LI_PARTIAL_REF		0x8000
#define EROFS_LI_CBLKCNT		0x0800
#define EROFS_LI_CBLKCNT_MASK		0x07FF

struct erofs_lcluster_index {
	__le16 di_advise;
	__le16 di_clusterofs;
	union {
		__le32 blkaddr;		/* heads */
		__le16 delta[2];	/* others: back and forth to a head */
	} __attribute__((packed)) di_u;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_lcluster_index) == 8, "lcluster index");

/* Section 15: a record of encoded extents, of which the first bytes are stored */
#define EROFS_EXTENT_PLEN_MASK		0x001FFFFF
#define EROFS_EXTENT_PARTIAL		(1U << 27)
#define EROFS_EXTENT_FORMAT_SHIFT	28

struct erofs_extent_record {
	__le32 plen;
	__le32 pstart_lo;
	__le32 pstart_hi;
	__le32 lstart_lo;
	__le32 lstart_hi;
	__u8 reserved[12];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_extent_record) == 32, "extent record");

/* Section 24: bounds of one encoded extent */
#define EROFS_PCLUSTER_MAX_SIZE		(1U << 20)
#define EROFS_EXTENT_MAX_SIZE		(12U << 20)

#endif
