// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks that fail: device-mapper targets that give errors, in whole or in a
 * range, that come and go, or that take their time, below an image's block
 * device, and below the ext4 of an image's file. The reader gets an errno of the
 * disk or the right bytes; what the error did not touch reads; and when the disk
 * is well again, so is the mount, without being mounted again.
 *
 *	dmfault [-l] [-d SECONDS] [case]...
 *
 *	-l          many rounds, with figures; else what a gate can wait for
 *	-d SECONDS  what goes by the clock lasts so long
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fileops.h"
#include "lib_mount.h"
#include "pattern.h"

/* ----------------------------------------------------------------- the disk */

/* Of this process, as another may run beside it */
static char dm_name[64];

struct disk {
	char loop[64];
	int fd;				/* of the loop device */
	unsigned long long sectors;
	const char *path;		/* of the mapped device */
};

static const struct target {
	unsigned long long first, sectors;
	const char *type;
	char args[256];
} no_target;

#define MAX_TARGETS	3

struct table {
	struct target target[MAX_TARGETS];
	int nr;
};

/* 0 or -errno */
static int dm_call(unsigned long request, const struct table *t, unsigned int flags)
{
	static char buf[8192] __attribute__((aligned(8)));
	struct dm_ioctl *head = (void *)buf;
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC), i, err;
	char *p = buf + sizeof(*head);

	if (fd < 0)
		return -errno;
	memset(buf, 0, sizeof(buf));
	*head = (struct dm_ioctl) {
		.version = { DM_VERSION_MAJOR, 0, 0 }, .data_size = sizeof(buf),
		.data_start = sizeof(*head), .target_count = t ? t->nr : 0,
		.flags = flags,
	};
	strcpy(head->name, dm_name);
	for (i = 0; t && i < t->nr; i++) {
		struct dm_target_spec *spec = (void *)p;

		spec->sector_start = t->target[i].first;
		spec->length = t->target[i].sectors;
		strncpy(spec->target_type, t->target[i].type,
			sizeof(spec->target_type) - 1);
		strcpy(p + sizeof(*spec), t->target[i].args);
		spec->next = (sizeof(*spec) + strlen(t->target[i].args) + 8) & ~7;
		p += spec->next;
	}
	err = ioctl(fd, request, buf) ? -errno : 0;
	close(fd);
	return err;
}

/* A device that is still held is gone a moment later */
static void dm_remove(void)
{
	double end = now_s() + 5;

	while (dm_call(DM_DEV_REMOVE, NULL, 0) == -EBUSY && now_s() < end)
		usleep(10000);
}

/* False if there is no such target */
static bool dm_load(const struct table *t)
{
	int err = dm_call(DM_TABLE_LOAD, t, 0);

	CHECK(!err || err == -EINVAL, "table of %s: %s", t->target[0].type,
	      err_name(err));
	return !err;
}

/* What lies on the disk is not told of it first: it might find the disk bad */
static void dm_resume(void)
{
	NEED_OK(dm_call(DM_DEV_SUSPEND, NULL, DM_SKIP_LOCKFS_FLAG), "resume");
}

/* The table takes effect between two requests */
static void dm_switch(const struct table *t)
{
	NEED(dm_load(t), "no table of %s", t->target[0].type);
	dm_resume();
}

static void add_target(struct table *t, unsigned long long from,
		       unsigned long long to, const char *type, const char *args)
{
	struct target *target = &t->target[t->nr];

	if (from >= to)
		return;
	*target = no_target;
	target->first = from;
	target->sectors = to - from;
	target->type = type;
	snprintf(target->args, sizeof(target->args), "%s", args);
	t->nr++;
}

static void add_linear(struct table *t, const struct disk *d,
		       unsigned long long from, unsigned long long to)
{
	char args[128];

	snprintf(args, sizeof(args), "%s %llu", d->loop, from);
	add_target(t, from, to, "linear", args);
}

static const struct table *linear(const struct disk *d)
{
	static struct table t;

	t.nr = 0;
	add_linear(&t, d, 0, d->sectors);
	return &t;
}

/* Errors in [from, to) alone */
static const struct table *some_errors(const struct disk *d,
				       unsigned long long from,
				       unsigned long long to)
{
	static struct table t;

	t.nr = 0;
	add_linear(&t, d, 0, from);
	add_target(&t, from, to, "error", "");
	add_linear(&t, d, to, d->sectors);
	return &t;
}

static const struct table *all_errors(const struct disk *d)
{
	return some_errors(d, 0, d->sectors);
}

/* The kernel's own name of it, which needs nobody to make a link */
static const char *dm_path(void)
{
	static char path[64];
	char file[64], *name;
	int i;

	for (i = 0; i < 256; i++) {
		snprintf(file, sizeof(file), "/sys/block/dm-%d/dm/name", i);
		name = slurp(file, NULL);
		if (name && !strncmp(name, dm_name, strlen(dm_name)) &&
		    name[strlen(dm_name)] == '\n') {
			snprintf(path, sizeof(path), "/dev/dm-%d", i);
			free(name);
			return path;
		}
		free(name);
	}
	NEED(false, "no block device of %s", dm_name);
	return NULL;
}

/* The mapped device must be gone before the loop one can */
static void close_disk(struct disk *d)
{
	dm_remove();
	close(d->fd);
}

static void open_disk(struct disk *d, const char *file)
{
	struct stat st;

	run("modprobe -qa dm_mod dm_flakey dm_delay >/dev/null 2>&1");
	if (access("/dev/mapper/control", F_OK))
		tap_skip("no device mapper");
	dm_remove();
	NEED(!stat(file, &st), "%s: %m", file);
	d->fd = loop_open(file, d->loop, sizeof(d->loop));
	NEED_OK(d->fd, "loop device");
	d->sectors = st.st_size / 512;
	NEED_OK(dm_call(DM_DEV_CREATE, NULL, 0), "device of the mapper");
	dm_switch(linear(d));
	d->path = dm_path();
}

/* ------------------------------------------------------ an image on that disk */

enum layer { BELOW_IMAGE, BELOW_EXT4 };

struct bed {
	enum layer layer;
	const char *image;
	struct disk disk;
	struct subject s;
	uint64_t want;			/* of reading s.file */
	const char *lower;		/* where ext4 is mounted */
};

static void make_ext4(struct bed *b)
{
	const char *file = tmp_path("ext4"), *dir = new_dir("ext4-files");
	const struct image *img = image_find(b->image);

	copy_file(data_path(img->image), below(dir, "image"));
	NEED(!run("truncate -s 96M %s && mke2fs -q -F -t ext4 -O ^has_journal -d %s %s",
		  file, dir, file), "ext4");
	open_disk(&b->disk, file);
	b->lower = new_dir("lower");
	NEED_OK(do_mount(b->disk.path, b->lower, "ext4", 1 /* MS_RDONLY */,
			 NULL), "mount of ext4");
	b->s.src.path = below(b->lower, "image");
}

static void set_up(struct bed *b, enum layer layer, const char *image)
{
	const struct file_op *op = file_op_find("read");
	int fd;

	memset(b, 0, sizeof(*b));
	b->layer = layer;
	b->image = image;
	if (layer == BELOW_EXT4) {
		make_ext4(b);
	} else {
		open_disk(&b->disk, data_path(image_find(image)->image));
		b->s.src.path = b->disk.path;
	}
	b->s.mnt = new_dir("mnt");
	NEED_OK(mount_at(&b->s.src, b->s.mnt), "mount");
	subject_find(&b->s);
	fd = op_open(op, &b->s);
	NEED(fd >= 0 && !op->fn(&b->s, fd, &b->want), "read: %m");
	close(fd);
}

static void take_down(struct bed *b)
{
	forget_all(-1);
	tree_equals(b->s.mnt, data_path(image_find(b->image)->dump));
	CHECK_ERR(do_umount(b->s.mnt, 0), 0, "umount");
	if (b->lower)
		CHECK_ERR(do_umount(b->lower, 0), 0, "umount of ext4");
	close_disk(&b->disk);
}

/* 0 with the right bytes, 1 with wrong ones, or -errno */
static int read_file(const struct bed *b, int fd)
{
	uint64_t sum = 0;
	int err = file_op_find("read")->fn(&b->s, fd, &sum);

	return err ?: sum != b->want;
}

struct plan {
	enum layer layer;
	const char *image;
};

/* What has time takes it */
static bool by_clock(void)
{
	return lasting_s || long_run;
}

/* Whether there is to be another round: by the clock, or else by their number */
static bool go_on(unsigned int i, double start, unsigned int gate,
		  unsigned int many)
{
	if (tap_failed())
		return false;
	if (lasting_s)
		return now_s() < start + lasting_s;
	return i < how_often(gate, gate, many);
}

/* ---------------------------------------------------------- errors, then none */

static void errors(const void *arg)
{
	const struct plan *p = arg;
	double start = now_s();
	unsigned int i;
	struct bed b;
	size_t k;
	int fd;

	set_up(&b, p->layer, p->image);
	fd = open_need(b.s.file, O_RDONLY);
	for (i = 0; go_on(i, start, 3, 200); i++) {
		forget_all(fd);
		dm_switch(all_errors(&b.disk));
		CHECK_ERR(read_file(&b, fd), -EIO, "read");
		for (k = 0; k < nr_file_ops; k++) {
			int fd2 = op_open(&file_ops[k], &b.s), err = 0;
			uint64_t sum = 0;

			if (fd2 >= 0 || file_ops[k].warmth == COLD)
				err = file_ops[k].fn(&b.s, fd2, &sum);
			if (fd2 >= 0)
				close(fd2);
			/* Some need nothing of the disk any more */
			CHECK(!err || err == -EIO || err == -EOPNOTSUPP ||
			      err == -EINVAL || err == -ENODATA ||
			      (err == -ESTALE &&
			       !strcmp(file_ops[k].name, "handle")) ||
			      !op_path(&file_ops[k], &b.s)[0],
			      "%s: %s (%d)", file_ops[k].name, err_name(err),
			      err);
		}
		dm_switch(linear(&b.disk));
		CHECK_ERR(read_file(&b, fd), 0, "read afterwards");
	}
	close(fd);
	take_down(&b);
}

/* Mounting from a disk that fails tells of that, and not of a bad image */
static void errors_at_mount(const void *arg)
{
	const struct plan *p = arg;
	unsigned long long at, step = long_run ? 8 : 32;
	unsigned int failed = 0;
	struct bed b;
	int err;

	set_up(&b, p->layer, p->image);
	CHECK_ERR(do_umount(b.s.mnt, 0), 0, "umount");
	for (at = 0; at < 128; at += step) {
		if (at + step >= b.disk.sectors)
			break;
		forget_all(-1);
		dm_switch(at ? some_errors(&b.disk, at, at + step)
			     : all_errors(&b.disk));
		err = mount_at(&b.s.src, b.s.mnt);
		CHECK(!err || err == -EIO, "errors at sector %llu: %s (%d)\n%s",
		      at, err_name(err), err, last_log);
		failed += !!err;
		dm_switch(linear(&b.disk));
		if (err)
			NEED_OK(mount_at(&b.s.src, b.s.mnt), "mount afterwards");
		CHECK_ERR(do_umount(b.s.mnt, 0), 0, "umount");
	}
	CHECK(failed, "no mount has failed");
	NEED_OK(mount_at(&b.s.src, b.s.mnt), "mount at the end");
	take_down(&b);
}

/* A few bad sectors: their pages fail, and none that is far from them */
static void bad_range(const void *arg)
{
	const off_t from = 65536, to = 65536 + 8192;
	const char *file;
	unsigned int errors = 0;
	char buf[4096];
	struct bed b;
	off_t off, at;
	int fd;

	(void)arg;
	set_up(&b, BELOW_IMAGE, "default-4096");
	file = below(b.s.mnt, "exact");
	at = data_position(file);
	fd = open_need(file, O_RDONLY);
	forget_all(fd);
	dm_switch(some_errors(&b.disk, (at + from) / 512, (at + to) / 512));
	for (off = 0; off < (off_t)PATTERN_EXACT_SIZE; off += 4096) {
		ssize_t n = pread_full(fd, buf, sizeof(buf), off);
		bool bad = off >= from && off < to;

		errors += n == -EIO;
		/* What shares a folio with them shares its fate */
		CHECK(bad ? n == -EIO : n == sizeof(buf) ||
					(off >= from && n == -EIO),
		      "at %lld: %zd", (long long)off, n);
		CHECK(n < 0 || pattern_check(buf, n, PATTERN_EXACT_SEED, off) < 0,
		      "wrong bytes at %lld", (long long)off);
	}
	CHECK(errors >= 2, "%u errors", errors);
	dm_switch(linear(&b.disk));
	CHECK(file_is_pattern(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE),
	      "afterwards");
	close(fd);
	take_down(&b);
}

/* ------------------------------------------------- a disk that comes and goes */

struct reader {
	pthread_t thread;
	struct bed *b;
	atomic_ulong right, failed;
	int odd;			/* an answer that may not be */
};

static atomic_bool stop;

static void *reader_main(void *arg)
{
	struct reader *r = arg;

	while (!stop && !r->odd) {
		int fd = open(r->b->s.file, O_RDONLY | O_CLOEXEC);
		int err = fd < 0 ? -errno : read_file(r->b, fd);

		if (!err)
			r->right++;
		else if (err == -EIO)
			r->failed++;
		else
			r->odd = err;
		/* Nothing is learnt from failing all the time */
		if (err)
			usleep(2000);
		if (fd < 0)
			continue;
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	return NULL;
}

static void start_readers(struct reader *r, int nr, struct bed *b)
{
	int i;

	memset(r, 0, nr * sizeof(*r));
	stop = false;
	for (i = 0; i < nr; i++) {
		r[i].b = b;
		NEED(!pthread_create(&r[i].thread, NULL, reader_main, &r[i]),
		     "thread");
	}
}

#define PATIENCE_S	30	/* readers are slow on a slow machine */

/* Whether to wait a while longer for a read that is right, or one that fails */
static bool none_yet(const struct reader *r, int nr, bool right, double start)
{
	int i;

	for (i = 0; i < nr; i++)
		if (right ? r[i].right : r[i].failed)
			return false;
	return now_s() < start + PATIENCE_S;
}

/* The disk is well, so they only have to get their turn */
static void stop_readers(struct reader *r, int nr, bool with_errors)
{
	unsigned long right = 0, failed = 0;
	double start = now_s();
	int i;

	while (none_yet(r, nr, true, start))
		usleep(20000);
	stop = true;
	for (i = 0; i < nr; i++) {
		pthread_join(r[i].thread, NULL);
		CHECK(!r[i].odd, "reader %d: %s", i,
		      r[i].odd > 0 ? "wrong bytes" : err_name(r[i].odd));
		right += r[i].right;
		failed += r[i].failed;
	}
	tap_note("%lu reads were right, %lu failed", right, failed);
	CHECK(right, "no read was right");
	CHECK(!with_errors || failed, "no read has failed");
}

/* Four readers, and a table that is replaced under them */
static void toggled(const void *arg)
{
	const struct plan *p = arg;
	double start = now_s();
	struct reader r[4];
	unsigned int i;
	struct bed b;

	set_up(&b, p->layer, p->image);
	start_readers(r, 4, &b);
	for (i = 0; go_on(i, start, 12, 2000) || none_yet(r, 4, false, start); i++) {
		dm_switch(i % 2 ? linear(&b.disk) : all_errors(&b.disk));
		write_str("/proc/sys/vm/drop_caches", i % 4 < 2 ? "1" : "3");
		/* Beside others the readers have to get their turn in it */
		usleep(by_clock() ? 200000 : 20000);
	}
	dm_switch(linear(&b.disk));
	usleep(100000);
	stop_readers(r, 4, true);
	take_down(&b);
}

static void flakey(const void *arg)
{
	const struct plan *p = arg;
	struct reader r[4];
	struct table t = {};
	char args[128];
	struct bed b;
	double end;

	set_up(&b, p->layer, p->image);
	/* Up and down, in seconds; a gate has time for little of either */
	snprintf(args, sizeof(args), "%s 0 %s", b.disk.loop,
		 by_clock() ? "2 1" : "1 1");
	add_target(&t, 0, b.disk.sectors, "flakey", args);
	if (!dm_load(&t)) {
		take_down(&b);
		tap_skip("no dm-flakey");
	}
	dm_resume();
	start_readers(r, 4, &b);
	for (end = now_s() + lasting(2.5, 150);
	     now_s() < end || none_yet(r, 4, false, end); ) {
		write_str("/proc/sys/vm/drop_caches", "3");
		usleep(20000);
	}
	dm_switch(linear(&b.disk));
	stop_readers(r, 4, true);
	take_down(&b);
}

/* Says something to the target that the device now is */
static int dm_message(const char *text)
{
	static char buf[1024] __attribute__((aligned(8)));
	struct dm_ioctl *head = (void *)buf;
	struct dm_target_msg *msg = (void *)(buf + sizeof(*head));
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	memset(buf, 0, sizeof(buf));
	*head = (struct dm_ioctl) {
		.version = { DM_VERSION_MAJOR, 0, 0 }, .data_size = sizeof(buf),
		.data_start = sizeof(*head),
	};
	strcpy(head->name, dm_name);
	strcpy(msg->message, text);
	err = ioctl(fd, DM_TARGET_MSG, buf) ? -errno : 0;
	close(fd);
	return err;
}

/* A new bad block now and then, anywhere; in the end all of them are mended */
static void dust_falls(const struct disk *d, unsigned int round)
{
	unsigned long long block = round * 7919ULL % (d->sectors / 8);
	char text[64];

	snprintf(text, sizeof(text), "addbadblock %llu", block);
	NEED_OK(dm_message(text), text);
	if (round % 8 == 7)
		NEED_OK(dm_message("clearbadblocks"), "clearbadblocks");
	write_str("/proc/sys/vm/drop_caches", round % 2 ? "1" : "3");
	usleep(20000);
}

/* Blocks that go bad under the readers, one by one */
static void dust(const void *arg)
{
	const struct plan *p = arg;
	double start = now_s();
	struct reader r[4];
	struct table t = {};
	char args[128];
	unsigned int i;
	struct bed b;

	set_up(&b, p->layer, p->image);
	snprintf(args, sizeof(args), "%s 0 4096", b.disk.loop);
	add_target(&t, 0, b.disk.sectors & ~7ULL, "dust", args);
	add_linear(&t, &b.disk, b.disk.sectors & ~7ULL, b.disk.sectors);
	if (!dm_load(&t)) {
		take_down(&b);
		tap_skip("no dm-dust");
	}
	dm_resume();
	NEED_OK(dm_message("quiet"), "quiet");
	NEED_OK(dm_message("enable"), "enable");
	start_readers(r, 4, &b);
	for (i = 0; go_on(i, start, 100, 5000) || none_yet(r, 4, false, start); i++)
		dust_falls(&b.disk, i);
	NEED_OK(dm_message("clearbadblocks"), "clearbadblocks");
	stop_readers(r, 4, true);
	dm_switch(linear(&b.disk));
	take_down(&b);
}

/* Slow is not wrong; and whoever does not want to wait any more can be killed */
static void delayed(const void *arg)
{
	const struct plan *p = arg;
	double start = now_s();
	struct reader r[4];
	struct table t = {};
	unsigned int i;
	char args[128];
	struct bed b;
	int status;

	set_up(&b, p->layer, p->image);
	snprintf(args, sizeof(args), "%s 0 %u", b.disk.loop,
		 by_clock() ? 100 : 20);
	add_target(&t, 0, b.disk.sectors, "delay", args);
	if (!dm_load(&t)) {
		take_down(&b);
		tap_skip("no dm-delay");
	}
	dm_resume();
	start_readers(r, 4, &b);
	for (i = 0; go_on(i, start, 6, 200); i++) {
		double begin = now_s();
		pid_t pid = fork();

		if (!pid) {
			int fd = open_need(b.s.file, O_RDONLY);

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				forget_all(fd);
				read_file(&b, fd);
			}
		}
		usleep(30000 + i % 7 * 5000);
		kill(pid, SIGKILL);
		NEED(waitpid(pid, &status, 0) == pid, "%m");
		CHECK(now_s() - begin < 5, "a killed reader took %.1f s",
		      now_s() - begin);
	}
	stop_readers(r, 4, false);
	dm_switch(linear(&b.disk));
	take_down(&b);
}

/* -------------------------------------------- a disk that does not answer at all */

/* But not where ext4 has them: who asks would have to wait for that himself */
static void drop_pages(const char *image)
{
	int fd = open_need(image, O_RDONLY);
	char *data = slurp_fd(fd, NULL);

	NEED(data, "%s: %m", image);
	free(data);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/*
 * Reads of a disk that does not answer are as many as there may be at a time, each
 * in a worker, because they go through the cache. What lies on another disk is read
 * all the same.
 */
static void stuck_disk(const void *arg)
{
	struct bed b = { .layer = BELOW_EXT4, .image = "full" };
	struct source other = { .opts = "nodirectio" };
	const char *mnt = new_dir("mnt"), *stuck = new_dir("stuck");
	const char *disk = tmp_path("other-disk"), *dir = new_dir("other");
	int status = 0, fd;
	bool ended;
	pid_t pid;

	(void)arg;
	make_ext4(&b);
	b.s.src.opts = "nodirectio";
	NEED_OK(mount_at(&b.s.src, stuck), "mount of what is to be stuck");
	NEED(!run("truncate -s 64M %s && mke2fs -q -F -t ext4 %s && "
		  "mount -o loop %s %s", disk, disk, disk, dir), "no ext4");
	other.path = below(dir, "image");
	copy_file(data_path(image_find("default-4096")->image), other.path);
	NEED_OK(mount_at(&other, mnt), "mount");
	fd = open_need(below(stuck, "big"), O_RDONLY);
	drop_caches();
	drop_pages(b.s.src.path);
	drop_pages(other.path);
	NEED_OK(dm_call(DM_DEV_SUSPEND, NULL, DM_SUSPEND_FLAG |
			DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG), "suspend");
	stuck_ask(fd);
	pid = stuck_beside(mnt);
	ended = child_ends(pid, 30, &status);
	CHECK(ended, "it stands behind reads of another disk");
	dm_resume();
	if (!ended)
		NEED(waitpid(pid, &status, 0) == pid, "%m");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "status %x", status);
	stuck_right(fd);
	close(fd);
	CHECK_ERR(do_umount(stuck, 0), 0, "umount");
	CHECK_ERR(do_umount(mnt, 0), 0, "umount of the other");
	CHECK_ERR(do_umount(dir, 0), 0, "umount of its ext4");
	CHECK_ERR(do_umount(b.lower, 0), 0, "umount of ext4");
	close_disk(&b.disk);
}

/* ------------------------------------------------- a killed reader of very much */

/* Into memory that is all there, for what has to be found stops who is killed */
static void read_big(int fd, int ready)
{
	void *mem = mmap(NULL, PATTERN_BIG_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED || write(ready, "", 1) != 1)
		_exit(2);
	_exit(pread(fd, mem, PATTERN_BIG_SIZE, 0) < 0);
}

/* It is read a piece after the other, of which each takes its time */
static void killed_direct(const void *arg)
{
	struct bed b = { .layer = BELOW_EXT4, .image = "full" };
	const char *mnt = new_dir("mnt");
	struct table t = {};
	int status = 0, fd, ready[2];
	char args[128], byte;
	double begin;
	pid_t pid;

	(void)arg;
	make_ext4(&b);
	NEED_OK(mount_at(&b.s.src, mnt), "mount");
	fd = open_need(below(mnt, "big"), O_RDONLY | O_DIRECT);
	NEED(!pipe(ready), "pipe: %m");
	snprintf(args, sizeof(args), "%s 0 500", b.disk.loop);
	add_target(&t, 0, b.disk.sectors, "delay", args);
	if (!dm_load(&t)) {
		NEED_OK(do_umount(mnt, 0), "umount");
		NEED_OK(do_umount(b.lower, 0), "umount of ext4");
		close_disk(&b.disk);
		tap_skip("no dm-delay");
	}
	dm_resume();
	pid = fork();
	NEED(pid >= 0, "fork: %m");
	if (!pid)
		read_big(fd, ready[1]);
	NEED(read(ready[0], &byte, 1) == 1, "%m");
	usleep(300000);
	begin = now_s();
	kill(pid, SIGKILL);
	NEED(waitpid(pid, &status, 0) == pid, "%m");
	CHECK(WIFSIGNALED(status), "it has not waited, status %x", status);
	CHECK(now_s() - begin < 5, "a killed reader took %.1f s",
	      now_s() - begin);
	dm_switch(linear(&b.disk));
	close(fd);
	CHECK_ERR(do_umount(mnt, 0), 0, "umount");
	CHECK_ERR(do_umount(b.lower, 0), 0, "umount of ext4");
	close_disk(&b.disk);
}

/* --------------------------------------------------------------------- cases */

static const struct plan plan[] = {
	{ BELOW_IMAGE, "default-4096" },
	{ BELOW_EXT4, "default-4096" },
	{ BELOW_IMAGE, "zstd-fragments" },
	{ BELOW_EXT4, "zstd-fragments" },
};

#define ONE(f, name_, i)	{ .name = #f "." name_, .fn = (f), .arg = &plan[i] }
#define EACH(f)								\
	ONE(f, "image", 0), ONE(f, "ext4", 1),				\
	ONE(f, "image-encoded", 2), ONE(f, "ext4-encoded", 3)

static const struct tap_case cases[] = {
	EACH(errors),
	ONE(errors_at_mount, "image", 0),
	ONE(errors_at_mount, "image-encoded", 2),
	ONE(errors_at_mount, "ext4", 1),
	TAP_CASE(bad_range),
	EACH(toggled),
	ONE(flakey, "image", 0),
	ONE(flakey, "ext4-encoded", 3),
	ONE(dust, "image", 0),
	ONE(dust, "image-encoded", 2),
	ONE(delayed, "image-encoded", 2),
	ONE(delayed, "ext4", 1),
	TAP_CASE(stuck_disk),
	TAP_CASE(killed_direct),
};

int main(int argc, char **argv)
{
	int ret;

	snprintf(dm_name, sizeof(dm_name), "erofs-dmfault-%d", getpid());
	take_long_options(&argc, &argv);
	ret = tap_run("dmfault", cases, ARRAY_SIZE(cases), argc, argv);
	/* What a case that has failed did not come to */
	dm_remove();
	return ret;
}
