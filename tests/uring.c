// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads by io_uring: many in flight at once, first without waiting and then by
 * worker threads, with registered files and buffers, cached and direct, of plain
 * and of encoded files. The kernel drives a filesystem otherwise here than by
 * read(2): what would block has to say so, and completes elsewhere.
 *
 *	uring [-l] [case]...
 *
 *	-l  of all images of codecs.txt, else of some of them
 *
 * By raw system calls, with no library. The files are those of codecs.txt, which
 * are compared with the copy of their tree beside the images.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_mount.h"

#define DEPTH		16
#define READ_MAX	65536
#define READS		160
#define DIRECT_UNIT	4096

/* ----------------------------------------------------------------- the ring */

struct ring {
	int fd;
	unsigned int *sq_head, *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	/* What ring_close() unmaps: it would keep the ring, and its file */
	void *map[3];
	size_t len[3];
};

static void *ring_map(struct ring *r, unsigned int nr, size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, what);

	NEED(p != MAP_FAILED, "mmap of the ring: %m");
	r->map[nr] = p;
	r->len[nr] = len;
	return p;
}

static void ring_open(struct ring *r)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	r->fd = syscall(__NR_io_uring_setup, DEPTH, &p);
	if (r->fd < 0 && (errno == ENOSYS || errno == EPERM))
		tap_skip("no io_uring in this kernel: %m");
	NEED(r->fd >= 0, "io_uring_setup: %m");
	sq = ring_map(r, 0, p.sq_off.array + p.sq_entries * sizeof(int),
		      IORING_OFF_SQ_RING);
	cq = ring_map(r, 1, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes),
		      IORING_OFF_CQ_RING);
	r->sqes = ring_map(r, 2, p.sq_entries * sizeof(*r->sqes),
			   IORING_OFF_SQES);
	r->sq_head = (void *)(sq + p.sq_off.head);
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r->cqes = (void *)(cq + p.cq_off.cqes);
}

static void ring_close(struct ring *r)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r->map); i++)
		munmap(r->map[i], r->len[i]);
	close(r->fd);
}

/* There is room: nobody queues more than DEPTH at a time */
static struct io_uring_sqe *ring_next(struct ring *r)
{
	unsigned int tail = *r->sq_tail, slot = tail & *r->sq_mask;
	struct io_uring_sqe *sqe = &r->sqes[slot];

	memset(sqe, 0, sizeof(*sqe));
	r->sq_array[slot] = slot;
	atomic_store_explicit((_Atomic unsigned int *)r->sq_tail, tail + 1,
			      memory_order_release);
	return sqe;
}

static void ring_enter(struct ring *r, unsigned int submit, unsigned int wait)
{
	int n;

	do {
		n = syscall(__NR_io_uring_enter, r->fd, submit, wait,
			    wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	} while (n < 0 && errno == EINTR);
	NEED(n == (int)submit, "io_uring_enter: %d of %u: %m", n, submit);
}

/* False when none has completed yet */
static bool ring_reap(struct ring *r, struct io_uring_cqe *cqe)
{
	unsigned int head = *r->cq_head;

	if (head == atomic_load_explicit((_Atomic unsigned int *)r->cq_tail,
					 memory_order_acquire))
		return false;
	*cqe = r->cqes[head & *r->cq_mask];
	atomic_store_explicit((_Atomic unsigned int *)r->cq_head, head + 1,
			      memory_order_release);
	return true;
}

/* ------------------------------------------------------------------- reads */

struct job {
	size_t off, len;
	struct iovec iov;
};

struct load {
	struct ring ring;
	const char *name, *want;
	size_t size;
	int fd;
	bool fixed;		/* registered file and buffers */
	bool direct;
	uint32_t seed;
	char *mem;		/* a buffer of READ_MAX bytes for each job */
	struct job job[DEPTH];
	unsigned int started, ended;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void load_register(struct load *l)
{
	struct iovec iov = { l->mem, (size_t)DEPTH * READ_MAX };

	NEED(!syscall(__NR_io_uring_register, l->ring.fd,
		      IORING_REGISTER_BUFFERS, &iov, 1) &&
	     !syscall(__NR_io_uring_register, l->ring.fd,
		      IORING_REGISTER_FILES, &l->fd, 1),
	     "io_uring_register: %m");
}

static void load_queue(struct load *l, unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_next(&l->ring);
	struct job *j = &l->job[nr];
	char *buf = l->mem + (size_t)nr * READ_MAX;

	sqe->fd = l->fixed ? 0 : l->fd;
	sqe->off = j->off;
	sqe->user_data = nr;
	sqe->flags = (l->fixed ? IOSQE_FIXED_FILE : 0) |
		     (next_random(&l->seed) % 4 ? 0 : IOSQE_ASYNC);
	if (!l->fixed && nr % 2) {
		j->iov = (struct iovec){ buf, j->len };
		sqe->opcode = IORING_OP_READV;
		sqe->addr = (uintptr_t)&j->iov;
		sqe->len = 1;
		return;
	}
	sqe->opcode = l->fixed ? IORING_OP_READ_FIXED : IORING_OP_READ;
	sqe->addr = (uintptr_t)buf;
	sqe->len = j->len;
}

/* A new place; now and then what is cached is dropped */
static void load_start(struct load *l, unsigned int nr)
{
	struct job *j = &l->job[nr];

	j->off = next_random(&l->seed) % l->size;
	j->len = next_random(&l->seed) % READ_MAX + 1;
	if (l->direct) {
		j->off &= ~(size_t)(DIRECT_UNIT - 1);
		j->len = (j->len + DIRECT_UNIT - 1) & ~(size_t)(DIRECT_UNIT - 1);
	}
	if (next_random(&l->seed) % 8 == 0)
		posix_fadvise(l->fd, 0, 0, POSIX_FADV_DONTNEED);
	load_queue(l, nr);
	l->started++;
}

/* Short is allowed in front of the end, or of what cannot be read directly */
static bool load_check(struct load *l, const struct io_uring_cqe *cqe)
{
	const struct job *j = &l->job[cqe->user_data];
	const char *got = l->mem + (size_t)cqe->user_data * READ_MAX;
	size_t max = l->size - j->off < j->len ? l->size - j->off : j->len;

	l->ended++;
	return CHECK(cqe->res > 0, "%s: %zu bytes at %zu: %s", l->name, j->len,
		     j->off, cqe->res ? err_name(cqe->res) : "none") &&
	       CHECK((size_t)cqe->res <= max &&
		     ((size_t)cqe->res == max || l->direct),
		     "%s: %zu bytes at %zu: only %d", l->name, j->len, j->off,
		     cqe->res) &&
	       CHECK(!memcmp(got, l->want + j->off, cqe->res),
		     "%s: %zu bytes at %zu: differs", l->name, j->len, j->off);
}

static void load_run(struct load *l)
{
	struct io_uring_cqe cqe;
	unsigned int i, queued = DEPTH;

	ring_open(&l->ring);
	l->mem = mmap(NULL, (size_t)DEPTH * READ_MAX, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(l->mem != MAP_FAILED, "memory");
	if (l->fixed)
		load_register(l);
	for (i = 0; i < DEPTH; i++)
		load_start(l, i);
	while (l->ended < l->started) {
		ring_enter(&l->ring, queued, 1);
		for (queued = 0; ring_reap(&l->ring, &cqe); ) {
			if (!load_check(l, &cqe))
				tap_stop();
			if (l->started < READS) {
				load_start(l, cqe.user_data);
				queued++;
			}
		}
	}
	CHECK(l->ended == READS, "%u reads", l->ended);
	ring_close(&l->ring);
	munmap(l->mem, (size_t)DEPTH * READ_MAX);
}

/* ------------------------------------------------------------------- cases */

static const char * const images[] = {
	"none-plain-4096", "none-chunk-512", "lz4-packed-1024k-4096",
	"lzma-plain-64k-4096", "deflate-ztail-4k-2048", "zstd-48bit-4k-4096",
};

static const char * const files[] = { "text", "runs", "again", "sparse" };

struct mode {
	const char *name;
	enum via via;
	bool fixed, direct;
};

static const struct mode modes[] = {
	{ "read.file", VIA_PATH, false, false },
	{ "read.block", VIA_LOOP, false, false },
	{ "fixed.file", VIA_PATH, true, false },
	{ "fixed.block", VIA_LOOP, true, false },
	{ "direct.file", VIA_PATH, false, true },
	{ "direct.block", VIA_LOOP, true, true },
};

static bool is_among(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(images); i++)
		if (!strcmp(name, images[i]))
			return true;
	return false;
}

/* Those of images[], or all there are; how many */
static size_t choose(const struct image **chosen[])
{
	struct image *rows;
	size_t nr = table_load("codecs.txt", &rows), nr_chosen = 0, i;

	*chosen = calloc(nr, sizeof(**chosen));
	NEED(nr && *chosen, "no images in codecs.txt");
	for (i = 0; i < nr; i++)
		if (long_run || is_among(rows[i].name))
			(*chosen)[nr_chosen++] = &rows[i];
	NEED(long_run || nr_chosen == ARRAY_SIZE(images),
	     "%zu of %zu images are in codecs.txt", nr_chosen,
	     ARRAY_SIZE(images));
	return nr_chosen;
}

static const char *mounted(const struct image *img, enum via via)
{
	const char *dir = new_dir(img->name);
	struct source src;

	image_source(img, via, &src);
	NEED_OK(mount_at(&src, dir), img->name);
	return dir;
}

/* False when the file cannot be opened for direct I/O, as encoded ones may */
static bool read_file(const char *dir, const char *image, const char *file,
		      const struct mode *m)
{
	struct load l = { .fixed = m->fixed, .direct = m->direct, .seed = 1 };
	char path[4096], name[128];

	snprintf(name, sizeof(name), "codec/%s", file);
	l.want = slurp(data_path(name), &l.size);
	NEED(l.want, "%s: %m", name);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	l.fd = open(path, O_RDONLY | O_CLOEXEC | (m->direct ? O_DIRECT : 0));
	if (l.fd < 0 && m->direct) {
		CHECK(errno == EINVAL, "open %s: %m", path);
		return false;
	}
	NEED(l.fd >= 0, "open %s: %m", path);
	snprintf(name, sizeof(name), "%s: %s", image, file);
	l.name = name;
	load_run(&l);
	close(l.fd);
	return true;
}

/* A closed ring, and one of the dead, ends soon, by itself, and lets the mount go */
static int umount_patiently(const char *dir)
{
	int err = -EBUSY, i;

	for (i = 0; i < 500 && err == -EBUSY; i++) {
		err = do_umount(dir, 0);
		if (err == -EBUSY)
			usleep(10000);
	}
	return err;
}

static void reads(const void *arg)
{
	const struct mode *m = arg;
	const struct image **chosen;
	unsigned int direct = 0;
	size_t nr = choose(&chosen), i, k;

	for (i = 0; i < nr; i++) {
		const char *dir = mounted(chosen[i], m->via);

		for (k = 0; k < ARRAY_SIZE(files); k++)
			direct += read_file(dir, chosen[i]->name, files[k], m);
		CHECK_ERR(umount_patiently(dir), 0, chosen[i]->name);
	}
	CHECK(direct, "no file can be opened for direct I/O");
}

/* A process that is gone does not wait for what it has asked for */
static void leave_in_flight(const char *path, unsigned int skip)
{
	static char mem[DEPTH * READ_MAX];
	struct ring r;
	unsigned int i;
	int fd = open_need(path, O_RDONLY);

	ring_open(&r);
	for (i = 0; i < DEPTH; i++) {
		struct io_uring_sqe *sqe = ring_next(&r);

		sqe->opcode = IORING_OP_READ;
		sqe->fd = fd;
		sqe->off = i * 32768;
		sqe->addr = (uintptr_t)(mem + i * READ_MAX);
		sqe->len = READ_MAX;
		sqe->flags = i % 2 ? IOSQE_ASYNC : 0;
	}
	ring_enter(&r, DEPTH, skip);
	_exit(0);
}

static void abandoned(const void *arg)
{
	const struct mode *m = arg;
	const struct image **chosen;
	size_t nr = choose(&chosen), i;
	char path[4096];
	unsigned int k;

	for (i = 0; i < nr; i++) {
		const char *dir = mounted(chosen[i], m->via);

		snprintf(path, sizeof(path), "%s/text", dir);
		for (k = 0; k < 4; k++) {
			int status;
			pid_t pid = fork();

			if (!pid)
				leave_in_flight(path, k);
			NEED(pid > 0 && waitpid(pid, &status, 0) == pid, "%m");
			if (WIFEXITED(status) &&
			    WEXITSTATUS(status) == KSFT_SKIP)
				tap_skip("no io_uring in this kernel");
			CHECK(!status, "status %x", status);
			drop_caches();
		}
		CHECK_ERR(umount_patiently(dir), 0, chosen[i]->name);
	}
}

int main(int argc, char **argv)
{
	struct tap_case cases[ARRAY_SIZE(modes) + 2];
	size_t i;

	take_long_options(&argc, &argv);
	memset(cases, 0, sizeof(cases));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		cases[i].name = modes[i].name;
		cases[i].fn = reads;
		cases[i].arg = &modes[i];
	}
	cases[i].name = "abandoned.file";
	cases[i].fn = abandoned;
	cases[i++].arg = &modes[0];
	cases[i].name = "abandoned.block";
	cases[i].fn = abandoned;
	cases[i].arg = &modes[1];
	return tap_run("uring", cases, ARRAY_SIZE(cases), argc, argv);
}
