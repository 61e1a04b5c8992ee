// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much at once, and at its limits: mounts and unmounts by many tasks, readers
 * whose mount goes away, remounts and unloading under load, too little memory,
 * very many mounts, and the deepest stack of filesystems that is allowed.
 *
 *	storms [-l] [-d SECONDS] [case]...
 *
 *	-l          many rounds, with figures; else what a gate can wait for
 *	-d SECONDS  what goes by the clock lasts so long
 *
 * stress.c has readers of every kind against each other; here it is the
 * surroundings that do not keep still.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fileops.h"
#include "lib_mount.h"
#include "pattern.h"

#define DETACH	2		/* MNT_DETACH */
#define REMOUNT	32		/* MS_REMOUNT */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static bool exact_is_right(int fd)
{
	char buf[4096];

	return pread(fd, buf, sizeof(buf), 8192) == sizeof(buf) &&
	       pattern_check(buf, sizeof(buf), PATTERN_EXACT_SEED, 8192) < 0;
}

static bool looks_right(const char *dir)
{
	char path[PATH_MAX];
	bool right;
	int fd;

	snprintf(path, sizeof(path), "%s/exact", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	right = fd >= 0 && exact_is_right(fd);
	if (fd >= 0)
		close(fd);
	return right;
}

static bool ended_well(pid_t pid)
{
	int status = 0;

	return CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		     !WEXITSTATUS(status), "pid %d: status %x", pid, status);
}

/* -------------------------------------------------------- mounts and unmounts */

#define TASKS	16

struct race {
	bool same;		/* one image for all, else four */
	bool block;		/* one block device */
};

static const struct race race_same = { .same = true },
			 race_different = { .same = false },
			 race_block = { .same = true, .block = true };

static const char *race_source(const struct race *race, int task,
			       const char *device)
{
	static const char * const image[] = { "default-4096.img",
		"default-512.img", "chunk4-4k-4096.img", "lz4.img" };

	if (race->block)
		return device;
	return data_path(image[race->same ? 0 : task % 4]);
}

static void race_main(const struct race *race, int task, const char *device,
		      const char *dir, unsigned int rounds)
{
	static const enum via ways[] = { VIA_PATH, VIA_FD, VIA_PROC };
	struct source src = { .path = race_source(race, task, device) };
	unsigned int k;

	for (k = 0; k < rounds; k++) {
		int fd;

		src.via = ways[(task + k) % ARRAY_SIZE(ways)];
		NEED_OK(mount_at(&src, dir), "mount");
		fd = open_need(below(dir, "exact"), O_RDONLY);
		NEED(exact_is_right(fd), "wrong bytes in round %u", k);
		if (k % 4) {
			close(fd);
			NEED_OK(do_umount(dir, 0), "umount");
			continue;
		}
		/* Gone from the tree, but not before the file is closed */
		NEED_OK(do_umount(dir, DETACH), "lazy umount");
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		NEED(exact_is_right(fd), "wrong bytes after umount %u", k);
		close(fd);
	}
	tap_stop();
}

static void mounting(const void *arg)
{
	const struct race *race = arg;
	unsigned int rounds = how_often(16, 40, 1100);
	double start = now_s();
	pid_t pid[TASKS];
	char name[64] = "";
	int i, loop = -1;

	if (race->block) {
		loop = loop_open(data_path("default-4096.img"), name,
				 sizeof(name));
		NEED_OK(loop, "loop device");
	}
	for (i = 0; i < TASKS; i++) {
		char dir[16];

		snprintf(dir, sizeof(dir), "mnt%d", i);
		new_dir(dir);
		pid[i] = fork();
		if (!pid[i])
			race_main(race, i, name, tmp_path(dir), rounds);
	}
	for (i = 0; i < TASKS; i++)
		ended_well(pid[i]);
	tap_note("%u mounts in %.1f s", TASKS * rounds, now_s() - start);
	if (loop >= 0)
		close(loop);
}

/* ------------------------------------------------------- the mount goes away */

/* Opened in a mount namespace that ends with the thread which has made it */
struct leaver {
	const struct source *src;
	const char *dir;
	int fd, err;
	char *map;
};

static void *leaver_main(void *arg)
{
	struct leaver *l = arg;
	char path[PATH_MAX];

	l->fd = -1;
	if (unshare(CLONE_NEWNS)) {
		l->err = -errno;
		return NULL;
	}
	l->err = mount_at(l->src, l->dir);
	if (l->err)
		return NULL;
	snprintf(path, sizeof(path), "%s/exact", l->dir);
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	l->map = mmap(NULL, PATTERN_EXACT_SIZE, PROT_READ, MAP_SHARED, l->fd, 0);
	return NULL;
}

static void namespace_once(const struct source *src, const char *dir)
{
	struct leaver l = { .src = src, .dir = dir };
	pthread_t thread;
	char *line;

	NEED(!pthread_create(&thread, NULL, leaver_main, &l), "thread");
	pthread_join(thread, NULL);
	NEED_OK(l.err, "mount in a namespace");
	NEED(l.fd >= 0 && l.map != MAP_FAILED, "open: %m");
	CHECK(access(below(dir, "exact"), F_OK), "the mount has not gone");
	posix_fadvise(l.fd, 0, 0, POSIX_FADV_DONTNEED);
	CHECK(exact_is_right(l.fd), "read: wrong bytes");
	CHECK(pattern_check(l.map, PATTERN_EXACT_SIZE, PATTERN_EXACT_SEED, 0) < 0,
	      "mapped: wrong bytes");
	/* The mapping alone is enough to keep it */
	close(l.fd);
	write_str("/proc/sys/vm/drop_caches", "3");
	CHECK(pattern_check(l.map, PATTERN_EXACT_SIZE, PATTERN_EXACT_SEED, 0) < 0,
	      "mapped, and closed: wrong bytes");
	munmap(l.map, PATTERN_EXACT_SIZE);
	line = slurp("/proc/self/mountinfo", NULL);
	CHECK(line && !strstr(line, dir), "%s is still mounted", dir);
	free(line);
}

static void namespace_exit(const void *arg)
{
	struct source src = { .path = data_path("default-4096.img"),
			      .via = *(const enum via *)arg };
	unsigned int i, rounds = how_often(20, 60, 2500);
	const char *dir = new_dir("mnt");

	for (i = 0; i < rounds && !tap_failed(); i++)
		namespace_once(&src, dir);
}

/* Processes that die with everything open, mounts and reads in flight included */
static void namespace_killed(const void *arg)
{
	struct source src = { .path = data_path("full.img"),
			      .via = *(const enum via *)arg };
	unsigned int i, rounds = how_often(10, 30, 2000);
	const char *dir = new_dir("mnt");
	uint32_t random = 1;

	for (i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			NEED(!unshare(CLONE_NEWNS), "unshare: %m");
			for (;;) {
				NEED_OK(mount_at(&src, dir), "mount");
				run("exec cat %s/big > /dev/null", dir);
				NEED_OK(do_umount(dir, DETACH), "umount");
			}
		}
		usleep(next_random(&random) % 100000);
		CHECK(waitpid(pid, &status, WNOHANG) == 0, "it has ended");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	NEED_OK(mount_at(&src, dir), "mount");
	CHECK(file_is_pattern(below(dir, "big"), PATTERN_BIG_SEED,
			      PATTERN_BIG_SIZE), "after all of them");
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* ------------------------------------------------- readers of a known content */

struct content {
	struct subject s;
	uint64_t want[32];		/* of each operation */
	bool has[32];
};

struct reader {
	pthread_t thread;
	const struct content *c;
	const struct file_op *only;	/* else any of them */
	uint32_t random;
	unsigned long ops;
	char bad[128];
};

static atomic_bool stop;

/* What is told apart by options is not asked */
static bool asked(const struct file_op *op)
{
	return !strstr(op->name, "xattr");
}

static void know(struct content *c)
{
	size_t i;

	subject_find(&c->s);
	for (i = 0; i < nr_file_ops; i++) {
		int fd;

		if (!asked(&file_ops[i]) || !op_path(&file_ops[i], &c->s)[0])
			continue;
		fd = op_open(&file_ops[i], &c->s);
		if (fd < 0 && file_ops[i].warmth != COLD)
			continue;
		c->has[i] = !file_ops[i].fn(&c->s, fd, &c->want[i]);
		if (fd >= 0)
			close(fd);
	}
}

static void read_one(struct reader *r)
{
	size_t i = r->only ? (size_t)(r->only - file_ops) :
		   next_random(&r->random) % nr_file_ops;
	const struct file_op *op = &file_ops[i];
	uint64_t sum = 0;
	int fd, err;

	/* The handler of mmap's signal is the whole process's */
	if (!r->c->has[i] || !strcmp(op->name, "mmap"))
		return;
	fd = op_open(op, &r->c->s);
	err = fd < 0 && op->warmth != COLD ? -errno : op->fn(&r->c->s, fd, &sum);
	if (fd >= 0) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	r->ops++;
	if (err || sum != r->c->want[i])
		snprintf(r->bad, sizeof(r->bad), "%s: %s", op->name,
			 err ? err_name(err) : "wrong");
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;

	while ((!stop || !r->ops) && !r->bad[0])
		read_one(r);
	return NULL;
}

static void start_readers_of(struct reader *r, int nr, const struct content *c,
			     const struct file_op *only)
{
	int i;

	memset(r, 0, nr * sizeof(*r));
	stop = false;
	for (i = 0; i < nr; i++) {
		r[i].c = c;
		r[i].only = only;
		r[i].random = i * 7919 + 1;
		NEED(!pthread_create(&r[i].thread, NULL, reader_main, &r[i]),
		     "thread");
	}
}

static void start_readers(struct reader *r, int nr, const struct content *c)
{
	start_readers_of(r, nr, c, NULL);
}

static unsigned long stop_readers(struct reader *r, int nr)
{
	unsigned long ops = 0;
	int i;

	stop = true;
	for (i = 0; i < nr; i++) {
		pthread_join(r[i].thread, NULL);
		CHECK(!r[i].bad[0], "reader %d: %s", i, r[i].bad);
		CHECK(r[i].ops, "reader %d has read nothing", i);
		ops += r[i].ops;
	}
	return ops;
}

/* The same question from 8 threads has the same answer for each */
static void at_once(const void *arg)
{
	struct content c = {};
	struct reader r[8];
	unsigned long ops;
	size_t i;

	c.s.src.path = data_path("zstd-fragments.img");
	c.s.src.via = *(const enum via *)arg;
	c.s.mnt = new_dir("mnt");
	NEED_OK(mount_at(&c.s.src, c.s.mnt), "mount");
	know(&c);
	for (i = 0; i < nr_file_ops; i++) {
		if (!c.has[i] || !strcmp(file_ops[i].name, "mmap"))
			continue;
		start_readers_of(r, ARRAY_SIZE(r), &c, &file_ops[i]);
		usleep(200000);
		ops = stop_readers(r, ARRAY_SIZE(r));
		tap_note("%s: %lu times", file_ops[i].name, ops);
	}
	CHECK_ERR(do_umount(c.s.mnt, 0), 0, "umount");
}

/* ------------------------------------------------------------- under readers */

static int remount(const char *dir, const char *opts)
{
	return do_mount(NULL, dir, NULL, REMOUNT, opts);
}

/* What may change changes, what may not is refused, and nobody notices */
static void remounting(const void *arg)
{
	static const char * const good[] = { "noacl", "acl", "nouser_xattr",
		"user_xattr", "cache_strategy=disabled",
		"cache_strategy=readaround", "ro" };
	static const char * const bad[] = { "dax=always", "fsoffset=4096",
		"sealed", "nothing" };
	unsigned int i, rounds = how_often(100, 100, 5000);
	struct content c = {};
	struct reader r[4];

	c.s.src.path = data_path(arg);
	c.s.mnt = new_dir("mnt");
	NEED_OK(mount_at(&c.s.src, c.s.mnt), "mount");
	know(&c);
	start_readers(r, 4, &c);
	for (i = 0; i < rounds; i++) {
		if (i % 3)
			CHECK_ERR(remount(c.s.mnt, good[i % ARRAY_SIZE(good)]),
				  0, good[i % ARRAY_SIZE(good)]);
		else
			CHECK_ERR(remount(c.s.mnt, bad[i % ARRAY_SIZE(bad)]),
				  -EINVAL, bad[i % ARRAY_SIZE(bad)]);
		if (i % 16 == 0)
			write_str("/proc/sys/vm/drop_caches", "3");
	}
	tap_note("%u remounts during %lu operations", rounds,
		 stop_readers(r, 4));
	CHECK_ERR(do_umount(c.s.mnt, 0), 0, "umount");
}

/* Caches dropped and memory moved while 8 threads compare what they read */
static void reclaiming(const void *arg)
{
	static const char * const images[] = { "full.img", "zstd-fragments.img" };
	const char *value[] = { "1", "2", "3" };
	struct content c = {};
	struct reader r[8];
	unsigned int i;
	double end;

	c.s.src.path = data_path(images[*(const enum via *)arg != VIA_PATH]);
	c.s.src.via = *(const enum via *)arg;
	c.s.mnt = new_dir("mnt");
	NEED_OK(mount_at(&c.s.src, c.s.mnt), "mount");
	know(&c);
	start_readers(r, 8, &c);
	end = now_s() + lasting(2, 150);
	for (i = 0; i < 6 || now_s() < end; i++) {
		usleep(50000);
		write_str("/proc/sys/vm/drop_caches", value[i % 3]);
		if (i % 6 == 3)
			write_str("/proc/sys/vm/compact_memory", "1");
	}
	tap_note("%lu operations, caches dropped %u times", stop_readers(r, 8),
		 i);
	CHECK_ERR(do_umount(c.s.mnt, 0), 0, "umount");
}

/* ------------------------------------------------------------ unloading it */

static int unload(void)
{
	return syscall(__NR_delete_module, "erofs", O_NONBLOCK) ? -errno : 0;
}

static int load(void)
{
	int fd = open("/erofs.ko", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(__NR_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

static void need_module(void)
{
	if (access("/sys/module/erofs/refcnt", F_OK))
		tap_skip("erofs is not a module");
}

static void *unload_main(void *arg)
{
	unsigned long *tries = arg;

	for (; !stop; ++*tries) {
		int err = unload();

		if (err != -EWOULDBLOCK) {
			stop = true;
			*tries = 0;
		}
	}
	return NULL;
}

/* With one mount there, unloading is refused whatever goes on beside it */
static void unload_refused(const void *arg)
{
	const char *keep = new_dir("keep"), *dir = new_dir("mnt");
	unsigned int i, cycles = long_run ? 2000 : 60;
	unsigned long tries = 0;
	pthread_t thread;

	(void)arg;
	need_module();
	NEED_OK(mount_file(data_path("default-512.img"), keep, NULL), "mount");
	stop = false;
	NEED(!pthread_create(&thread, NULL, unload_main, &tries), "thread");
	for (i = 0; i < cycles && !stop; i++) {
		NEED_OK(mount_file(data_path("default-4096.img"), dir, NULL),
			"mount");
		NEED(looks_right(dir), "wrong bytes");
		NEED_OK(do_umount(dir, 0), "umount");
	}
	CHECK(!stop, "unloaded under a mount");
	stop = true;
	pthread_join(thread, NULL);
	CHECK(tries, "no try at unloading");
	tap_note("%lu tries", tries);
	CHECK(looks_right(keep), "the mount that has stayed");
}

/* Loaded, used and unloaded, over and over, with work in flight at each end */
static void unload_cycles(const void *arg)
{
	static const char * const images[] = { "default-4096.img", "lz4.img" };
	const char *dir = new_dir("mnt");
	unsigned int i, cycles = how_often(5, 40, 2000);
	double end;
	int err;

	(void)arg;
	need_module();
	if (access("/erofs.ko", R_OK) || access("/run/command", F_OK))
		tap_skip("not in a test guest, with the module at /erofs.ko");
	for (i = 0; i < cycles; i++) {
		NEED_OK(mount_file(data_path(images[i % 2]), dir, NULL), "mount");
		NEED(looks_right(dir), "wrong bytes");
		/* Readahead that nobody waits for */
		if (i % 3)
			write_str("/proc/sys/vm/drop_caches", "3");
		run("exec dd if=%s/exact of=/dev/null bs=4096 count=3 2>/dev/null",
		    dir);
		NEED_OK(do_umount(dir, i % 2 ? DETACH : 0), "umount");
		/* What is let go of lazily is a moment later at its end */
		end = now_s() + 10;
		do
			err = unload();
		while (err == -EWOULDBLOCK && now_s() < end &&
		       !usleep(1000));
		NEED_OK(err, "unload");
		NEED_OK(load(), "load");
	}
}

/* Whether a mount finds the module or not is chance; that nothing breaks is not */
static void unload_racing(const void *arg)
{
	double end = now_s() + lasting(2, 120);
	pid_t pid[4], unloader;
	unsigned int i;

	(void)arg;
	need_module();
	if (access("/erofs.ko", R_OK) || access("/run/command", F_OK))
		tap_skip("not in a test guest, with the module at /erofs.ko");
	unloader = fork();
	if (!unloader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			unload();
			load();
		}
	}
	for (i = 0; i < 4; i++) {
		char name[16];
		const char *dir;

		snprintf(name, sizeof(name), "mnt%u", i);
		dir = new_dir(name);
		pid[i] = fork();
		while (!pid[i] && now_s() < end) {
			int err = mount_file(data_path("default-4096.img"), dir,
					     NULL);

			if (err == -ENODEV)
				continue;
			NEED_OK(err, "mount");
			NEED(looks_right(dir), "wrong bytes");
			NEED_OK(do_umount(dir, 0), "umount");
		}
		if (!pid[i])
			tap_stop();
	}
	for (i = 0; i < 4; i++)
		ended_well(pid[i]);
	kill(unloader, SIGKILL);
	waitpid(unloader, NULL, 0);
	if (!have_filesystem("erofs"))
		NEED_OK(load(), "load");
}

/* ------------------------------------------------------------- little memory */

#define MAX_FILES	1024

static struct {
	const char *tree;		/* being walked */
	char *path[MAX_FILES];
	uint64_t sum[MAX_FILES], size[MAX_FILES];
	unsigned int nr;
	uint64_t total;
} files;

/* -ECANCELED if it was told to stop before the end */
static int sum_file_until(const char *path, uint64_t *sum, uint64_t *size,
			  const atomic_bool *end)
{
	static _Thread_local char buf[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n;

	*sum = *size = 0;
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		sum_bytes(sum, buf, n);
		*size += n;
		if (end && *end) {
			n = 0;
			err = -ECANCELED;
			break;
		}
	}
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

static int sum_file(const char *path, uint64_t *sum, uint64_t *size)
{
	return sum_file_until(path, sum, size, NULL);
}

static int keep_file(const char *path, const struct stat *st, int flag,
		     struct FTW *ftw)
{
	unsigned int i = files.nr;

	(void)ftw;
	if (flag != FTW_F || !S_ISREG(st->st_mode) || i == MAX_FILES)
		return 0;
	files.path[i] = strdup(path + strlen(files.tree));
	if (!files.path[i] || sum_file(path, &files.sum[i], &files.size[i]))
		return 1;
	files.total += files.size[i];
	files.nr++;
	return 0;
}

struct squeezed {
	pthread_t thread;
	const char **dir;
	int nr_dir;
	uint32_t random;
	uint64_t bytes;
	char bad[256];
};

/*
 * Who is above memory.high sleeps for up to two seconds at the end of a read, and
 * a large file is a hundred of them: no reader goes on to the end of its file.
 */
static void *squeezed_main(void *arg)
{
	struct squeezed *q = arg;

	while (!stop && !q->bad[0]) {
		unsigned int i = next_random(&q->random) % files.nr;
		const char *dir = q->dir[next_random(&q->random) % q->nr_dir];
		uint64_t sum, size;
		char path[PATH_MAX];
		int err;

		snprintf(path, sizeof(path), "%s%s", dir, files.path[i]);
		err = sum_file_until(path, &sum, &size, &stop);
		q->bytes += size;
		if (err == -ECANCELED)
			break;
		if (err || sum != files.sum[i] || size != files.size[i])
			snprintf(q->bad, sizeof(q->bad), "%.200s: %s", path,
				 err ? err_name(err) : "wrong bytes");
	}
	return NULL;
}

static long event_count(const char *group, const char *name)
{
	char *text = slurp(below(group, "memory.events"), NULL), *p;
	char word[32];
	long value = -1;

	snprintf(word, sizeof(word), "%s ", name);
	for (p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, word, strlen(word)))
			value = atol(p + strlen(word));
	free(text);
	return value;
}

/* An event of a group that a test is about */
struct hope {
	const char *group;
	const char *event;
};

#define PATIENCE_S	30	/* on a slow machine it may take a while to come */

/*
 * Four readers, for so long, and for somewhat longer where what is hoped for has
 * not happened; what they read is compared
 */
static void crowd_reads(const char **dir, int nr_dir, double seconds,
			const struct hope *hope)
{
	double start = now_s(), end = start + seconds;
	struct squeezed q[4] = {};
	uint64_t bytes = 0;
	int i;

	stop = false;
	for (i = 0; i < 4; i++) {
		q[i].dir = dir;
		q[i].nr_dir = nr_dir;
		q[i].random = i + 1;
		NEED(!pthread_create(&q[i].thread, NULL, squeezed_main, &q[i]),
		     "thread");
	}
	usleep(seconds * 1e6);
	while (hope && !event_count(hope->group, hope->event) &&
	       now_s() < end + PATIENCE_S)
		usleep(100000);
	stop = true;
	for (i = 0; i < 4; i++) {
		pthread_join(q[i].thread, NULL);
		CHECK(!q[i].bad[0], "reader %d: %s", i, q[i].bad);
		bytes += q[i].bytes;
	}
	tap_note("%.1f MB/s", bytes / (now_s() - start) / 1e6);
	CHECK(bytes, "nothing was read");
}

/* Where there are groups of a limited memory, else NULL */
static const char *memory_root(void)
{
	static const char *root;
	char *controllers;

	if (root)
		return root;
	root = new_dir("cgroup");
	if (do_mount("none", root, "cgroup2", 0, NULL))
		return root = NULL;
	controllers = slurp(below(root, "cgroup.controllers"), NULL);
	if (!controllers || !strstr(controllers, "memory"))
		return root = NULL;
	NEED_OK(write_str(below(root, "cgroup.subtree_control"), "+memory"),
		"cgroup.subtree_control");
	return root;
}

/* A group with that much memory; its folder */
static const char *memory_group(const char *knob, uint64_t bytes)
{
	const char *root = memory_root(), *group;
	char text[32];

	if (!root)
		tap_skip("no memory cgroups");
	group = below(root, "squeezed");
	NEED(!mkdir(group, 0755), "%s: %m", group);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	NEED_OK(write_str(below(group, knob), text), knob);
	return group;
}

/* All mounts are of one tree, so that one of them knows what is right */
static void know_files(const char *dir)
{
	files.tree = dir;
	NEED(!nftw(dir, keep_file, 16, FTW_PHYS), "walk: %m");
}

/* Readers in a group of that limit; at first the caches are dropped besides */
static void squeeze(const char **dir, int nr, const char *knob, uint64_t limit,
		    double seconds)
{
	const char *event = strchr(knob, '.') + 1, *group;
	double end = now_s() + seconds / 4;
	unsigned int i;
	pid_t pid;

	forget_all(-1);
	group = memory_group(knob, limit);
	pid = fork();
	if (!pid) {
		/* A huge page under a thread's stack is half of the smallest limit */
		NEED(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "huge pages: %m");
		NEED_OK(write_str(below(group, "cgroup.procs"), "0"),
			"cgroup.procs");
		crowd_reads(dir, nr, seconds,
			    &(struct hope) { group, event });
		tap_stop();
	}
	for (i = 0; now_s() < end; i++) {
		usleep(200000);
		write_str("/proc/sys/vm/drop_caches", i % 2 ? "1" : "3");
	}
	ended_well(pid);
	tap_note("%.1f MB in %s of %.1f MB: %ld times at the limit",
		 files.total * nr / 1e6, knob, limit / 1e6,
		 event_count(group, event));
	CHECK(event_count(group, event) > 0, "memory was never short");
	CHECK(!event_count(group, "oom_kill"), "somebody was killed");
	NEED(!rmdir(group), "%s: %m", group);
}

static void squeeze_some(const char **names, int nr, const char *knob)
{
	const char *dir[8];
	int i;

	for (i = 0; i < nr; i++) {
		char name[16];

		snprintf(name, sizeof(name), "mnt%d", i);
		dir[i] = new_dir(name);
		NEED_OK(mount_file(data_path(image_find(names[i])->image),
				   dir[i], NULL), names[i]);
	}
	know_files(dir[0]);
	squeeze(dir, nr, knob, files.total * nr / 10, lasting(2, 60));
	for (i = 0; i < nr; i++)
		CHECK_ERR(do_umount(dir[i], 0), 0, "umount");
}

static void memory_max(const void *arg)
{
	const char *names[] = { "real", "real-512", "lz4-64k", "lz4hc-1m",
				"zstd-64k", "zstd-fragments", "lzma-all",
				"zstd-48bit" };

	(void)arg;
	squeeze_some(names, 8, "memory.max");
}

static void memory_high(const void *arg)
{
	const char *names[] = { "lz4-64k", "lz4hc-1m", "zstd-64k",
				"zstd-fragments", "zstd-48bit" };

	(void)arg;
	squeeze_some(names, 5, "memory.high");
}

#define MAX_COPIES	256

/* A copy is another image to the module: each has a cache of its own */
static int mount_copies(const char *image, uint64_t bytes, const char **dir)
{
	int nr = 1, i;

	for (i = 0; i < nr; i++) {
		char copy[16], mnt[16];

		snprintf(copy, sizeof(copy), "copy%d", i);
		snprintf(mnt, sizeof(mnt), "mnt%d", i);
		copy_file(image, tmp_path(copy));
		dir[i] = new_dir(mnt);
		NEED_OK(mount_file(tmp_path(copy), dir[i], NULL), image);
		if (i)
			continue;
		know_files(dir[0]);
		nr = bytes / files.total + 1;
		NEED(nr <= MAX_COPIES, "%d copies of %s", nr, image);
	}
	return nr;
}

#define WHOLE_S	50		/* less does not fill the larger limits */

/* One algorithm alone, over eight times the memory that its readers may have */
static void memory_of(const void *arg)
{
	static const char * const knobs[] = { "memory.max", "memory.high" };
	double seconds = lasting(1, 360);
	unsigned int mb = lasting_s || long_run ? 16 : 4, k;
	unsigned int last = seconds < WHOLE_S ? mb : 64;
	unsigned int sum = 2 * (2 * last - mb);
	const char *dir[MAX_COPIES];
	int nr, i;

	nr = mount_copies(data_path(arg), (uint64_t)last << 23, dir);
	for (; mb <= last; mb *= 2)
		for (k = 0; k < ARRAY_SIZE(knobs) && !tap_failed(); k++)
			squeeze(dir, (nr - 1) * mb / last + 1, knobs[k],
				(uint64_t)mb << 20, seconds * mb / sum);
	for (i = 0; i < nr; i++)
		CHECK_ERR(do_umount(dir[i], 0), 0, "umount");
}

/* ---------------------------------------------------- switches of the kernel */

/*
 * Some switches patch the kernel: the tracer all of its functions, reclaim's those
 * that ask for it. Where processors are emulated one may translate a half patched
 * function for all: let there be only one.
 */
static void other_cpus(const char *online)
{
	char path[128];
	int i;

	for (i = 1; i < 64; i++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/online", i);
		if (access(path, W_OK))
			break;
		NEED_OK(write_str(path, online), path);
	}
}

/* ---------------------------------------------- the whole machine has too little */

#define STARVED_MB	400		/* of more memory nobody is short soon */

/* A number of one of /proc's tables of "name value" lines; -1 if it has none */
static long proc_number(const char *path, const char *name)
{
	char *text = slurp(path, NULL), *p = text;
	size_t len = strlen(name);
	long value = -1;

	for (; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, len) && strchr(": ", p[len]))
			value = atol(p + len + 1);
	free(text);
	return value;
}

static long memory_kb(const char *name)
{
	return proc_number("/proc/meminfo", name);
}

/* Pages that are a quarter of nonsense, so that swap has its work with them */
static void soil(char *page, uint32_t *random)
{
	size_t i;

	for (i = 0; i < 1024; i += 4)
		*(uint32_t *)(page + i) = next_random(random);
}

#define EATEN_CHUNK	(1UL << 20)
#define EATEN_MAX	2048

/* Takes what there is, and half of the swap; then uses all of it, all the time */
static void eat_memory(void)
{
	static char *chunk[EATEN_MAX];
	uint32_t random = 1;
	unsigned int nr = 0;
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (nr < EATEN_MAX) {
		if (memory_kb("SwapFree") <= memory_kb("SwapTotal") / 2 &&
		    memory_kb("MemAvailable") < 24 << 10)
			break;
		chunk[nr] = mmap(NULL, EATEN_CHUNK, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		NEED(chunk[nr] != MAP_FAILED, "%m");
		for (at = 0; at < EATEN_CHUNK; at += 4096)
			soil(chunk[nr] + at, &random);
		nr++;
	}
	for (;;) {
		for (at = 0; at < 64; at++)
			soil(chunk[next_random(&random) % nr] +
			     next_random(&random) % 256 * 4096, &random);
		usleep(1000);
	}
}

static void start_swap(void)
{
	run("modprobe -q zram num_devices=1");
	if (access("/sys/block/zram0/disksize", W_OK))
		tap_skip("no zram to swap to");
	NEED_OK(write_str("/sys/block/zram0/disksize", "192M"), "zram");
	NEED(!run("mkswap /dev/zram0 > /dev/null && swapon /dev/zram0"), "swap");
}

static void switch_reclaim(const char *knob, const char *on)
{
	other_cpus("0");
	NEED_OK(write_str(knob, on), knob);
	other_cpus("1");
}

/* Readers beside somebody who eats all memory, by the old and the new reclaim */
static void starved(const void *arg)
{
	static const char * const names[] = { "real", "lz4-64k", "lz4hc-1m",
		"zstd-64k", "zstd-fragments", "lzma-all" };
	const char *dir[ARRAY_SIZE(names)], *lru = "/sys/kernel/mm/lru_gen/enabled";
	unsigned int i, parts = access(lru, W_OK) ? 1 : 4;
	pid_t eater;

	(void)arg;
	if (memory_kb("MemTotal") > STARVED_MB << 10)
		tap_skip("this machine has %ld MB", memory_kb("MemTotal") >> 10);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		dir[i] = new_dir(names[i]);
		NEED_OK(mount_file(data_path(image_find(names[i])->image),
				   dir[i], NULL), names[i]);
	}
	know_files(dir[0]);
	start_swap();
	eater = fork();
	if (!eater)
		eat_memory();
	for (i = 0; i < parts; i++) {
		if (parts > 1)
			switch_reclaim(lru, i % 2 ? "n" : "y");
		crowd_reads(dir, ARRAY_SIZE(names),
			    lasting(20, 7200) / parts, NULL);
		tap_note("%ld KB free, %ld of %ld KB of swap, reclaim %u of %u",
			 memory_kb("MemFree"), memory_kb("SwapFree"),
			 memory_kb("SwapTotal"), i + 1, parts);
	}
	CHECK(!waitpid(eater, NULL, WNOHANG), "the eater has ended");
	kill(eater, SIGKILL);
	waitpid(eater, NULL, 0);
	tap_note("%ld pages swapped out, %ld in",
		 proc_number("/proc/vmstat", "pswpout"),
		 proc_number("/proc/vmstat", "pswpin"));
	CHECK(proc_number("/proc/vmstat", "pswpout") > 1000,
	      "memory was never short");
	CHECK(!proc_number("/proc/vmstat", "oom_kill"), "somebody was killed");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_ERR(do_umount(dir[i], 0), 0, "umount");
	CHECK(!run("swapoff /dev/zram0"), "swapoff");
}

/* ------------------------------------------------------------- very many mounts */

static void let_memory_settle(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		write_str("/proc/sys/vm/drop_caches", "3");
		usleep(100000);
	}
}

/* What the kernel has taken for itself; free memory is no measure of that */
static long kernel_kb(void)
{
	return memory_kb("Slab") + memory_kb("Percpu") +
	       memory_kb("KernelStack") + memory_kb("PageTables") +
	       memory_kb("VmallocUsed");
}

#define SMALL	"exec.img"	/* the smallest of all images */

static void many_mount(unsigned int i, bool same)
{
	char name[64], image[PATH_MAX];

	snprintf(image, sizeof(image), "%s/image%u", tmp_path("images"),
		 same ? 0 : i);
	snprintf(name, sizeof(name), "%s/mnt%u", tmp_path("mounts"), i);
	NEED(!mkdir(name, 0755), "%m");
	NEED_OK(mount_file(image, name, NULL), name);
}

static void many_images(unsigned int nr)
{
	size_t len = 0;
	char *small = slurp(data_path(SMALL), &len), name[64];
	unsigned int i;

	NEED(small, "%m");
	for (i = 0; i < nr; i++) {
		int fd;

		snprintf(name, sizeof(name), "%s/image%u", tmp_path("images"),
			 i);
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		NEED(fd >= 0 && write(fd, small, len) == (ssize_t)len,
		     "%s: %m", name);
		close(fd);
	}
	free(small);
}

static int by_time(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median of the last mounts up to that one, in milliseconds */
static double many_until(unsigned int from, unsigned int to, bool same)
{
	unsigned int i, n = 0;
	double took[31];

	for (i = from; i < to; i++) {
		double start = now_s();

		many_mount(i, same);
		if (to - i <= ARRAY_SIZE(took))
			took[n++] = (now_s() - start) * 1e3;
	}
	qsort(took, n, sizeof(took[0]), by_time);
	return took[n / 2];
}

/* Every mount shows the same program; the first is what the others have to be */
static bool many_looks_right(unsigned int i)
{
	static uint64_t want;
	uint64_t sum, size;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/mnt%u/treedump", tmp_path("mounts"), i);
	if (sum_file(path, &sum, &size) || !size)
		return false;
	if (!want)
		want = sum;
	return sum == want;
}

static void many(const void *arg)
{
	unsigned int nr = long_run ? 5000 : 300, third = nr / 5, i;
	bool same = *(const bool *)arg;
	double first, middle, last, down;
	long before, after;

	new_dir("mounts");
	/* Contents of their own lie in memory, which the scratch limit counts */
	NEED_OK(do_mount("none", new_dir("images"), "tmpfs", 0, "size=60%"),
		"tmpfs");
	many_images(same ? 1 : nr);
	/* What the first of all takes is not of each */
	many_mount(0, same);
	let_memory_settle();
	before = kernel_kb();
	first = many_until(1, 30, same);
	middle = many_until(30, third, same);
	last = many_until(third, nr, same);
	let_memory_settle();
	after = kernel_kb();
	tap_note("mount %u: %.2f ms, mount %u: %.2f ms, mount %u: %.2f ms; %.1f KB each",
		 1, first, third, middle, nr, last,
		 (double)(after - before) / (nr - 1));
	for (i = 0; i < nr; i += nr / 10)
		CHECK(many_looks_right(i), "mount %u: wrong bytes", i);
	/* A sanitizer kernel has a shadow of all, and keeps what was freed */
	CHECK((after - before) / (nr - 1) <
	      (sanitizer_kernel() ? 512 : 64),
	      "%ld KB a mount", (after - before) / (nr - 1));
	/* A list is searched, but not more than that */
	CHECK(last < 10 * first + 20, "mounting slows down");
	down = now_s();
	for (i = 0; i < nr; i++) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s/mnt%u", tmp_path("mounts"), i);
		NEED_OK(do_umount(name, 0), name);
	}
	tap_note("unmounting: %.2f ms each", (now_s() - down) * 1e3 / nr);
}

static const bool many_distinct, many_same = true;

/* ----------------------------------------------------------------- deep stacks */

#define TRACING		"/sys/kernel/tracing/"
#define STACK_BOUND	8192		/* half of what a task has on x86-64 */

static void switch_tracer(const char *on)
{
	other_cpus("0");
	NEED_OK(write_str("/proc/sys/kernel/stack_tracer_enabled", on),
		"stack tracer");
	other_cpus("1");
}

static void need_deep(bool overlay)
{
	if (access(TRACING "stack_max_size", F_OK))
		tap_skip("this kernel does not measure its stacks");
	if (overlay && !have_filesystem("overlay"))
		tap_skip("no overlayfs");
}

/*
 * A long run measures every function of the kernel; a gate the filesystems' own
 * and some that lie below, which is done ten times as fast.
 */
static const char some_functions[] =
	"erofs_*\nz_erofs_*\next4_map_blocks\next4_find_extent\nsubmit_bio\n"
	"blk_mq_submit_bio\nblk_mq_flush_plug_list\nget_page_from_freelist\n"
	"kmem_cache_alloc\nkmem_cache_alloc_noprof\nio_schedule\n"
	"try_to_wake_up\n__queue_work\nenqueue_task_fair\nupdate_curr\n";

static void pick_functions(void)
{
	int fd = open(TRACING "stack_trace_filter", O_WRONLY | O_TRUNC);
	const char *line = some_functions;

	NEED(fd >= 0, "stack_trace_filter: %m");
	while (*line && !long_run) {
		size_t len = strcspn(line, "\n") + 1;

		/* Names are of one kernel or the other */
		if (write(fd, line, len) < 0)
			tap_note("not measured: %.*s", (int)len - 1, line);
		line += len;
	}
	close(fd);
}

static void stack_trace_begin(void)
{
	pick_functions();
	switch_tracer("1");
	NEED_OK(write_str(TRACING "stack_max_size", "0"), "stack_max_size");
}

/* A kernel begins each system call at a random place, up to a KiB further on */
static long random_part(const char *trace)
{
	const char *line = strstr(trace, "do_syscall_64");
	long depth, size;

	while (line && line > trace && line[-1] != '\n')
		line--;
	return line && sscanf(line, "%*d) %ld %ld", &depth, &size) == 2 ? size
									: 0;
}

static void stack_trace_end(void)
{
	char *text, *trace;
	long used;

	switch_tracer("0");
	text = slurp(TRACING "stack_max_size", NULL);
	trace = slurp(TRACING "stack_trace", NULL);
	NEED(text && trace, "%m");
	used = atol(text);
	CHECK(used > 0, "nothing was measured");
	used -= random_part(trace);
	tap_note("%ld bytes of stack", used);
	if (!CHECK(used <= STACK_BOUND, "%ld bytes of stack (%d)", used,
		   STACK_BOUND) || long_run)
		tap_note("%s", trace);
	free(text);
	free(trace);
}

/* What is on top is known before it is traced, which makes all of it slow */
static void know_mount(struct content *c, const char *dir, const char *name)
{
	memset(c, 0, sizeof(*c));
	c->s.src.path = name;
	c->s.mnt = dir;
	know(c);
}

/* Everything is asked of it, with nothing in memory */
static void ask_all(const struct content *c)
{
	size_t i;

	for (i = 0; i < nr_file_ops; i++) {
		uint64_t sum = 0;
		int fd;

		if (!c->has[i])
			continue;
		fd = op_open(&file_ops[i], &c->s);
		forget_all(fd);
		CHECK(!file_ops[i].fn(&c->s, fd, &sum) && sum == c->want[i],
		      "%s: %s", c->s.src.path, file_ops[i].name);
		if (fd >= 0)
			close(fd);
	}
}

/* overlay on erofs on overlay on erofs on ext4, and what is too much */
static void deep_alternating(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *d = new_dir("d"), *e = new_dir("e"), *f = new_dir("f");
	static struct content of_d, of_e;
	char opts[PATH_MAX];

	(void)arg;
	need_deep(true);
	/* /data is ext4 */
	NEED_OK(mount_file(data_path("nest2.img"), a, NULL), "erofs on ext4");
	overlay_at(b, a, "first");
	NEED_OK(mount_file(below(b, "nest1.img"), c, NULL),
		"erofs on overlay on erofs");
	overlay_at(d, c, "second");
	know_mount(&of_d, d, "overlay on all of it");
	NEED_OK(mount_file(below(d, "default-4096.img"), e, NULL),
		"erofs on all of it");
	know_mount(&of_e, e, "erofs on all of it");
	snprintf(opts, sizeof(opts), "lowerdir=%s:%s", e, new_dir("other"));
	CHECK(do_mount("none", f, "overlay", 0, opts) == -EINVAL,
	      "one overlay too many");
	NEED_OK(do_umount(e, 0), "umount");
	stack_trace_begin();
	ask_all(&of_d);
	NEED_OK(mount_file(below(d, "default-4096.img"), e, NULL), "mount");
	ask_all(&of_e);
	stack_trace_end();
}

static void deep_erofs(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *d = new_dir("d");
	static struct content of_c;

	(void)arg;
	need_deep(false);
	NEED_OK(mount_file(data_path("nest3.img"), a, NULL), "depth 0");
	NEED_OK(mount_file(below(a, "nest2.img"), b, NULL), "depth 1");
	NEED_OK(mount_file(below(b, "nest1.img"), c, NULL), "depth 2");
	CHECK_ERR(mount_file(below(c, "default-4096.img"), d, NULL), -ENOTBLK,
		  "depth 3");
	know_mount(&of_c, c, "erofs on erofs on erofs on ext4");
	NEED_OK(do_umount(c, 0), "umount");
	stack_trace_begin();
	NEED_OK(mount_file(below(b, "nest1.img"), c, NULL), "depth 2 again");
	ask_all(&of_c);
	stack_trace_end();
}

/* The decoders have frames of their own, on top of whatever is below */
static void deep_encoded(const void *arg)
{
	static const char * const images[] = { "lz4-64k", "zstd-fragments",
		"lzma-all", "deflate-16k" };
	static struct content c[ARRAY_SIZE(images)];
	const char *other = new_dir("other");
	size_t i;

	(void)arg;
	need_deep(true);
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const char *dir, *ovl, *top;
		char opts[PATH_MAX];

		snprintf(opts, sizeof(opts), "ovl%zu", i);
		dir = new_dir(images[i]);
		ovl = new_dir(opts);
		snprintf(opts, sizeof(opts), "top%zu", i);
		top = new_dir(opts);
		NEED_OK(mount_file(data_path(image_find(images[i])->image), dir,
				   NULL), images[i]);
		snprintf(opts, sizeof(opts), "lowerdir=%s:%s", dir, other);
		NEED_OK(do_mount("none", ovl, "overlay", 0, opts), "overlay");
		snprintf(opts, sizeof(opts), "lowerdir=%s:%s", ovl, other);
		NEED_OK(do_mount("none", top, "overlay", 0, opts), "overlay");
		know_mount(&c[i], top, images[i]);
	}
	stack_trace_begin();
	for (i = 0; i < ARRAY_SIZE(images); i++)
		ask_all(&c[i]);
	stack_trace_end();
}

/* --------------------------------------------------------------------- cases */

static const enum via by_file = VIA_PATH, by_block = VIA_LOOP;

#define CASE(f)	{ .name = #f, .fn = (f) }
#define BY_EACH(f)							\
	{ .name = #f ".file", .fn = (f), .arg = &by_file },		\
	{ .name = #f ".block", .fn = (f), .arg = &by_block }

#define MEMORY(name_, image)						\
	{ .name = "memory." name_, .fn = memory_of, .arg = (image),	\
	  .timeout = 150 }

static const struct tap_case cases[] = {
	{ .name = "mounting.same", .fn = mounting, .arg = &race_same },
	{ .name = "mounting.different", .fn = mounting, .arg = &race_different },
	{ .name = "mounting.block", .fn = mounting, .arg = &race_block },
	BY_EACH(namespace_exit),
	BY_EACH(namespace_killed),
	{ .name = "remounting.plain", .fn = remounting, .arg = "default-4096.img" },
	{ .name = "remounting.encoded", .fn = remounting, .arg = "lz4.img" },
	BY_EACH(at_once),
	BY_EACH(reclaiming),
	CASE(unload_refused),
	CASE(unload_cycles),
	CASE(unload_racing),
	CASE(memory_max),
	CASE(memory_high),
	MEMORY("none", "none-plain-4096.img"),
	MEMORY("lz4", "lz4-plain-4k-4096.img"),
	MEMORY("lzma", "lzma-plain-64k-4096.img"),
	MEMORY("deflate", "deflate-plain-1024k-4096.img"),
	MEMORY("zstd", "zstd-fragments-64k-4096.img"),
	{ .name = "starved", .fn = starved, .timeout = 180 },
	{ .name = "many.distinct", .fn = many, .arg = &many_distinct },
	{ .name = "many.same", .fn = many, .arg = &many_same },
	{ .name = "deep_alternating", .fn = deep_alternating, .timeout = 150 },
	{ .name = "deep_erofs", .fn = deep_erofs, .timeout = 150 },
	{ .name = "deep_encoded", .fn = deep_encoded, .timeout = 150 },
};

int main(int argc, char **argv)
{
	take_long_options(&argc, &argv);
	return tap_run("storms", cases, ARRAY_SIZE(cases), argc, argv);
}
