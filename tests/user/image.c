// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small reader of images; image.h says what it sees.
 */
#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <unistd.h>
#include "image.h"
#include "util.h"

static int map_file(struct image *img, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		close(fd);
		return -EIO;
	}
	img->size = st.st_size;
	if (img->size < EROFS_SUPER_OFFSET) {
		close(fd);
		return -EINVAL;
	}
	img->bytes = mmap(NULL, img->size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return img->bytes == MAP_FAILED ? -ENOMEM : 0;
}

int image_open(struct image *img, const char *path)
{
	struct erofs_fault fault;
	int err;

	memset(img, 0, sizeof(*img));
	err = map_file(img, path);
	if (err)
		return err;
	err = erofs_disk_super(img->bytes + EROFS_SUPER_OFFSET,
			       img->size - EROFS_SUPER_OFFSET,
			       EROFS_BLKSZBITS_MAX, &img->sb, &fault);
	if (err)
		image_close(img);
	return err;
}

void image_close(struct image *img)
{
	munmap(img->bytes, img->size);
}

size_t image_each(const char *folder, void (*run)(const char *path))
{
	char pattern[4096];
	glob_t found = {};
	size_t i, n;

	snprintf(pattern, sizeof(pattern), "%s/*.erofs", folder);
	n = glob(pattern, 0, NULL, &found) ? 0 : found.gl_pathc;
	for (i = 0; i < n; i++)
		run(found.gl_pathv[i]);
	globfree(&found);
	return n;
}

bool image_is_encoded(const struct image_inode *ino)
{
	return ino->desc.layout == EROFS_LAYOUT_COMPRESSED_FULL ||
	       ino->desc.layout == EROFS_LAYOUT_COMPRESSED_COMPACT;
}

struct z_erofs_params image_index_params(const struct image *img,
					 const struct image_inode *ino)
{
	return (struct z_erofs_params) {
		.compact = ino->desc.layout == EROFS_LAYOUT_COMPRESSED_COMPACT,
		.isize = ino->desc.isize,
		.tail_pos = ino->tail_pos,
		.blkszbits = img->sb.blkszbits,
		.algorithms = img->sb.algorithms,
		.big_pcluster = img->sb.incompat &
				EROFS_FEATURE_INCOMPAT_COMPR_CFGS,
		.legacy = !(img->sb.incompat &
			    EROFS_FEATURE_INCOMPAT_LZ4_0PADDING),
	};
}

static bool load_inode(const struct image *img, u64 nid, struct image_inode *ino)
{
	struct erofs_fault fault;

	ino->nid = nid;
	ino->pos = ((u64)img->sb.meta_blkaddr << img->sb.blkszbits) + nid * 32;
	if (ino->pos >= img->size ||
	    erofs_disk_inode(img->bytes + ino->pos, img->size - ino->pos,
			     &ino->desc, &fault))
		return false;
	ino->tail_pos = ino->pos + ino->desc.size + ino->desc.xattr_isize;
	return true;
}

const u8 *image_dirblk(const struct image *img, const struct image_inode *ino,
		       u64 blk, size_t *len)
{
	const u64 bs = 1ULL << img->sb.blkszbits;
	const u64 last = (ino->desc.isize - 1) / bs;
	u64 pos;

	if (!S_ISDIR(ino->desc.mode) || blk > last ||
	    (ino->desc.layout != EROFS_LAYOUT_FLAT_PLAIN &&
	     ino->desc.layout != EROFS_LAYOUT_FLAT_INLINE))
		return NULL;
	*len = blk < last ? bs : ino->desc.isize - blk * bs;
	pos = (ino->desc.u_wide + blk) * bs;
	if (ino->desc.layout == EROFS_LAYOUT_FLAT_INLINE && blk == last)
		pos = ino->tail_pos;
	if (pos > img->size || *len > img->size - pos)
		return NULL;
	return img->bytes + pos;
}

/* the nids seen so far; images of tests have few inodes */
struct seen {
	u64 *nid;
	size_t n;
	size_t room;
};

static void see(struct seen *s, u64 nid)
{
	size_t i;

	if (nid & EROFS_NID_METABOX)
		return;
	for (i = 0; i < s->n; i++)
		if (s->nid[i] == nid)
			return;
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->nid = realloc(s->nid, s->room * sizeof(*s->nid));
		if (!s->nid)
			abort();
	}
	s->nid[s->n++] = nid;
}

static bool see_children(struct image *img, const struct image_inode *ino,
			 struct seen *s)
{
	struct erofs_fault fault;
	const u8 *block;
	size_t len;
	u64 blk;
	u32 i;

	for (blk = 0; (block = image_dirblk(img, ino, blk, &len)); blk++) {
		if (erofs_disk_dirblk_check(block, len, &fault))
			return false;
		for (i = 0; i < erofs_disk_dirblk_count(block); i++)
			see(s, get_le(block + 12 * i, 8));
	}
	return true;
}

bool image_walk(struct image *img, image_visit_t visit, void *arg)
{
	struct seen s = {};
	bool ok = true;
	size_t i;

	see(&s, img->sb.root_nid);
	if (img->sb.packed_nid)
		see(&s, img->sb.packed_nid);
	if (img->sb.incompat & EROFS_FEATURE_INCOMPAT_METABOX)
		see(&s, img->sb.metabox_nid);
	for (i = 0; i < s.n; i++) {
		struct image_inode ino;

		if (!load_inode(img, s.nid[i], &ino)) {
			ok = false;
			continue;
		}
		visit(img, &ino, arg);
		ok &= see_children(img, &ino, &s);
	}
	free(s.nid);
	return ok;
}
