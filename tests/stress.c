// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many at once: readers of one file and of many, by every way of reading, while
 * the caches are dropped under them; mounts and unmounts by the hundred, of the
 * same image and of others; unmounting what is in use; unloading the module while
 * it is. Bounded by time, not by luck: each case ends well within its limit.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

#define DETACH	2		/* MNT_DETACH */

static const enum via by_file = VIA_PATH, by_block = VIA_LOOP;

/* --------------------------------------------------------- reading threads */

struct target {
	const char *name;
	uint64_t seed, size;
	const struct pattern_sparse *sparse;
};

static const struct target targets[] = {
	{ "big", PATTERN_BIG_SEED, PATTERN_BIG_SIZE, NULL },
	{ "mid", PATTERN_MID_SEED, PATTERN_MID_SIZE, NULL },
	{ "exact", PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE, NULL },
	{ "sparse/hole-odd", PATTERN_SPARSE_SEED, 0x50000 + 1234,
	  &pattern_sparse[4] },
};

struct reader {
	pthread_t thread;
	const char *dir;
	unsigned int nr;
	unsigned long reads;
	char bad[256];			/* what was wrong, or empty */
};

static atomic_bool stop;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static long long wrong_at(const struct target *t, const void *buf, size_t len,
			  uint64_t off)
{
	static _Thread_local char want[1 << 16];

	if (!t->sparse)
		return pattern_check(buf, len, t->seed, off);
	pattern_sparse_fill(t->sparse, want, len, off);
	return memcmp(buf, want, len) ? (long long)off : -1;
}

static void complain(struct reader *r, const struct target *t, const char *how,
		     uint64_t off, size_t len, long long at)
{
	snprintf(r->bad, sizeof(r->bad), "%s %s: %zu bytes at %llu: %s (%lld)",
		 t->name, how, len, (unsigned long long)off,
		 at == -1 ? strerror(errno) : "wrong bytes", at);
}

static void read_once(struct reader *r, const struct target *t, int fd,
		      const char *map, uint32_t *random)
{
	static _Thread_local char buf[1 << 16];
	uint64_t off = ((uint64_t)next_random(random) << 12 ^
			next_random(random)) % t->size;
	size_t len = next_random(random) % sizeof(buf) + 1;
	const char *how = "read", *data = buf;
	long long at;

	if (off + len > t->size)
		len = t->size - off;
	switch (next_random(random) % 4) {
	case 0:
		how = "mapped";
		memcpy(buf, map + off, len);
		break;
	case 1:
		how = "after readahead";
		readahead(fd, off, len);
		/* fall through */
	default:
		if (pread(fd, buf, len, off) != (ssize_t)len) {
			complain(r, t, how, off, len, -1);
			return;
		}
	}
	at = wrong_at(t, data, len, off);
	if (at >= 0)
		complain(r, t, how, off, len, at);
	r->reads++;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	/* Two threads a file, and each file another one for every second thread */
	const struct target *t = &targets[r->nr / 2 % ARRAY_SIZE(targets)];
	uint32_t random = r->nr * 7919 + 1;
	char path[PATH_MAX];
	const char *map;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", r->dir, t->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	map = fd < 0 ? MAP_FAILED
		     : mmap(NULL, t->size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		complain(r, t, "open", 0, 0, -1);
		return NULL;
	}
	/* khugepaged puts files later than umount wants it: EBUSY on 7.3 */
	madvise((void *)map, t->size, MADV_NOHUGEPAGE);
	while (!stop && !r->bad[0]) {
		read_once(r, t, fd, map, &random);
		if (r->reads % 32 == r->nr)
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	munmap((void *)map, t->size);
	close(fd);
	return NULL;
}

#define READERS	8

static void reading(const void *arg)
{
	struct source src = { .via = *(const enum via *)arg };
	const char *dir = new_dir("mnt");
	struct reader r[READERS];
	unsigned long total = 0;
	double end = now_s() + 6;
	int i;

	src.path = data_path(image_find("full")->image);
	NEED_OK(mount_at(&src, dir), "mount");
	memset(r, 0, sizeof(r));
	for (i = 0; i < READERS; i++) {
		r[i].dir = dir;
		r[i].nr = i;
		NEED(!pthread_create(&r[i].thread, NULL, reader_main, &r[i]),
		     "thread");
	}
	for (i = 0; now_s() < end; i++) {
		usleep(50000);
		write_str("/proc/sys/vm/drop_caches", i % 2 ? "1" : "3");
	}
	stop = true;
	for (i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		CHECK(!r[i].bad[0], "reader %d: %s", i, r[i].bad);
		CHECK(r[i].reads, "reader %d has read nothing", i);
		total += r[i].reads;
	}
	tap_note("%lu reads", total);
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* Walks and lookups of many processes, dentries and inodes dropped under them */
static void walking(const void *arg)
{
	struct source src = { .via = *(const enum via *)arg };
	const struct image *img = image_find("default-512");
	const char *dir = new_dir("mnt");
	pid_t pid[4];
	int i, k, status;

	src.path = data_path(img->image);
	NEED_OK(mount_at(&src, dir), "mount");
	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		for (k = 0; k < 4; k++)
			if (!tree_equals(dir, data_path(img->dump)))
				_exit(1);
		_exit(0);
	}
	for (i = 0; i < 4; ) {
		write_str("/proc/sys/vm/drop_caches", "2");
		if (waitpid(pid[i], &status, WNOHANG) != pid[i]) {
			usleep(30000);
			continue;
		}
		CHECK(WIFEXITED(status) && !WEXITSTATUS(status),
		      "walker %d: status %x", i, status);
		i++;
	}
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* ---------------------------------------------------------------- mounting */

static bool looks_right(const char *dir)
{
	char buf[4096];
	int fd = open(below(dir, "exact"), O_RDONLY | O_CLOEXEC);
	bool right = fd >= 0 && pread(fd, buf, sizeof(buf), 8192) == 4096 &&
		     pattern_check(buf, 4096, PATTERN_EXACT_SEED, 8192) < 0;

	if (fd >= 0)
		close(fd);
	return right;
}

#define CYCLES	200

static void cycles(const void *arg)
{
	static const enum via ways[] = { VIA_PATH, VIA_FD, VIA_PROC };
	const char *dir = new_dir("mnt"), *keep = new_dir("keep");
	struct source src = { .path = data_path("default-4096.img") };
	bool sharing = *(const bool *)arg;
	int i;

	/* With another mount of it there, each one joins the same superblock */
	if (sharing)
		NEED_OK(mount_at(&src, keep), "the mount that stays");
	for (i = 0; i < CYCLES; i++) {
		src.via = ways[i % ARRAY_SIZE(ways)];
		NEED_OK(mount_at(&src, dir), "mount");
		NEED(looks_right(dir), "cycle %d: wrong bytes", i);
		NEED_OK(do_umount(dir, 0), "umount");
	}
	if (sharing)
		CHECK(looks_right(keep), "the mount that has stayed");
}

static const bool cycles_alone, cycles_shared = true;

static void cycles_block(const void *arg)
{
	const char *dir = new_dir("mnt");
	struct source src = { .path = data_path("default-4096.img") };
	int i;

	(void)arg;
	for (i = 0; i < CYCLES / 4; i++) {
		src.via = i % 2 ? VIA_LOOP : VIA_LOOP_FD;
		NEED_OK(mount_at(&src, dir), "mount");
		NEED(looks_right(dir), "cycle %d: wrong bytes", i);
		NEED_OK(do_umount(dir, 0), "umount");
	}
}

/* Mounts that fail leave nothing behind either */
static void cycles_failing(const void *arg)
{
	const char *dir = new_dir("mnt"), *bad = tmp_path("bad");
	struct source src = { .path = data_path("blobdev-4096.img"), .nr_dev = 1 };
	int i;

	(void)arg;
	NEED(!run("head -c 4096 /dev/zero > %s", bad), "bad");
	src.dev[0] = tmp_path("none");
	for (i = 0; i < CYCLES / 2; i++) {
		NEED(mount_at(&src, dir) == -ENOENT, "no device");
		NEED(mount_file(bad, dir, NULL) == -EINVAL, "zeros");
		NEED(mount_file(data_path("default-4096.img"), dir,
				"fsoffset=4096") == -EINVAL, "fsoffset");
		NEED(mount_file(data_path("default-4096.img"), dir,
				"nothing") == -EINVAL, "option");
	}
}

/* One image, many processes: all see the same superblock come and go */
static void racing(const void *arg)
{
	bool same = *(const bool *)arg;
	pid_t pid[8];
	int i, k, status;

	for (i = 0; i < 8; i++) {
		char name[32];
		const char *dir;
		struct source src;

		snprintf(name, sizeof(name), "mnt%d", i);
		dir = new_dir(name);
		pid[i] = fork();
		if (pid[i])
			continue;
		memset(&src, 0, sizeof(src));
		src.path = data_path(same || i % 2 ? "default-4096.img"
						   : "default-512.img");
		for (k = 0; k < 25; k++) {
			src.via = (i + k) % 3 ? VIA_PATH : VIA_FD;
			NEED_OK(mount_at(&src, dir), "mount");
			NEED(looks_right(dir), "wrong bytes");
			NEED_OK(do_umount(dir, k % 5 ? 0 : DETACH), "umount");
		}
		tap_stop();
	}
	for (i = 0; i < 8; i++)
		CHECK(waitpid(pid[i], &status, 0) == pid[i] &&
		      WIFEXITED(status) && !WEXITSTATUS(status),
		      "process %d: status %x", i, status);
}

static const bool racing_same = true, racing_different;

/* Many mounts at once, each a superblock of its own */
static void many_mounts(const void *arg)
{
	char name[64], opts[64];
	const char *image = tmp_path("many.img"), *dir;
	double first = 0, last = 0;
	int i;

	(void)arg;
	/* Forty images in one file, since the same offset would be shared */
	NEED(!run("for i in $(seq 40); do cat %s; done > %s",
		  data_path("blobdev-4096.img"), image), "image");
	for (i = 0; i < 40; i++) {
		struct source src = { .path = image, .nr_dev = 1, .opts = opts };
		double start = now_s();
		struct stat st;

		NEED(!stat(data_path("blobdev-4096.img"), &st), "%m");
		snprintf(name, sizeof(name), "mnt%d", i);
		snprintf(opts, sizeof(opts), "fsoffset=%lld",
			 (long long)st.st_size * i);
		dir = new_dir(name);
		src.dev[0] = data_path("blobdev-4096.dev1");
		NEED_OK(mount_at(&src, dir), name);
		last = now_s() - start;
		first = i ? first : last;
	}
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "mnt%d", i);
		CHECK(looks_right(tmp_path(name)), "%s: wrong bytes", name);
	}
	tap_note("first mount %.1f ms, fortieth %.1f ms", first * 1e3,
		 last * 1e3);
}

/* --------------------------------------------------------------- in use */

static void lazy_with_readers(const void *arg)
{
	struct source src = { .via = *(const enum via *)arg };
	const char *dir = new_dir("mnt");
	struct reader r[4];
	int i, round;

	src.path = data_path(image_find("full")->image);
	for (round = 0; round < 5; round++) {
		NEED_OK(mount_at(&src, dir), "mount");
		memset(r, 0, sizeof(r));
		stop = false;
		for (i = 0; i < 4; i++) {
			r[i].dir = dir;
			r[i].nr = 2 * i;
			NEED(!pthread_create(&r[i].thread, NULL, reader_main,
					     &r[i]), "thread");
		}
		/* They go on reading what nobody else can find any more */
		while (!r[0].reads || !r[1].reads || !r[2].reads || !r[3].reads) {
			for (i = 0; i < 4; i++)
				NEED(!r[i].bad[0], "reader %d: %s", i, r[i].bad);
			usleep(1000);
		}
		NEED_OK(do_umount(dir, DETACH), "lazy umount");
		usleep(100000);
		stop = true;
		for (i = 0; i < 4; i++) {
			pthread_join(r[i].thread, NULL);
			CHECK(!r[i].bad[0], "reader %d: %s", i, r[i].bad);
		}
	}
}

/* A process that dies with cold reads in flight takes nothing along */
static void killed_readers(const void *arg)
{
	struct source src = { .via = *(const enum via *)arg };
	const char *dir = new_dir("mnt"), *big;
	char buf[65536];
	int i, k, status, fd;

	src.path = data_path(image_find("full")->image);
	NEED_OK(mount_at(&src, dir), "mount");
	big = below(dir, "big");
	for (i = 0; i < 12; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (;;) {
				fd = open(big, O_RDONLY);
				posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
				while (read(fd, buf, sizeof(buf)) > 0)
					continue;
				close(fd);
			}
		}
		usleep(3000 * i);
		kill(pid, SIGKILL);
		NEED(waitpid(pid, &status, 0) == pid, "%m");
		fd = open_need(big, O_RDONLY);
		for (k = 0; k < 8; k++) {
			off_t off = (off_t)k << 16;

			NEED(pread_full(fd, buf, sizeof(buf), off) ==
			     sizeof(buf), "read");
			CHECK(pattern_check(buf, sizeof(buf), PATTERN_BIG_SEED,
					    off) < 0, "wrong bytes at %lld",
			      (long long)off);
		}
		close(fd);
	}
	CHECK(file_is_pattern(big, PATTERN_BIG_SEED, PATTERN_BIG_SIZE),
	      "after all of them");
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

static void unload_refused(const void *arg)
{
	const char *dir = new_dir("mnt");
	int fd, fs;

	(void)arg;
	if (access("/sys/module/erofs/refcnt", F_OK))
		tap_skip("erofs is not a module");
	NEED_OK(mount_file(data_path("default-4096.img"), dir, NULL), "mount");
	CHECK(syscall(__NR_delete_module, "erofs", O_NONBLOCK) &&
	      errno == EWOULDBLOCK, "unloading under a mount: %m");
	fd = open_need(below(dir, "exact"), O_RDONLY);
	NEED_OK(do_umount(dir, DETACH), "lazy umount");
	CHECK(syscall(__NR_delete_module, "erofs", O_NONBLOCK) &&
	      errno == EWOULDBLOCK, "unloading under an open file: %m");
	close(fd);
	fs = fs_open("erofs");
	NEED_OK(fs, "fsopen");
	CHECK(syscall(__NR_delete_module, "erofs", O_NONBLOCK) &&
	      errno == EWOULDBLOCK, "unloading under a context: %m");
	NEED_OK(cfg_str(fs, "source", data_path("default-4096.img")), "source");
	NEED_OK(cfg_create(fs), "create");
	NEED_OK(fs_mount(fs, 0), "fsmount");
}

#define BY_EACH(f)							\
	{ .name = #f ".file", .fn = (f), .arg = &by_file },		\
	{ .name = #f ".block", .fn = (f), .arg = &by_block }

static const struct tap_case cases[] = {
	BY_EACH(reading),
	BY_EACH(walking),
	{ .name = "cycles.alone", .fn = cycles, .arg = &cycles_alone },
	{ .name = "cycles.shared", .fn = cycles, .arg = &cycles_shared },
	TAP_CASE(cycles_block),
	TAP_CASE(cycles_failing),
	{ .name = "racing.same", .fn = racing, .arg = &racing_same },
	{ .name = "racing.different", .fn = racing, .arg = &racing_different },
	TAP_CASE(many_mounts),
	BY_EACH(lazy_with_readers),
	BY_EACH(killed_readers),
	TAP_CASE(unload_refused),
};

int main(int argc, char **argv)
{
	return tap_run("stress", cases, ARRAY_SIZE(cases), argc, argv);
}
