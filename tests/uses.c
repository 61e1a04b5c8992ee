// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files are used otherwise than by read(): sent through pipes and to files, mapped,
 * opened by handle as NFS does, seen through an overlay and with owners mapped. Of
 * images of every kind each use of each file gives the bytes that read() gives, or
 * says of the file what is true of these.
 *
 *	uses [-l] [case]...
 *
 *	-l  of all images, by file and by block; else of some, by one of the two
 *
 * What read() gives is read.c's matter, and io_uring's reads are uring.c's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fileops.h"

#define SOME_NATIVE	5	/* one image in so many where the machine is real */
#define SOME_EMULATED	25	/* and where it is not */
#define MAX_SIZE	200000	/* of larger files only the holes are long */
#define LARGE		"hole-odd"
#define MAX_KEPT	1024
#define SHIFT		100000	/* of owners, */
#define MAPPED		65536	/* of whom so many have one */

struct used {
	const char *path;
	const char *whole;	/* what it holds */
	char *buf;		/* as large */
	size_t size;
	int fd;
};

static bool is_zero(const char *p, size_t len)
{
	while (len && !*p) {
		p++;
		len--;
	}
	return !len;
}

/* ------------------------------------------------------- uses of the bytes */

static bool through_pipe(const struct used *u)
{
	loff_t off = 0;
	ssize_t n = 1;
	int p[2];

	NEED(!pipe2(p, O_CLOEXEC), "pipe: %m");
	while ((size_t)off < u->size && n > 0) {
		const loff_t from = off;

		n = splice(u->fd, &off, p[1], NULL, u->size - off, 0);
		if (n > 0 && read(p[0], u->buf + from, n) != n)
			n = 0;
	}
	close(p[0]);
	close(p[1]);
	return (size_t)off == u->size && !memcmp(u->buf, u->whole, u->size);
}

static bool sent_to_file(const struct used *u)
{
	int to = memfd_create("to", MFD_CLOEXEC);
	off_t off = 0;
	ssize_t n = 1;

	NEED(to >= 0, "memfd: %m");
	while ((size_t)off < u->size && n > 0)
		n = sendfile(to, u->fd, &off, u->size - off);
	n = pread_full(to, u->buf, u->size, 0);
	close(to);
	return n == (ssize_t)u->size && !memcmp(u->buf, u->whole, u->size);
}

static bool same_read(const struct used *u)
{
	return pread_full(u->fd, u->buf, u->size, 0) == (ssize_t)u->size &&
	       !memcmp(u->buf, u->whole, u->size);
}

static bool asked_for_early(const struct used *u)
{
	return !readahead(u->fd, 0, u->size) && same_read(u);
}

static bool advised(const struct used *u)
{
	static const int advice[] = { POSIX_FADV_WILLNEED, POSIX_FADV_RANDOM,
				      POSIX_FADV_SEQUENTIAL };
	bool same = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		same = same && !posix_fadvise(u->fd, 0, 0, advice[i]) &&
		       same_read(u);
		posix_fadvise(u->fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	posix_fadvise(u->fd, 0, 0, POSIX_FADV_NORMAL);
	return same;
}

static bool run_from(const struct used *u)
{
	char *map = mmap(NULL, u->size, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			 u->fd, 0);
	bool same = map != MAP_FAILED && !memcmp(map, u->whole, u->size);

	if (map != MAP_FAILED)
		munmap(map, u->size);
	return same;
}

/* A page of one's own, and the file stays as it is */
static bool written_privately(const struct used *u)
{
	char *map = mmap(NULL, u->size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 u->fd, 0);
	const size_t at = u->size / 2;
	bool same;

	if (map == MAP_FAILED)
		return false;
	map[at]++;
	same = map[at] == (char)(u->whole[at] + 1);
	map[at]--;
	same = same && !memcmp(map, u->whole, u->size) && same_read(u);
	munmap(map, u->size);
	return same;
}

static bool ends_with_its_page(const struct used *u)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t end = (u->size + page - 1) & ~(page - 1);
	char *map = mmap(NULL, end + page, PROT_READ, MAP_SHARED, u->fd, 0);
	bool right;

	if (map == MAP_FAILED)
		return false;
	right = is_zero(map + u->size, end - u->size) && touch_faults(map + end);
	munmap(map, end + page);
	return right;
}

/* ---------------------------------------------------- what is said of them */

/* Holes hold zeroes, come to an end, and the end of the file is one */
static bool holes_are_zero(const struct used *u)
{
	const off_t size = u->size;
	off_t pos = 0, data, hole;

	while (pos < size) {
		data = lseek(u->fd, pos, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO &&
			       is_zero(u->whole + pos, size - pos);
		hole = lseek(u->fd, data, SEEK_HOLE);
		if (data < pos || data >= size || hole <= data || hole > size ||
		    !is_zero(u->whole + pos, data - pos))
			return false;
		pos = hole;
	}
	return lseek(u->fd, size, SEEK_DATA) < 0 && errno == ENXIO;
}

#define EXTENTS	32

/* Extents ascend and do not overlap, and what is in none is zero */
static bool extents_hold_it(const struct used *u)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) +
			  EXTENTS * sizeof(struct fiemap_extent)];
	} f;
	uint64_t pos = 0;
	bool last = false;
	unsigned int i;

	while (pos < u->size && !last) {
		memset(&f, 0, sizeof(f));
		f.map.fm_start = pos;
		f.map.fm_length = FIEMAP_MAX_OFFSET - pos;
		f.map.fm_extent_count = EXTENTS;
		if (ioctl(u->fd, FS_IOC_FIEMAP, &f.map))
			return false;
		for (i = 0; i < f.map.fm_mapped_extents && !last; i++) {
			const struct fiemap_extent *e = &f.map.fm_extents[i];

			/* the first one may begin before what was asked for */
			if ((e->fe_logical < pos && i) || !e->fe_length ||
			    e->fe_logical + e->fe_length <= pos ||
			    e->fe_logical >= u->size)
				return false;
			if (e->fe_logical > pos &&
			    !is_zero(u->whole + pos, e->fe_logical - pos))
				return false;
			pos = e->fe_logical + e->fe_length;
			last = e->fe_flags & FIEMAP_EXTENT_LAST;
		}
		if (!f.map.fm_mapped_extents)
			break;
	}
	return pos >= u->size || is_zero(u->whole + pos, u->size - pos);
}

static const struct use {
	const char *name;
	bool (*fn)(const struct used *u);
} uses[] = {
	{ "splice", through_pipe },
	{ "sendfile", sent_to_file },
	{ "readahead", asked_for_early },
	{ "fadvise", advised },
	{ "executable mapping", run_from },
	{ "private mapping", written_privately },
	{ "mapping past the end", ends_with_its_page },
	{ "SEEK_HOLE", holes_are_zero },
	{ "FIEMAP", extents_hold_it },
};

/* ------------------------------------------------------- by another mount */

struct kept {
	uint64_t sum;
	size_t size;
	struct file_handle *handle;
};

/* The mount that is walked, others of the same, and what its files hold */
static struct {
	const char *dir, *overlay, *mapped;
	unsigned int files, nr;
	struct kept kept[MAX_KEPT];
} here;

static bool same_file(const struct used *u, const char *path, int flags)
{
	struct used other = *u;
	bool same;

	other.fd = open(path, flags | O_CLOEXEC);
	if (other.fd < 0)
		return false;
	posix_fadvise(other.fd, 0, 0, POSIX_FADV_DONTNEED);
	same = same_read(&other) &&
	       lseek(other.fd, 0, SEEK_END) == (off_t)u->size;
	close(other.fd);
	return same;
}

/* Its bytes are elsewhere, says an attribute, and an overlay asks for leave to look */
static bool is_metacopy(const char *path)
{
	return getxattr(path, "trusted.overlay.metacopy", NULL, 0) >= 0;
}

static void by_overlay(const struct used *u, const char *name)
{
	const char *path = below(here.overlay, name);

	if (is_metacopy(u->path))
		return;
	CHECK(same_file(u, path, O_RDONLY), "%s by an overlay: %m", name);
	CHECK(same_file(u, path, O_RDWR), "%s copied up: %m", name);
}

/* Who has no owner there is nobody's, and not even root's to open */
static void by_mapped(const struct used *u, const char *name,
		      const struct stat *st)
{
	const bool known = st->st_uid < MAPPED && st->st_gid < MAPPED;
	const char *path = below(here.mapped, name);
	struct stat got;

	NEED(!stat(path, &got), "%s: %m", name);
	if (!known) {
		CHECK(!same_file(u, path, O_RDONLY) && errno == EACCES,
		      "%s is nobody's: %m", name);
		return;
	}
	CHECK(same_file(u, path, O_RDONLY), "%s with owners mapped: %m", name);
	CHECK(got.st_ino == st->st_ino && got.st_uid == st->st_uid + SHIFT &&
	      got.st_gid == st->st_gid + SHIFT, "%s is of %u:%u, not of %u:%u",
	      name, got.st_uid, got.st_gid, st->st_uid + SHIFT,
	      st->st_gid + SHIFT);
}

static void keep_handle(const struct used *u)
{
	struct kept *k = &here.kept[here.nr];
	int id;

	if (here.nr == MAX_KEPT)
		return;
	k->handle = malloc(sizeof(*k->handle) + MAX_HANDLE_SZ);
	NEED(k->handle, "memory");
	k->handle->handle_bytes = MAX_HANDLE_SZ;
	NEED(!name_to_handle_at(AT_FDCWD, u->path, k->handle, &id, 0),
	     "handle of %s: %m", u->path);
	k->size = u->size;
	sum_bytes(&k->sum, u->whole, u->size);
	here.nr++;
}

/* Nobody knows of the inodes any more, as after a restart of a server */
static void by_handles(void)
{
	int root = open_need(here.dir, O_RDONLY | O_DIRECTORY);
	unsigned int i;

	forget_all(-1);
	for (i = 0; i < here.nr; i++) {
		const struct kept *k = &here.kept[i];
		int fd = open_by_handle_at(root, k->handle, O_RDONLY | O_CLOEXEC);
		uint64_t sum = 0;
		size_t size = 0;
		char *whole;

		if (!CHECK(fd >= 0, "handle %u: %m", i))
			continue;
		whole = slurp_fd(fd, &size);
		if (whole)
			sum_bytes(&sum, whole, size);
		CHECK(whole && size == k->size && sum == k->sum,
		      "file of handle %u", i);
		free(whole);
		close(fd);
	}
	close(root);
}

/* ------------------------------------------------------------------- cases */

struct variant {
	const struct image *img;
	enum via via;
	char name[128];
};

static void use_file(const char *path, const struct stat *st)
{
	struct used u = { .path = path, .size = st->st_size };
	const char *name = path + strlen(here.dir) + 1;
	char *whole = malloc(u.size);
	size_t i;

	u.fd = open_need(path, O_RDONLY);
	u.buf = malloc(u.size);
	NEED(whole && u.buf, "memory");
	NEED(pread_full(u.fd, whole, u.size, 0) == (ssize_t)u.size, "%s: %m",
	     path);
	u.whole = whole;
	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		posix_fadvise(u.fd, 0, 0, POSIX_FADV_DONTNEED);
		memset(u.buf, 0xa5, u.size);
		CHECK(uses[i].fn(&u), "%s: %s: %m", name, uses[i].name);
	}
	if (here.overlay)
		by_overlay(&u, name);
	if (here.mapped)
		by_mapped(&u, name, st);
	keep_handle(&u);
	here.files++;
	close(u.fd);
	free(whole);
	free(u.buf);
}

static int visit(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	if (type == FTW_F && S_ISREG(st->st_mode) && st->st_size > 0 &&
	    (st->st_size <= MAX_SIZE || !strcmp(path + ftw->base, LARGE)))
		use_file(path, st);
	return tap_failed();
}

static const char *mount_mapped(const struct source *src)
{
	const char *dir = new_dir("mapped");
	int mnt;

	if (access("/proc/self/ns/user", F_OK))
		return NULL;
	mnt = mount_detached(src);
	NEED_OK(mnt, "mount");
	set_idmap(mnt, SHIFT);
	NEED_OK(attach(mnt, dir), "attach");
	close(mnt);
	return dir;
}

static const char *mount_overlay(void)
{
	const char *dir;

	if (!have_filesystem("overlay"))
		return NULL;
	dir = new_dir("overlay");
	overlay_at(dir, here.dir, "overlay");
	return dir;
}

static void use_all(const void *arg)
{
	const struct variant *v = arg;
	struct source src;

	image_source(v->img, v->via, &src);
	here.dir = new_dir("mnt");
	NEED_OK(mount_at(&src, here.dir), "mount");
	here.overlay = mount_overlay();
	here.mapped = mount_mapped(&src);
	nftw(here.dir, visit, 16, FTW_PHYS);
	CHECK(here.files, "no file was used");
	by_handles();
	tap_note("%u files%s%s", here.files, here.overlay ? "" : ", no overlay",
		 here.mapped ? "" : ", no mapped owners");
	if (here.overlay)
		CHECK_ERR(do_umount(here.overlay, 0), 0, "umount of the overlay");
	if (here.mapped)
		CHECK_ERR(do_umount(here.mapped, 0), 0, "umount of the mapped");
	CHECK_ERR(do_umount(here.dir, 0), 0, "umount");
}

static bool chosen(const struct image *img, size_t row, enum via via)
{
	const size_t some = sanitizer_kernel() ? SOME_NATIVE : SOME_EMULATED;

	if (image_has(img, "unreadable") ||
	    (image_has(img, "fileonly") && via_is_block(via)))
		return false;
	if (long_run)
		return true;
	return row % some == 0 &&
	       via_is_block(via) == (row / some % 2 && !image_has(img, "fileonly"));
}

int main(int argc, char **argv)
{
	static const enum via vias[] = { VIA_PATH, VIA_LOOP };
	struct variant *variants;
	struct tap_case *cases;
	struct image *rows;
	size_t nr_rows = images_load(&rows), nr = 0, i, k;

	take_long_options(&argc, &argv);
	variants = calloc(nr_rows * ARRAY_SIZE(vias) + 1, sizeof(*variants));
	cases = calloc(nr_rows * ARRAY_SIZE(vias) + 1, sizeof(*cases));
	if (!variants || !cases)
		return 1;
	for (i = 0; i < nr_rows; i++) {
		for (k = 0; k < ARRAY_SIZE(vias); k++) {
			struct variant *v = &variants[nr];

			if (!chosen(&rows[i], i, vias[k]))
				continue;
			v->img = &rows[i];
			v->via = vias[k];
			snprintf(v->name, sizeof(v->name), "%s.%s", rows[i].name,
				 k ? "block" : "file");
			cases[nr].name = v->name;
			cases[nr].fn = use_all;
			cases[nr++].arg = v;
		}
	}
	return tap_run("uses", cases, nr, argc, argv);
}
