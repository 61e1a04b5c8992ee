// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thing fails, once: each allocation in turn, each read of a block device,
 * each read of a backing file. The operation it fails in gives the right answer
 * or an errno of the fault's own kind, never wrong bytes and never a verdict on
 * the image; and right afterwards, with nothing thrown away, the same operation
 * gives the right answer. Then the stores that come and go: a backing file that
 * stalls, one that changes under its readers, readers that are killed.
 *
 *	faults [-l] [case]...
 *
 *	-l  all images and many rounds, with figures; else what a gate can wait for
 *
 * Allocations and bios are failed by the kernel's own fault injection, which
 * only the sanitizer kernel has.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fileops.h"
#include "fusefs.h"
#include "lib_mount.h"
#include "pattern.h"

#define DETACH	2		/* MNT_DETACH */

/* ----------------------------------------------------- what makes things fail */

struct injector {
	const char *name;
	int error;		/* the errno of its kind */
	int other;		/* and another that may stand for it, or 0 */
	void (*prepare)(const struct injector *in);
	/* The nth from now on fails */
	void (*arm)(const struct injector *in, unsigned int nth);
	/* None fails any more; whether one did */
	bool (*disarm)(void);
	uint32_t limit, delay_ms;
	bool lasting;		/* not the nth alone, but all from it on */
};

static int fail_nth_fd = -1;

static void knob(const char *attr, const char *name, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", attr, name);
	NEED_OK(write_str(path, value), path);
}

/*
 * Where the module's code is, so that only what it calls is made to fail; or,
 * before it is loaded, about where it will be.
 */
static bool module_range(char *start, char *end, size_t size, unsigned long about)
{
	char line[512], name[64];
	unsigned long len, addr;
	FILE *f = fopen("/proc/modules", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%63s %lu %*s %*s %*s %lx", name, &len,
			       &addr) == 3 && !strcmp(name, "erofs");
	if (f)
		fclose(f);
	if (!found || !addr)
		return false;
	snprintf(start, size, "%lu", addr - about);
	snprintf(end, size, "%lu", addr + len + about);
	return true;
}

/* The kernel shows its stack when it cannot make a cache: no test needs that */
static void spare_caches(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long addr, start = 0, end = ~0UL;
	char line[512], name[256], text[32];
	static const char * const made_by[] = { "__kmem_cache_create_args",
						"kmem_cache_create_usercopy" };
	int i;

	for (i = 0; f && i < 2 && !start; i++)
		for (rewind(f); fgets(line, sizeof(line), f); )
			if (sscanf(line, "%lx %*c %255s", &addr, name) == 2 &&
			    !strcmp(name, made_by[i]))
				start = addr;
	for (rewind(f); f && fgets(line, sizeof(line), f); )
		if (sscanf(line, "%lx %*c", &addr) == 1 && addr > start &&
		    addr < end)
			end = addr;
	if (f)
		fclose(f);
	NEED(start, "the kernel's symbols are not known");
	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%lu", start);
		knob(i ? "failslab" : "fail_page_alloc", "reject-start", text);
		snprintf(text, sizeof(text), "%lu", end);
		knob(i ? "failslab" : "fail_page_alloc", "reject-end", text);
	}
}

static void open_fail_nth(void)
{
	if (fail_nth_fd < 0)
		fail_nth_fd = open("/proc/thread-self/fail-nth",
				   O_RDWR | O_CLOEXEC);
	if (fail_nth_fd < 0)
		tap_skip("this kernel cannot make allocations fail");
}

/* All but what is to fail is left out, else the count would be of anything */
static void pick_faults(bool memory, const char *start, const char *end)
{
	static const char * const memory_attr[] = { "failslab",
						    "fail_page_alloc" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(memory_attr); i++) {
		knob(memory_attr[i], "verbose", "0");
		knob(memory_attr[i], "probability", "0");
		knob(memory_attr[i], "ignore-gfp-wait", memory ? "N" : "Y");
		knob(memory_attr[i], "stacktrace-depth", "32");
		knob(memory_attr[i], "require-start", start);
		knob(memory_attr[i], "require-end", end);
	}
	knob("failslab", "cache-filter", memory ? "N" : "Y");
	knob("fail_page_alloc", "min-order", memory ? "0" : "32");
	knob("fail_page_alloc", "ignore-gfp-highmem", "N");
	knob("fail_make_request", "verbose", "0");
	knob("fail_make_request", "probability", "0");
}

static void prepare_alloc(const struct injector *in)
{
	char start[32], end[32];

	(void)in;
	if (!sanitizer_kernel())
		tap_skip("this kernel cannot make allocations fail");
	open_fail_nth();
	if (!module_range(start, end, sizeof(start), 0))
		tap_skip("erofs is not a module");
	pick_faults(true, start, end);
}

/* Whole pages alone, of that order and up: what slabs are made of is left out */
static void prepare_pages_of(const char *order)
{
	prepare_alloc(NULL);
	knob("failslab", "cache-filter", "Y");
	knob("fail_page_alloc", "min-order", order);
}

static void prepare_pages(const struct injector *in)
{
	(void)in;
	prepare_pages_of("0");
}

static void prepare_large(const struct injector *in)
{
	(void)in;
	prepare_pages_of("3");
}

static void set_make_it_fail(const char *value)
{
	run("for f in /sys/block/loop*/make-it-fail; do echo %s > $f; done 2>/dev/null",
	    value);
}

static void prepare_bio(const struct injector *in)
{
	(void)in;
	if (access("/sys/kernel/debug/fail_make_request", F_OK))
		tap_skip("this kernel cannot make bios fail");
	open_fail_nth();
	/* No allocation is made by code in the last bytes of all */
	pick_faults(false, "18446744073709551614", "18446744073709551615");
}

static void arm_nth(const struct injector *in, unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	(void)in;
	NEED(pwrite(fail_nth_fd, text, n, 0) == n, "fail-nth: %m");
}

static bool disarm_nth(void)
{
	char text[32] = "";

	/* What is left of the count; 0 when it has come to its end */
	NEED(pread(fail_nth_fd, text, sizeof(text) - 1, 0) > 0, "fail-nth: %m");
	arm_nth(NULL, 0);
	return !atoi(text);
}

static struct fuse_control *control;

static void arm_fuse(const struct injector *in, unsigned int nth)
{
	control->error = in->limit || in->delay_ms ? 0 : in->error;
	control->limit = in->limit;
	control->delay_ms = in->delay_ms;
	control->hurt = 0;
	control->seen = 0;
	control->last = in->lasting ? UINT32_MAX : nth;
	control->nth = nth;
}

static bool disarm_fuse(void)
{
	control->nth = 0;
	return control->hurt;
}

static const struct injector inject_alloc = {
	.name = "alloc", .error = ENOMEM, .other = EIO,
	.prepare = prepare_alloc, .arm = arm_nth, .disarm = disarm_nth,
}, inject_pages = {
	.name = "pages", .error = ENOMEM, .other = EIO,
	.prepare = prepare_pages, .arm = arm_nth, .disarm = disarm_nth,
}, inject_large = {
	.name = "large", .error = ENOMEM, .other = EIO,
	.prepare = prepare_large, .arm = arm_nth, .disarm = disarm_nth,
}, inject_bio = {
	.name = "bio", .error = EIO,
	.prepare = prepare_bio, .arm = arm_nth, .disarm = disarm_nth,
}, inject_eio = {
	.name = "eio", .error = EIO, .lasting = true,
	.arm = arm_fuse, .disarm = disarm_fuse,
}, inject_eio_once = {
	.name = "eio-once", .error = EIO,
	.arm = arm_fuse, .disarm = disarm_fuse,
}, inject_eintr = {
	.name = "eintr", .error = EINTR, .other = EIO,
	.arm = arm_fuse, .disarm = disarm_fuse,
}, inject_estale = {
	.name = "estale", .error = ESTALE, .other = EIO, .lasting = true,
	.arm = arm_fuse, .disarm = disarm_fuse,
}, inject_short = {
	.name = "short", .error = EIO, .limit = 1000,
	.arm = arm_fuse, .disarm = disarm_fuse,
}, inject_odd = {
	.name = "odd", .error = EIO, .limit = 4095,
	.arm = arm_fuse, .disarm = disarm_fuse,
}, inject_slow = {
	.name = "slow", .error = EIO, .delay_ms = 20,
	.arm = arm_fuse, .disarm = disarm_fuse,
};

/* ---------------------------------------------------- images, and their stores */

struct sweep {
	const struct injector *in;
	const char *image;
	enum via via;
	bool fuse, direct;		/* its files lie on FUSE; past its cache */
	unsigned int all;		/* a gate leaves out none up to that one */
	unsigned int percent;		/* of bios that fail */
};

/* The files of from at lower, and what says which reads go wrong */
static struct fuse_control *start_server(const char *from, const char *lower,
					 bool direct)
{
	struct fuse_control *shared;
	char file[PATH_MAX];
	int fd;

	if (access("/dev/fuse", F_OK))
		tap_skip("no /dev/fuse");
	snprintf(file, sizeof(file), "%s.control", from);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	NEED(fd >= 0 && !ftruncate(fd, 4096), "%s: %m", file);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(shared != MAP_FAILED, "%m");
	close(fd);
	NEED(!run("%s %s -c %s %s %s > /dev/null", tool_path("fusefs"),
		  direct ? "-D" : "", file, from, lower), "fusefs");
	return shared;
}

static void start_fuse(struct source *src, bool direct)
{
	const char *from = new_dir("from"), *lower = new_dir("lower");
	int i;

	copy_file(src->path, below(from, "image"));
	src->path = below(lower, "image");
	for (i = 0; i < src->nr_dev; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dev%d", i);
		copy_file(src->dev[i], below(from, name));
		src->dev[i] = below(lower, name);
	}
	control = start_server(from, lower, direct);
}

static void set_up(struct subject *s, const struct sweep *w)
{
	const struct image *img = image_find(w->image);

	memset(s, 0, sizeof(*s));
	image_source(img, w->via, &s->src);
	s->mnt = new_dir("mnt");
	if (w->in && w->in->prepare)
		w->in->prepare(w->in);
	if (w->fuse)
		start_fuse(&s->src, w->direct);
	NEED_OK(mount_at(&s->src, s->mnt), "mount");
	/* Device numbers are taken on demand: these are the ones there are now */
	if (w->in == &inject_bio)
		set_make_it_fail("1");
	subject_find(s);
}

/* ------------------------------------------------------------------- sweeps */

#define SWEEP_END	4000		/* as long as this no operation is */

struct sweep_count {
	unsigned int injected, failed, endured;
};

static bool is_of_kind(const struct injector *in, int err)
{
	return err == -in->error || (in->other && err == -in->other);
}

/* The VFS makes one errno of all that can be wrong with a handle */
static bool may_end_so(const struct injector *in, const struct file_op *op,
		       int err)
{
	return is_of_kind(in, err) ||
	       (err == -ESTALE && !strcmp(op->name, "handle"));
}

/* A gate leaves out more and more of what comes late */
static unsigned int next_fault(const struct sweep *w, unsigned int n)
{
	return n + 1 + (long_run || n < w->all ? 0 : n / 2);
}

/* One operation, with the nth fault of it. False when there was no nth. */
static bool sweep_once(const struct sweep *w, const struct subject *s,
		       const struct file_op *op, unsigned int nth, uint64_t want,
		       struct sweep_count *count)
{
	int fd = op_open(op, s), err;
	uint64_t sum = 0;
	bool hit;

	NEED(op->warmth == COLD || fd >= 0, "%s: open: %m", op->name);
	forget_all(fd);
	w->in->arm(w->in, nth);
	err = op->fn(s, fd, &sum);
	hit = w->in->disarm();
	if (err)
		CHECK(hit && may_end_so(w->in, op, err), "%s, fault %u: %s (%d)",
		      op->name, nth, err_name(err), err);
	else
		CHECK(sum == want, "%s, fault %u: wrong bytes", op->name, nth);
	count->injected += hit;
	count->failed += err && hit;
	count->endured += !err && hit;
	sum = 0;
	err = op->fn(s, fd, &sum);
	CHECK(!err && sum == want, "%s, after fault %u: %s (%d)", op->name, nth,
	      err ? err_name(err) : "wrong bytes", err);
	if (fd >= 0)
		close(fd);
	return hit;
}

static void sweep_op(const struct sweep *w, const struct subject *s,
		     const struct file_op *op, struct sweep_count *total)
{
	struct sweep_count count = {};
	uint64_t want = 0;
	unsigned int n;
	int fd, err;

	if (!op_path(op, s)[0])
		return;
	fd = op_open(op, s);
	if (fd < 0 && op->warmth != COLD && errno == EINVAL)
		return;			/* no direct I/O there */
	err = op->fn(s, fd, &want);
	if (fd >= 0)
		close(fd);
	if (err == -EOPNOTSUPP || err == -EINVAL)
		return;
	NEED(!err, "%s: %s (%d)", op->name, err_name(err), err);
	for (n = 1; n < SWEEP_END && !tap_failed(); n = next_fault(w, n))
		if (!sweep_once(w, s, op, n, want, &count))
			break;
	CHECK(n < SWEEP_END, "%s: no end of faults", op->name);
	if (long_run)
		tap_note("%s: %u faults, %u errors", op->name, count.injected,
			 count.failed);
	total->injected += count.injected;
	total->failed += count.failed;
	total->endured += count.endured;
}

/* Mounting has to leave nothing behind when it fails, and work right after */
static void sweep_mount(const struct sweep *w, struct subject *s,
			struct sweep_count *total)
{
	const struct file_op *op = file_op_find("stat");
	uint64_t want = 0, sum;
	bool hit = true;
	unsigned int n;
	int err;

	NEED(!op->fn(s, -1, &want), "stat");
	NEED_OK(do_umount(s->mnt, 0), "umount");
	for (n = 1; hit && !tap_failed(); n = next_fault(w, n)) {
		NEED(n < SWEEP_END, "mount: no end of faults");
		forget_all(-1);
		w->in->arm(w->in, n);
		err = mount_at(&s->src, s->mnt);
		hit = w->in->disarm();
		if (err)
			CHECK(hit && is_of_kind(w->in, err),
			      "mount, fault %u: %s (%d) %s", n, err_name(err),
			      err, last_log);
		total->injected += hit;
		total->failed += !!err;
		if (!err)
			NEED_OK(do_umount(s->mnt, 0), "umount");
		NEED_OK(mount_at(&s->src, s->mnt), "mount after a fault");
		sum = 0;
		NEED(!op->fn(s, -1, &sum) && sum == want, "after fault %u", n);
		NEED_OK(do_umount(s->mnt, 0), "umount");
	}
	NEED_OK(mount_at(&s->src, s->mnt), "mount at the end");
}

/* Unmounting cannot fail, whatever it is that fails */
static void sweep_umount(const struct sweep *w, struct subject *s,
			 struct sweep_count *total)
{
	const struct file_op *op = file_op_find("read");
	unsigned int n;
	bool hit = true;

	for (n = 1; hit && !tap_failed(); n = next_fault(w, n)) {
		int fd = op_open(op, s);
		uint64_t sum = 0;

		NEED(fd >= 0 && !op->fn(s, fd, &sum), "read");
		close(fd);
		w->in->arm(w->in, n);
		CHECK_ERR(do_umount(s->mnt, 0), 0, "umount");
		hit = w->in->disarm();
		total->injected += hit;
		NEED_OK(mount_at(&s->src, s->mnt), "mount");
	}
}

static void sweep(const void *arg)
{
	const struct sweep *w = arg;
	struct sweep_count total = {};
	double start = now_s();
	struct subject s;
	size_t i;

	set_up(&s, w);
	for (i = 0; i < nr_file_ops && !tap_failed(); i++)
		sweep_op(w, &s, &file_ops[i], &total);
	sweep_mount(w, &s, &total);
	sweep_umount(w, &s, &total);
	if (w->in == &inject_bio)
		set_make_it_fail("0");
	tap_note("%u faults, %u errors, %.1f s", total.injected, total.failed,
		 now_s() - start);
	/* Else nothing has been tested; large allocations are few, or none */
	CHECK(w->in == &inject_large || total.injected >= 10, "%u faults",
	      total.injected);
	/* One read alone may be of readahead, which is made again */
	if (w->in->lasting || w->in == &inject_alloc)
		CHECK(total.failed, "no fault was noticed");
	NEED_OK(do_umount(s.mnt, 0), "umount");
	if (w->fuse)
		NEED_OK(do_umount(tmp_path("lower"), 0), "umount of FUSE");
}

/* --------------------------------------------- allocations of other tasks too */

/* Workers have counts of their own: every k-th allocation, once, by anybody */
static void arm_any(unsigned int k)
{
	static const char * const attr[] = { "failslab", "fail_page_alloc" };
	char text[16];
	size_t i;

	snprintf(text, sizeof(text), "%u", k);
	for (i = 0; i < ARRAY_SIZE(attr); i++) {
		knob(attr[i], "task-filter", "N");
		knob(attr[i], "interval", text);
		knob(attr[i], "times", "1");
		knob(attr[i], "probability", "100");
	}
}

static unsigned int disarm_any(void)
{
	static const char * const attr[] = { "failslab", "fail_page_alloc" };
	unsigned int hits = 0;
	char path[128], *text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attr); i++) {
		knob(attr[i], "probability", "0");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/times",
			 attr[i]);
		text = slurp(path, NULL);
		hits += text && !atoi(text);
		free(text);
	}
	return hits;
}

static void workers_once(const struct subject *s, const struct file_op *op,
			 unsigned int k, uint64_t want, unsigned int *hits)
{
	int fd = op_open(op, s), err;
	uint64_t sum = 0;

	NEED(fd >= 0, "open: %m");
	forget_all(fd);
	arm_any(k);
	err = op->fn(s, fd, &sum);
	*hits += disarm_any();
	CHECK(err == -ENOMEM || err == -EIO || (!err && sum == want),
	      "%s, every %u: %s (%d)", op->name, k, err_name(err), err);
	sum = 0;
	err = op->fn(s, fd, &sum);
	CHECK(!err && sum == want, "%s, after every %u: %s (%d)", op->name, k,
	      err_name(err), err);
	close(fd);
}

static void alloc_workers(const void *arg)
{
	const struct sweep *w = arg;
	const struct file_op *op = file_op_find("read");
	unsigned int k, round, hits = 0;
	uint64_t want = 0;
	struct subject s;
	int fd;

	set_up(&s, w);
	/* Decoding, too, is left to workers */
	run("for f in /sys/fs/erofs/*/sync_decompress; do echo 2 > $f; done");
	fd = op_open(op, &s);
	NEED(fd >= 0 && !op->fn(&s, fd, &want), "read: %m");
	close(fd);
	for (round = 0; round < (long_run ? 20 : 1); round++)
		for (k = 1; k <= 40 && !tap_failed(); k++)
			workers_once(&s, op, k, want, &hits);
	tap_note("%u faults", hits);
	CHECK(hits >= 20, "%u faults", hits);
	NEED_OK(do_umount(s.mnt, 0), "umount");
}

/* --------------------------------------------------- reads that fail by chance */

#define NO_END		1000000		/* of faults; it is counted down */

static void fail_bios(unsigned int percent)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", percent);
	knob("fail_make_request", "task-filter", "N");
	knob("fail_make_request", "interval", "1");
	knob("fail_make_request", "probability", text);
}

static unsigned int bios_failed(void)
{
	char *text = slurp("/sys/kernel/debug/fail_make_request/times", NULL);
	unsigned int left;

	NEED(text, "fail_make_request: %m");
	left = atoi(text);
	free(text);
	return NO_END - left;
}

/* One question; 0 or -errno, also of opening what it is about */
static int ask(const struct subject *s, const struct file_op *op, uint64_t *sum)
{
	int fd = op_open(op, s), err;

	*sum = 0;
	err = fd < 0 && op->warmth != COLD ? -errno : op->fn(s, fd, sum);
	if (fd >= 0)
		close(fd);
	return err;
}

/* All that is asked of it: answers that are right, and errors */
static void ask_all(const struct sweep *w, const struct subject *s,
		    const uint64_t *want, struct sweep_count *count)
{
	size_t i;

	for (i = 0; i < nr_file_ops; i++) {
		const struct file_op *op = &file_ops[i];
		uint64_t sum;
		int err;

		if (!want[i])
			continue;
		err = ask(s, op, &sum);
		if (err)
			CHECK(may_end_so(w->in, op, err), "%s: %s (%d)", op->name,
			      err_name(err), err);
		else
			CHECK(sum == want[i], "%s: wrong bytes", op->name);
		count->failed += !!err;
		count->endured += !err;
	}
}

/* The right answers; 0 where there is none */
static void know_all(const struct subject *s, uint64_t *want)
{
	size_t i;

	for (i = 0; i < nr_file_ops; i++) {
		const struct file_op *op = &file_ops[i];

		want[i] = 0;
		if (op_path(op, s)[0] && ask(s, op, &want[i]))
			want[i] = 0;
	}
}

/* Mounted over and over from a disk of which one read in so many fails */
static void bio_rate(const void *arg)
{
	const struct sweep *w = arg;
	unsigned int gate = w->percent < 10 ? 60 : 30, mounted = 0;
	unsigned int i, nr = how_often(gate, gate, 2500);
	struct sweep_count count = {};
	uint64_t want[32];
	struct subject s;
	char text[16];
	int err;

	set_up(&s, w);
	know_all(&s, want);
	NEED_OK(do_umount(s.mnt, 0), "umount");
	snprintf(text, sizeof(text), "%d", NO_END);
	knob("fail_make_request", "times", text);
	for (i = 0; i < nr && !tap_failed(); i++) {
		forget_all(-1);
		fail_bios(w->percent);
		err = mount_at(&s.src, s.mnt);
		CHECK(!err || err == -EIO, "mount: %s (%d) %s", err_name(err),
		      err, last_log);
		if (!err)
			ask_all(w, &s, want, &count);
		fail_bios(0);
		mounted += !err;
		if (!err)
			NEED_OK(do_umount(s.mnt, 0), "umount");
	}
	count.injected = bios_failed();
	tap_note("%u faults: %u of %u mounts, %u of %u operations failed",
		 count.injected, nr - mounted, nr, count.failed,
		 count.failed + count.endured);
	/* What readahead has not got is read again, and mostly there then */
	CHECK(count.injected || w->percent < 10, "nothing has failed");
	NEED_OK(mount_at(&s.src, s.mnt), "mount at the end");
	count.failed = 0;
	ask_all(w, &s, want, &count);
	CHECK(!count.failed, "%u operations fail at the end", count.failed);
	set_make_it_fail("0");
	NEED_OK(do_umount(s.mnt, 0), "umount");
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Some way in which the backing file's reads go wrong from the nth on */
static void arm_random(uint32_t *random)
{
	static const int errors[] = { EIO, EINTR, ESTALE, EAGAIN };
	struct injector in = { .error = errors[next_random(random) % 4] };
	unsigned int long_ms = next_random(random) % 500 ? 10 : 5000;

	switch (next_random(random) % 4) {
	case 0:
		in.limit = next_random(random) % 4096 + 1;
		break;
	case 1:
		in.delay_ms = next_random(random) % long_ms + 1;
		break;
	}
	in.lasting = next_random(random) % 2 && in.delay_ms < 20;
	arm_fuse(&in, next_random(random) % 3 + 1);
}

static bool may_come_of_it(int err)
{
	return err == -EIO || err == -EINTR || err == -ESTALE || err == -EAGAIN;
}

/* One operation with it, and the same again without */
static void random_once(const struct subject *s, const struct file_op *op,
			uint64_t want, uint32_t *random,
			struct sweep_count *count)
{
	int fd = op_open(op, s), err;
	uint64_t sum = 0;
	bool hit;

	NEED(op->warmth == COLD || fd >= 0, "%s: open: %m", op->name);
	forget_all(fd);
	arm_random(random);
	err = op->fn(s, fd, &sum);
	hit = disarm_fuse();
	if (err)
		CHECK(hit && may_come_of_it(err), "%s: %s (%d)", op->name,
		      err_name(err), err);
	else
		CHECK(sum == want, "%s: wrong bytes", op->name);
	count->injected += hit;
	count->failed += !!err;
	sum = 0;
	err = op->fn(s, fd, &sum);
	CHECK(!err && sum == want, "%s, afterwards: %s (%d)", op->name,
	      err ? err_name(err) : "wrong bytes", err);
	if (fd >= 0)
		close(fd);
}

/*
 * Bytes that are not those of the image: any answer will do that does not hurt,
 * and it is not kept for longer than the bytes are. A worker may be filling pages
 * when the reader has ended, which cannot be dropped before it is done: so this is
 * asked again for a second.
 */
static void wrong_once(const struct subject *s, const struct file_op *op,
		       uint64_t want, uint32_t *random,
		       struct sweep_count *count)
{
	struct injector in = { .lasting = true };
	int fd = op_open(op, s), err, tries = 20;
	uint64_t sum = 0;

	NEED(op->warmth == COLD || fd >= 0, "%s: open: %m", op->name);
	forget_all(fd);
	control->flip = next_random(random) % 255 + 1;
	arm_fuse(&in, next_random(random) % 3 + 1);
	err = op->fn(s, fd, &sum);
	count->injected += disarm_fuse();
	control->flip = 0;
	count->failed += !!err;
	if (fd >= 0)
		close(fd);
	do {
		forget_all(-1);
		err = ask(s, op, &sum);
	} while ((err || sum != want) && --tries && !usleep(50000));
	CHECK(!err && sum == want, "%s, after wrong bytes: %s (%d)", op->name,
	      err ? err_name(err) : "still wrong", err);
}

/* Errors, short reads of any length and delays, in no order, and none after it */
static void fuse_random(const void *arg)
{
	unsigned int i, nr = how_often(20, 930, 50000);
	struct sweep_count count = {};
	uint32_t random = 1;
	uint64_t want[32];
	struct subject s;

	set_up(&s, arg);
	know_all(&s, want);
	for (i = 0; i < nr && !tap_failed(); i++) {
		size_t k = next_random(&random) % nr_file_ops;

		while (!want[k])
			k = (k + 1) % nr_file_ops;
		if (i % 8 == 7)
			wrong_once(&s, &file_ops[k], want[k], &random, &count);
		else
			random_once(&s, &file_ops[k], want[k], &random, &count);
	}
	tap_note("%u operations, %u hurt, %u errors", nr, count.injected,
		 count.failed);
	CHECK(count.injected >= nr / 10, "%u were hurt", count.injected);
	CHECK_ERR(do_umount(s.mnt, 0), 0, "umount");
	CHECK_ERR(do_umount(tmp_path("lower"), 0), 0, "umount of FUSE");
}

/* ------------------------------------------------------- loading of the module */

static int load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(__NR_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Nothing of a module that could not be loaded stays, and it loads right after */
static void alloc_load(const void *arg)
{
	const char *path = "/erofs.ko";
	unsigned int n, failed = 0;
	char start[32], end[32];
	bool hit = true;
	int err;

	(void)arg;
	if (access(path, R_OK) || access("/run/command", F_OK))
		tap_skip("not in a test guest, with the module at %s", path);
	if (!sanitizer_kernel())
		tap_skip("this kernel cannot make allocations fail");
	open_fail_nth();
	if (!module_range(start, end, sizeof(start), 32 << 20))
		tap_skip("erofs is not a module");
	pick_faults(true, start, end);
	spare_caches();
	for (n = 1; hit && !tap_failed(); n++) {
		NEED(!syscall(__NR_delete_module, "erofs", O_NONBLOCK),
		     "unload: %m");
		arm_nth(NULL, n);
		err = load_module(path);
		hit = disarm_nth();
		CHECK(!err || (hit && err == -ENOMEM), "load, fault %u: %s (%d)",
		      n, err_name(err), err);
		failed += !!err;
		if (err)
			NEED_OK(load_module(path), "load after a fault");
	}
	tap_note("%u faults, %u errors", n, failed);
	CHECK(failed >= 5, "%u faults were noticed", failed);
	CHECK(have_filesystem("erofs"), "not loaded at the end");
}

/* --------------------------------------------- a store that knows its bytes */

static off_t where_it_lies(int fd, off_t off)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} m = { .map = { .fm_start = off, .fm_length = 1,
			 .fm_extent_count = 1 } };

	NEED(!ioctl(fd, FS_IOC_FIEMAP, &m) && m.map.fm_mapped_extents == 1,
	     "FIEMAP: %m");
	return m.extent.fe_physical + off - m.extent.fe_logical;
}

/* An ext4 that knows fs-verity, at dir; the disk is a file, too */
static void make_sealable(const char *disk, const char *dir, const char *image)
{
	NEED(!run("truncate -s 32M %s && mke2fs -q -t ext4 -b 4096 -O verity %s",
		  disk, disk), "ext4");
	NEED(!run("mount -o loop %s %s", disk, dir), "mount of ext4");
	copy_file(image, below(dir, "image"));
}

static void seal(const char *path)
{
	struct fsverity_enable_arg arg = {
		.version = 1, .hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};
	int fd = open_need(path, O_RDONLY);

	if (ioctl(fd, FS_IOC_ENABLE_VERITY, &arg))
		tap_skip("no fs-verity: %m");
	close(fd);
}

static void make_sealed(const char *disk, const char *dir, const char *image)
{
	make_sealable(disk, dir, image);
	seal(below(dir, "image"));
	NEED(!run("umount %s && mount -o loop,ro %s %s", dir, disk, dir),
	     "mount of the sealed");
}

static void turn_byte(int disk, off_t at)
{
	char byte;

	NEED(pread(disk, &byte, 1, at) == 1, "%m");
	byte ^= 0x40;
	NEED(pwrite(disk, &byte, 1, at) == 1, "%m");
	forget_all(-1);
}

/* With one byte of that block turned: errors, right answers, and nothing else */
static void tamper_once(const struct sweep *w, const struct subject *s,
			const uint64_t *want, off_t off,
			struct sweep_count *count)
{
	int fd = open_need(s->src.path, O_RDONLY), err;
	char byte;

	CHECK(pread(fd, &byte, 1, off) < 0 && errno == EIO,
	      "it does not notice at %lld", (long long)off);
	close(fd);
	count->injected++;
	err = mount_at(&s->src, s->mnt);
	CHECK(!err || err == -EIO, "mount: %s (%d) %s", err_name(err), err,
	      last_log);
	if (err) {
		count->failed++;
		return;
	}
	ask_all(w, s, want, count);
	NEED_OK(do_umount(s->mnt, 0), "umount");
}

static void tampered(const void *arg)
{
	const struct sweep *w = arg;
	const char *disk = tmp_path("sealed.disk"), *dir = new_dir("sealed");
	struct sweep_count count = {};
	uint64_t want[32];
	struct subject s = {};
	off_t off, at, step;
	struct stat st;
	int fd, raw;

	make_sealed(disk, dir, data_path(image_find(w->image)->image));
	s.src.path = below(dir, "image");
	s.mnt = new_dir("mnt");
	NEED_OK(mount_at(&s.src, s.mnt), "mount");
	subject_find(&s);
	know_all(&s, want);
	NEED_OK(do_umount(s.mnt, 0), "umount");
	fd = open_need(s.src.path, O_RDONLY);
	raw = open_need(disk, O_RDWR);
	NEED(!fstat(fd, &st), "%m");
	step = long_run ? 1 : st.st_size / 4096 / how_often(5, 30, 1);
	for (off = 0; off < st.st_size && !tap_failed(); off += step * 4096) {
		at = where_it_lies(fd, off) + off / 4096 * 97 % 512;
		turn_byte(raw, at);
		tamper_once(w, &s, want, off, &count);
		turn_byte(raw, at);
	}
	close(raw);
	close(fd);
	tap_note("%u blocks, %u errors", count.injected, count.failed);
	CHECK(count.failed, "nobody has noticed");
	NEED_OK(mount_at(&s.src, s.mnt), "mount at the end");
	tree_equals(s.mnt, data_path(image_find(w->image)->dump));
	NEED_OK(do_umount(s.mnt, 0), "umount");
	NEED_OK(do_umount(dir, 0), "umount of the sealed");
}

/* Of each two pages from there on the cache holds one */
static void cache_some(const char *path, off_t off)
{
	const off_t end = off + PATTERN_EXACT_SIZE;
	int fd = open_need(path, O_RDONLY);
	char buf[4096];

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (; off < end; off += 8192)
		NEED(pread(fd, buf, sizeof(buf), off) == sizeof(buf), "%m");
	close(fd);
}

/* Folios grow as a file is read on, and so does what is asked for at a time */
static void read_on(const char *file)
{
	int fd = open_need(file, O_RDONLY);
	char buf[4096];
	off_t off;

	for (off = 0; off < (off_t)PATTERN_EXACT_SIZE; off += sizeof(buf))
		CHECK(pread(fd, buf, sizeof(buf), off) == sizeof(buf) &&
		      pattern_check(buf, sizeof(buf), PATTERN_EXACT_SEED, off) < 0,
		      "wrong at %lld, or not there: %m", (long long)off);
	close(fd);
}

/* What is read of it before it is asked for; 0: one page */
static void set_readahead(const char *dir, unsigned int kb)
{
	struct stat st;

	NEED(!stat(dir, &st), "%s: %m", dir);
	NEED(!run("echo %u > /sys/dev/block/%u:%u/bdi/read_ahead_kb", kb,
		  major(st.st_dev), minor(st.st_dev)), "read_ahead_kb");
}

/*
 * A file that is sealed when it is mounted already is no longer read past its
 * cache, whatever is asked for: a reader who may not wait gets what is cached, which
 * is short, and no error.
 */
static void sealed_later(const void *arg)
{
	const struct image *img = image_find("default-4096");
	const char *dir = new_dir("sealed"), *mnt = new_dir("mnt");
	const char *image = below(dir, "image"), *file = below(mnt, "exact");
	unsigned int i;
	off_t at;

	(void)arg;
	make_sealable(tmp_path("sealed.disk"), dir, data_path(img->image));
	set_readahead(dir, 0);
	NEED_OK(mount_file(image, mnt, "directio"), "mount");
	at = data_position(file);
	seal(image);
	for (i = 0; i < 16 && !tap_failed(); i++) {
		forget_all(-1);
		cache_some(image, at);
		read_on(file);
	}
	forget_all(-1);
	tree_equals(mnt, data_path(img->dump));
	NEED_OK(do_umount(mnt, 0), "umount");
	/* A loop device is used again */
	set_readahead(dir, 128);
	NEED_OK(do_umount(dir, 0), "umount of the sealed");
}

/* ------------------------------------------------------- a store that stalls */

struct waiting {
	pthread_t thread;
	const struct subject *s;
	uint64_t sum;
	int err;
	atomic_bool done;
};

static void *wait_main(void *arg)
{
	const struct file_op *op = file_op_find("read");
	struct waiting *w = arg;
	int fd = op_open(op, w->s);

	w->err = fd < 0 ? -errno : op->fn(w->s, fd, &w->sum);
	if (fd >= 0)
		close(fd);
	w->done = true;
	return NULL;
}

/* From now on that server answers none who read, until its stall is 0 again */
static void hold(struct fuse_control *server)
{
	server->error = server->limit = server->delay_ms = 0;
	server->hurt = server->seen = 0;
	server->stall = 1;
	server->last = 1;
	server->nth = 1;
}

static void wait_for_stall(void)
{
	double end = now_s() + 10;

	while (!control->hurt && now_s() < end)
		usleep(1000);
	NEED(control->hurt, "nobody reads");
}

/* They wait for other things each, which are read for them and by others */
static void wait_for_part(const struct subject *s, int fd)
{
	char page[4096];
	struct stat st;

	(void)s;
	if (!fstat(fd, &st) && !posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		(void)!pread(fd, page, sizeof(page), st.st_size / 2 & ~4095);
}

static int look_at(const char *path, const struct stat *st, int type,
		   struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)type;
	(void)ftw;
	return 0;
}

static void wait_for_metadata(const struct subject *s, int fd)
{
	(void)fd;
	nftw(s->mnt, look_at, 16, FTW_PHYS);
}

static void wait_for_entries(const struct subject *s, int fd)
{
	DIR *dir = opendir(s->dir);

	(void)fd;
	if (dir)
		readdir(dir);
}

static void wait_for_pages(const struct subject *s, int fd)
{
	uint64_t sum;

	file_op_find("read")->fn(s, fd, &sum);
}

static void (*const waiters[])(const struct subject *s, int fd) = {
	wait_for_part, wait_for_metadata, wait_for_entries, wait_for_pages,
};

static pid_t start_waiter(const struct subject *s, unsigned int how)
{
	pid_t pid = fork();

	NEED(pid >= 0, "fork: %m");
	if (pid)
		return pid;
	waiters[how](s, op_open(file_op_find("read"), s));
	_exit(0);
}

/* It was waiting all the time, and does not when it is killed */
static void end_waiter(pid_t pid, unsigned int how)
{
	int status = 0;
	bool ended;

	kill(pid, SIGKILL);
	ended = child_ends(pid, 10, &status);
	CHECK(ended, "reader %u waits on when it is killed", how);
	CHECK(!ended || WIFSIGNALED(status), "reader %u did not wait", how);
}

/*
 * Nobody's bytes come for a while: readers wait, can be killed, and get the
 * right ones when the store is back. What is cached is read all the time.
 */
static void stall(const void *arg)
{
	const struct file_op *op = file_op_find("read"),
			     *stat_op = file_op_find("stat");
	struct waiting w[2];
	uint64_t want = 0, sum = 0;
	pid_t pid[ARRAY_SIZE(waiters)];
	struct subject s;
	unsigned int i;
	int fd;

	set_up(&s, arg);
	fd = op_open(op, &s);
	NEED(fd >= 0 && !op->fn(&s, fd, &want), "read: %m");
	NEED(!stat_op->fn(&s, -1, &sum), "stat");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	/* The lower file's cache as well, but not what the stat needs */
	write_str("/proc/sys/vm/drop_caches", "1");
	hold(control);
	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		pid[i] = start_waiter(&s, i);
	wait_for_stall();
	memset(w, 0, sizeof(w));
	for (i = 0; i < 2; i++) {
		w[i].s = &s;
		NEED(!pthread_create(&w[i].thread, NULL, wait_main, &w[i]),
		     "thread");
	}
	sum = 0;
	CHECK(!stat_op->fn(&s, -1, &sum), "stat while it stalls");
	usleep(500000);
	CHECK(!w[0].done && !w[1].done, "a read that did not wait");
	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		end_waiter(pid[i], i);
	CHECK_ERR(do_umount(s.mnt, 0), -EBUSY, "umount while it stalls");
	control->stall = 0;
	for (i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK(!w[i].err && w[i].sum == want, "reader %u: %s", i,
		      w[i].err ? err_name(w[i].err) : "wrong bytes");
	}
	close(fd);
	CHECK_ERR(do_umount(s.mnt, 0), 0, "umount");
	CHECK_ERR(do_umount(tmp_path("lower"), 0), 0, "umount of FUSE");
}

/* Opens what is to be stuck on a server of its own, which answers yet */
static int stuck_open(struct fuse_control **server)
{
	const char *from = new_dir("stuck-from"), *lower = new_dir("stuck-lower");
	const char *dir = new_dir("stuck");

	copy_file(data_path(image_find("full")->image), below(from, "image"));
	*server = start_server(from, lower, true);
	NEED_OK(mount_file(below(lower, "image"), dir, NULL), "mount");
	return open_need(below(dir, "big"), O_RDONLY);
}

static void stuck_reads(int fd, struct fuse_control *server)
{
	drop_caches();
	hold(server);
	stuck_ask(fd);
}

/*
 * Reads of a server that does not answer are as many as there may be at a time. What
 * lies with another server is read all the same.
 */
static void stuck_server(const void *arg)
{
	struct source src = { .path = data_path(image_find("default-4096")->image) };
	const char *mnt = new_dir("mnt");
	struct fuse_control *server;
	int fd, status = 0;
	bool ended;
	pid_t pid;

	(void)arg;
	start_fuse(&src, true);
	NEED_OK(mount_at(&src, mnt), "mount");
	fd = stuck_open(&server);
	stuck_reads(fd, server);
	pid = stuck_beside(mnt);
	ended = child_ends(pid, 30, &status);
	CHECK(ended, "it stands behind reads of another server");
	CHECK(server->seen == 1, "that server answers");
	server->stall = 0;
	if (!ended)
		NEED(waitpid(pid, &status, 0) == pid, "%m");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "status %x", status);
	stuck_right(fd);
	close(fd);
	tap_note("%u reads", server->seen);
	CHECK(server->seen >= STUCK_READS, "few of them were stuck");
}

/* -------------------------------------------- an image that lies in another one */

#define WINDOW_STEP	8192

/* Small windows of a file whose index is there, while no byte of the store comes */
static unsigned int ask_for_windows(int fd)
{
	struct fiemap all = { .fm_length = ~0ULL };
	unsigned int windows = 0;
	struct stat st;
	off_t off;

	NEED(!fstat(fd, &st), "%m");
	drop_caches();
	NEED(!ioctl(fd, FS_IOC_FIEMAP, &all), "FIEMAP: %m");
	hold(control);
	for (off = 0; off < st.st_size; off += WINDOW_STEP, windows++)
		NEED(!posix_fadvise(fd, off, 4096, POSIX_FADV_WILLNEED),
		     "window %u: %m", windows);
	wait_for_stall();
	usleep(500000);
	control->stall = 0;
	return windows;
}

/*
 * An encoded image in another one, and more workers that wait for its stored bytes
 * than a queue has places: who decodes the outer image must still find one.
 */
static void nested_windows(const void *arg)
{
	struct source src = { .path = data_path("nested.img") };
	const char *outer = new_dir("outer"), *inner = new_dir("inner");
	unsigned int windows;
	int fd;

	(void)arg;
	start_fuse(&src, true);
	NEED_OK(mount_at(&src, outer), "mount of the outer");
	src = (struct source) { .path = below(outer, "stream-lz4.img") };
	NEED_OK(mount_at(&src, inner), "mount of the inner");
	NEED(!run("for i in /sys/fs/erofs/*/sync_decompress; do echo 2 > $i; done"),
	     "sync_decompress");
	fd = open_need(below(inner, "stream"), O_RDONLY);
	windows = ask_for_windows(fd);
	close(fd);
	/* half of them are cached, or merge with others */
	CHECK(windows > 512, "only %u windows", windows);
	CHECK(tree_equals(inner, data_path(image_find("stream-lz4")->dump)),
	      "the inner tree");
	CHECK_ERR(do_umount(inner, 0), 0, "umount of the inner");
	CHECK_ERR(do_umount(outer, 0), 0, "umount of the outer");
}

/* ----------------------------------- an index that changes between two lookups */

/* As claims_more() of should_fail.py has made it: the record, and what it says */
#define RECORDS		32768
#define SAME_AT		16384

struct index {
	int fd;				/* of the image */
	off_t record;			/* of the extent that is there once */
	uint32_t again[4];		/* what the record behind it says */
};

static void index_find(struct index *index, const char *path)
{
	size_t len = 0, i;
	char *image = slurp(path, &len);
	const uint32_t *word = (const uint32_t *)image;

	NEED(image, "%s: %m", path);
	for (i = 0; i + 32 <= len; i += 16, word += 4)
		if (word[0] && word[3] == SAME_AT && !memcmp(word, word + 4, 16))
			break;
	NEED(i + 32 <= len, "no such record in %s", path);
	memcpy(index->again, word, 16);
	index->record = i;
	free(image);
	index->fd = open_need(path, O_RDWR);
}

/* The record behind it is a hole, or claims the same and more of it */
static void index_write(const struct index *index, bool again)
{
	const uint32_t hole[4] = { 0, 0, 0, SAME_AT + 4096 };

	NEED(pwrite(index->fd, again ? index->again : hole, 16,
		    index->record + 16) == 16, "%m");
}

struct front {
	pthread_t thread;
	int fd;
	ssize_t got;
	char buf[8192];
};

static void *front_main(void *arg)
{
	struct front *f = arg;

	f->got = pread(f->fd, f->buf, sizeof(f->buf), SAME_AT);
	return NULL;
}

/*
 * One read, two lookups. The first sees the extent as it is; the second waits for a
 * page of the index far away, and what it finds then is newer than what the first
 * has seen. The window's end, which is looked up before both, cannot be.
 */
static ssize_t index_changes_once(const struct index *index, struct front *f)
{
	const off_t table = index->record - (RECORDS / 2 - 1) * 16;
	const double end = now_s() + 10;

	index_write(index, false);
	drop_caches();
	control->trap_at = table + RECORDS / 4 * 3 * 16;
	control->trap_after = table + RECORDS / 4 * 16;
	control->trap = TRAP_FAILS;
	NEED(!pthread_create(&f->thread, NULL, front_main, f), "thread");
	while (control->trap != TRAP_CAUGHT && now_s() < end)
		usleep(1000);
	NEED(control->trap == TRAP_CAUGHT, "nobody reads there");
	index_write(index, true);
	drop_caches();
	control->trap = TRAP_NONE;
	pthread_join(f->thread, NULL);
	return f->got;
}

static void index_changes(const void *arg)
{
	struct source src = {
		.path = data_path("negatives/should-fail-encoded-lz4-claims-more.img"),
	};
	const char *dir = new_dir("mnt");
	static struct front f;
	struct index index;
	int i;

	(void)arg;
	start_fuse(&src, true);
	index_find(&index, tmp_path("from/image"));
	index_write(&index, false);
	NEED_OK(mount_at(&src, dir), "mount");
	f.fd = open_need(below(dir, "v"), O_RDONLY);
	/* Pages that somebody happens to hold are not read again: the old answer */
	for (i = 0; i < 10 && index_changes_once(&index, &f) == 8192; i++)
		CHECK(f.buf[4096] == 0 &&
		      !memcmp(f.buf + 4096, f.buf + 4097, 4095),
		      "bytes of nowhere");
	tap_note("seen after %d reads", i);
	CHECK(f.got == 4096 && f.buf[0] == 'a' &&
	      !memcmp(f.buf, f.buf + 1, 4095), "the extent that is right: %zd",
	      f.got);
	CHECK_ERR(pread(f.fd, f.buf, 4096, SAME_AT + 4096) < 0 ? -errno : 0,
		  -EUCLEAN, "the one that claims more");
	close(index.fd);
	close(f.fd);
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
	CHECK_ERR(do_umount(tmp_path("lower"), 0), 0, "umount of FUSE");
}

/* ------------------------------------------ an image that is another all the time */

static atomic_bool dropping;

static void *dropper_main(void *arg)
{
	(void)arg;
	while (dropping) {
		write_str("/proc/sys/vm/drop_caches", "1");
		usleep(200);
	}
	return NULL;
}

/*
 * Whatever is read again has changed: no two pages need be of one image, nor two
 * lookups of one file. Any answer will do that comes in time, and none of it is
 * left when the image is itself again.
 */
static void changing(const void *arg)
{
	unsigned int i, nr = how_often(60, 120, 1000), failed = 0;
	struct sweep_count count = {};
	uint64_t want[32], sum;
	uint32_t random = 1;
	pthread_t dropper;
	const char *slow = "";
	double slowest = 0, took;
	struct subject s;

	set_up(&s, arg);
	know_all(&s, want);
	dropping = true;
	NEED(!pthread_create(&dropper, NULL, dropper_main, NULL), "thread");
	for (i = 0; i < nr && !tap_failed(); i++) {
		const struct file_op *op = &file_ops[next_random(&random) %
						     nr_file_ops];
		int fd;

		if (!op_path(op, &s)[0])
			continue;
		control->spoil = 0;
		fd = op_open(op, &s);
		if (fd < 0 && op->warmth != COLD)
			continue;
		control->spoil = 4 << next_random(&random) % 5;
		forget_all(fd);
		took = -now_s();
		failed += !!op->fn(&s, fd, &sum);
		took += now_s();
		CHECK(took < 30, "%s took %.1f s", op->name, took);
		if (took > slowest) {
			slowest = took;
			slow = op->name;
		}
		if (fd >= 0)
			close(fd);
	}
	control->spoil = 0;
	dropping = false;
	pthread_join(dropper, NULL);
	tap_note("%u operations, %u errors, slowest %s, %.2f s", nr, failed, slow,
		 slowest);
	CHECK(failed, "nobody has noticed");
	/* what workers were still filling when it was itself again goes with this */
	NEED_OK(do_umount(s.mnt, 0), "umount");
	NEED_OK(mount_at(&s.src, s.mnt), "mount at the end");
	ask_all(arg, &s, want, &count);
	CHECK(!count.failed, "%u operations fail at the end", count.failed);
	NEED_OK(do_umount(s.mnt, 0), "umount");
}

/* -------------------------------------------- a file that changes all the time */

static const enum where on_tmpfs = ON_TMPFS, on_ext4 = ON_EXT4;

struct checker {
	pthread_t thread;
	const char *file;
	unsigned int nr;
	unsigned long right, zero, torn, errors;
	char bad[128];
};

static atomic_bool stop;

/* What a cut has left of a sector, or a write has put there so far */
static bool is_torn(const char *sector, uint64_t off)
{
	char want[512];
	size_t i;

	pattern_fill(want, sizeof(want), PATTERN_EXACT_SEED, off);
	for (i = 0; i < sizeof(want); i++)
		if (sector[i] && sector[i] != want[i])
			return false;
	return true;
}

/*
 * Each sector as it was made, or the zeros of a hole. Files are cut inside of
 * sectors, and written while they are read, so that a sector may be some of each.
 */
static void check_sectors(struct checker *c, const char *buf, size_t len,
			  uint64_t off)
{
	static const char zeros[512];
	size_t i;

	for (i = 0; i < len; i += 512) {
		if (pattern_check(buf + i, 512, PATTERN_EXACT_SEED, off + i) < 0)
			c->right++;
		else if (!memcmp(buf + i, zeros, 512))
			c->zero++;
		else if (is_torn(buf + i, off + i))
			c->torn++;
		else
			snprintf(c->bad, sizeof(c->bad),
				 "bytes of nowhere at %llu",
				 (unsigned long long)(off + i));
	}
}

static void *checker_main(void *arg)
{
	struct checker *c = arg;
	int fd = open(c->file, O_RDONLY | O_CLOEXEC);
	unsigned int k = c->nr;
	char buf[8192];

	while (fd >= 0 && !stop && !c->bad[0]) {
		uint64_t off = (k++ * 7 + c->nr) % 16 * sizeof(buf);
		ssize_t n = pread(fd, buf, sizeof(buf), off);

		if (n > 0)
			check_sectors(c, buf, n & ~511, off);
		else if (n < 0 && (errno == EIO || errno == EUCLEAN))
			c->errors++;
		else
			snprintf(c->bad, sizeof(c->bad), "%zd at %llu: %s", n,
				 (unsigned long long)off, strerror(errno));
		if (k % 16 == 0)
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void rewrite(const char *path, const char *whole, size_t len)
{
	int fd = open_need(path, O_WRONLY);

	NEED(write(fd, whole, len) == (ssize_t)len, "write: %m");
	close(fd);
}

static void damage_once(const char *image, off_t at, unsigned int k,
			const char *whole, size_t len)
{
	int fd = open_need(image, O_RDWR);

	switch (k % 3) {
	case 0:
		NEED(!ftruncate(fd, at + k % 7 * 5000), "%m");
		break;
	case 1:
		NEED(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				at, 65536), "punch: %m");
		break;
	case 2:
		break;			/* only rewritten */
	}
	close(fd);
	usleep(k % 5 * 1000);
	rewrite(image, whole, len);
}

/* Four threads read while the file is cut, punched and written again */
static void damage(const void *arg)
{
	const struct image *img = image_find("default-4096");
	const char *dir = lower_dir(*(const enum where *)arg), *mnt = new_dir("mnt");
	const char *image = below(dir, "image"), *file = below(mnt, "exact");
	unsigned int i, k, cycles = how_often(50, 100, 2500);
	unsigned long right = 0, zero = 0, torn = 0, errors = 0;
	struct checker c[4] = {};
	size_t len = 0;
	char *whole;
	off_t at;

	copy_file(data_path(img->image), image);
	whole = slurp(image, &len);
	NEED(whole, "%m");
	NEED_OK(mount_file(image, mnt, NULL), "mount");
	at = data_position(file);
	for (i = 0; i < 4; i++) {
		c[i].file = file;
		c[i].nr = i;
		NEED(!pthread_create(&c[i].thread, NULL, checker_main, &c[i]),
		     "thread");
	}
	for (k = 0; k < cycles; k++)
		damage_once(image, at, k, whole, len);
	/* And then its name goes, and another takes it */
	NEED(!unlink(image), "%m");
	copy_file(data_path("default-512.img"), image);
	usleep(100000);
	stop = true;
	for (i = 0; i < 4; i++) {
		pthread_join(c[i].thread, NULL);
		CHECK(!c[i].bad[0], "reader %u: %s", i, c[i].bad);
		right += c[i].right;
		zero += c[i].zero;
		torn += c[i].torn;
		errors += c[i].errors;
	}
	tap_note("%u cycles: %lu sectors right, %lu zero, %lu of both, %lu errors",
		 cycles, right, zero, torn, errors);
	CHECK(right && errors, "nothing was read, or nothing was damaged");
	forget_all(-1);
	CHECK(file_is_pattern(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE),
	      "afterwards");
	tree_equals(mnt, data_path(img->dump));
}

/* ------------------------------------------------------ readers that are killed */

#define VICTIMS	8

static void victim_main(const struct subject *s, uint32_t random)
{
	static const char * const name[] = { "read", "read-pages", "mmap" };
	const struct file_op *op = file_op_find(name[random % 3]);
	uint64_t sum;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = op_open(op, s);

		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		op->fn(s, fd, &sum);
		close(fd);
	}
}

static void kill_round(const struct subject *s, uint32_t *random)
{
	pid_t pid[VICTIMS];
	int i, status;

	/* Cold, the store's own cache included */
	if (*random % 2)
		write_str("/proc/sys/vm/drop_caches", "1");
	for (i = 0; i < VICTIMS; i++) {
		pid[i] = fork();
		if (!pid[i])
			victim_main(s, next_random(random) + i);
		NEED(pid[i] > 0, "fork: %m");
	}
	for (i = 0; i < VICTIMS; i++) {
		usleep(next_random(random) % 20000 / VICTIMS);
		kill(pid[i], SIGKILL);
	}
	for (i = 0; i < VICTIMS; i++)
		CHECK(waitpid(pid[i], &status, 0) == pid[i] &&
		      WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		      "reader %d: status %x", i, status);
}

/* What they have left in the cache is right, or is not there */
static void kills(const void *arg)
{
	const struct sweep *w = arg;
	const struct file_op *op = file_op_find("read");
	unsigned int round, rounds = how_often(8, 16, 800);
	uint64_t want = 0, sum;
	uint32_t random = 1;
	struct subject s;
	int fd;

	set_up(&s, w);
	fd = op_open(op, &s);
	NEED(fd >= 0 && !op->fn(&s, fd, &want), "read: %m");
	for (round = 0; round < rounds && !tap_failed(); round++) {
		kill_round(&s, &random);
		sum = 0;
		CHECK(!op->fn(&s, fd, &sum) && sum == want,
		      "wrong after round %u: %m", round);
	}
	tap_note("%u kills", round * VICTIMS);
	close(fd);
	CHECK_ERR(do_umount(s.mnt, 0), 0, "umount");
	if (w->fuse)
		CHECK_ERR(do_umount(tmp_path("lower"), 0), 0, "umount of FUSE");
}

/* --------------------------------------------------------------------- cases */

#define MAX_CASES	1024
#define SWEEP_TIMEOUT	240		/* of one that leaves little out */

static struct tap_case cases[MAX_CASES];
static size_t nr_cases;

static void add(void (*fn)(const void *), const char *name, const void *arg)
{
	char *copy = strdup(name);

	if (!copy || nr_cases == MAX_CASES)
		abort();
	cases[nr_cases++] = (struct tap_case) {
		.name = copy, .fn = fn, .arg = arg,
	};
}

static void add_sweep(void (*fn)(const void *), const char *what,
		      const struct sweep *pattern)
{
	struct sweep *w = malloc(sizeof(*w));
	char name[128];

	if (!w)
		abort();
	*w = *pattern;
	snprintf(name, sizeof(name), "%s.%s.%s%s", what, w->image,
		 w->fuse ? w->direct ? "fuse-direct-" : "fuse-" : "",
		 via_name(w->via));
	add(fn, name, w);
	if (w->all)
		cases[nr_cases - 1].timeout = SWEEP_TIMEOUT;
}

/* The image whose name has the word, if the table has one */
static const char *like(const char *word)
{
	struct image *rows;
	size_t nr = images_load(&rows), i;

	for (i = 0; i < nr; i++)
		if (strstr(rows[i].name, word) && strcmp(rows[i].dump, "-") &&
		    !image_has(&rows[i], "unreadable"))
			return rows[i].name;
	return NULL;
}

/* Each kind of image: the first few are enough for a gate */
static size_t pick_images(const char **list)
{
	static const char * const words[] = {
		"default-4096", "zstd-fragments", "dev3-4096-4096",
		"xattr-prefix-4096", "metabox", "lz4", "zstd-64k", "lzma-all",
		"deflate", "48bit-chunk8-512", "rebuilt3-512", "plain-512",
		"chunk4-4k-1024", "lz4-ztail", "zstd-48bit", "lz4-dirs",
		"chunk8-64k-2048", "xattr-shared-1024", "compact-512",
		"dot-omitted-1024", "packed-prefix", "metabox-zstd", "old-lz4",
		"lz4-1024", "offset-1024", "extended-512",
	};
	size_t i, nr = 0, max = long_run ? ARRAY_SIZE(words) : 5;

	for (i = 0; i < max; i++) {
		list[nr] = like(words[i]);
		nr += !!list[nr];
	}
	return nr;
}

static void add_alloc(const char **images, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		/* Three kinds of image in full: plain, packed, of many devices */
		add_sweep(sweep, "alloc", &(struct sweep) {
			.in = &inject_alloc, .image = images[i],
			.all = i < 3 ? 200 : 0 });
		if (long_run || i < 2)
			add_sweep(sweep, "alloc", &(struct sweep) {
				.in = &inject_alloc, .image = images[i],
				.via = VIA_LOOP });
		if (long_run || i < 2)
			add_sweep(alloc_workers, "alloc-workers",
				  &(struct sweep) { .in = &inject_alloc,
						    .image = images[i] });
		if (long_run || i < 2)
			add_sweep(sweep, "bio", &(struct sweep) {
				.in = &inject_bio, .image = images[i],
				.via = VIA_LOOP });
		if (long_run || i < 2)
			add_sweep(sweep, "pages", &(struct sweep) {
				.in = &inject_pages, .image = images[i],
				.all = 100 });
		/* Those of what is not encoded are one or none */
		if (long_run || i == 1)
			add_sweep(sweep, "large", &(struct sweep) {
				.in = &inject_large, .image = images[i],
				.all = 100 });
		if (i >= 2)
			continue;
		add_sweep(bio_rate, "bio-1-percent", &(struct sweep) {
			.in = &inject_bio, .image = images[i],
			.via = VIA_LOOP, .percent = 1 });
		add_sweep(bio_rate, "bio-10-percent", &(struct sweep) {
			.in = &inject_bio, .image = images[i],
			.via = VIA_LOOP, .percent = 10 });
	}
	add(alloc_load, "alloc-load", NULL);
}

static void add_read_sweeps(const struct injector *in, const char *image)
{
	struct sweep w = { .in = in, .image = image, .fuse = true,
			   .direct = true };

	add_sweep(sweep, in->name, &w);
	/* A short read that is cached would have changed the file's size */
	if (in->limit)
		return;
	w.direct = false;
	if (long_run)
		add_sweep(sweep, in->name, &w);
	w.via = VIA_LOOP;
	if (long_run || in == &inject_eio)
		add_sweep(sweep, in->name, &w);
}

/* A gate sees the kinds of fault, and some images; a long run all of both */
static void add_reads(const char **images, size_t nr)
{
	static const struct injector * const kind[] = {
		&inject_eio, &inject_estale, &inject_short, &inject_eintr,
		&inject_eio_once, &inject_odd, &inject_slow,
	};
	size_t i, k;

	for (k = 0; k < (long_run ? ARRAY_SIZE(kind) : 4); k++)
		for (i = 0; i < (long_run ? nr : 2); i++)
			if (long_run || i == k % 2)
				add_read_sweeps(kind[k], images[i]);
}

static void add_kills(const char *image, bool direct)
{
	struct sweep w = { .image = image, .direct = direct };

	add_sweep(kills, "kills", &w);
	w.fuse = direct || long_run;
	w.via = w.fuse ? VIA_PATH : VIA_LOOP;
	add_sweep(kills, "kills", &w);
	if (!long_run)
		return;
	w.direct = !direct;
	add_sweep(kills, "kills", &w);
	w.fuse = false;
	w.via = VIA_LOOP;
	add_sweep(kills, "kills", &w);
}

static void make_cases(void)
{
	const char *images[32];
	size_t nr = pick_images(images), i;

	/* Without images tap_run() says so */
	if (nr < 2)
		return;
	add_alloc(images, nr);
	add_reads(images, nr);
	for (i = 0; i < 2; i++)
		add_sweep(fuse_random, "random", &(struct sweep) {
			.image = images[i], .fuse = true, .direct = true });
	add_sweep(stall, "stall", &(struct sweep) {
		.image = images[0], .fuse = true });
	add_sweep(stall, "stall", &(struct sweep) {
		.image = images[1], .fuse = true, .direct = true });
	add(stuck_server, "stuck_server", NULL);
	add(nested_windows, "nested_windows", NULL);
	add(index_changes, "index_changes", NULL);
	for (i = 0; i < (long_run ? nr : 2); i++)
		add_sweep(changing, "changing", &(struct sweep) {
			.in = &inject_eio, .image = images[i], .fuse = true,
			.direct = true });
	for (i = 0; i < 2; i++)
		add_sweep(tampered, "tampered", &(struct sweep) {
			.in = &inject_eio, .image = images[i] });
	add(sealed_later, "sealed_later", NULL);
	add(damage, "damage.tmpfs", &on_tmpfs);
	add(damage, "damage.ext4", &on_ext4);
	add_kills(images[0], true);
	add_kills(images[1], false);
}

int main(int argc, char **argv)
{
	take_long_options(&argc, &argv);
	make_cases();
	return tap_run("faults", cases, nr_cases, argc, argv);
}
