// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mount options: from a fs_context to struct erofs_opts and a list of sources.
 *
 * Nothing here opens a device or reads the image. An option that is not known,
 * or that this build cannot honour, fails the mount and says so.
 */
#include <linux/fs_parser.h>
#include <linux/seq_file.h>
#include "internal.h"

enum {
	Opt_acl,
	Opt_cache_strategy,
	Opt_dax,
	Opt_dax_enum,
	Opt_device,
	Opt_directio,
	Opt_domain_id,
	Opt_fsoffset,
	Opt_inode_share,
	Opt_sealed,
	Opt_source,
	Opt_subtype,
	Opt_user_xattr,
};

static const struct constant_table erofs_cache_names[] = {
	{ "disabled",	EROFS_CACHE_DISABLED },
	{ "readahead",	EROFS_CACHE_READAHEAD },
	{ "readaround",	EROFS_CACHE_READAROUND },
	{}
};

static const struct constant_table erofs_dax_names[] = {
	{ "always",	EROFS_DAX_ALWAYS },
	{ "never",	EROFS_DAX_NEVER },
	{}
};

const struct fs_parameter_spec erofs_fs_parameters[] = {
	fsparam_flag_no("acl",			Opt_acl),
	fsparam_enum("cache_strategy",		Opt_cache_strategy,
		     erofs_cache_names),
	fsparam_flag("dax",			Opt_dax),
	fsparam_enum("dax",			Opt_dax_enum, erofs_dax_names),
	k_fsparam_file_or_string("device",	Opt_device),
	fsparam_flag_no("directio",		Opt_directio),
	fsparam_string("domain_id",		Opt_domain_id),
	fsparam_u64("fsoffset",			Opt_fsoffset),
	fsparam_flag_no("inode_share",		Opt_inode_share),
	fsparam_flag("sealed",			Opt_sealed),
	k_fsparam_file_or_string("source",	Opt_source),
	fsparam_string("subtype",		Opt_subtype),
	fsparam_flag_no("user_xattr",		Opt_user_xattr),
	{}
};

/* ---- sources ---- */

static int erofs_src_check_fd(struct fs_context *fc, const struct file *file,
			      const char *key)
{
	const umode_t mode = file_inode(file)->i_mode;

	if (!S_ISREG(mode) && !S_ISBLK(mode))
		return invalfc(fc, "%s: the fd is neither a regular file nor a block device",
			       key);
	if (!(file->f_mode & FMODE_READ))
		return invalfc(fc, "%s: the fd is not open for reading",
			       key);
	return 0;
}

/* Takes the string or the file out of @param. */
static int erofs_src_take(struct fs_context *fc, struct fs_parameter *param,
			  struct erofs_src *src)
{
	int err;

	if (param->type == fs_value_is_file) {
		err = erofs_src_check_fd(fc, param->file, param->key);
		if (err)
			return err;
		src->file = param->file;
		param->file = NULL;
		return 0;
	}
	if (!param->size)
		return invalfc(fc, "%s: empty name", param->key);
	src->name = param->string;
	param->string = NULL;
	return 0;
}

static int erofs_parse_source(struct fs_context *fc, struct fs_parameter *param)
{
	struct erofs_src *src = ((struct erofs_sb_info *)fc->s_fs_info)->src;

	if (src->name || src->file)
		return invalfc(fc, "Multiple sources");
	return erofs_src_take(fc, param, src);
}

/* device ids have 16 bits, and 0 is the primary */
#define EROFS_SRC_MAX	65536U

static int erofs_parse_device(struct fs_context *fc, struct fs_parameter *param)
{
	struct erofs_sb_info *sbi = fc->s_fs_info;
	const unsigned int n = sbi->nr_src;
	struct erofs_src *src;
	int err;

	if (n >= EROFS_SRC_MAX)
		return invalfc(fc, "too many devices");
	/* grows at powers of two; 1 is there from the start */
	if (is_power_of_2(n)) {
		src = kvcalloc(2 * n, sizeof(*src), GFP_KERNEL);
		if (!src)
			return -ENOMEM;
		memcpy(src, sbi->src, n * sizeof(*src));
		kvfree(sbi->src);
		sbi->src = src;
	}
	err = erofs_src_take(fc, param, &sbi->src[n]);
	if (!err)
		sbi->nr_src++;
	return err;
}

/* ---- one option ---- */

static int erofs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct erofs_sb_info *sbi = fc->s_fs_info;
	struct erofs_opts *opts = &sbi->opts;
	struct fs_parse_result result;
	int opt = fs_parse(fc, erofs_fs_parameters, param, &result);

	switch (opt) {
	case Opt_acl:
		if (!result.negated && !IS_ENABLED(CONFIG_FS_POSIX_ACL))
			return invalfc(fc, "acl: this kernel has no ACLs");
		opts->acl = !result.negated;
		break;
	case Opt_cache_strategy:
		opts->cache = result.uint_32;
		break;
	case Opt_dax:
	case Opt_dax_enum:
		opts->dax = opt == Opt_dax ? EROFS_DAX_ALWAYS : result.uint_32;
		if (opts->dax == EROFS_DAX_ALWAYS &&
		    !IS_ENABLED(CONFIG_FS_DAX))
			return invalfc(fc, "dax: this kernel has no DAX");
		break;
	case Opt_device:
		return erofs_parse_device(fc, param);
	case Opt_directio:
		opts->io_mode = result.negated ? EROFS_IO_BUFFERED :
						 EROFS_IO_DIRECT;
		break;
	case Opt_domain_id:
	case Opt_inode_share:
		return invalfc(fc, "%s: this build does not share pages between images",
			       param->key);
	case Opt_fsoffset:
		opts->fsoffset = result.uint_64;
		break;
	case Opt_sealed:
		opts->sealed = true;
		break;
	case Opt_source:
		return erofs_parse_source(fc, param);
	case Opt_subtype:
		if (strcmp(param->string, "file"))
			return invalfc(fc, "no type erofs.%s", param->string);
		sbi->want_file = true;
		break;
	case Opt_user_xattr:
		opts->user_xattr = !result.negated;
		break;
	case -ENOPARAM:
		return invalfc(fc, "Unknown parameter '%s'", param->key);
	default:
		return opt;
	}
	return 0;
}

/* ---- remount ---- */

/* A source may be named again, by its name or by an fd of the same thing. */
static bool erofs_src_renamed(const struct erofs_src *old,
			      const struct erofs_src *new)
{
	const struct inode *inode;

	if (new->name)
		return !old->name || strcmp(new->name, old->name);
	inode = file_inode(new->file);
	return old->bdev ? !S_ISBLK(inode->i_mode) || inode->i_rdev != old->bdev :
			   inode != file_inode(old->file);
}

/* All of the extra devices, or as mountinfo shows them: those that have a name */
static bool erofs_extras_renamed(const struct erofs_sb_info *old,
				 const struct erofs_sb_info *new)
{
	const bool all = new->nr_src == old->nr_src;
	unsigned int i, k = 1;

	for (i = 1; i < old->nr_src; i++) {
		if (!all && !old->src[i].name)
			continue;
		if (k == new->nr_src ||
		    erofs_src_renamed(&old->src[i], &new->src[k]))
			return true;
		k++;
	}
	return k != new->nr_src;
}

static bool erofs_sources_changed(const struct erofs_sb_info *old,
				  const struct erofs_sb_info *new)
{
	if ((new->src[0].name || new->src[0].file) &&
	    erofs_src_renamed(&old->src[0], &new->src[0]))
		return true;
	return new->nr_src > 1 && erofs_extras_renamed(old, new);
}

/*
 * The new options start as the old ones, so what differs was asked for. What
 * lies behind the page cache cannot change under it.
 */
static int erofs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	struct erofs_sb_info *sbi = EROFS_SB(sb);
	const struct erofs_sb_info *new = fc->s_fs_info;

	if (new->opts.dax != sbi->opts.dax)
		return invalfc(fc, "dax cannot be changed while mounted");
	if (new->opts.fsoffset != sbi->opts.fsoffset)
		return invalfc(fc, "fsoffset cannot be changed while mounted");
	if (new->opts.sealed != sbi->opts.sealed)
		return invalfc(fc, "sealed cannot be changed while mounted");
	if (new->opts.io_mode != sbi->opts.io_mode)
		return invalfc(fc, "directio cannot be changed while mounted");
	if (erofs_sources_changed(sbi, new))
		return invalfc(fc, "source and devices cannot be changed while mounted");

	sbi->opts = new->opts;
	if (sbi->opts.acl)
		fc->sb_flags |= SB_POSIXACL;
	else
		fc->sb_flags &= ~SB_POSIXACL;
	fc->sb_flags_mask |= SB_POSIXACL;
	fc->sb_flags |= SB_RDONLY;
	return 0;
}

/* ---- showing them ---- */

/**
 * erofs_show_options - print the options of a mount for mountinfo
 * @m: where to
 * @root: of the mount
 *
 * Return: 0.
 */
int erofs_show_options(struct seq_file *m, struct dentry *root)
{
	static const char * const cache[] = {
		[EROFS_CACHE_DISABLED]		= "disabled",
		[EROFS_CACHE_READAHEAD]		= "readahead",
		[EROFS_CACHE_READAROUND]	= "readaround",
	};
	const struct erofs_sb_info *sbi = EROFS_SB(root->d_sb);
	const struct erofs_opts *opts = &sbi->opts;
	unsigned int i;

	seq_puts(m, opts->user_xattr ? ",user_xattr" : ",nouser_xattr");
	seq_puts(m, opts->acl ? ",acl" : ",noacl");
	seq_printf(m, ",cache_strategy=%s", cache[opts->cache]);
	if (opts->dax == EROFS_DAX_ALWAYS)
		seq_puts(m, ",dax=always");
	if (opts->io_mode == EROFS_IO_DIRECT)
		seq_puts(m, ",directio");
	if (opts->io_mode == EROFS_IO_BUFFERED)
		seq_puts(m, ",nodirectio");
	if (opts->sealed)
		seq_puts(m, ",sealed");
	if (opts->fsoffset)
		seq_printf(m, ",fsoffset=%llu", opts->fsoffset);
	for (i = 1; i < sbi->nr_src; i++)
		if (sbi->src[i].name)
			seq_show_option(m, "device", sbi->src[i].name);
	return 0;
}

static void erofs_free_fc(struct fs_context *fc)
{
	if (fc->s_fs_info)
		erofs_sbi_free(fc->s_fs_info);
	fc->s_fs_info = NULL;
}

const struct fs_context_operations erofs_context_ops = {
	.parse_param	= erofs_parse_param,
	.get_tree	= erofs_get_tree,
	.reconfigure	= erofs_reconfigure,
	.free		= erofs_free_fc,
};
