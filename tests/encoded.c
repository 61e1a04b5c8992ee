// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only compressed files have: which stored bytes are kept and given back
 * (cache_strategy=, drop_caches in sysfs), and who decodes (sync_decompress).
 * What the kernel reads from the device is counted by the module's own trace
 * events, in an instance of their own.
 *
 * A reader takes a part of an extent only when the rest is in the page cache.
 * So whole files are read, and then single pages out of the middle of as many
 * extents as it takes for none to be found decoded still are dropped and read.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib_mount.h"

#define IMAGE		"lz4-64k"
#define PAGE		4096ULL
#define EXTENTS_MAX	64

/* ---------------------------------------------------------------- tracing */

static const char *trace_dir;

/*
 * Without names of tasks, which would be learned in the scheduler: turning that
 * on patches code that runs on all CPUs, and emulated ones do not always bear it.
 */
static void trace_setup(void)
{
	static const char * const places[] = { "/sys/kernel/tracing",
					       "/sys/kernel/debug/tracing" };
	static char dir[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(dir, sizeof(dir), "%s/instances/erofs-test-%d",
			 places[i], getpid());
		write_str(below(places[i], "options/record-cmd"), "0");
		if (!mkdir(dir, 0700))
			break;
	}
	if (i == ARRAY_SIZE(places))
		tap_skip("no tracefs with instances: %m");
	trace_dir = dir;
}

static void trace_set(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", trace_dir, file);
	NEED_OK(write_str(path, text), path);
}

static void trace_event(const char *event, const char *on)
{
	char file[128];

	snprintf(file, sizeof(file), "events/erofs/%s/enable", event);
	trace_set(file, on);
}

static void trace_start(const char *event)
{
	trace_set("trace", "");
	trace_event(event, "1");
}

/* What was traced since trace_start(), to be freed */
static char *trace_stop(const char *event)
{
	char path[256], *text;

	trace_event(event, "0");
	snprintf(path, sizeof(path), "%s/trace", trace_dir);
	text = slurp(path, NULL);
	NEED(text, "%s: %m", path);
	return text;
}

static unsigned int count_lines(char *text, const char *mark)
{
	unsigned int n = 0;

	for (; (text = strstr(text, mark)); text++)
		n++;
	return n;
}

static void trace_end(void)
{
	rmdir(trace_dir);
}

/* ---------------------------------------------------- extents to read from */

/* A large extent, by one page out of its middle */
struct victim {
	int fd;
	off_t page;
	char bytes[PAGE];
};

static struct victim victims[EXTENTS_MAX];
static unsigned int nr_victims, want_victims;

/* The page in the middle of a file's first large extent, or -1 */
static off_t middle_page(int fd)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) +
			  16 * sizeof(struct fiemap_extent)];
	} u = { .map = { .fm_length = FIEMAP_MAX_OFFSET,
			 .fm_extent_count = 16 } };
	unsigned int i;

	NEED(!ioctl(fd, FS_IOC_FIEMAP, &u.map), "FIEMAP: %m");
	for (i = 0; i < u.map.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &u.map.fm_extents[i];

		if ((e->fe_flags & FIEMAP_EXTENT_ENCODED) &&
		    e->fe_length >= 4 * PAGE)
			return (e->fe_logical + e->fe_length / 2) / PAGE;
	}
	return -1;
}

static int add_victim(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	struct victim *v = &victims[nr_victims];
	char *whole;

	(void)ftw;
	if (type != FTW_F || st->st_size < (off_t)(4 * PAGE))
		return 0;
	v->fd = open_need(path, O_RDONLY);
	v->page = middle_page(v->fd);
	if (v->page < 0) {
		close(v->fd);
		return 0;
	}
	/* in small folios, so that any page can go alone */
	posix_fadvise(v->fd, 0, 0, POSIX_FADV_RANDOM);
	whole = malloc(st->st_size);
	NEED(whole && pread_full(v->fd, whole, st->st_size, 0) == st->st_size,
	     "%s: %m", path);
	memcpy(v->bytes, whole + v->page * PAGE, PAGE);
	free(whole);
	return ++nr_victims == want_victims;
}

/* More extents than can be found decoded still */
static void victims_find(const char *mnt)
{
	want_victims = get_nprocs_conf() + 4;
	NEED(want_victims <= EXTENTS_MAX, "%u extents", want_victims);
	NEED(nftw(mnt, add_victim, 16, FTW_PHYS | FTW_MOUNT) == 1,
	     "%u files with a large extent, not %u", nr_victims, want_victims);
}

static bool page_cached(const struct victim *v)
{
	unsigned char in = 0;
	void *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, v->fd,
			v->page * PAGE);

	NEED(at != MAP_FAILED && !mincore(at, PAGE, &in), "mincore: %m");
	munmap(at, PAGE);
	return in & 1;
}

/* Drops the pages and reads them again; device reads that it took. */
static unsigned int reread(void)
{
	char page[PAGE], *text;
	unsigned int i;

	for (i = 0; i < nr_victims; i++) {
		const struct victim *v = &victims[i];

		posix_fadvise(v->fd, v->page * PAGE, PAGE,
			      POSIX_FADV_DONTNEED);
		NEED(!page_cached(v), "page %u does not go", i);
	}
	trace_start("erofs_req_submit");
	for (i = 0; i < nr_victims; i++) {
		const struct victim *v = &victims[i];

		CHECK(pread_full(v->fd, page, PAGE, v->page * PAGE) == PAGE &&
		      !memcmp(page, v->bytes, PAGE), "page %u is wrong", i);
	}
	text = trace_stop("erofs_req_submit");
	i = count_lines(text, " erofs_req_submit: ");
	free(text);
	return i;
}

/* ------------------------------------------------------------------- sysfs */

/* The attribute of the only mount there is */
static const char *attr(const char *name)
{
	static char path[600];
	struct dirent *de;
	DIR *d = opendir("/sys/fs/erofs");

	NEED(d, "/sys/fs/erofs: %m");
	path[0] = '\0';
	while ((de = readdir(d)))
		if (de->d_name[0] != '.' && strcmp(de->d_name, "features"))
			snprintf(path, sizeof(path), "/sys/fs/erofs/%s/%s",
				 de->d_name, name);
	closedir(d);
	NEED(path[0], "no mount in /sys/fs/erofs");
	return path;
}

/* ------------------------------------------------------------------- cases */

struct strategy {
	const char *name;
	bool keeps;
	enum via via;
};

static const char *mount_with(enum via via, const char *opts)
{
	const struct image *img = image_find(IMAGE);
	const char *dir = new_dir("mnt");
	struct source src;

	image_source(img, via, &src);
	src.opts = opts;
	NEED_OK(mount_at(&src, dir), "mount");
	return dir;
}

static void run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	NEED(!sched_setaffinity(0, sizeof(set), &set), "CPU %d: %m", cpu);
}

static void strategy(const void *arg)
{
	const struct strategy *s = arg;
	char opts[64];
	const char *mnt;
	unsigned int first, again, dropped;

	trace_setup();
	snprintf(opts, sizeof(opts), "cache_strategy=%s", s->name);
	mnt = mount_with(s->via, opts);
	victims_find(mnt);
	/*
	 * What a CPU has read lately is not on its LRU list yet, and held for
	 * that. Another CPU must be able to drop it all the same.
	 */
	run_on_cpu(get_nprocs() - 1);
	first = reread();
	again = reread();
	run_on_cpu(0);
	NEED_OK(write_str(attr("drop_caches"), "2"), "drop_caches");
	dropped = reread();
	tap_note("%u extents: %u device reads, %u again, %u when dropped", nr_victims,
		 first, again, dropped);
	CHECK(first >= nr_victims, "%u reads of %u extents", first, nr_victims);
	if (s->keeps)
		CHECK(!again, "%u reads of what should be kept", again);
	else
		CHECK(again >= nr_victims, "%u reads, but nothing should be kept",
		      again);
	CHECK(dropped >= nr_victims, "%u reads after drop_caches", dropped);
	trace_end();
}

/* ---- a sequential read decodes each pcluster once ---- */

static char longest[512];
static off_t longest_size;

static int keep_longest(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_F && st->st_size > longest_size) {
		longest_size = st->st_size;
		snprintf(longest, sizeof(longest), "%s", path);
	}
	return 0;
}

/* Decoded pclusters in a trace; how many of them came twice in *again */
static unsigned int count_decoded(char *text, unsigned int *again)
{
	static const char mark[] = " erofs_decode: ";
	unsigned long long la[4096];
	unsigned int n = 0, i;

	*again = 0;
	for (; (text = strstr(text, mark)); text++) {
		const char *at = strstr(text, " la ");

		NEED(at && n < ARRAY_SIZE(la) && sscanf(at, " la %llu", &la[n]),
		     "trace: %.100s", text);
		for (i = 0; i < n && la[i] != la[n]; i++)
			;
		if (i < n)
			++*again;
		else
			n++;
	}
	return n;
}

struct once {
	const char *image;
	enum via via;
	size_t piece;		/* bytes of each read */
};

static void decoded_once(const void *arg)
{
	const struct once *o = arg;
	const struct image *img = image_find(o->image);
	const char *dir = new_dir("mnt");
	char *buf = malloc(o->piece), *text;
	unsigned int decoded, again;
	struct source src;
	int fd;

	trace_setup();
	image_source(img, o->via, &src);
	NEED_OK(mount_at(&src, dir), "mount");
	NEED(!nftw(dir, keep_longest, 16, FTW_PHYS | FTW_MOUNT) && longest[0],
	     "no file in %s", o->image);
	fd = open_need(longest, O_RDONLY);
	drop_caches();
	NEED_OK(write_str(attr("drop_caches"), "3"), "drop_caches");
	trace_start("erofs_decode");
	NEED(buf, "memory");
	while (read(fd, buf, o->piece) > 0)
		;
	text = trace_stop("erofs_decode");
	decoded = count_decoded(text, &again);
	free(text);
	tap_note("%s, %lld bytes: %u pclusters, %u decoded again",
		 longest + strlen(dir), (long long)longest_size, decoded, again);
	CHECK(decoded > 1, "%u were decoded", decoded);
	CHECK(!again, "%u were decoded twice", again);
	close(fd);
	free(buf);
	trace_end();
}

/* ---- reads that stand alone decode what they want, until it has cost as much ---- */

struct isolated {
	const char *image;
	enum via via;
	unsigned int step;	/* the codec writes so many bytes at a time */
};

/* The file's first extent that is large, and does not begin the file */
static void large_extent(int fd, struct fiemap_extent *found)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) +
			  16 * sizeof(struct fiemap_extent)];
	} u = { .map = { .fm_start = 1, .fm_length = FIEMAP_MAX_OFFSET,
			 .fm_extent_count = 16 } };
	unsigned int i;

	NEED(!ioctl(fd, FS_IOC_FIEMAP, &u.map), "FIEMAP: %m");
	for (i = 0; i < u.map.fm_mapped_extents; i++) {
		*found = u.map.fm_extents[i];
		if ((found->fe_flags & FIEMAP_EXTENT_ENCODED) &&
		    found->fe_logical && found->fe_length >= 16 * PAGE)
			return;
	}
	NEED(false, "no large extent in %s", longest);
}

/*
 * The longest file of what is mounted at @dir, open, with its first large extent
 * and all of its bytes, to be freed
 */
static int open_longest(const char *dir, const char *image,
			struct fiemap_extent *e, char **whole)
{
	int fd;

	NEED(!nftw(dir, keep_longest, 16, FTW_PHYS | FTW_MOUNT) && longest[0],
	     "no file in %s", image);
	*whole = malloc(longest_size);
	fd = open_need(longest, O_RDONLY);
	large_extent(fd, e);
	NEED(*whole && pread_full(fd, *whole, longest_size, 0) == longest_size,
	     "%s: %m", longest);
	return fd;
}

/*
 * Reads one page and compares it with @whole. Returns how often the extent at
 * @la was decoded for it, and in *reach how far, the last time.
 */
static unsigned int decoded_for(int fd, const char *whole, off_t page,
				unsigned long long la, unsigned long long *reach)
{
	unsigned long long at_la, at_reach;
	unsigned int n = 0;
	char buf[PAGE], *text, *at;

	trace_start("erofs_decode");
	CHECK(pread_full(fd, buf, PAGE, page * PAGE) == PAGE &&
	      !memcmp(buf, whole + page * PAGE, PAGE), "page %lld is wrong",
	      (long long)page);
	text = trace_stop("erofs_decode");
	for (at = text; (at = strstr(at, " erofs_decode: ")); at++) {
		const char *a = strstr(at, " la "), *b = strstr(at, " reach ");

		NEED(a && b && sscanf(a, " la %llu", &at_la) == 1 &&
		     sscanf(b, " reach %llu", &at_reach) == 1,
		     "trace: %.100s", at);
		if (at_la != la)
			continue;
		*reach = at_reach;
		n++;
	}
	free(text);
	return n;
}

static void isolated(const void *arg)
{
	const struct isolated *i = arg;
	const char *dir = new_dir("mnt");
	unsigned long long reach = 0, spent = 0, want;
	struct fiemap_extent e;
	struct source src;
	unsigned int k, n;
	off_t page;
	char *whole;
	int fd;

	trace_setup();
	image_source(image_find(i->image), i->via, &src);
	NEED_OK(mount_at(&src, dir), "mount");
	fd = open_longest(dir, i->image, &e, &whole);
	close(fd);
	drop_caches();
	NEED_OK(write_str(attr("drop_caches"), "3"), "drop_caches");

	fd = open_need(longest, O_RDONLY);
	/* each behind the one before, but not as if going on there */
	for (k = 2; k < 8 && reach < e.fe_length; k += 2) {
		page = (e.fe_logical + e.fe_length * k / 8) / PAGE;
		want = (page + 1) * PAGE - e.fe_logical;
		want = (want + i->step - 1) / i->step * i->step;
		if (spent >= e.fe_length || want > e.fe_length)
			want = e.fe_length;
		/* a workspace has it still */
		if (want <= reach)
			continue;
		n = decoded_for(fd, whole, page, e.fe_logical, &reach);
		CHECK(n == 1 && reach == want,
		      "after %llu bytes: %u times, %llu bytes, not %llu", spent,
		      n, reach, want);
		spent += reach;
	}
	/* they have had as much of it decoded as it holds: now it is all */
	if (reach < e.fe_length) {
		page = (e.fe_logical + e.fe_length * 7 / 8) / PAGE + 1;
		n = decoded_for(fd, whole, page, e.fe_logical, &reach);
		CHECK(n == 1 && reach == e.fe_length && spent >= reach,
		      "last: %u times, %llu bytes, not %llu", n, reach,
		      (unsigned long long)e.fe_length);
	}
	CHECK(spent > e.fe_length || i->step > PAGE, "never a part");
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (page = e.fe_logical / PAGE + 1;
	     (page + 1) * PAGE <= e.fe_logical + e.fe_length; page++) {
		n = decoded_for(fd, whole, page, e.fe_logical, &reach);
		CHECK(!n, "page %lld: %u times, but all was there",
		      (long long)page, n);
	}
	free(whole);
	close(fd);
	trace_end();
}

/* ---- what lies in front of the damage is right, what lies behind is an error ---- */

#define LARGEST	(512 << 10)		/* folio that a readahead makes */

struct damaged {
	const char *image;
	enum via via;
};

/* The last quarter of what is stored of an extent becomes ones */
static void damage(const char *image, int fd, const struct fiemap_extent *e)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} u = { .map = { .fm_start = e->fe_logical + e->fe_length,
			 .fm_length = 1, .fm_extent_count = 1 } };
	unsigned long long stored;
	char ones[1 << 15];
	int out;

	NEED(!ioctl(fd, FS_IOC_FIEMAP, &u.map) && u.map.fm_mapped_extents == 1,
	     "FIEMAP: %m");
	stored = u.map.fm_extents[0].fe_physical - e->fe_physical;
	NEED(stored >= 2 * PAGE && stored <= 4 * sizeof(ones),
	     "%llu bytes are stored", stored);
	memset(ones, 0xff, sizeof(ones));
	out = open_need(image, O_WRONLY);
	NEED(pwrite(out, ones, stored / 4,
		    e->fe_physical + stored - stored / 4) == (ssize_t)stored / 4,
	     "%s: %m", image);
	close(out);
}

/* 0 for the right bytes of a page, or an errno; anything else has failed */
static int page_read(int fd, const char *whole, off_t page)
{
	char buf[PAGE];
	ssize_t n = pread(fd, buf, PAGE, page * PAGE);

	if (n < 0)
		return -errno;
	CHECK(n == PAGE && !memcmp(buf, whole + page * PAGE, PAGE),
	      "page %lld is wrong, %zd bytes", (long long)page, n);
	return 0;
}

static void damaged(const void *arg)
{
	const struct damaged *d = arg;
	const char *dir = new_dir("mnt"), *image = tmp_path("damaged.img");
	unsigned long long begin, end;
	off_t page, first, last;
	unsigned int errors = 0;
	struct fiemap_extent e;
	struct source src;
	char *whole;
	int fd, err;

	image_source(image_find(d->image), VIA_PATH, &src);
	copy_file(src.path, image);
	NEED_OK(mount_at(&src, dir), "mount");
	fd = open_longest(dir, d->image, &e, &whole);
	damage(image, fd, &e);
	close(fd);
	NEED_OK(do_umount(dir, 0), "umount");

	src = (struct source) { .path = image, .via = d->via };
	NEED_OK(mount_at(&src, dir), "mount of the damaged one");
	fd = open_need(longest, O_RDONLY);
	begin = e.fe_logical;
	end = begin + e.fe_length;
	first = begin / LARGEST * (LARGEST / PAGE);
	last = (end + LARGEST - 1) / LARGEST * (LARGEST / PAGE) - 1;
	/* lone reads: in front of it, behind it, and the first once more */
	page = (begin + e.fe_length / 4) / PAGE;
	CHECK_ERR(page_read(fd, whole, page), 0, "in front of it");
	CHECK_ERR(page_read(fd, whole, end / PAGE - 2), -EUCLEAN, "behind it");
	CHECK_ERR(page_read(fd, whole, page), 0, "in front of it, cached");
	/* a stream: nothing but its pages may fail, and who shares a folio with them */
	drop_caches();
	for (page = 0; (page + 1) * PAGE <= (unsigned long long)longest_size;
	     page++) {
		err = page_read(fd, whole, page);
		errors += err == -EUCLEAN;
		if (err && (err != -EUCLEAN || page < first || page > last))
			CHECK_ERR(err, 0, "a page that is not damaged");
	}
	CHECK(errors, "nothing failed in the stream");
	tap_note("%llu bytes, %u pages of them failed", end - begin, errors);
	free(whole);
	close(fd);
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* ---- what is there for one extent does not hide that another is wrong ---- */

static void claimed_twice(const void *arg)
{
	const char *dir = new_dir("mnt"), *file;
	const struct source src = {
		.path = data_path("negatives/should-fail-encoded-lz4-claimed-twice.img"),
		.via = *(const enum via *)arg,
	};
	char buf[2 * PAGE];
	unsigned int n;
	int fd;

	NEED_OK(mount_at(&src, dir), "mount");
	file = tmp_path("mnt/v");
	for (n = 0; n < 3; n++) {
		drop_caches();
		fd = open_need(file, O_RDONLY);
		posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
		CHECK(pread(fd, buf, sizeof(buf), 0) == sizeof(buf) &&
		      buf[0] == 'a' && !memcmp(buf, buf + 1, sizeof(buf) - 1),
		      "the extent that is right: %m");
		CHECK_ERR(pread(fd, buf, PAGE, sizeof(buf)) < 0 ? -errno : 0,
			  -EUCLEAN, "the other one");
		close(fd);
	}
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* ---- a reader that waits decodes a pcluster itself, workers the others ---- */

struct spread {
	const char *mode;	/* sync_decompress */
	bool alone;		/* the reader decodes all */
};

/* Decoded pclusters in a trace; *by_us receives how many of them by this task */
static unsigned int count_decoders(char *text, unsigned int *by_us)
{
	unsigned int n = 0;
	char us[32], *line;

	snprintf(us, sizeof(us), "-%d ", getpid());
	*by_us = 0;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *cpu = strstr(line, " [");

		if (!cpu || !strstr(line, " erofs_decode: "))
			continue;
		n++;
		*cpu = '\0';
		strcat(line, " ");
		*by_us += !!strstr(line, us);
	}
	return n;
}

/* 64 KiB over the border of two large extents, in a read that stands alone */
static void spread(const void *arg)
{
	const struct spread *s = arg;
	const char *dir = new_dir("mnt");
	unsigned int decoded, by_us;
	static char buf[16 * PAGE];
	struct fiemap_extent e;
	struct source src;
	char *text;
	off_t pos;
	int fd;

	if (get_nprocs() < 2)
		tap_skip("one CPU");
	trace_setup();
	image_source(image_find("stream-lz4-64k"), VIA_PATH, &src);
	NEED_OK(mount_at(&src, dir), "mount");
	NEED_OK(write_str(attr("sync_decompress"), s->mode), "sync_decompress");
	NEED(!nftw(dir, keep_longest, 16, FTW_PHYS | FTW_MOUNT) && longest[0],
	     "no file");
	fd = open_need(longest, O_RDONLY);
	large_extent(fd, &e);
	pos = (e.fe_logical + e.fe_length) / PAGE * PAGE - 4 * PAGE;
	trace_start("erofs_decode");
	CHECK(pread_full(fd, buf, sizeof(buf), pos) == sizeof(buf),
	      "read at %lld: %m", (long long)pos);
	text = trace_stop("erofs_decode");
	decoded = count_decoders(text, &by_us);
	CHECK(decoded == 2, "%u were decoded", decoded);
	CHECK(by_us == (s->alone ? 2 : 1), "%u by the reader", by_us);
	free(text);
	close(fd);
	trace_end();
}

/* How often a worker allocated by such a mask, with nothing kept from before */
static unsigned int allocations(const char *mnt, const char *filter)
{
	const char *event = "events/kmem/mm_page_alloc";
	char path[256], text[128], *trace;
	unsigned int n;

	NEED_OK(write_str(attr("drop_caches"), "3"), "drop_caches");
	drop_caches();
	trace_set("trace", "");
	snprintf(path, sizeof(path), "%s/filter", event);
	trace_set(path, filter);
	snprintf(path, sizeof(path), "%s/trigger", event);
	snprintf(text, sizeof(text), "stacktrace if %s", filter);
	trace_set(path, text);
	NEED(!run("find %s -type f -size +64k -exec cat {} + > /dev/null", mnt),
	     "read");
	snprintf(text, sizeof(text), "!stacktrace if %s", filter);
	trace_set(path, text);
	snprintf(path, sizeof(path), "%s/trace", trace_dir);
	trace = slurp(path, NULL);
	NEED(trace, "%s: %m", path);
	n = count_lines(trace, "z_erofs_work");
	free(trace);
	return n;
}

/*
 * A worker has folios locked, and reclaim may wait for them: of an inode that goes
 * away, its own. Nothing that it calls may go there, neither codecs nor the cache of
 * stored bytes.
 */
static void not_back(const void *arg)
{
	const char *mnt = new_dir("mnt");
	struct source src;
	unsigned int n;

	trace_setup();
	image_source(image_find(arg), VIA_PATH, &src);
	NEED_OK(mount_at(&src, mnt), "mount");
	NEED_OK(write_str(attr("sync_decompress"), "2"), "sync_decompress");
	/* __GFP_FS */
	n = allocations(mnt, "!(gfp_flags & 0x80)");
	if (!n)
		tap_skip("no worker is seen to allocate");
	tap_note("%u allocations", n);
	n = allocations(mnt, "gfp_flags & 0x80");
	CHECK(!n, "%u that may wait for folios", n);
	trace_end();
	CHECK_ERR(do_umount(mnt, 0), 0, "umount");
}

/* Whoever decodes, the bytes are the same, cold and from all modes in turn. */
static void sync_decompress(const void *arg)
{
	static const char * const modes[] = { "0", "1", "2" };
	const enum via via = *(const enum via *)arg;
	const char *mnt = mount_with(via, NULL);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		NEED_OK(write_str(attr("sync_decompress"), modes[i]),
			"sync_decompress");
		drop_caches();
		CHECK(tree_equals(mnt, data_path(image_find(IMAGE)->dump)),
		      "sync_decompress=%s", modes[i]);
	}
}

static const enum via via_path = VIA_PATH, via_loop = VIA_LOOP;

#define STRATEGY(name_, keeps_, via_, label_)				\
	{ .name = "cache_strategy=" name_ " by " label_, .fn = strategy,	\
	  .arg = &(const struct strategy) { name_, keeps_, via_ } }

#define ONCE(image_, via_, piece_, label_)				\
	{ .name = "decoded once: " image_ " by " label_,		\
	  .fn = decoded_once,						\
	  .arg = &(const struct once) { image_, via_, piece_ } }

#define ISOLATED(image_, via_, step_, label_)				\
	{ .name = "isolated: " image_ " by " label_, .fn = isolated,	\
	  .arg = &(const struct isolated) { image_, via_, step_ } }

#define DAMAGED(image_, via_, label_)					\
	{ .name = "damaged: " image_ " by " label_, .fn = damaged,	\
	  .arg = &(const struct damaged) { image_, via_ } }

static const struct tap_case cases[] = {
	STRATEGY("disabled", false, VIA_PATH, "file"),
	STRATEGY("readahead", true, VIA_PATH, "file"),
	STRATEGY("readaround", true, VIA_PATH, "file"),
	STRATEGY("disabled", false, VIA_LOOP, "block"),
	STRATEGY("readahead", true, VIA_LOOP, "block"),
	STRATEGY("readaround", true, VIA_LOOP, "block"),
	ONCE("stream-lz4", VIA_PATH, 131072, "file, 128 KiB at a time"),
	ONCE("stream-lz4", VIA_LOOP, 4096, "block, 4 KiB at a time"),
	ONCE("stream-lz4-64k", VIA_PATH, 131072, "file, 128 KiB at a time"),
	ONCE("stream-lz4-64k", VIA_LOOP, 4096, "block, 4 KiB at a time"),
	ONCE("stream-zstd-64k", VIA_PATH, 9001, "file, 9001 bytes at a time"),
	ONCE("stream-zstd-64k", VIA_LOOP, 131072, "block, 128 KiB at a time"),
	ISOLATED("stream-lz4-64k", VIA_PATH, 1, "file"),
	ISOLATED("stream-lz4-64k", VIA_LOOP, 1, "block"),
	ISOLATED("stream-zstd-64k", VIA_PATH, 131072, "file"),
	DAMAGED("stream-lz4-64k", VIA_PATH, "file"),
	DAMAGED("stream-lz4-64k", VIA_LOOP, "block"),
	DAMAGED("stream-zstd-64k", VIA_PATH, "file"),
	{ "claimed twice by file", claimed_twice, &via_path, 0 },
	{ "claimed twice by block", claimed_twice, &via_loop, 0 },
	{ "who decodes: sync_decompress=0", spread,
	  &(const struct spread) { "0", false }, 0 },
	{ "who decodes: sync_decompress=1", spread,
	  &(const struct spread) { "1", true }, 0 },
	{ "not back for memory: lzma-all", not_back, "lzma-all", 0 },
	{ "not back for memory: zstd-64k", not_back, "zstd-64k", 0 },
	{ "sync_decompress by file", sync_decompress, &via_path, 0 },
	{ "sync_decompress by block", sync_decompress, &via_loop, 0 },
};

int main(int argc, char **argv)
{
	return tap_run("encoded", cases, ARRAY_SIZE(cases), argc, argv);
}
