// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backing file is somebody else's: it is overwritten, shrunk, punched,
 * removed, or its filesystem fails, while it is mounted. What is read then may
 * be an error or the changed bytes, but never bytes of another place, never a
 * crash and never a hang; what was not touched reads right; and when the file is
 * whole again, so is everything that is read afresh.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

#define IMAGE	"default-4096"

static const enum where on_tmpfs = ON_TMPFS, on_ext4 = ON_EXT4;

struct victim {
	const char *image;		/* of the lower filesystem */
	const char *dir;		/* where it is mounted */
	const char *file;		/* "exact" in it */
	off_t at;			/* of exact's data in the image */
	off_t size;			/* of the image */
};

static void set_up(struct victim *v, enum where where)
{
	struct stat st;

	v->image = below(lower_dir(where), "image");
	copy_file(data_path(image_find(IMAGE)->image), v->image);
	NEED(!stat(v->image, &st), "%m");
	v->size = st.st_size;
	v->dir = new_dir("mnt");
	NEED_OK(mount_file(v->image, v->dir, NULL), "mount");
	v->file = below(v->dir, "exact");
	v->at = data_position(v->file);
	drop_caches();
}

static void all_right(struct victim *v, const char *when)
{
	forget_file(v->file);
	CHECK(file_is_pattern(v->file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE),
	      "%s", when);
	tree_equals(v->dir, data_path(image_find(IMAGE)->dump));
}

/* Each page: the right bytes, the changed ones where there are any, or an errno */
static unsigned int read_damaged(const char *file, char changed, off_t from,
				 off_t to)
{
	char buf[4096], other[4096];
	int fd = open_need(file, O_RDONLY);
	unsigned int errors = 0;
	off_t off;

	memset(other, changed, sizeof(other));
	for (off = 0; off < (off_t)PATTERN_EXACT_SIZE; off += 4096) {
		ssize_t n = pread_full(fd, buf, 4096, off);

		if (n < 0) {
			CHECK(n == -EIO || n == -EUCLEAN || n == -ENXIO,
			      "at %lld: %s", (long long)off, err_name(n));
			errors++;
			CHECK(off + 4096 > from && off < to,
			      "an error outside of the damage at %lld",
			      (long long)off);
			continue;
		}
		CHECK(n == 4096, "%zd bytes at %lld", n, (long long)off);
		CHECK(pattern_check(buf, 4096, PATTERN_EXACT_SEED, off) < 0 ||
		      (off >= from && off < to && !memcmp(buf, other, 4096)),
		      "bytes of nowhere at %lld", (long long)off);
	}
	close(fd);
	return errors;
}

static void overwritten(const void *arg)
{
	struct victim v;
	char bytes[8192];
	int fd;

	set_up(&v, *(const enum where *)arg);
	fd = open_need(v.image, O_RDWR);
	memset(bytes, 'X', sizeof(bytes));
	NEED(pwrite(fd, bytes, sizeof(bytes), v.at + 65536) == sizeof(bytes), "%m");
	NEED(!fsync(fd), "%m");
	forget_file(v.file);
	CHECK(!read_damaged(v.file, 'X', 65536, 65536 + sizeof(bytes)),
	      "errors, where only bytes have changed");
	pattern_fill(bytes, sizeof(bytes), PATTERN_EXACT_SEED, 65536);
	NEED(pwrite(fd, bytes, sizeof(bytes), v.at + 65536) == sizeof(bytes), "%m");
	NEED(!fsync(fd), "%m");
	close(fd);
	all_right(&v, "after it was put right");
}

static void punched(const void *arg)
{
	struct victim v;
	static char bytes[32768];
	int fd;

	set_up(&v, *(const enum where *)arg);
	fd = open_need(v.image, O_RDWR);
	NEED(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			v.at + 65536, sizeof(bytes)), "punch: %m");
	forget_file(v.file);
	read_damaged(v.file, 0, 65536, 65536 + sizeof(bytes));
	pattern_fill(bytes, sizeof(bytes), PATTERN_EXACT_SEED, 65536);
	NEED(pwrite(fd, bytes, sizeof(bytes), v.at + 65536) == sizeof(bytes), "%m");
	close(fd);
	all_right(&v, "after it was filled again");
}

static void shrunk(const void *arg)
{
	struct victim v;
	size_t len = 0;
	char *whole;
	int fd;

	set_up(&v, *(const enum where *)arg);
	whole = slurp(v.image, &len);
	NEED(whole, "%m");
	NEED(!truncate(v.image, v.at + 98304), "truncate: %m");
	forget_file(v.file);
	CHECK(read_damaged(v.file, 0, 98304, PATTERN_EXACT_SIZE),
	      "no error past the end of the image");
	fd = open_need(v.image, O_WRONLY);
	NEED(write(fd, whole, len) == (ssize_t)len, "write: %m");
	close(fd);
	all_right(&v, "after it has grown again");
}

/* Pages that are right, or not there: their number. All else is wrong. */
static unsigned int pages_missing(const char *file, const char *want, size_t size)
{
	int fd = open_need(file, O_RDONLY);
	unsigned int missing = 0;
	char buf[4096];
	size_t off;

	/* Where they lie is to be known still */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (off = 0; off < size && !tap_failed(); off += sizeof(buf)) {
		ssize_t len = size - off < sizeof(buf) ? size - off : sizeof(buf);
		ssize_t n = pread_full(fd, buf, len, off);

		missing += n == -EIO;
		CHECK(n == -EIO || (n == len && !memcmp(buf, want + off, len)),
		      "at %zu: %s", off, n < 0 ? err_name(n) : "wrong bytes");
	}
	close(fd);
	return missing;
}

/*
 * The pclusters of a compressed file, some of which are stored as they are: what
 * cannot be read is an I/O error, and neither bytes nor a verdict on the image.
 */
static void shrunk_encoded(const void *arg)
{
	const struct image *img = image_find("stream-lz4");
	const char *image = below(lower_dir(*(const enum where *)arg), "image");
	const char *dir = new_dir("mnt"), *file = below(dir, "stream");
	size_t len = 0, size = 0;
	char *whole, *want;
	unsigned int missing;
	int fd;

	copy_file(data_path(img->image), image);
	NEED_OK(mount_file(image, dir, NULL), "mount");
	whole = slurp(image, &len);
	want = slurp(file, &size);
	NEED(whole && want, "%m");
	NEED(!truncate(image, len / 2), "truncate: %m");
	missing = pages_missing(file, want, size);
	CHECK(missing > size / 4096 / 4 && missing < size / 4096 * 3 / 4,
	      "%u of %zu pages are not there", missing, size / 4096);
	fd = open_need(image, O_WRONLY);
	NEED(write(fd, whole, len) == (ssize_t)len, "write: %m");
	close(fd);
	CHECK(!pages_missing(file, want, size), "after it has grown again");
	drop_caches();
	tree_equals(dir, data_path(img->dump));
}

/* Down to nothing, metadata and all */
static void emptied(const void *arg)
{
	struct victim v;
	size_t len = 0;
	char *whole, byte;
	int fd;

	set_up(&v, *(const enum where *)arg);
	whole = slurp(v.image, &len);
	NEED(whole, "%m");
	fd = open_need(v.file, O_RDONLY);
	NEED(!truncate(v.image, 0), "truncate: %m");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	drop_caches();
	CHECK(pread(fd, &byte, 1, 0) < 0, "data of an empty image");
	close(fd);
	CHECK(run("ls -lR %s >/dev/null 2>&1", v.dir) < 128, "ls died");
	CHECK(run("cat %s/sizes/* >/dev/null 2>&1", v.dir), "all was read");
	fd = open_need(v.image, O_WRONLY);
	NEED(write(fd, whole, len) == (ssize_t)len, "write: %m");
	close(fd);
	all_right(&v, "after it has come back");
}

static void mapped_while_shrunk(const void *arg)
{
	struct victim v;
	size_t len = 0, i;
	char *whole;
	int status, fd;
	pid_t pid;

	set_up(&v, *(const enum where *)arg);
	whole = slurp(v.image, &len);
	NEED(whole, "%m");
	NEED(!truncate(v.image, v.at + 4096), "truncate: %m");
	forget_file(v.file);
	pid = fork();
	if (!pid) {
		const volatile char *map;
		unsigned int sum = 0;

		fd = open(v.file, O_RDONLY);
		map = mmap(NULL, PATTERN_EXACT_SIZE, PROT_READ, MAP_SHARED, fd,
			   0);
		if (map == MAP_FAILED)
			_exit(1);
		for (i = 0; i < PATTERN_EXACT_SIZE; i += 4096)
			sum += map[i];
		_exit(sum ? 2 : 3);
	}
	NEED(waitpid(pid, &status, 0) == pid, "%m");
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
	      "no SIGBUS for what is not there: status %x", status);
	fd = open_need(v.image, O_WRONLY);
	NEED(write(fd, whole, len) == (ssize_t)len, "write: %m");
	close(fd);
	all_right(&v, "after it has grown again");
}

/* Names may go at any time: the superblock holds the file itself */
static void removed(const void *arg)
{
	struct victim v;

	set_up(&v, *(const enum where *)arg);
	NEED(!unlink(v.image), "unlink: %m");
	all_right(&v, "after it was unlinked");
	copy_file(data_path("default-512.img"), v.image);
	all_right(&v, "after another took its name");
}

/* A page cache that holds the file already must not be read again as it is */
static void damaged_metadata(const void *arg)
{
	struct victim v;
	size_t len = 0;
	char *whole, junk[4096];
	off_t off;
	int fd;

	set_up(&v, *(const enum where *)arg);
	whole = slurp(v.image, &len);
	NEED(whole, "%m");
	fd = open_need(v.image, O_WRONLY);
	memset(junk, 0xff, sizeof(junk));
	/* All but the superblock and the data of the file that is looked at */
	for (off = 4096; off < v.size; off += 4096)
		if (off < v.at || off >= v.at + (off_t)PATTERN_EXACT_SIZE)
			NEED(pwrite(fd, junk, 4096, off) == 4096, "%m");
	drop_caches();
	run("ls -lR %s >/dev/null 2>&1; cat %s/*/* >/dev/null 2>&1", v.dir, v.dir);
	NEED(pwrite(fd, whole, len, 0) == (ssize_t)len, "%m");
	NEED(!fsync(fd), "%m");
	close(fd);
	drop_caches();
	/* A directory that was bad once must not stay bad for ever */
	all_right(&v, "after it was put right");
}

/* Four readers, and an image that is never the same for long */
static void storm(const void *arg)
{
	struct victim v;
	size_t len = 0;
	char *whole;
	pid_t pid[4];
	int i, k, status, fd;

	set_up(&v, *(const enum where *)arg);
	whole = slurp(v.image, &len);
	NEED(whole, "%m");
	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		for (;;) {
			char buf[4096];

			fd = open(v.file, O_RDONLY);
			for (k = 0; k < 64; k++)
				if (pread(fd, buf, 4096,
					  (k * 7 + i) % 32 * 4096) < 0)
					continue;
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			close(fd);
		}
	}
	fd = open_need(v.image, O_RDWR);
	for (i = 0; i < 40; i++) {
		if (i % 3 == 0)
			NEED(!ftruncate(fd, v.at + i * 5000), "%m");
		else if (i % 3 == 1)
			fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				  FALLOC_FL_KEEP_SIZE, v.at, 65536);
		NEED(pwrite(fd, whole, len, 0) == (ssize_t)len, "%m");
		if (i % 10 == 0)
			write_str("/proc/sys/vm/drop_caches", "1");
	}
	close(fd);
	for (i = 0; i < 4; i++) {
		kill(pid[i], SIGKILL);
		CHECK(waitpid(pid[i], &status, 0) == pid[i] &&
		      WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		      "reader %d: status %x", i, status);
	}
	all_right(&v, "after the storm");
}

/* ------------------------------------------------- a lower filesystem fails */

struct fuse_victim {
	const char *lower, *dir, *file;
	int pid;			/* of the daemon */
	int fd;				/* of the file, to keep its inode */
};

static void set_up_fuse(struct fuse_victim *v, const char *opts)
{
	const char *from = new_dir("from"), *pid_file = tmp_path("pid");
	char *text;

	if (access("/dev/fuse", F_OK))
		tap_skip("no /dev/fuse");
	copy_file(data_path(image_find(IMAGE)->image), below(from, "image"));
	v->lower = new_dir("lower");
	NEED(!run("%s %s %s %s > %s", tool_path("fusefs"), opts, from, v->lower,
		  pid_file), "fusefs");
	text = slurp(pid_file, NULL);
	NEED(text, "%m");
	v->pid = atoi(text);
	NEED(v->pid > 1, "no pid of fusefs");
	v->dir = new_dir("mnt");
	NEED_OK(mount_file(below(v->lower, "image"), v->dir, NULL), "mount");
	v->file = below(v->dir, "exact");
	/* Metadata first, so that the fault meets the data alone */
	v->fd = open_need(v->file, O_RDONLY);
}

static void switch_faults(struct fuse_victim *v)
{
	NEED(!kill(v->pid, SIGUSR1), "%m");
	/* Nothing may be left in the page cache, of the lower file either */
	posix_fadvise(v->fd, 0, 0, POSIX_FADV_DONTNEED);
	drop_caches();
}

static void fuse_right(struct fuse_victim *v, const char *when)
{
	switch_faults(v);
	close(v->fd);
	forget_file(v->file);
	CHECK(file_is_pattern(v->file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE),
	      "%s", when);
	tree_equals(v->dir, data_path(image_find(IMAGE)->dump));
	CHECK_ERR(do_umount(v->dir, 0), 0, "umount");
	CHECK_ERR(do_umount(v->lower, 0), 0, "umount of the lower filesystem");
}

/* 0 for the right bytes, 1 for wrong ones, or -errno */
static int read_first(struct fuse_victim *v)
{
	char buf[4096];
	ssize_t n;

	posix_fadvise(v->fd, 0, 0, POSIX_FADV_DONTNEED);
	n = pread_full(v->fd, buf, sizeof(buf), 0);
	if (n > 0 && pattern_check(buf, n, PATTERN_EXACT_SEED, 0) >= 0)
		return 1;
	return n < 0 ? n : 0;
}

static void lower_error(const void *arg)
{
	struct fuse_victim v;

	set_up_fuse(&v, arg);
	switch_faults(&v);
	CHECK_ERR(read_first(&v), -EIO, "read");
	CHECK_ERR(read_first(&v), -EIO, "read again");
	fuse_right(&v, "after the fault");
}

/* Any other errno is the reader's as well: not EIO for everything */
static void lower_errno(const void *arg)
{
	struct fuse_victim v;
	int ret;

	(void)arg;
	set_up_fuse(&v, "-D -e 121");		/* EREMOTEIO */
	switch_faults(&v);
	ret = read_first(&v);
	CHECK(ret == -EREMOTEIO || ret == -EIO, "read: %s", err_name(ret));
	fuse_right(&v, "after the fault");
}

/* Less than was asked for, in the middle of the file: asked again, or an error */
static void lower_short(const void *arg)
{
	static const char * const opts[] = { "-D -s 100", "-D -s 1000",
					     "-D -s 4095", "-D -s 5000" };
	struct fuse_victim v;
	const char *opt = opts[*(const unsigned int *)arg];
	char buf[4096];
	off_t off;

	set_up_fuse(&v, opt);
	switch_faults(&v);
	/* A page at a time is some forty requests of the shortest kind */
	for (off = 0; off < 12 * 4096; off += 4096) {
		ssize_t n = pread_full(v.fd, buf, 4096, off);

		CHECK(n == 4096 || n == -EIO, "at %lld: %zd", (long long)off, n);
		if (n == 4096)
			CHECK(pattern_check(buf, 4096, PATTERN_EXACT_SEED, off) < 0,
			      "wrong bytes at %lld", (long long)off);
	}
	fuse_right(&v, "after the fault");
}

static const unsigned int short_nr[] = { 0, 1, 2, 3 };

/* A slow one: a reader that is killed goes, and others still get their bytes */
static void lower_slow(const void *arg)
{
	struct fuse_victim v;
	int i, status;
	pid_t pid;

	(void)arg;
	set_up_fuse(&v, "-D -d 300");
	switch_faults(&v);
	for (i = 0; i < 4; i++) {
		double start = now_s();

		pid = fork();
		if (!pid)
			_exit(read_first(&v) != 0);
		usleep(50000 * i);
		kill(pid, SIGKILL);
		NEED(waitpid(pid, &status, 0) == pid, "%m");
		CHECK(now_s() - start < 5, "a killed reader took %.1f s",
		      now_s() - start);
	}
	CHECK_ERR(read_first(&v), 0, "after the killed readers");
	fuse_right(&v, "after the fault");
}

/* The daemon dies: errors, and an unmount that still works */
static void lower_dead(const void *arg)
{
	struct fuse_victim v;
	int ret;

	(void)arg;
	set_up_fuse(&v, "-D");
	NEED(!kill(v.pid, SIGKILL), "%m");
	drop_caches();
	usleep(100000);
	ret = read_first(&v);
	close(v.fd);
	CHECK(ret == -ENOTCONN || ret == -ECONNABORTED || ret == -EIO,
	      "read: %s (%d)", err_name(ret), ret);
	CHECK(run("ls -lR %s > /dev/null 2>&1", v.dir) < 128, "ls died");
	CHECK_ERR(do_umount(v.dir, 0), 0, "umount");
	CHECK_ERR(do_umount(v.lower, 0), 0, "umount of the lower filesystem");
}

#define ON_EACH(f)							\
	{ .name = #f ".tmpfs", .fn = (f), .arg = &on_tmpfs },		\
	{ .name = #f ".ext4", .fn = (f), .arg = &on_ext4 }

static const struct tap_case cases[] = {
	ON_EACH(overwritten),
	ON_EACH(punched),
	ON_EACH(shrunk),
	ON_EACH(shrunk_encoded),
	ON_EACH(emptied),
	ON_EACH(mapped_while_shrunk),
	ON_EACH(removed),
	ON_EACH(damaged_metadata),
	ON_EACH(storm),
	{ .name = "lower_error.cached", .fn = lower_error, .arg = "-e 5" },
	{ .name = "lower_error.direct", .fn = lower_error, .arg = "-D -e 5" },
	TAP_CASE(lower_errno),
	{ .name = "lower_short.100", .fn = lower_short, .arg = &short_nr[0] },
	{ .name = "lower_short.1000", .fn = lower_short, .arg = &short_nr[1] },
	{ .name = "lower_short.4095", .fn = lower_short, .arg = &short_nr[2] },
	{ .name = "lower_short.5000", .fn = lower_short, .arg = &short_nr[3] },
	TAP_CASE(lower_slow),
	TAP_CASE(lower_dead),
};

int main(int argc, char **argv)
{
	return tap_run("backing", cases, ARRAY_SIZE(cases), argc, argv);
}
