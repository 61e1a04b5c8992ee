// SPDX-License-Identifier: GPL-2.0-only
/*
 * Encoded files, by every codec, cluster size and way of storing them: one tree
 * (see make_codec() in mktree.c) in each image of codecs.txt, from a file and
 * from a block device. Each file is compared with the copy of the tree beside
 * the images: whole and cold, and across the borders of its extents; from a file
 * also mapped, and by several threads at once while its cache is dropped.
 *
 * With EROFS_ORACLE set, it is the distribution's module of 6.12 that is looked
 * at: only the images that it knows.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_mount.h"

#define MAX_EXTENTS	1024
#define BORDERS		12		/* of a file with more, so many */
#define BORDERS_FROM	20000		/* bytes of a file worth it */
#define ANYWHERE	4		/* and so many other places */
#define THREADS		4
#define THREADS_FROM	500000
#define READS		6		/* of each thread */
#define AROUND		6000		/* bytes at most on each side */

struct file {
	const char *name;
	int fd;
	size_t size;
	char *want;
};

struct variant {
	const struct image *img;
	enum via via;
	char name[128];
};

/* What nftw() gives its function no other way */
static const char *mounted, *wanted;
static bool thorough;
static unsigned int files_seen, borders_seen;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void forget(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* False, and where, when the bytes are not those of the file */
static bool same_at(const struct file *f, const char *got, size_t off,
		    size_t len, const char *how)
{
	size_t i;

	if (!memcmp(got, f->want + off, len))
		return true;
	for (i = 0; got[i] == f->want[off + i]; i++)
		;
	tap_fail(__FILE__, __LINE__, "%s %s: %zu bytes at %zu: %zu is wrong",
		 f->name, how, len, off, off + i);
	return false;
}

static bool read_same(const struct file *f, char *buf, size_t off, size_t len,
		      const char *how)
{
	ssize_t n;

	if (len > f->size - off)
		len = f->size - off;
	n = pread_full(f->fd, buf, len, off);
	return CHECK(n == (ssize_t)len, "%s %s: %zu bytes at %zu: %s", f->name,
		     how, len, off, n < 0 ? err_name(n) : "short") &&
	       same_at(f, buf, off, len, how);
}

static void whole(const struct file *f, char *buf)
{
	char beyond;

	read_same(f, buf, 0, f->size, "whole");
	CHECK(pread(f->fd, &beyond, 1, f->size) == 0, "%s: bytes after its end",
	      f->name);
}

/* ----------------------------------------------------------------- borders */

/* Every extent begins where the one before ends, and all are encoded */
static unsigned int find_borders(const struct file *f, uint64_t *pos)
{
	static struct {
		struct fiemap map;
		struct fiemap_extent extents[MAX_EXTENTS];
	} m;
	uint64_t end = 0;
	unsigned int i, nr = 0;

	memset(&m, 0, sizeof(m));
	m.map.fm_length = ~0ULL;
	m.map.fm_extent_count = MAX_EXTENTS;
	NEED(!ioctl(f->fd, FS_IOC_FIEMAP, &m.map), "FIEMAP %s: %m", f->name);
	for (i = 0; i < m.map.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &m.map.fm_extents[i];

		CHECK(e->fe_logical >= end && e->fe_length,
		      "%s: extent %u at %llu", f->name, i,
		      (unsigned long long)e->fe_logical);
		end = e->fe_logical + e->fe_length;
		if (e->fe_logical && e->fe_logical < f->size)
			pos[nr++] = e->fe_logical;
		if (end < f->size)
			pos[nr++] = end;
	}
	return nr;
}

static bool around(const struct file *f, char *buf, size_t pos, uint32_t *seed,
		   const char *how)
{
	size_t before = next_random(seed) % AROUND + 1;
	size_t after = next_random(seed) % AROUND + 1;

	if (before > pos)
		before = pos;
	forget(f->fd);
	return read_same(f, buf, pos - before, before + after, how);
}

/* Whole-file fragments have no borders of their own to be known */
static void borders(const struct file *f, char *buf)
{
	static uint64_t pos[2 * MAX_EXTENTS];
	unsigned int nr = find_borders(f, pos), i, step = nr / BORDERS + 1;
	uint32_t seed = f->size;
	bool good = true;

	posix_fadvise(f->fd, 0, 0, POSIX_FADV_RANDOM);
	for (i = 0; good && i < nr; i += step, borders_seen++)
		good = around(f, buf, pos[i], &seed, "across a border");
	for (i = 0; good && i < ANYWHERE; i++)
		good = around(f, buf, next_random(&seed) % f->size, &seed,
			      "anywhere");
	posix_fadvise(f->fd, 0, 0, POSIX_FADV_NORMAL);
}

/* ------------------------------------------------------------------ mapped */

/* Every other page, from the end; then the rest, where the first left gaps */
static void mapped(const struct file *f)
{
	size_t page = sysconf(_SC_PAGESIZE), pages, i, pass;
	char *map;

	if (!f->size)
		return;
	pages = (f->size + page - 1) / page;
	forget(f->fd);
	map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->fd, 0);
	NEED(map != MAP_FAILED, "mmap %s: %m", f->name);
	for (pass = 0; pass < 2; pass++) {
		for (i = pages; i-- > 0; ) {
			size_t off = i * page, len = f->size - off;

			if (i % 2 != pass)
				continue;
			if (!same_at(f, map + off, off, len < page ? len : page,
				     "mapped"))
				goto out;
		}
	}
	for (i = f->size; i % page; i++)
		CHECK(!map[i], "%s: byte %zu of its last page is not zero",
		      f->name, i);
out:
	munmap(map, f->size);
}

/* ------------------------------------------------------------ many readers */

struct reader {
	pthread_t thread;
	const struct file *file;
	unsigned int nr;
	const char *bad;		/* how it was wrong, or NULL */
	size_t off, len;
};

static bool reader_once(struct reader *r, const char *map, char *buf,
			uint32_t *seed)
{
	const struct file *f = r->file;

	r->off = next_random(seed) % f->size;
	r->len = next_random(seed) % 100000 + 1;
	if (r->len > f->size - r->off)
		r->len = f->size - r->off;
	if (next_random(seed) % 3 == 0) {
		r->bad = "mapped beside other readers";
		return !memcmp(map + r->off, f->want + r->off, r->len);
	}
	r->bad = "read beside other readers";
	return pread_full(f->fd, buf, r->len, r->off) == (ssize_t)r->len &&
	       !memcmp(buf, f->want + r->off, r->len);
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	const struct file *f = r->file;
	char *map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->fd, 0);
	char *buf = malloc(100001);
	uint32_t seed = r->nr * 7919 + f->size;
	unsigned int i;

	r->bad = "no memory";
	for (i = 0; i < READS && map != MAP_FAILED && buf; i++) {
		if (i % THREADS == r->nr)
			forget(f->fd);
		if (!reader_once(r, map, buf, &seed))
			return NULL;
		r->bad = NULL;
	}
	if (map != MAP_FAILED)
		munmap(map, f->size);
	free(buf);
	return NULL;
}

static void many_readers(const struct file *f)
{
	struct reader r[THREADS] = { 0 };
	unsigned int i;

	forget(f->fd);
	for (i = 0; i < THREADS; i++) {
		r[i].file = f;
		r[i].nr = i;
		NEED(!pthread_create(&r[i].thread, NULL, reader_main, &r[i]),
		     "no thread");
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(r[i].thread, NULL);
	for (i = 0; i < THREADS; i++)
		CHECK(!r[i].bad, "%s %s: %zu bytes at %zu", f->name, r[i].bad,
		      r[i].len, r[i].off);
}

/* ------------------------------------------------------------------- cases */

static int visit(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	char at[4096], *buf;
	struct file f = { .name = path + strlen(wanted) + 1 };
	struct stat got;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	snprintf(at, sizeof(at), "%s/%s", mounted, f.name);
	f.want = slurp(path, &f.size);
	f.fd = open_need(at, O_RDONLY);
	buf = malloc(f.size + 1);
	NEED(f.want && buf, "%s: %m", path);
	NEED(!fstat(f.fd, &got) && (size_t)got.st_size == f.size,
	     "%s: size %lld, not %zu", f.name, (long long)got.st_size, f.size);
	whole(&f, buf);
	if (f.size >= BORDERS_FROM)
		borders(&f, buf);
	if (thorough) {
		mapped(&f);
		if (f.size >= THREADS_FROM)
			many_readers(&f);
	}
	files_seen++;
	close(f.fd);
	free(f.want);
	free(buf);
	return tap_failed();
}

static void run_variant(const void *arg)
{
	const struct variant *v = arg;
	struct source src;

	mounted = new_dir("mnt");
	wanted = data_path("codec");
	thorough = !via_is_block(v->via);
	image_source(v->img, v->via, &src);
	NEED_OK(mount_at(&src, mounted), "mount");
	nftw(wanted, visit, 16, FTW_PHYS);
	/* extents of what is all in fragments are those of another file */
	CHECK(files_seen && (borders_seen || strstr(v->img->name, "packed") ||
			     strstr(v->img->name, "-all")),
	      "%u files, %u borders", files_seen, borders_seen);
	tree_equals(mounted, data_path(v->img->dump));
	CHECK_ERR(do_umount(mounted, 0), 0, "umount");
}

int main(int argc, char **argv)
{
	static const enum via via[] = { VIA_PATH, VIA_LOOP };
	struct image *rows;
	size_t nr_rows = table_load("codecs.txt", &rows), nr = 0, i, k;
	struct variant *variants = calloc(2 * nr_rows + 1, sizeof(*variants));
	struct tap_case *cases = calloc(2 * nr_rows + 1, sizeof(*cases));

	if (!variants || !cases)
		return 1;
	/* of mkmatrix.sh's images there are ten times as many */
	take_long_options(&argc, &argv);
	for (i = 0; i < nr_rows; i++) {
		if (getenv("EROFS_ORACLE") && image_has(&rows[i], "new"))
			continue;
		for (k = 0; k < ARRAY_SIZE(via); k++) {
			struct variant *v = &variants[nr];

			v->img = &rows[i];
			v->via = via[k];
			snprintf(v->name, sizeof(v->name), "%s.%s",
				 rows[i].name, k ? "block" : "file");
			cases[nr].name = v->name;
			cases[nr].fn = run_variant;
			cases[nr++].arg = v;
		}
	}
	return tap_run("codecs", cases, nr, argc, argv);
}
