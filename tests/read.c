// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every image of the table by every transport: mounted, compared with the
 * expected tree (every name, mode, owner, time, link, attribute and byte), and
 * unmounted. Some transports read in order, from a cold cache; others in pieces
 * from the end first. One body; the table and the transports are the variants.
 *
 *	read [-l] [case]...
 *
 *	-l  of all images (else of some, and in the sanitizer kernel alone) that
 *	    each way of reading gives the same, and with many pieces at random
 *
 * With EROFS_ORACLE set, it is the distribution's own module that is looked at,
 * to see that the images mean to it what they mean to us: only what it can do.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib_mount.h"

/* Which store is what, for the primary and for each extra device in turn */
struct transport {
	const char *name;
	enum via primary, odd, even;
	bool devices_only;		/* makes no sense without devices */
	bool pieces;			/* the others read by the same code */
	bool ways;			/* each file by each way, from nothing */
};

static const struct transport transports[] = {
	{ "file", VIA_PATH, VIA_PATH, VIA_PATH, false, true, false },
	{ "fd", VIA_FD, VIA_FD, VIA_FD, false, false, false },
	{ "block", VIA_LOOP, VIA_LOOP, VIA_LOOP, false, true, false },
	{ "blockfd", VIA_LOOP_FD, VIA_LOOP_FD, VIA_LOOP_FD, false, false, false },
	{ "file+block", VIA_PATH, VIA_LOOP, VIA_LOOP, true, true, false },
	{ "block+file", VIA_LOOP, VIA_PATH, VIA_PATH, true, true, false },
	{ "file+mixed", VIA_FD, VIA_LOOP_FD, VIA_PATH, true, false, false },
	{ "block+mixed", VIA_LOOP_FD, VIA_FD, VIA_LOOP, true, false, false },
	{ "ways", VIA_PATH, VIA_PATH, VIA_PATH, false, false, true },
};

struct variant {
	const struct image *img;
	const struct transport *via;
	char name[128];
};

static void source_of(const struct variant *v, struct source *src)
{
	int i;

	image_source(v->img, v->via->primary, src);
	for (i = 0; i < src->nr_dev; i++)
		src->dev_via[i] = i % 2 ? v->via->even : v->via->odd;
}

/* --------------------------------------------------- reading in pieces */

#define PIECES_MAX	200000		/* of the larger ones, one will do */
#define PIECES_LARGE	"hole-odd"
#define PIECE		9001		/* never aligned twice in a row */

static unsigned int pieces_seen;

/* Backwards and without readahead: other code than a dump, for the same pages */
static bool read_backwards(int fd, char *whole, size_t size)
{
	size_t end = size;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	while (end) {
		size_t len = end < PIECE ? end : PIECE;

		if (pread_full(fd, whole + end - len, len, end - len) !=
		    (ssize_t)len)
			return false;
		end -= len;
	}
	return true;
}

static bool same_mapped(int fd, const char *whole, size_t size)
{
	const char *map;
	size_t page = sysconf(_SC_PAGESIZE), i;
	bool same;

	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return false;
	same = !memcmp(map, whole, size);
	/* What lies between the end of the file and of its page is zero */
	for (i = size; i % page; i++)
		same = same && !map[i];
	munmap((void *)map, size);
	return same;
}

static void file_pieces(const char *path, size_t size)
{
	char *whole = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (CHECK(whole && fd >= 0, "open %s: %m", path)) {
		CHECK(read_backwards(fd, whole, size), "%s backwards: %m", path);
		CHECK(same_mapped(fd, whole, size), "%s mapped", path);
		pieces_seen++;
	}
	if (fd >= 0)
		close(fd);
	free(whole);
}

static int visit(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	if (type == FTW_F && S_ISREG(st->st_mode) && st->st_size > 0 &&
	    (st->st_size <= PIECES_MAX ||
	     !strcmp(path + ftw->base, PIECES_LARGE)))
		file_pieces(path, st->st_size);
	return 0;
}

/* ------------------------------------------------ the same by every way */

#define SOME_IMAGES	5		/* one in so many */
#define BUFFER_ALIGN	4096

static void forget(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* True if there is no direct I/O, too */
static bool same_direct(const char *path, char *buf, const char *whole,
			size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	size_t off, room = (size + BUFFER_ALIGN - 1) & ~(BUFFER_ALIGN - 1);
	ssize_t n = 0;

	if (fd < 0)
		return errno == EINVAL;
	for (off = 0; off < size; off += n) {
		n = pread(fd, buf + off, room - off, off);
		if (n <= 0)
			break;
	}
	close(fd);
	return off == size && !memcmp(buf, whole, size);
}

/* Of 1 to 9000 bytes each, as many as hold the file */
static bool same_pieces(int fd, char *buf, const char *whole, size_t size,
			uint32_t random)
{
	size_t sum = 0, off, len;

	forget(fd);
	while (sum < size) {
		random = random * 1664525 + 1013904223;
		off = (random >> 8) % size;
		random = random * 1664525 + 1013904223;
		len = (random >> 8) % 9000 + 1;
		if (len > size - off)
			len = size - off;
		if (pread_full(fd, buf, len, off) != (ssize_t)len ||
		    memcmp(buf, whole + off, len))
			return false;
		sum += len;
	}
	return true;
}

static void file_ways(const char *path, size_t size)
{
	char *whole = malloc(size), *buf = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t seed, seeds = long_run ? 50 : 1;

	NEED(whole && fd >= 0 &&
	     !posix_memalign((void **)&buf, BUFFER_ALIGN, size + BUFFER_ALIGN),
	     "open %s: %m", path);
	CHECK(pread_full(fd, whole, size, 0) == (ssize_t)size, "%s: %m", path);
	forget(fd);
	CHECK(same_mapped(fd, whole, size), "%s mapped", path);
	forget(fd);
	CHECK(same_direct(path, buf, whole, size), "%s past the cache", path);
	for (seed = 1; seed <= seeds; seed++)
		CHECK(same_pieces(fd, buf, whole, size, seed),
		      "%s in pieces of seed %u", path, seed);
	pieces_seen++;
	close(fd);
	free(whole);
	free(buf);
}

static int visit_ways(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode) && st->st_size > 0 &&
	    st->st_size <= PIECES_MAX)
		file_ways(path, st->st_size);
	return tap_failed();
}

/* --------------------------------------------------------------- cases */

static bool oracle(void)
{
	return getenv("EROFS_ORACLE");
}

static void check_statfs(const struct image *img, const char *dir)
{
	struct statfs fs;

	NEED(!statfs(dir, &fs), "statfs: %m");
	CHECK(fs.f_type == EROFS_STATFS_TYPE, "f_type %lx", (long)fs.f_type);
	CHECK(fs.f_bsize == img->bs, "f_bsize %ld, not %u", (long)fs.f_bsize,
	      img->bs);
}

/* Data of an encoded file cannot be read by this build; all the rest can */
static int visit_unreadable(const char *path, const struct stat *st, int type,
			 struct FTW *ftw)
{
	char byte;
	int fd;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!CHECK(fd >= 0, "open %s: %m", path))
		return 0;
	if (read(fd, &byte, 1) < 0) {
		CHECK(errno == EOPNOTSUPP, "read %s: %m", path);
		pieces_seen++;
	}
	close(fd);
	return 0;
}

static void check_unreadable(const char *dir)
{
	char target[64];
	ssize_t n;

	nftw(dir, visit_unreadable, 16, FTW_PHYS);
	CHECK(pieces_seen, "no encoded file is there");
	n = readlink(tmp_path("mnt/links/to-file"), target, sizeof(target));
	CHECK(n == 12 && !memcmp(target, "../sizes/513", 12),
	      "a plain neighbour cannot be read");
}

static void run_variant(const void *arg)
{
	const struct variant *v = arg;
	const char *dir = new_dir("mnt");
	int loops = loop_count();
	struct source src;

	source_of(v, &src);
	NEED_OK(mount_at(&src, dir), "mount");
	CHECK(!last_log[0], "log after success: %s", last_log);
	check_statfs(v->img, dir);
	if (!via_is_block(v->via->primary) && !src.nr_dev)
		CHECK(loop_count() == loops, "a loop device is in use");
	if (image_has(v->img, "unreadable") && !oracle()) {
		check_unreadable(dir);
	} else {
		/* The dump that follows reads the pages that this has filled */
		if (v->via->pieces && !image_has(v->img, "large")) {
			nftw(dir, visit, 16, FTW_PHYS);
			CHECK(pieces_seen, "no file was read in pieces");
		}
		if (v->via->ways) {
			nftw(dir, visit_ways, 16, FTW_PHYS);
			CHECK(pieces_seen, "no file was read in many ways");
		}
		tree_equals(dir, data_path(v->img->dump));
	}
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/*
 * The module of 6.12 knows nothing of later features, of our options, of files
 * that end within a block, and of descriptors; it cannot mix files with block
 * devices, and reads adjacent sectors of two block devices from one of them.
 */
static bool oracle_6_12_applies(const struct image *img,
				const struct transport *t)
{
	if (image_has(img, "new") || image_has(img, "fsoffset") ||
	    image_has(img, "fileonly"))
		return false;
	if (t->primary == VIA_LOOP && !strncmp(img->name, "dev3-", 5) &&
	    img->nr_dev)
		return false;
	return !t->devices_only &&
	       (t->primary == VIA_PATH || t->primary == VIA_LOOP);
}

static bool whole_pages(const char *name)
{
	struct stat st;

	NEED(!stat(data_path(name), &st), "%s: %m", name);
	return st.st_size % 4096 == 0;
}

/*
 * The one of 7.3 reads all of them, but only what is a whole page of a file; it
 * takes descriptors of images alone, and not of block devices; and it refuses
 * an offset of seven sectors on a block device.
 */
static bool oracle_7_applies(const struct image *img, const struct transport *t)
{
	int i;

	if (t->devices_only || t->primary == VIA_LOOP_FD)
		return false;
	if (t->primary == VIA_LOOP)
		return strcmp(img->name, "offset-512-3584");
	if (t->primary == VIA_FD && img->nr_dev)
		return false;
	for (i = 0; i < img->nr_dev; i++)
		if (!whole_pages(img->dev[i]))
			return false;
	return whole_pages(img->image);
}

static bool oracle_applies(const struct image *img, const struct transport *t)
{
	struct utsname name;

	if (!uname(&name) && !strncmp(name.release, "6.", 2))
		return oracle_6_12_applies(img, t);
	return oracle_7_applies(img, t);
}

/* A gate has time for them at native speed, and for some of them */
static bool has_ways(const struct image *img, size_t row)
{
	if (oracle() || image_has(img, "unreadable"))
		return false;
	return long_run || (sanitizer_kernel() && row % SOME_IMAGES == 0);
}

static bool applies(const struct image *img, const struct transport *t)
{
	if (oracle() && !oracle_applies(img, t))
		return false;
	if (t->devices_only)
		return img->nr_dev > 0;
	/* A loop device cuts what is less than a sector */
	return !image_has(img, "fileonly") || !via_is_block(t->primary);
}

int main(int argc, char **argv)
{
	struct variant *variants;
	struct tap_case *cases;
	struct image *rows;
	size_t nr_rows = images_load(&rows), nr = 0, i, t;

	take_long_options(&argc, &argv);
	variants = calloc(nr_rows * ARRAY_SIZE(transports) + 1,
			  sizeof(*variants));
	cases = calloc(nr_rows * ARRAY_SIZE(transports) + 1, sizeof(*cases));
	if (!variants || !cases)
		return 1;
	for (i = 0; i < nr_rows; i++) {
		for (t = 0; t < ARRAY_SIZE(transports); t++) {
			struct variant *v = &variants[nr];

			if (!applies(&rows[i], &transports[t]) ||
			    (transports[t].ways && !has_ways(&rows[i], i)))
				continue;
			v->img = &rows[i];
			v->via = &transports[t];
			snprintf(v->name, sizeof(v->name), "%s.%s",
				 rows[i].name, transports[t].name);
			cases[nr].name = v->name;
			cases[nr].fn = run_variant;
			cases[nr++].arg = v;
		}
	}
	return tap_run("read", cases, nr, argc, argv);
}
