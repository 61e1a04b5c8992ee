// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images that are filled while they are read. The backing file begins as one
 * hole; a daemon is asked before each read of it (FAN_PRE_ACCESS) and fills in
 * what is about to be read from the real image, as lazy loaders do. What the
 * reader gets is right or an error, whatever the daemon does: it refuses, it
 * dies with the question open, it is dead already, it never answers. It is
 * never the zeros of a hole that was not filled.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

/* Since Linux 6.14 */
#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS			0x00100000
#endif
#define INFO_TYPE_RANGE			6
#define DENY_ERRNO(err)			(FAN_DENY | (uint32_t)(err) << 24)

struct info_range {
	struct fanotify_event_info_header hdr;
	uint32_t pad;
	uint64_t offset;
	uint64_t count;
};

/* What the daemon does when it is asked */
enum mode {
	FILL,			/* fills the range, and lets it pass */
	PASS,			/* lets it pass as it is: it only watches */
	REFUSE,
	REFUSE_ERRNO,		/* with an errno of its choice */
	STALL,			/* has not answered yet */
};

/* Shared with the daemon */
struct control {
	volatile enum mode mode;
	volatile unsigned int asked, answered;
	volatile uint64_t filled;
};

struct store {
	const char *from;	/* the real image */
	const char *path;	/* the file that is filled */
	int fd;			/* of from */
	ino_t ino;		/* of path */
};

struct lazy {
	const char *lower;	/* folder on ext4 */
	const char *dir;	/* where the image is mounted */
	struct store store[1 + MAX_DEVS];
	int nr_stores;
	unsigned int mark;	/* FAN_MARK_*, of what is watched */
	bool folder;		/* the folder is, for its files */
	bool scanner;		/* it wants to see what was read, no more */
	struct control *c;
	pid_t pid;		/* of the daemon */
};

#define IMAGE	"default-4096"

/* --------------------------------------------------------------- daemon */

static void fill(struct lazy *z, int fd, uint64_t offset, uint64_t count)
{
	static char buf[1 << 20];
	struct stat st;
	ssize_t n;
	int i;

	if (fstat(fd, &st))
		_exit(10);
	for (i = 0; i < z->nr_stores; i++)
		if (z->store[i].ino == st.st_ino)
			break;
	if (i == z->nr_stores)
		return;
	for (; count; offset += n, count -= n) {
		n = pread(z->store[i].fd, buf,
			  count < sizeof(buf) ? count : sizeof(buf), offset);
		if (n <= 0)
			break;		/* a range ends on a page */
		if (pwrite(fd, buf, n, offset) != n)
			_exit(11);
		z->c->filled += n;
	}
}

static uint32_t decide(struct lazy *z, const struct fanotify_event_metadata *ev)
{
	const struct info_range *range = (const void *)(ev + 1);

	while (z->c->mode == STALL)
		usleep(1000);
	if (z->c->mode == REFUSE)
		return FAN_DENY;
	if (z->c->mode == REFUSE_ERRNO)
		return DENY_ERRNO(EIO);
	if (z->c->mode == FILL) {
		if (ev->event_len < sizeof(*ev) + sizeof(*range) ||
		    range->hdr.info_type != INFO_TYPE_RANGE)
			_exit(12);
		fill(z, ev->fd, range->offset, range->count);
	}
	return FAN_ALLOW;
}

static void serve(struct lazy *z, int fan)
{
	static char buf[1 << 16] __attribute__((aligned(8)));
	struct fanotify_event_metadata *ev;
	ssize_t n;

	while ((n = read(fan, buf, sizeof(buf))) > 0) {
		for (ev = (void *)buf; FAN_EVENT_OK(ev, n);
		     ev = FAN_EVENT_NEXT(ev, n)) {
			struct fanotify_response answer = { .fd = ev->fd };

			z->c->asked++;
			answer.response = decide(z, ev);
			if (write(fan, &answer, sizeof(answer)) < 0 &&
			    errno != ENOENT)
				_exit(13);
			close(ev->fd);
			z->c->answered++;
		}
	}
	_exit(14);
}

static int watch(const struct lazy *z)
{
	const uint64_t mask = (z->scanner ? FAN_ACCESS_PERM : FAN_PRE_ACCESS) |
			      (z->folder ? FAN_EVENT_ON_CHILD : 0);
	int fan = fanotify_init((z->scanner ? FAN_CLASS_CONTENT :
				 FAN_CLASS_PRE_CONTENT) | FAN_CLOEXEC |
				FAN_UNLIMITED_QUEUE, O_RDWR | O_LARGEFILE);
	int i;

	if (fan < 0)
		return -errno;
	/* One mark of a mount or a filesystem has all stores in it */
	for (i = 0; i < z->nr_stores; i++)
		if (fanotify_mark(fan, FAN_MARK_ADD | z->mark, mask, AT_FDCWD,
				  z->folder ? z->lower : z->store[i].path))
			return -errno;
	return fan;
}

static void start_daemon(struct lazy *z, enum mode mode)
{
	char ready = 0;
	int fd[2];

	z->c->mode = mode;
	NEED(!pipe2(fd, O_CLOEXEC), "pipe: %m");
	z->pid = fork();
	NEED(z->pid >= 0, "fork: %m");
	if (!z->pid) {
		int fan;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fan = watch(z);
		if (fan < 0 || write(fd[1], "", 1) != 1)
			_exit(1);
		close(fd[1]);
		serve(z, fan);
	}
	close(fd[1]);
	NEED(read(fd[0], &ready, 1) == 1, "the daemon does not start");
	close(fd[0]);
}

static void kill_daemon(struct lazy *z)
{
	int status;

	NEED(!kill(z->pid, SIGKILL), "kill: %m");
	NEED(waitpid(z->pid, &status, 0) == z->pid, "wait: %m");
	CHECK(WIFSIGNALED(status), "the daemon had failed: %x", status);
}

/* ---------------------------------------------------------------- mounts */

static void add_store(struct lazy *z, const char *from, int nr)
{
	struct store *s = &z->store[z->nr_stores++];
	char name[16];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "store%d", nr);
	s->from = from;
	s->path = below(z->lower, name);
	s->fd = open_need(from, O_RDONLY);
	NEED(!fstat(s->fd, &st), "%s: %m", from);
	fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	NEED(fd >= 0 && !ftruncate(fd, st.st_size), "%s: %m", s->path);
	NEED(!fstat(fd, &st) && !st.st_blocks, "%s is no hole", s->path);
	s->ino = st.st_ino;
	close(fd);
}

/* The stores of an image as holes on an ext4 of their own */
static void make_lazy(struct lazy *z, const struct image *img)
{
	const char *disk = tmp_path("disk");
	int i;

	memset(z, 0, sizeof(*z));
	z->c = mmap(NULL, sizeof(*z->c), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(z->c != MAP_FAILED, "mmap: %m");
	z->lower = new_dir("lower");
	NEED(!run("truncate -s 128M %s && mke2fs -q -t ext4 -m 0 %s && "
		  "mount -o loop %s %s", disk, disk, disk, z->lower), "ext4");
	add_store(z, data_path(img->image), 0);
	for (i = 0; i < img->nr_dev; i++)
		add_store(z, data_path(img->dev[i]), i + 1);
	z->dir = new_dir("mnt");
}

static int mount_lazy(const struct lazy *z, const struct image *img,
		      enum via via, const char *opts)
{
	char joined[256];
	struct source src;
	int i;

	image_source(img, via, &src);
	src.path = z->store[0].path;
	for (i = 0; i < img->nr_dev; i++)
		src.dev[i] = z->store[i + 1].path;
	snprintf(joined, sizeof(joined), "%s%s%s", img->opts,
		 img->opts[0] && opts ? "," : "", opts ? opts : "");
	src.opts = joined;
	return mount_at(&src, z->dir);
}

static uint64_t allocated(const struct lazy *z)
{
	struct stat st;
	uint64_t sum = 0;
	int i;

	for (i = 0; i < z->nr_stores; i++) {
		int fd = open_need(z->store[i].path, O_RDONLY);

		NEED(!fstat(fd, &st), "%m");
		sum += (uint64_t)st.st_blocks * 512;
		close(fd);
	}
	return sum;
}

static uint64_t whole_size(const struct lazy *z)
{
	struct stat st;
	uint64_t sum = 0;
	int i;

	for (i = 0; i < z->nr_stores; i++) {
		NEED(!fstat(z->store[i].fd, &st), "%m");
		sum += st.st_size;
	}
	return sum;
}

/*
 * Mounted, metadata of "exact" there, none of its data: what was filled of that
 * because it lies beside metadata is a hole again.
 */
static const char *mount_exact(struct lazy *z, const char *opts)
{
	const struct image *img = image_find(IMAGE);
	const char *file;
	int fd;

	make_lazy(z, img);
	start_daemon(z, FILL);
	NEED_OK(mount_lazy(z, img, VIA_PATH, opts), "mount");
	file = below(z->dir, "exact");
	fd = open_need(z->store[0].path, O_RDWR);
	NEED(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			data_position(file), PATTERN_EXACT_SIZE), "punch: %m");
	close(fd);
	return file;
}

static void end_lazy(struct lazy *z)
{
	CHECK_ERR(do_umount(z->dir, 0), 0, "umount");
	kill_daemon(z);
	CHECK_ERR(do_umount(z->lower, 0), 0, "umount of the lower filesystem");
}

static bool exact_is_right(const char *file)
{
	forget_file(file);
	return file_is_pattern(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
}

/* Every page: how many are errors; none may be anything but right */
static unsigned int exact_errors(const char *file, int flags)
{
	void *buf = NULL;
	unsigned int errors = 0;
	int fd = open_need(file, O_RDONLY | flags);
	off_t off;

	NEED(!posix_memalign(&buf, 4096, 4096), "memory");
	for (off = 0; off < (off_t)PATTERN_EXACT_SIZE; off += 4096) {
		ssize_t n = pread(fd, buf, 4096, off);

		if (n < 0)
			errors++;
		else
			CHECK(n == 4096 &&
			      pattern_check(buf, n, PATTERN_EXACT_SEED, off) < 0,
			      "wrong bytes at %lld", (long long)off);
	}
	close(fd);
	free(buf);
	return errors;
}

#define EXACT_PAGES	((unsigned int)(PATTERN_EXACT_SIZE / 4096))

/* ----------------------------------------------------------------- filled */

struct variant {
	const char *image;
	unsigned int mark;
	bool folder;
	enum via via;
	const char *opts;
	bool zeros_cached;	/* the page cache holds the holes already */
};

static void filled(const void *arg)
{
	const struct variant *v = arg;
	const struct image *img = image_find(v->image);
	uint64_t after_mount;
	struct lazy z;
	int i;

	make_lazy(&z, img);
	z.mark = v->mark;
	z.folder = v->folder;
	for (i = 0; v->zeros_cached && i < z.nr_stores; i++)
		NEED(!run("cat %s > /dev/null", z.store[i].path), "cat");
	start_daemon(&z, FILL);
	NEED_OK(mount_lazy(&z, img, v->via, v->opts), "mount");
	CHECK(!last_log[0], "log after success: %s", last_log);
	after_mount = allocated(&z);
	CHECK(z.c->asked, "nobody has asked");
	CHECK(after_mount < whole_size(&z) / 2,
	      "%llu of %llu bytes are there after the mount",
	      (unsigned long long)after_mount,
	      (unsigned long long)whole_size(&z));
	tree_equals(z.dir, data_path(img->dump));
	CHECK(allocated(&z) > after_mount, "reading has filled nothing");
	/* Now from the file that is full */
	drop_caches();
	tree_equals(z.dir, data_path(img->dump));
	tap_note("%u questions, %llu bytes filled of %llu", z.c->asked,
		 (unsigned long long)z.c->filled,
		 (unsigned long long)whole_size(&z));
	end_lazy(&z);
}

/* Read past the cache of our mount */
static void filled_past_cache(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg);

	CHECK(!exact_errors(file, O_DIRECT), "errors of direct reads");
	end_lazy(&z);
}

static void filled_mapped(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg), *map;
	int fd;

	fd = open_need(file, O_RDONLY);
	map = mmap(NULL, PATTERN_EXACT_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	NEED(map != MAP_FAILED, "mmap: %m");
	CHECK(pattern_check(map, PATTERN_EXACT_SIZE, PATTERN_EXACT_SEED, 0) < 0,
	      "wrong bytes in a mapping");
	munmap((void *)map, PATTERN_EXACT_SIZE);
	close(fd);
	end_lazy(&z);
}

static dev_t device_of(const char *path)
{
	struct stat st;

	NEED(!stat(path, &st), "stat %s: %m", path);
	return st.st_dev;
}

/*
 * Mounted before anybody watches it, and again when somebody does: the second is no
 * other name of the first, which nobody is asked about. One more is of the second,
 * also when the daemon is gone by then, which would be missed.
 */
static void watched_later(const void *arg)
{
	const char *first = new_dir("first"), *third = new_dir("third");
	const struct image *img = image_find(IMAGE);
	struct lazy z;
	int fd;

	make_lazy(&z, img);
	copy_file(z.store[0].from, z.store[0].path);
	NEED_OK(mount_file(z.store[0].path, first, arg), "mount");
	fd = open_need(z.store[0].path, O_RDWR);
	NEED(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			data_position(below(first, "exact")),
			PATTERN_EXACT_SIZE), "punch: %m");
	close(fd);
	start_daemon(&z, FILL);
	NEED_OK(mount_lazy(&z, img, VIA_PATH, arg), "mount, watched");
	CHECK(z.c->asked, "nobody has asked");
	CHECK(exact_is_right(below(z.dir, "exact")), "it was not filled");
	NEED_OK(do_umount(first, 0), "umount");
	NEED_OK(mount_file(z.store[0].path, third, arg), "mount again");
	CHECK(device_of(third) == device_of(z.dir), "a third superblock");
	NEED_OK(do_umount(third, 0), "umount");
	kill_daemon(&z);
	NEED_OK(mount_file(z.store[0].path, third, arg), "mount, too late");
	CHECK(device_of(third) == device_of(z.dir), "the daemon is not missed");
	NEED_OK(do_umount(third, 0), "umount");
	start_daemon(&z, FILL);
	end_lazy(&z);
}

/* ---------------------------------------------------------------- refused */

struct refusal {
	enum mode mode;
	const char *opts;
};

static void refused(const void *arg)
{
	const struct refusal *r = arg;
	struct lazy z;
	const char *file = mount_exact(&z, r->opts);

	z.c->mode = r->mode;
	CHECK(exact_errors(file, 0) == EXACT_PAGES, "not all reads have failed");
	CHECK(exact_errors(file, O_DIRECT) == EXACT_PAGES,
	      "not all direct reads have failed");
	z.c->mode = FILL;
	CHECK(exact_is_right(file), "when it fills again");
	tree_equals(z.dir, data_path(image_find(IMAGE)->dump));
	end_lazy(&z);
}

static void refused_at_mount(const void *arg)
{
	const struct image *img = image_find(IMAGE);
	struct lazy z;
	int ret;

	(void)arg;
	make_lazy(&z, img);
	start_daemon(&z, REFUSE);
	ret = mount_lazy(&z, img, VIA_PATH, NULL);
	/* Nor the errno on which clients take a loop device instead */
	CHECK(ret < 0 && ret != -ENOTBLK && ret != -EINVAL && ret != -EUCLEAN,
	      "mount: %s", err_name(ret));
	CHECK(last_log[0], "nothing in the log");
	z.c->mode = FILL;
	NEED_OK(mount_lazy(&z, img, VIA_PATH, NULL), "when it fills again");
	tree_equals(z.dir, data_path(img->dump));
	end_lazy(&z);
}

static void refused_metadata(const void *arg)
{
	const struct image *img = image_find("real");
	struct lazy z;

	(void)arg;
	make_lazy(&z, img);
	start_daemon(&z, FILL);
	NEED_OK(mount_lazy(&z, img, VIA_PATH, NULL), "mount");
	z.c->mode = REFUSE;
	CHECK(run("ls -lR %s > /dev/null 2>&1", z.dir), "all of it was listed");
	z.c->mode = FILL;
	tree_equals(z.dir, data_path(img->dump));
	end_lazy(&z);
}

/* ------------------------------------------------------------------- dead */

/* It dies between two reads: what it has filled is there, all else an error */
static void dead(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg);
	unsigned int errors;
	char buf[4096];
	int fd;

	/* One page and no readahead */
	fd = open_need(file, O_RDONLY);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	NEED(pread_full(fd, buf, 4096, 65536) == 4096, "read: %m");
	close(fd);
	kill_daemon(&z);
	forget_file(file);
	errors = exact_errors(file, 0);
	CHECK(errors == EXACT_PAGES - 1, "%u of %u pages are errors", errors,
	      EXACT_PAGES);
	forget_file(file);
	CHECK(exact_errors(file, O_DIRECT) == errors, "direct reads differ");
	start_daemon(&z, FILL);
	CHECK(exact_is_right(file), "with a new daemon");
	tree_equals(z.dir, data_path(image_find(IMAGE)->dump));
	/* Nothing is left to fill */
	kill_daemon(&z);
	drop_caches();
	tree_equals(z.dir, data_path(image_find(IMAGE)->dump));
	start_daemon(&z, FILL);
	end_lazy(&z);
}

/* It dies with the question open, which the kernel then answers with yes */
static void dead_waiting(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg);
	unsigned int asked, i;
	int status;
	pid_t pid;

	for (i = 0; i < 20; i++) {
		z.c->mode = STALL;
		asked = z.c->asked;
		pid = fork();
		if (!pid)
			_exit(exact_errors(file, i % 2 ? O_DIRECT : 0) ==
			      EXACT_PAGES && !tap_failed() ? 0 : 1);
		while (z.c->asked == asked)
			usleep(1000);
		kill_daemon(&z);
		NEED(waitpid(pid, &status, 0) == pid, "wait: %m");
		NEED(!status, "round %u: the reader has got something", i);
		start_daemon(&z, FILL);
	}
	CHECK(exact_is_right(file), "with a new daemon");
	end_lazy(&z);
}

static void dead_mapped(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, NULL);
	int status;
	pid_t pid;

	(void)arg;
	kill_daemon(&z);
	pid = fork();
	if (!pid) {
		int fd = open(file, O_RDONLY);
		const volatile char *map;

		map = mmap(NULL, PATTERN_EXACT_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		_exit(map == MAP_FAILED ? 1 : 2 + map[4096]);
	}
	NEED(waitpid(pid, &status, 0) == pid, "wait: %m");
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
	      "no SIGBUS for what is not there: %x", status);
	start_daemon(&z, FILL);
	CHECK(exact_is_right(file), "with a new daemon");
	end_lazy(&z);
}

/* Encoded files, whose index is metadata too, and several stores */
static void dead_others(const void *arg)
{
	const struct image *img = image_find(arg);
	struct lazy z;

	make_lazy(&z, img);
	z.mark = FAN_MARK_FILESYSTEM;
	start_daemon(&z, FILL);
	NEED_OK(mount_lazy(&z, img, VIA_PATH, NULL), "mount");
	NEED(!run("ls -lR %s > /dev/null", z.dir), "ls");
	kill_daemon(&z);
	drop_caches();
	CHECK(run("tar -C %s -cf - . > /dev/null 2>&1", z.dir),
	      "all of it was read");
	start_daemon(&z, FILL);
	tree_equals(z.dir, data_path(img->dump));
	end_lazy(&z);
}

/* ---------------------------------------------------------------- waiting */

/* A reader that is killed goes at once, and others still get their bytes */
static void killed_reader(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg);
	unsigned int asked = z.c->asked;
	int status, other;
	double start;
	pid_t pid;

	z.c->mode = STALL;
	pid = fork();
	if (!pid)
		_exit(!exact_errors(file, 0));
	while (z.c->asked == asked)
		usleep(1000);
	other = fork();
	if (!other)
		_exit(exact_errors(file, 0) || tap_failed());
	usleep(100000);
	start = now_s();
	kill(pid, SIGKILL);
	NEED(waitpid(pid, &status, 0) == pid, "wait: %m");
	CHECK(WIFSIGNALED(status), "the reader did not wait: %x", status);
	CHECK(now_s() - start < 5, "a killed reader took %.1f s",
	      now_s() - start);
	z.c->mode = FILL;
	NEED(waitpid(other, &status, 0) == other, "wait: %m");
	CHECK(!status, "the other reader: %x", status);
	CHECK(exact_is_right(file), "at the end");
	end_lazy(&z);
}

/* A daemon that mounts what only it could fill can be killed all the same */
static void own_mount(const void *arg)
{
	const struct image *img = image_find(IMAGE);
	struct lazy z;
	double start;
	int status;
	pid_t pid;

	make_lazy(&z, img);
	pid = fork();
	if (!pid) {
		if (watch(&z) < 0)
			_exit(1);
		z.c->asked = 1;
		mount_lazy(&z, img, VIA_PATH, arg);
		_exit(2);
	}
	while (!z.c->asked)
		usleep(1000);
	usleep(200000);
	start = now_s();
	kill(pid, SIGKILL);
	NEED(waitpid(pid, &status, 0) == pid, "wait: %m");
	CHECK(WIFSIGNALED(status), "it did not wait: %x", status);
	CHECK(now_s() - start < 5, "it took %.1f s to die", now_s() - start);
	start_daemon(&z, FILL);
	NEED_OK(mount_lazy(&z, img, VIA_PATH, arg), "mount");
	tree_equals(z.dir, data_path(img->dump));
	end_lazy(&z);
}

/* ------------------------------------------------------------ who only watches */

static void exact_is_zeros(const char *file, const char *when)
{
	static char buf[65536], zeros[65536];
	int fd = open_need(file, O_RDONLY);

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	CHECK(pread_full(fd, buf, sizeof(buf), 0) == sizeof(buf), "%s: %m", when);
	CHECK(!memcmp(buf, zeros, sizeof(buf)), "%s: no zeros", when);
	close(fd);
}

/* Holes are zeros where somebody alive says so */
static void passed(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg);

	z.c->mode = PASS;
	exact_is_zeros(file, "let pass");
	end_lazy(&z);
}

/* A scanner (FAN_ACCESS_PERM) never fills: holes are zeros, also when it is gone */
static void scanned(const void *arg)
{
	struct lazy z;
	const char *file = mount_exact(&z, arg);

	NEED_OK(do_umount(z.dir, 0), "umount");
	kill_daemon(&z);
	z.scanner = true;
	start_daemon(&z, PASS);
	NEED_OK(mount_lazy(&z, image_find(IMAGE), VIA_PATH, arg), "mount");
	CHECK(z.c->asked, "the scanner was not asked");
	exact_is_zeros(file, "scanned");
	kill_daemon(&z);
	exact_is_zeros(file, "without the scanner");
	start_daemon(&z, PASS);
	end_lazy(&z);
}

static const struct variant variants[] = {
	{ IMAGE, 0, false, VIA_PATH, NULL, false },
	{ IMAGE, FAN_MARK_MOUNT, false, VIA_PATH, "directio", false },
	{ IMAGE, FAN_MARK_FILESYSTEM, false, VIA_PATH, "nodirectio", false },
	{ IMAGE, 0, true, VIA_PATH, NULL, false },
	{ IMAGE, 0, false, VIA_FD, "directio", true },
	{ IMAGE, 0, false, VIA_PROC, NULL, true },
	{ "real", 0, false, VIA_PATH, NULL, false },
	{ "lz4-64k", 0, false, VIA_PATH, NULL, true },
	{ "zstd-fragments", FAN_MARK_FILESYSTEM, false, VIA_FD, "directio", false },
	{ "lzma-all", 0, true, VIA_PATH, "nodirectio", true },
	{ "blobdev-4096", FAN_MARK_FILESYSTEM, false, VIA_PATH, NULL, false },
	{ "rebuilt3-512", 0, false, VIA_FD, NULL, true },
	{ "offset-512-3584", 0, false, VIA_PATH, NULL, false },
	{ "tail-4096", 0, false, VIA_PATH, "directio", false },
};

static const struct refusal refusals[] = {
	{ REFUSE, NULL },
	{ REFUSE_ERRNO, "directio" },
	{ REFUSE, "nodirectio" },
};

static const struct tap_case cases[] = {
	{ "filled.file", filled, &variants[0], 0 },
	{ "filled.mount.direct", filled, &variants[1], 0 },
	{ "filled.filesystem.buffered", filled, &variants[2], 0 },
	{ "filled.folder", filled, &variants[3], 0 },
	{ "filled.fd.direct.cached", filled, &variants[4], 0 },
	{ "filled.proc.cached", filled, &variants[5], 0 },
	{ "filled.real", filled, &variants[6], 0 },
	{ "filled.lz4.cached", filled, &variants[7], 0 },
	{ "filled.fragments.direct", filled, &variants[8], 0 },
	{ "filled.lzma.buffered.cached", filled, &variants[9], 0 },
	{ "filled.device", filled, &variants[10], 0 },
	{ "filled.devices.cached", filled, &variants[11], 0 },
	{ "filled.offset", filled, &variants[12], 0 },
	{ "filled.tail.direct", filled, &variants[13], 0 },
	{ "filled_past_cache", filled_past_cache, NULL, 0 },
	{ "filled_past_cache.direct", filled_past_cache, "directio", 0 },
	{ "filled_past_cache.buffered", filled_past_cache, "nodirectio", 0 },
	{ "filled_mapped", filled_mapped, NULL, 0 },
	{ "filled_mapped.buffered", filled_mapped, "nodirectio", 0 },
	{ "watched_later", watched_later, NULL, 0 },
	{ "watched_later.direct", watched_later, "directio", 0 },
	{ "refused", refused, &refusals[0], 0 },
	{ "refused.errno.direct", refused, &refusals[1], 0 },
	{ "refused.buffered", refused, &refusals[2], 0 },
	TAP_CASE(refused_at_mount),
	TAP_CASE(refused_metadata),
	{ "dead", dead, NULL, 0 },
	{ "dead.direct", dead, "directio", 0 },
	{ "dead.buffered", dead, "nodirectio", 0 },
	{ "dead_waiting", dead_waiting, NULL, 0 },
	{ "dead_waiting.direct", dead_waiting, "directio", 0 },
	{ "dead_waiting.buffered", dead_waiting, "nodirectio", 0 },
	TAP_CASE(dead_mapped),
	{ "dead_others.lz4", dead_others, "lz4-64k", 0 },
	{ "dead_others.device", dead_others, "blobdev-4096", 0 },
	{ "killed_reader", killed_reader, NULL, 0 },
	{ "killed_reader.buffered", killed_reader, "nodirectio", 0 },
	{ "own_mount", own_mount, NULL, 0 },
	{ "own_mount.direct", own_mount, "directio", 0 },
	{ "passed", passed, NULL, 0 },
	{ "passed.direct", passed, "directio", 0 },
	{ "scanned", scanned, NULL, 0 },
	{ "scanned.direct", scanned, "directio", 0 },
};

/* EINVAL is the answer of a kernel that does not know the event */
static bool pre_content_known(void)
{
	int fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDONLY);
	bool known;

	if (fan < 0)
		return false;
	known = !fanotify_mark(fan, FAN_MARK_ADD, FAN_PRE_ACCESS, AT_FDCWD,
			       "/") || errno == EOPNOTSUPP;
	close(fan);
	return known;
}

int main(int argc, char **argv)
{
	if (!pre_content_known())
		return tap_skip_all("precontent",
				    "the kernel has no FAN_PRE_ACCESS");
	return tap_run("precontent", cases, ARRAY_SIZE(cases), argc, argv);
}
