// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes: FORMAT.md section 20.
 *
 * One walk over the entries of an inode, inline ones first and then the shared
 * ones, serves both lookup and list. Entries are copied out of the metadata
 * before they are looked at (X3), from the space in which the inode lies (F6).
 * Each is inside of the body, or of the space, before its name or value is read
 * (X1, X2, X4). No locks; nothing is cached here.
 */
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <linux/xxhash.h>
#include "internal.h"

/**
 * struct erofs_xattr - one entry, as the walk shows it
 * @inode: whose
 * @space: metadata space of the entry
 * @pos: its first byte there
 * @desc: its decoded header
 */
struct erofs_xattr {
	struct inode *inode;
	struct inode *space;
	u64 pos;
	struct erofs_xattr_desc desc;
};

/* looks at one entry; 0 goes on, anything else ends the walk with that */
typedef int (*erofs_xattr_visit_t)(const struct erofs_xattr *xa, void *arg);

static int erofs_xattr_fail(struct inode *inode, int err, u64 pos)
{
	return erofs_fail_inode(inode, err, "unreadable xattr at %llu", pos);
}

static int erofs_xattr_load(struct erofs_xattr *xa)
{
	struct erofs_xattr_entry raw;
	int err;

	err = erofs_meta_copy(xa->space, xa->pos, &raw, sizeof(raw));
	if (err)
		return erofs_xattr_fail(xa->inode, err, xa->pos);
	erofs_disk_xattr(&raw, &xa->desc);
	return 0;
}

/* Bounded by the body: every entry takes at least 4 bytes of it. (X4) */
static int erofs_xattr_walk_inline(struct inode *inode, u32 used,
				   erofs_xattr_visit_t visit, void *arg)
{
	const struct erofs_inode *ei = EROFS_I(inode);
	struct erofs_xattr xa = {
		.inode = inode, .space = ei->space, .pos = ei->xattr_pos + used,
	};
	u32 left = ei->xattr_isize - used;
	int ret = 0;

	for (; left && !ret; left -= xa.desc.size, xa.pos += xa.desc.size) {
		ret = erofs_xattr_load(&xa);
		if (ret)
			break;
		if (xa.desc.size > left)
			return erofs_fail_inode(inode, -EUCLEAN,
						"xattr runs past its body, %u (%u)",
						xa.desc.size, left);
		ret = visit(&xa, arg);
	}
	return ret;
}

/* Bounded by the count, at most 255. */
static int erofs_xattr_walk_shared(struct inode *inode, u32 count,
				   erofs_xattr_visit_t visit, void *arg)
{
	const struct erofs_sb_info *sbi = EROFS_SB(inode->i_sb);
	const struct erofs_inode *ei = EROFS_I(inode);
	struct erofs_xattr xa = { .inode = inode, .space = sbi->meta };
	u64 pos = ei->xattr_pos + sizeof(struct erofs_xattr_ibody_header);
	__le32 id;
	int ret = 0;

	if ((sbi->desc.compat & EROFS_FEATURE_COMPAT_SHARED_EA_METABOX) &&
	    sbi->metabox)
		xa.space = sbi->metabox;
	for (; count && !ret; count--, pos += sizeof(id)) {
		ret = erofs_meta_copy(ei->space, pos, &id, sizeof(id));
		if (ret)
			return erofs_xattr_fail(inode, ret, pos);
		xa.pos = erofs_blk(sbi, sbi->desc.xattr_blkaddr) +
			 4ULL * le32_to_cpu(id);
		ret = erofs_xattr_load(&xa);
		if (!ret)
			ret = visit(&xa, arg);
	}
	return ret;
}

/* The header of an inode's xattr body, checked; -ENODATA where there is none. */
static int erofs_xattr_header(struct inode *inode,
			      struct erofs_xattr_ibody_header *head)
{
	const struct erofs_inode *ei = EROFS_I(inode);
	u32 room;
	int err;

	if (!ei->xattr_isize)
		return -ENODATA;
	if (ei->xattr_isize == sizeof(*head))
		return erofs_fail_inode(inode, -EOPNOTSUPP,
					"xattr body without entries");
	err = erofs_meta_copy(ei->space, ei->xattr_pos, head, sizeof(*head));
	if (err)
		return erofs_xattr_fail(inode, err, ei->xattr_pos);
	/* 32 bits, in which no body's size can wrap: X1, X2 */
	room = (ei->xattr_isize - sizeof(*head)) / sizeof(__le32);
	if (head->h_shared_count > room)
		return erofs_fail_inode(inode, -EUCLEAN,
					"too many shared xattrs, %u (%u)",
					head->h_shared_count, room);
	return 0;
}

static int erofs_xattr_walk(struct inode *inode,
			    const struct erofs_xattr_ibody_header *head,
			    erofs_xattr_visit_t visit, void *arg)
{
	const u32 count = head->h_shared_count;
	int ret;

	ret = erofs_xattr_walk_inline(inode, sizeof(*head) +
				      count * sizeof(__le32), visit, arg);
	if (!ret)
		ret = erofs_xattr_walk_shared(inode, count, visit, arg);
	return ret;
}

/* ---- names ---- */

/* What stands before an entry's suffix. False: nothing that users may see. */
static bool erofs_xattr_prefix(const struct erofs_sb_info *sbi, u32 index,
			       u32 *base, const char **infix, u32 *infix_len)
{
	const struct erofs_prefix *prefix;

	*base = index;
	*infix_len = 0;
	*infix = "";
	if (index & EROFS_XATTR_LONG_PREFIX) {
		index &= EROFS_XATTR_LONG_PREFIX_MASK;
		/* behind the table there is no prefix (X5) */
		if (index >= sbi->desc.prefix_count)
			return false;
		prefix = &sbi->prefixes[index];
		*base = prefix->base_index;
		*infix = prefix->infix;
		*infix_len = prefix->infix_len;
	}
	return *base != EROFS_XATTR_INDEX_HIDDEN;
}

static int erofs_xattr_suffix(const struct erofs_xattr *xa, char *suffix)
{
	const u64 pos = xa->pos + sizeof(struct erofs_xattr_entry);
	int err = erofs_meta_copy(xa->space, pos, suffix, xa->desc.name_len);

	return err ? erofs_xattr_fail(xa->inode, err, pos) : 0;
}

/* ---- get ---- */

/**
 * struct erofs_xattr_want - what a lookup looks for and where it goes
 * @index: short prefix
 * @name: what follows it
 * @len: bytes of @name
 * @buffer: where the value goes, or NULL to ask for its size
 * @size: room in @buffer
 * @found: size of the value
 */
struct erofs_xattr_want {
	unsigned int index;
	const char *name;
	size_t len;
	void *buffer;
	size_t size;
	int found;
};

static int erofs_xattr_take(const struct erofs_xattr *xa,
			    struct erofs_xattr_want *want)
{
	const u64 pos = xa->pos + sizeof(struct erofs_xattr_entry) +
			xa->desc.name_len;
	int err;

	want->found = xa->desc.value_len;
	if (!want->buffer || !want->size)
		return 1;
	if (want->size < xa->desc.value_len)
		return -ERANGE;
	err = erofs_meta_copy(xa->space, pos, want->buffer, want->found);
	return err ? erofs_xattr_fail(xa->inode, err, pos) : 1;
}

static int erofs_xattr_match(const struct erofs_xattr *xa, void *arg)
{
	const struct erofs_sb_info *sbi = EROFS_SB(xa->inode->i_sb);
	struct erofs_xattr_want *want = arg;
	char suffix[EROFS_NAME_LEN];
	u32 base, infix_len;
	const char *infix;
	int err;

	if (!erofs_xattr_prefix(sbi, xa->desc.index, &base, &infix,
				&infix_len))
		return 0;
	if (base != want->index || infix_len + xa->desc.name_len != want->len ||
	    memcmp(infix, want->name, infix_len))
		return 0;
	err = erofs_xattr_suffix(xa, suffix);
	if (err)
		return err;
	if (memcmp(suffix, want->name + infix_len, xa->desc.name_len))
		return 0;
	return erofs_xattr_take(xa, want);
}

/*
 * FORMAT.md section 20.5: a set bit means that no such name is there. Only where
 * the superblock says that the filter is one we know; else a label could be
 * missed and the file be taken for unlabelled (X8, U4).
 */
static bool erofs_xattr_filtered(const struct erofs_sb_info *sbi, u32 filter,
				 const struct erofs_xattr_want *want)
{
	if (!sbi->desc.xattr_filter)
		return false;
	return filter & BIT(xxh32(want->name, want->len,
				  EROFS_XATTR_FILTER_SEED + want->index) & 31);
}

/**
 * erofs_xattr_get - read an attribute of an inode
 * @inode: whose
 * @index: short prefix of the name
 * @name: what follows it
 * @buffer: where the value goes, or NULL to ask for its size
 * @size: room in @buffer
 *
 * Context: sleeps.
 * Return: bytes of the value; -ENODATA, -ERANGE, -EUCLEAN, or another errno.
 */
int erofs_xattr_get(struct inode *inode, unsigned int index, const char *name,
		    void *buffer, size_t size)
{
	struct erofs_xattr_want want = {
		.index = index, .name = name, .len = strlen(name),
		.buffer = buffer, .size = size,
	};
	struct erofs_xattr_ibody_header head;
	int ret;

	if (want.len > EROFS_NAME_LEN)
		return -ERANGE;
	ret = erofs_xattr_header(inode, &head);
	if (ret)
		return ret;
	if (erofs_xattr_filtered(EROFS_SB(inode->i_sb),
				 le32_to_cpu(head.h_name_filter), &want))
		return -ENODATA;
	ret = erofs_xattr_walk(inode, &head, erofs_xattr_match, &want);
	if (ret < 0)
		return ret;
	return ret ? want.found : -ENODATA;
}

static int erofs_xattr_handler_get(const struct xattr_handler *handler,
				   struct dentry *dentry, struct inode *inode,
				   const char *name, void *buffer, size_t size)
{
	if (handler->flags == EROFS_XATTR_INDEX_USER &&
	    !EROFS_SB(inode->i_sb)->opts.user_xattr)
		return -EOPNOTSUPP;
	return erofs_xattr_get(inode, handler->flags, name, buffer, size);
}

static bool erofs_xattr_user_list(struct dentry *dentry)
{
	return EROFS_SB(dentry->d_sb)->opts.user_xattr;
}

static bool erofs_xattr_trusted_list(struct dentry *dentry)
{
	return capable(CAP_SYS_ADMIN);
}

static const struct xattr_handler erofs_xattr_user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.flags	= EROFS_XATTR_INDEX_USER,
	.list	= erofs_xattr_user_list,
	.get	= erofs_xattr_handler_get,
};

static const struct xattr_handler erofs_xattr_trusted_handler = {
	.prefix	= XATTR_TRUSTED_PREFIX,
	.flags	= EROFS_XATTR_INDEX_TRUSTED,
	.list	= erofs_xattr_trusted_list,
	.get	= erofs_xattr_handler_get,
};

static const struct xattr_handler erofs_xattr_security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.flags	= EROFS_XATTR_INDEX_SECURITY,
	.get	= erofs_xattr_handler_get,
};

const struct xattr_handler * const erofs_xattr_handlers[] = {
	&erofs_xattr_user_handler,
	&erofs_xattr_trusted_handler,
	&erofs_xattr_security_handler,
#ifdef CONFIG_FS_POSIX_ACL
	&k_acl_access_handler,
	&k_acl_default_handler,
#endif
	NULL
};

/* ---- list ---- */

/**
 * struct erofs_xattr_list - where the names go
 * @dentry: who is asked
 * @buffer: receives them, or NULL to ask for their size
 * @size: room in @buffer
 * @used: bytes so far
 */
struct erofs_xattr_list {
	struct dentry *dentry;
	char *buffer;
	size_t size;
	size_t used;
};

/* The visible prefix, or NULL where this caller may not see such names (X7). */
static const char *erofs_xattr_visible(struct dentry *dentry, u32 base)
{
	const struct xattr_handler *handler;

	switch (base) {
	case EROFS_XATTR_INDEX_USER:
		handler = &erofs_xattr_user_handler;
		break;
	case EROFS_XATTR_INDEX_TRUSTED:
		handler = &erofs_xattr_trusted_handler;
		break;
	case EROFS_XATTR_INDEX_SECURITY:
		return XATTR_SECURITY_PREFIX;
	case EROFS_XATTR_INDEX_POSIX_ACL_ACCESS:
		return IS_POSIXACL(d_inode(dentry)) ?
			       XATTR_NAME_POSIX_ACL_ACCESS : NULL;
	case EROFS_XATTR_INDEX_POSIX_ACL_DEFAULT:
		return IS_POSIXACL(d_inode(dentry)) ?
			       XATTR_NAME_POSIX_ACL_DEFAULT : NULL;
	default:
		return NULL;
	}
	return handler->list(dentry) ? handler->prefix : NULL;
}

static int erofs_xattr_emit(struct erofs_xattr_list *list, const char *s,
			    size_t len)
{
	if (list->buffer) {
		if (len > list->size - list->used)
			return -ERANGE;
		memcpy(list->buffer + list->used, s, len);
	}
	list->used += len;
	return 0;
}

static int erofs_xattr_list_one(const struct erofs_xattr *xa, void *arg)
{
	struct erofs_xattr_list *list = arg;
	/* prefix, infix, suffix and NUL */
	char name[32 + 2 * EROFS_NAME_LEN + 1];
	char suffix[EROFS_NAME_LEN];
	const char *prefix, *infix;
	u32 base, infix_len;
	bool is_acl;
	int len, err;

	if (!erofs_xattr_prefix(EROFS_SB(xa->inode->i_sb), xa->desc.index,
				&base, &infix, &infix_len))
		return 0;
	prefix = erofs_xattr_visible(list->dentry, base);
	if (!prefix)
		return 0;
	/* names that the VFS could not ask for are not listed either */
	is_acl = base == EROFS_XATTR_INDEX_POSIX_ACL_ACCESS ||
		 base == EROFS_XATTR_INDEX_POSIX_ACL_DEFAULT;
	if (is_acl != !(infix_len + xa->desc.name_len))
		return 0;
	err = erofs_xattr_suffix(xa, suffix);
	if (err)
		return err;
	/* shorter than its parts where there is a NUL in one of them */
	len = scnprintf(name, sizeof(name), "%s%.*s%.*s", prefix, infix_len,
			infix, xa->desc.name_len, suffix);
	if (len > XATTR_NAME_MAX ||
	    len != strlen(prefix) + infix_len + xa->desc.name_len)
		return 0;
	return erofs_xattr_emit(list, name, len + 1);
}

/**
 * erofs_listxattr - list the names of an inode's attributes
 * @dentry: whose
 * @buffer: receives them, each with its NUL, or NULL
 * @size: room in @buffer
 *
 * Context: sleeps.
 * Return: bytes of the names, or an errno.
 */
ssize_t erofs_listxattr(struct dentry *dentry, char *buffer, size_t size)
{
	struct erofs_xattr_list list = {
		.dentry = dentry, .buffer = buffer, .size = size,
	};
	struct erofs_xattr_ibody_header head;
	int err;

	err = erofs_xattr_header(d_inode(dentry), &head);
	if (err)
		return err == -ENODATA ? 0 : err;
	err = erofs_xattr_walk(d_inode(dentry), &head, erofs_xattr_list_one,
			       &list);
	return err ?: list.used;
}

/* ---- POSIX ACLs ---- */

#ifdef CONFIG_FS_POSIX_ACL
/**
 * erofs_get_acl - read an ACL of an inode
 * @inode: whose
 * @type: ACL_TYPE_ACCESS or ACL_TYPE_DEFAULT
 * @rcu: the caller may not sleep, and is sent back to where it may (X9)
 *
 * Return: the ACL, NULL if there is none, or an errno.
 */
struct posix_acl *erofs_get_acl(struct inode *inode, int type, bool rcu)
{
	const unsigned int index = type == ACL_TYPE_ACCESS ?
					   EROFS_XATTR_INDEX_POSIX_ACL_ACCESS :
					   EROFS_XATTR_INDEX_POSIX_ACL_DEFAULT;
	struct posix_acl *acl;
	void *value = NULL;
	int len;

	if (rcu)
		return ERR_PTR(-ECHILD);
	len = erofs_xattr_get(inode, index, "", NULL, 0);
	if (len > 0) {
		value = kmalloc(len, GFP_KERNEL);
		if (!value)
			return ERR_PTR(-ENOMEM);
		len = erofs_xattr_get(inode, index, "", value, len);
	}
	if (len == -ENODATA)
		acl = NULL;
	else if (len < 0)
		acl = ERR_PTR(len);
	else
		acl = posix_acl_from_xattr(&init_user_ns, value, len);
	kfree(value);
	/* the value is the image's, so it is no caller's mistake */
	if (acl == ERR_PTR(-EINVAL))
		acl = ERR_PTR(erofs_fail_inode(inode, -EUCLEAN,
					       "bad ACL of %d bytes", len));
	else if (IS_ERR(acl) && len >= 0)
		erofs_fail_inode(inode, PTR_ERR(acl), "unknown ACL");
	return acl;
}
#endif

/* ---- long prefixes: FORMAT.md section 20.4 ---- */

/* plain only where a flag says so, else in the special inode that there is: X6 */
static struct inode *erofs_prefix_space(const struct erofs_sb_info *sbi)
{
	if (sbi->desc.compat & EROFS_FEATURE_COMPAT_PLAIN_XATTR_PFX)
		return sbi->meta;
	return sbi->metabox ?: sbi->packed ?: sbi->meta;
}

static int erofs_prefix_load(struct super_block *sb, struct inode *space,
			     u64 *pos, struct erofs_prefix *prefix)
{
	__le16 raw;
	u32 len;
	int err;

	*pos = round_up(*pos, 4);
	err = erofs_meta_copy(space, *pos, &raw, sizeof(raw));
	if (err)
		return erofs_fail(sb, err, "unreadable xattr prefix at %llu",
				  *pos);
	len = le16_to_cpu(raw);
	/* before anything is read by that length (S13) */
	if (!len || len > EROFS_XATTR_PREFIX_LEN_MAX)
		return erofs_fail(sb, -EUCLEAN, "bad xattr prefix length %u (%u)",
				  len, EROFS_XATTR_PREFIX_LEN_MAX);
	prefix->infix_len = len - 1;
	err = erofs_meta_copy(space, *pos + sizeof(raw), &prefix->base_index,
			      1);
	if (!err)
		err = erofs_meta_copy(space, *pos + sizeof(raw) + 1,
				      prefix->infix, prefix->infix_len);
	if (err)
		return erofs_fail(sb, err, "unreadable xattr prefix at %llu",
				  *pos);
	*pos += sizeof(raw) + len;
	return 0;
}

/**
 * erofs_prefixes_load - read the table of long name prefixes
 * @sb: the mount, with its special inodes
 *
 * Context: mount time; sleeps.
 * Return: 0 or an errno, after a message.
 */
int erofs_prefixes_load(struct super_block *sb)
{
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	struct inode *space = erofs_prefix_space(sbi);
	u64 pos = sbi->desc.prefix_pos;
	u32 i;
	int err = 0;

	if (!sbi->desc.prefix_count)
		return 0;
	sbi->prefixes = kvcalloc(sbi->desc.prefix_count,
				 sizeof(*sbi->prefixes), GFP_KERNEL);
	if (!sbi->prefixes)
		return -ENOMEM;
	for (i = 0; i < sbi->desc.prefix_count && !err; i++)
		err = erofs_prefix_load(sb, space, &pos, &sbi->prefixes[i]);
	return err;
}
