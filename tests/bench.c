// SPDX-License-Identifier: GPL-2.0
/*
 * bench: the timing half of scripts/bench, run inside one booted guest.
 *
 * Contract: for every round and every peer it puts the peer's module in place,
 * mounts the same image (or opens the same raw file or loop device), and times
 * each test from a defined cache state. It prints one "sample" line per
 * measurement and computes nothing: medians, ratios and goals are the caller's.
 * What a peer returns is compared with what the generator wrote before the
 * first round, and the walk counts its entries every time, so a fast wrong
 * answer ends the run. Anything that fails ends the run with status 1.
 *
 * How to read it:
 *   sample ROUND PEER TEST VALUE UNIT
 *     cold   sync, drop_caches=3, fresh loop device and mount
 *     warm   backing file in the page cache, fresh mount
 *     hot    second read of the same mount
 *   MB/s, op/s and ent/s are better when larger; ms and MB when smaller.
 *   mount-* includes loop setup, umount includes loop teardown, where the peer
 *   has a loop device: that is what a user waits for.
 *   "noisy" in place of "sample" is the same, taken while another load of the
 *   host took the emulated processors away and no time to wait was left.
 *   cache is the growth of nr_file_pages over one cold sequential read of the
 *   file, loop device's and backing file's pages included.
 *
 * bench -g FILE BYTES                    write the test file
 * bench [-r ROUNDS] [-m ERE] [-n ENTRIES] [-w SECONDS] [-p] DIR
 *     DIR holds bench.erofs and bench.sqfs, and where these are compressed
 *     bench.big, the plain content of their file; -m selects by "peer/test",
 *     -w says until when after the start it may wait for a quiet host (600);
 *     with 0 nobody asks whether it is quiet, and all samples count alike,
 *     -p samples the kernel with the cpu clock during each test.
 *
 * Where the distribution's module refuses regular files (ENOTBLK), distro-file
 * is left out and an "env distro-file" line says so; any other error is fatal.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MNT		"/tmp/bench-mnt"
#define BIG		"big"
#define TREE		"tree"
#define CHUNK		(128 << 10)	/* what cat and cp read at a time */
#define R4K_COLD	1000
#define R64K_COLD	300
#define R4K_HOT		5000
#define R64K_HOT	600
#define MOUNT_PAIRS	5
#define MAX_CPUS	8
#define SPIN_LOOPS	4000000

enum source { SRC_FILE, SRC_LOOP };

/**
 * struct peer - one way to reach the same bytes
 * @name: as printed and matched by -m
 * @module: module file that must own the type "erofs"; NULL where any will do
 * @type: filesystem type; NULL for a raw read of the source itself
 * @src: regular file or loop device
 * @image: file below the data directory
 */
struct peer {
	const char *name;
	const char *module;
	const char *type;
	enum source src;
	const char *image;
};

static const struct peer peers[] = {
	{ "ours-file",   "/erofs.ko",        "erofs",    SRC_FILE, "bench.erofs" },
	{ "ours-block",  "/erofs.ko",        "erofs",    SRC_LOOP, "bench.erofs" },
	{ "distro-file", "/distro/erofs.ko", "erofs",    SRC_FILE, "bench.erofs" },
	{ "distro-loop", "/distro/erofs.ko", "erofs",    SRC_LOOP, "bench.erofs" },
	{ "squashfs",    NULL,               "squashfs", SRC_LOOP, "bench.sqfs" },
	{ "raw-file",    NULL,               NULL,       SRC_FILE, "bench.erofs" },
	{ "raw-loop",    NULL,               NULL,       SRC_LOOP, "bench.erofs" },
};

#define NR_PEERS	(sizeof(peers) / sizeof(peers[0]))

/**
 * struct session - what one attached peer holds open
 * @peer: the peer
 * @image: path of the backing file
 * @dev: loop device path, or the image when there is none
 * @file: path of the big file, or of the raw source
 * @loop_fd: loop device, -1 when there is none
 * @attach_ns: time from source to mounted
 * @detach_ns: time back
 */
struct session {
	const struct peer *peer;
	char image[256];
	char dev[256];
	char file[256];
	int loop_fd;
	uint64_t attach_ns;
	uint64_t detach_ns;
};

static const char *data_dir;
static int opt_rounds = 5;
static bool opt_profile;
static bool no_distro_file;
static long opt_entries = -1;
static regex_t *opt_only;
static uint64_t big_bytes;
static bool compressed;
static const char *loaded_module;
static char *iobuf;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	va_list ap;

	printf("bench-error ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ---- samples, and whether the host let the guest run ---- */

struct pending {
	const char *peer, *test, *unit;
	double value;
};

static struct pending pend[16];
static int nr_pend;
static uint64_t spin_best;
static uint64_t start_ns;
static uint64_t wait_limit_ns = 600 * 1000000000ull;

static void sample(int round, const struct peer *p, const char *test,
		   double value, const char *unit)
{
	/* Round 0 warms up code, dentries of /data and the host; not counted. */
	if (round == 0)
		return;
	if (nr_pend == 16)
		die("too many samples in one test");
	pend[nr_pend++] = (struct pending){ p->name, test, unit, value };
}

static void flush_samples(int round, bool quiet)
{
	int i;

	for (i = 0; i < nr_pend; i++)
		printf("%s %d %s %s %.4f %s\n", quiet ? "sample" : "noisy",
		       round, pend[i].peer, pend[i].test, pend[i].value,
		       pend[i].unit);
	fflush(stdout);
	nr_pend = 0;
}

static void *spin(void *arg)
{
	uint64_t *ns = arg;
	volatile unsigned int i;
	uint64_t t = now_ns();

	for (i = 0; i < SPIN_LOOPS; i++)
		;
	*ns = now_ns() - t;
	return NULL;
}

/*
 * A fixed loop on every processor at once: it takes longer than ever before
 * only when the host runs something else in our place. The measured value
 * itself plays no part in the decision, so nothing slow is ever dropped for
 * being slow.
 */
static bool host_is_quiet(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t ns[MAX_CPUS], worst = 0;
	pthread_t th[MAX_CPUS];
	pthread_attr_t attr;
	cpu_set_t set;
	int i;

	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	for (i = 0; i < cpus; i++) {
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		pthread_attr_init(&attr);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
		if (pthread_create(&th[i], &attr, spin, &ns[i]))
			die("no thread on cpu %d", i);
		pthread_attr_destroy(&attr);
	}
	for (i = 0; i < cpus; i++) {
		pthread_join(th[i], NULL);
		if (ns[i] > worst)
			worst = ns[i];
	}
	if (!spin_best || worst < spin_best)
		spin_best = worst;
	return worst < spin_best + spin_best / 4;
}

static bool may_wait(void)
{
	return now_ns() - start_ns < wait_limit_ns;
}

/*
 * Run one test while it has the processors to itself: wait for that, and repeat
 * what was disturbed on the way. Waiting sleeps, so that two of these on one
 * host do not keep each other from starting.
 */
static void run_quiet(void (*test)(const struct peer *, int),
		      const struct peer *p, int round)
{
	bool quiet;

	if (!wait_limit_ns) {
		test(p, round);
		flush_samples(round, true);
		return;
	}
	for (;;) {
		while (!(quiet = host_is_quiet()) && round && may_wait())
			sleep(2);
		test(p, round);
		quiet = quiet && host_is_quiet();
		if (quiet || round == 0 || opt_profile || !may_wait())
			break;
		nr_pend = 0;
	}
	flush_samples(round, quiet);
}

static bool wanted(const struct peer *p, const char *test)
{
	char key[128];

	if (no_distro_file && !strcmp(p->name, "distro-file"))
		return false;
	if (!opt_only)
		return true;
	snprintf(key, sizeof(key), "%s/%s", p->name, test);
	return regexec(opt_only, key, 0, NULL, 0) == 0;
}

/* ---- the test file: every 64-bit word is a function of its index ---- */

/* splitmix64 with the low bit set, so no word and no block is ever zero. */
static uint64_t word_at(uint64_t i)
{
	uint64_t z = (i + 1) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (z ^ (z >> 31)) | 1;
}

static int generate(const char *path, uint64_t bytes)
{
	uint64_t *buf = malloc(CHUNK);
	uint64_t pos, i;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || !buf || bytes % CHUNK)
		die("cannot write %s", path);
	for (pos = 0; pos < bytes; pos += CHUNK) {
		for (i = 0; i < CHUNK / 8; i++)
			buf[i] = word_at(pos / 8 + i);
		if (write(fd, buf, CHUNK) != CHUNK)
			die("write %s: %s", path, strerror(errno));
	}
	free(buf);
	return close(fd);
}

/* The same pages of the plain copy. */
static void verify_copy(const struct session *s, int fd)
{
	char path[256], want[4096];
	uint64_t pos;
	int copy;

	snprintf(path, sizeof(path), "%s/bench.big", data_dir);
	copy = open(path, O_RDONLY);
	if (copy < 0)
		die("open %s: %s", path, strerror(errno));
	for (pos = 0; pos < big_bytes; pos += 16 * 4096)
		if (pread(fd, iobuf, 4096, pos) != 4096 ||
		    pread(copy, want, 4096, pos) != 4096 ||
		    memcmp(iobuf, want, 4096))
			die("%s: wrong data at %" PRIu64, s->peer->name, pos);
	close(copy);
}

/*
 * Every word of one page in 16: a full check costs minutes in an emulated
 * guest, and the correctness of every byte is the test suite's subject.
 */
static void verify_big(const struct session *s)
{
	uint64_t pos, i, *w = (uint64_t *)iobuf;
	int fd = open(s->file, O_RDONLY);

	if (fd < 0)
		die("%s: open %s: %s", s->peer->name, s->file, strerror(errno));
	if (compressed) {
		verify_copy(s, fd);
		close(fd);
		return;
	}
	for (pos = 0; pos < big_bytes; pos += 16 * 4096) {
		if (pread(fd, iobuf, 4096, pos) != 4096)
			die("%s: short read at %" PRIu64, s->peer->name, pos);
		for (i = 0; i < 512; i++)
			if (w[i] != word_at(pos / 8 + i))
				die("%s: wrong data at %" PRIu64,
				    s->peer->name, pos + i * 8);
	}
	close(fd);
}

/* ---- cache state, modules, loop devices, mounts ---- */

static void write_str(const char *path, const char *val)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, val, strlen(val)) != (ssize_t)strlen(val))
		die("write %s: %s", path, strerror(errno));
	close(fd);
}

static void make_cold(void)
{
	sync();
	write_str("/proc/sys/vm/drop_caches", "3");
}

static long file_pages(void)
{
	char line[128];
	long pages = -1;
	FILE *f;

	/* Per-cpu counters are folded first; they hide hundreds of pages. */
	write_str("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/vmstat", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nr_file_pages %ld", &pages) == 1)
			break;
	if (!f || pages < 0)
		die("no nr_file_pages");
	fclose(f);
	return pages;
}

static void need_module(const struct peer *p)
{
	int fd, i;

	if (!p->module || (loaded_module && !strcmp(p->module, loaded_module)))
		return;
	/* A bio completion may still be in module text just after umount. */
	for (i = 0; loaded_module && syscall(SYS_delete_module, "erofs", O_NONBLOCK); i++) {
		if (i == 50)
			die("rmmod %s: %s", loaded_module, strerror(errno));
		usleep(100000);
	}
	fd = open(p->module, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("insmod %s: %s", p->module, strerror(errno));
	close(fd);
	loaded_module = p->module;
}

static void loop_attach(struct session *s)
{
	struct loop_config cfg = { 0 };
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int fd = open(s->image, O_RDONLY | O_CLOEXEC);
	int n = ctl < 0 ? -1 : ioctl(ctl, LOOP_CTL_GET_FREE);

	if (n < 0 || fd < 0)
		die("no loop device or no %s", s->image);
	snprintf(s->dev, sizeof(s->dev), "/dev/loop%d", n);
	s->loop_fd = open(s->dev, O_RDONLY | O_CLOEXEC);
	cfg.fd = fd;
	cfg.info.lo_flags = LO_FLAGS_READ_ONLY;
	if (s->loop_fd < 0 || ioctl(s->loop_fd, LOOP_CONFIGURE, &cfg))
		die("%s: %s", s->dev, strerror(errno));
	close(fd);
	close(ctl);
}

static void attach(const struct peer *p, struct session *s)
{
	uint64_t t;

	memset(s, 0, sizeof(*s));
	s->peer = p;
	s->loop_fd = -1;
	snprintf(s->image, sizeof(s->image), "%s/%s", data_dir,
		 !p->type && compressed ? "bench.big" : p->image);
	snprintf(s->dev, sizeof(s->dev), "%s", s->image);
	need_module(p);
	t = now_ns();
	if (p->src == SRC_LOOP)
		loop_attach(s);
	if (p->type && mount(s->dev, MNT, p->type, MS_RDONLY, NULL))
		die("%s: mount %s: %s", p->name, s->dev, strerror(errno));
	s->attach_ns = now_ns() - t;
	snprintf(s->file, sizeof(s->file), "%s", p->type ? MNT "/" BIG : s->dev);
}

static void detach(struct session *s)
{
	uint64_t t = now_ns();

	if (s->peer->type && umount(MNT))
		die("%s: umount: %s", s->peer->name, strerror(errno));
	if (s->loop_fd >= 0) {
		if (ioctl(s->loop_fd, LOOP_CLR_FD))
			die("%s: detach: %s", s->dev, strerror(errno));
		close(s->loop_fd);
	}
	s->detach_ns = now_ns() - t;
}

/* ---- profile: cpu-clock samples of every CPU, resolved by kallsyms ---- */

struct symbol {
	uint64_t addr;
	char *name;
	long self, total;
	int seen;	/* serial of the last sample that had it in its chain */
};

static struct symbol *syms;
static size_t nr_syms;
static int prof_fd[MAX_CPUS];
static struct perf_event_mmap_page *prof_ring[MAX_CPUS];
static int prof_cpus;

#define RING_PAGES	1024

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int by_self(const void *a, const void *b)
{
	const struct symbol *const *x = a, *const *y = b;

	return (*y)->self > (*x)->self ? 1 : -((*y)->self < (*x)->self);
}

static int by_total(const void *a, const void *b)
{
	const struct symbol *const *x = a, *const *y = b;

	return (*y)->total > (*x)->total ? 1 : -((*y)->total < (*x)->total);
}

/* Modules come and go between peers, so the table is read for each test. */
static void load_symbols(void)
{
	char line[512], type, name[256];
	uint64_t addr;
	FILE *f = fopen("/proc/kallsyms", "r");
	size_t room = 0, i;

	for (i = 0; i < nr_syms; i++)
		free(syms[i].name);
	nr_syms = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %c %255s", &addr, &type, name) != 3)
			continue;
		if (type != 't' && type != 'T')
			continue;
		if (nr_syms == room || !syms) {
			room = room ? room * 2 : 1 << 16;
			syms = realloc(syms, room * sizeof(*syms));
			if (!syms)
				die("no memory for symbols");
		}
		syms[nr_syms++] = (struct symbol){ addr, strdup(name), 0, 0, 0 };
	}
	if (!f || !nr_syms)
		die("no /proc/kallsyms");
	fclose(f);
	qsort(syms, nr_syms, sizeof(*syms), by_addr);
}

static struct symbol *symbol_of(uint64_t ip)
{
	size_t lo = 0, hi = nr_syms;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;

		if (syms[mid].addr <= ip)
			lo = mid;
		else
			hi = mid;
	}
	return &syms[lo];
}

static void profile_start(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000,	/* ns */
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID |
			       PERF_SAMPLE_CALLCHAIN,
		.exclude_callchain_user = 1,
		.disabled = 1,
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int cpu, fd;

	prof_cpus = cpus > MAX_CPUS ? MAX_CPUS : cpus;
	for (cpu = 0; cpu < prof_cpus; cpu++) {
		fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);
		if (fd < 0)
			die("perf_event_open: %s", strerror(errno));
		prof_fd[cpu] = fd;
		prof_ring[cpu] = mmap(NULL, (RING_PAGES + 1) * 4096,
				      PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (prof_ring[cpu] == MAP_FAILED)
			die("perf mmap: %s", strerror(errno));
	}
	/* Only now, or the making of the rings would be sampled too. */
	for (cpu = 0; cpu < prof_cpus; cpu++)
		ioctl(prof_fd[cpu], PERF_EVENT_IOC_ENABLE, 0);
}

struct prof_sum {
	long samples, idle, user, lost;
};

/* rec: header, u64 ip, u32 pid, u32 tid, u64 nr, u64 ips[nr]; 8-aligned copy. */
static void account(const uint64_t *rec, int serial, struct prof_sum *sum)
{
	uint64_t ip = rec[1], nr = rec[3], i;
	uint32_t pid = (uint32_t)rec[2];
	struct symbol *sym;

	sum->samples++;
	if (pid == 0) {
		sum->idle++;
		return;
	}
	if (!(ip >> 63)) {
		sum->user++;
		return;
	}
	symbol_of(ip)->self++;
	for (i = 0; i < nr && i < 127; i++) {
		/* Context markers are tiny negative numbers. */
		if (rec[4 + i] >= (uint64_t)-4096 || !(rec[4 + i] >> 63))
			continue;
		sym = symbol_of(rec[4 + i]);
		if (sym->seen != serial) {
			sym->seen = serial;
			sym->total++;
		}
	}
}

static void drain(int cpu, int *serial, struct prof_sum *sum)
{
	struct perf_event_mmap_page *pg = prof_ring[cpu];
	const char *base = (const char *)pg + 4096;
	uint64_t size = RING_PAGES * 4096ull, tail = pg->data_tail, i;
	uint64_t head = __atomic_load_n(&pg->data_head, __ATOMIC_ACQUIRE);
	static uint64_t rec[8192];

	while (tail < head) {
		struct perf_event_header h;
		uint64_t first;

		memcpy(&h, base + tail % size, sizeof(h));
		/* Records are 8-aligned, so only words can wrap. */
		for (i = 0; i < h.size; i += 8) {
			memcpy(&first, base + (tail + i) % size, 8);
			rec[i / 8] = first;
		}
		if (h.type == PERF_RECORD_SAMPLE)
			account(rec, ++*serial, sum);
		else if (h.type == PERF_RECORD_LOST)
			sum->lost += rec[2];
		tail += h.size;
	}
}

static void print_top(const char *peer, const char *test, const char *what,
		      int (*order)(const void *, const void *), bool total,
		      long busy)
{
	struct symbol **top = malloc(nr_syms * sizeof(*top));
	size_t i;

	if (!top)
		die("no memory");
	for (i = 0; i < nr_syms; i++)
		top[i] = &syms[i];
	qsort(top, nr_syms, sizeof(*top), order);
	for (i = 0; i < 20 && i < nr_syms; i++) {
		long n = total ? top[i]->total : top[i]->self;

		if (n * 100 < busy)
			break;
		printf("prof %s %s %s %5.1f%% %s\n", peer, test, what,
		       100.0 * n / busy, top[i]->name);
	}
	free(top);
}

static void profile_stop(const struct peer *p, const char *test)
{
	struct prof_sum sum = { 0 };
	int cpu, serial = 0;
	long busy;

	for (cpu = 0; cpu < prof_cpus; cpu++)
		ioctl(prof_fd[cpu], PERF_EVENT_IOC_DISABLE, 0);
	load_symbols();
	for (cpu = 0; cpu < prof_cpus; cpu++) {
		drain(cpu, &serial, &sum);
		munmap(prof_ring[cpu], (RING_PAGES + 1) * 4096);
		close(prof_fd[cpu]);
	}
	busy = sum.samples - sum.idle;
	printf("prof %s %s samples %ld idle %ld user %ld lost %ld\n", p->name,
	       test, sum.samples, sum.idle, sum.user, sum.lost);
	if (busy <= 0)
		return;
	print_top(p->name, test, "self", by_self, false, busy);
	print_top(p->name, test, "incl", by_total, true, busy);
	fflush(stdout);
}

/* ---- the tests ---- */

static uint64_t read_all(const char *path, uint64_t bytes)
{
	uint64_t pos = 0, t = now_ns();
	ssize_t n = 0;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die("open %s: %s", path, strerror(errno));
	while (pos < bytes) {
		n = read(fd, iobuf, CHUNK);
		if (n <= 0)
			die("read %s at %" PRIu64 ": %s", path, pos,
			    n ? strerror(errno) : "end of file");
		pos += n;
	}
	t = now_ns() - t;
	close(fd);
	return t;
}

/*
 * Distinct slots in a scattered order, the same for every peer of a round: an
 * odd multiplier permutes the slots of a power of two; those past the file are
 * skipped.
 */
static uint64_t read_random(const char *path, size_t len, int count, int round)
{
	uint64_t slots = big_bytes / len, span = 1, i = round * 7919u, slot, t;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die("open %s: %s", path, strerror(errno));
	while (span < slots)
		span <<= 1;
	t = now_ns();
	while (count) {
		slot = (i++ * 0x9e3779b1ull + 12345) & (span - 1);
		if (slot >= slots)
			continue;
		if (pread(fd, iobuf, len, slot * len) != (ssize_t)len)
			die("pread %s at %" PRIu64 ": %s", path, slot * len,
			    strerror(errno));
		count--;
	}
	t = now_ns() - t;
	close(fd);
	return t;
}

static long walk_dir(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	struct stat st;
	long n = 0;
	int sub;

	if (!d)
		die("fdopendir: %s", strerror(errno));
	for (errno = 0; (de = readdir(d)); errno = 0) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW))
			die("lstat %s: %s", de->d_name, strerror(errno));
		n++;
		if (!S_ISDIR(st.st_mode))
			continue;
		sub = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub < 0)
			die("open %s: %s", de->d_name, strerror(errno));
		n += walk_dir(sub);
	}
	if (errno)
		die("readdir: %s", strerror(errno));
	closedir(d);
	return n;
}

static uint64_t walk(const struct peer *p, long *entries)
{
	uint64_t t = now_ns();
	int fd = open(MNT "/" TREE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die("%s: no tree: %s", p->name, strerror(errno));
	*entries = walk_dir(fd);
	t = now_ns() - t;
	if (opt_entries >= 0 && *entries != opt_entries)
		die("%s: walk found %ld entries, expected %ld", p->name,
		    *entries, opt_entries);
	return t;
}

static void begin(const struct peer *p, const char *test, int round)
{
	if (opt_profile && round > 0 && wanted(p, test))
		profile_start();
}

static void end(const struct peer *p, const char *test, int round)
{
	if (opt_profile && round > 0 && wanted(p, test))
		profile_stop(p, test);
}

static double rate(double amount, uint64_t ns)
{
	return amount * 1e9 / (ns ? ns : 1);
}

#define MB(bytes)	((bytes) / 1e6)

static void test_seq(const struct peer *p, int round)
{
	struct session s;
	uint64_t t;
	long before;

	make_cold();
	attach(p, &s);
	before = file_pages();
	begin(p, "seq-cold", round);
	t = read_all(s.file, big_bytes);
	end(p, "seq-cold", round);
	sample(round, p, "seq-cold", rate(MB(big_bytes), t), "MB/s");
	sample(round, p, "cache", (file_pages() - before) * 4096 / 1048576.0, "MiB");
	if (p->type)
		sample(round, p, "mount-cold", s.attach_ns / 1e6, "ms");

	begin(p, "seq-hot", round);
	t = read_all(s.file, big_bytes);
	end(p, "seq-hot", round);
	sample(round, p, "seq-hot", rate(MB(big_bytes), t), "MB/s");
	if (round == 0 && p->type)
		verify_big(&s);
	detach(&s);
	if (p->type)
		sample(round, p, "umount", s.detach_ns / 1e6, "ms");
}

/* Just unpacked image: its bytes are in the backing file's page cache. */
static void test_warm(const struct peer *p, int round)
{
	struct session s;
	struct stat st;
	char image[256];
	uint64_t t;

	make_cold();
	snprintf(image, sizeof(image), "%s/%s", data_dir, p->image);
	if (stat(image, &st))
		die("stat %s: %s", image, strerror(errno));
	read_all(image, st.st_size);
	attach(p, &s);
	begin(p, "seq-warm", round);
	t = read_all(s.file, big_bytes);
	end(p, "seq-warm", round);
	sample(round, p, "seq-warm", rate(MB(big_bytes), t), "MB/s");
	detach(&s);
}

static void random_pair(const struct peer *p, int round, const char *cold,
			const char *hot, size_t len, int n_cold, int n_hot)
{
	struct session s;
	uint64_t t;

	make_cold();
	attach(p, &s);
	begin(p, cold, round);
	t = read_random(s.file, len, n_cold, round);
	end(p, cold, round);
	sample(round, p, cold, rate(n_cold, t), "op/s");
	if (wanted(p, hot)) {
		read_all(s.file, big_bytes);
		begin(p, hot, round);
		t = read_random(s.file, len, n_hot, round);
		end(p, hot, round);
		sample(round, p, hot, rate(n_hot, t), "op/s");
	}
	detach(&s);
}

static void test_walk(const struct peer *p, int round)
{
	struct session s;
	uint64_t t;
	long n;

	make_cold();
	attach(p, &s);
	begin(p, "walk-cold", round);
	t = walk(p, &n);
	end(p, "walk-cold", round);
	sample(round, p, "walk-cold", rate(n, t), "ent/s");
	begin(p, "walk-hot", round);
	t = walk(p, &n);
	end(p, "walk-hot", round);
	sample(round, p, "walk-hot", rate(n, t), "ent/s");
	detach(&s);
}

static void test_mount(const struct peer *p, int round)
{
	uint64_t up = 0, down = 0;
	struct session s;
	int i;

	for (i = 0; i < MOUNT_PAIRS; i++) {
		attach(p, &s);
		up += s.attach_ns;
		detach(&s);
		down += s.detach_ns;
	}
	sample(round, p, "mount-hot", up / 1e6 / MOUNT_PAIRS, "ms");
	sample(round, p, "umount-hot", down / 1e6 / MOUNT_PAIRS, "ms");
}

static void test_r4k(const struct peer *p, int round)
{
	random_pair(p, round, "r4k-cold", "r4k-hot", 4096, R4K_COLD, R4K_HOT);
}

static void test_r64k(const struct peer *p, int round)
{
	random_pair(p, round, "r64k-cold", "r64k-hot", 65536, R64K_COLD,
		    R64K_HOT);
}

static void run_peer(const struct peer *p, int round)
{
	if (wanted(p, "seq-cold") || wanted(p, "seq-hot") || wanted(p, "cache"))
		run_quiet(test_seq, p, round);
	if (wanted(p, "seq-warm") && p->type)
		run_quiet(test_warm, p, round);
	if (wanted(p, "r4k-cold") || wanted(p, "r4k-hot"))
		run_quiet(test_r4k, p, round);
	if (wanted(p, "r64k-cold") || wanted(p, "r64k-hot"))
		run_quiet(test_r64k, p, round);
	if (!p->type)
		return;
	if (wanted(p, "walk-cold") || wanted(p, "walk-hot"))
		run_quiet(test_walk, p, round);
	if (wanted(p, "mount-hot") || wanted(p, "umount-hot"))
		run_quiet(test_mount, p, round);
}

/*
 * Each round starts one peer further and odd rounds go backwards, so that no
 * peer always follows the same one, and a slow minute of the host hits all.
 */
static void run_round(int round)
{
	uint64_t t = now_ns();
	size_t i, at;

	for (i = 0; i < NR_PEERS; i++) {
		at = (round % 2 ? NR_PEERS - 1 - i : i) + round;
		run_peer(&peers[at % NR_PEERS], round);
	}
	printf("round %d of %d: %.1f s\n", round, opt_rounds,
	       (now_ns() - t) / 1e9);
	fflush(stdout);
}

static void probe_distro_file(void)
{
	static const struct peer p = {
		"distro-file", "/distro/erofs.ko", "erofs", SRC_FILE,
		"bench.erofs"
	};
	char image[256];

	need_module(&p);
	snprintf(image, sizeof(image), "%s/%s", data_dir, p.image);
	if (!mount(image, MNT, p.type, MS_RDONLY, NULL)) {
		umount(MNT);
		return;
	}
	if (errno != ENOTBLK)
		die("distro-file: mount: %s", strerror(errno));
	no_distro_file = true;
	printf("env distro-file refused: %s\n", strerror(errno));
}

static void set_size(void)
{
	char image[256];
	struct stat st;
	FILE *f;

	snprintf(image, sizeof(image), "%s/bench.size", data_dir);
	f = fopen(image, "r");
	if (!f || fscanf(f, "%" SCNu64, &big_bytes) != 1 || !big_bytes)
		die("no %s", image);
	fclose(f);
	snprintf(image, sizeof(image), "%s/bench.big", data_dir);
	compressed = !access(image, F_OK);
	if (!compressed)
		snprintf(image, sizeof(image), "%s/bench.erofs", data_dir);
	if (stat(image, &st) || (uint64_t)st.st_size < big_bytes)
		die("%s is missing or smaller than its file", image);
}

int main(int argc, char **argv)
{
	static regex_t re;
	int c, round;

	if (argc == 4 && !strcmp(argv[1], "-g"))
		return generate(argv[2], strtoull(argv[3], NULL, 0));
	while ((c = getopt(argc, argv, "r:m:n:w:p")) != -1) {
		if (c == 'r')
			opt_rounds = atoi(optarg);
		else if (c == 'm' && !regcomp(&re, optarg, REG_EXTENDED | REG_NOSUB))
			opt_only = &re;
		else if (c == 'n')
			opt_entries = atol(optarg);
		else if (c == 'w')
			wait_limit_ns = strtoull(optarg, NULL, 0) * 1000000000ull;
		else if (c == 'p')
			opt_profile = true;
		else
			die("bad option");
	}
	if (optind + 1 != argc || opt_rounds < 1)
		die("usage: bench [-r ROUNDS] [-m ERE] [-n ENTRIES] [-w SECONDS] [-p] DIR");
	data_dir = argv[optind];
	set_size();
	iobuf = aligned_alloc(4096, CHUNK);
	if (!iobuf || (mkdir(MNT, 0755) && errno != EEXIST))
		die("no buffer or no %s", MNT);
	memset(iobuf, 1, CHUNK);
	start_ns = now_ns();
	probe_distro_file();
	for (round = 0; round <= opt_rounds; round++)
		run_round(round);
	printf("env spin_us %" PRIu64 "\n", spin_best / 1000);
	printf("bench-done rounds=%d\n", opt_rounds);
	return 0;
}
