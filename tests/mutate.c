// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile images, made of real ones with the format in mind: thousands of
 * mutants, each mounted, read as a whole within bounds, and unmounted.
 *
 *	mutate [options] [DIR]
 *
 *	-i ERE     only seeds whose name matches ("=NAME": that one)
 *	-f         all mutants that change one field, to each value that may hurt
 *	-P         all pairs of twenty of the fields, which -s chooses
 *	-c COUNT   so many random ones (0)
 *	-g         let coverage choose what is changed further; twice as many
 *	-C FILE    begin with the recipes of this file
 *	-s SEED    of the random ones (1)
 *	-t SEC     end then
 *	-l SEC     no operation may take longer (5)
 *	-w K/J     worker K of J: its share of everything
 *	-p POS     begin here: the log names the position behind each mutant
 *	-n NUMBER  only this mutant of the seeds chosen
 *	-r RECIPE  only this one (mutate_edit.c says how they are written)
 *	-H         the images are hostile as they are: read each in all ways, and
 *	           see that it answers as seeds.txt says ("stage:errno,...")
 *	-b         read each by block device too, not just one of 16
 *	-v         show what the kernel says about each
 *
 * DIR (/share/seeds) is what mkseeds-mutate.sh wrote. A mutant fails when the
 * kernel reports something, when an operation takes longer than -l says or its
 * mount a second of a processor, three times of three, when the kernel has 32 MiB
 * more for its mount or says more than 20 lines in a second about it, when it shows
 * what no image may show, or when the same image is not the same by file and by
 * block device. What failed is named by seed and number, or by seed and recipe, and
 * is repeated with -i =SEED -n NUMBER or -r RECIPE. The name of each goes to the
 * kernel's log before it is mounted.
 *
 * A child does the work and its parent watches it, so that the end of one
 * mutant is not that of all. KTAP, with one result for each seed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "mutate.h"

#define KSFT_SKIP	4
#define MARK		"<0>mutate: "	/* on each console */
#define MOUNT_CPU_S	1.0
#define SLOW_AGAIN	2	/* what is slow may show that it is not so often */
#define STUCK_S		5.0	/* what goes on for so long will not be waited for */
#define GROWN_KB	(32 << 10)
#define LINES_A_SECOND	20		/* of the kernel's log, for a mount */
#define MAX_IMAGES	512
#define MAX_POOL	4096
#define KMSG_EVERY	32		/* mutants between two looks at the log */
#define BLOCK_EVERY	16
#define MAX_SHOWN	100		/* failures that are told in full */

static struct {
	const char *only;
	regex_t pattern;	/* of only, but for "=NAME" */
	const char *corpus;
	const char *recipe;
	bool singles, pairs, guided, always_block, verbose, one, hostile;
	uint64_t count, seed, number, position;
	double seconds, limit;
	unsigned int worker, workers;
} opt = { .seed = 1, .workers = 1, .limit = 5 };

static struct image images[MAX_IMAGES];
static unsigned int nr_images;
static volatile uint64_t *image_done, *image_failed;	/* shared, too */
static uint64_t max_single;

/* Mutants worth to be changed further; the first nr_corpus came with -C */
struct parent {
	unsigned int image;
	struct recipe recipe;
};

static struct parent pool[MAX_POOL];
static unsigned int nr_pool, nr_corpus;

static double ticks_per_s, start_s, last_told;
static int kmsg_in = -1, kmsg_out = -1;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

__attribute__((format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

/* --------------------------------------------------------------- failures */

__attribute__((format(printf, 2, 3)))
static void fail(const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	image_failed[shared->image]++;
	if (shared->failed++ < MAX_SHOWN)
		say("# FAILED %s: %s\n", name, text);
}

static bool is_report(const char *text)
{
	static const char * const words[] = {
		"WARNING:", "BUG:", "BUG ", "Oops", "UBSAN", "KASAN",
		"Call Trace", "general protection", "INFO: ", "Busy inodes",
		"refcount_t", "corruption.", "possible recursive", "circular",
		"suspicious RCU", "Bad page", "bad page", "Out of memory",
		"allocation failure", "sleeping function", "lock held",
		"Objects remaining", "vmap allocation", "ODEBUG", "stall",
		"Invalid wait", "still has objects", "blocked for more",
	};
	size_t n;

	if (!strncmp(text, "erofs", 5) || !strncmp(text, "mutate:", 7))
		return false;
	for (n = 0; n < ARRAY_SIZE(words); n++)
		if (strstr(text, words[n]))
			return true;
	return false;
}

/* When a line was said, "priority,number,microseconds,flags;text", in seconds */
static unsigned int log_s(const char *line)
{
	unsigned long long us = 0;

	sscanf(line, "%*u,%*u,%llu", &us);
	return us / 1000000;
}

/* The log up to now. It names each mutant before what was said about it */
static void look_at_log(void)
{
	static char name[MAX_RECIPE + 128] = "(before the first)";
	static unsigned int shown, lines, first_s;
	static bool bad;
	char buf[8192], *text;
	ssize_t n;

	for (;;) {
		n = read(kmsg_in, buf, sizeof(buf) - 1);
		if (n < 0 && errno == EPIPE) {
			fail(name, "lines of the kernel's log were lost");
			continue;
		}
		if (n <= 0)
			return;
		buf[n] = 0;
		text = strchr(buf, ';');
		text = text ? text + 1 : buf;
		text[strcspn(text, "\n")] = 0;
		if (!strncmp(text, "mutate: ", 8)) {
			snprintf(name, sizeof(name), "%s", text + 8);
			bad = false;
			lines = 0;
			first_s = log_s(buf);
		} else if (!bad && is_report(text)) {
			fail(name, "the kernel says: %s", text);
			bad = true;
			shown = 0;
		}
		if (!strncmp(text, "erofs", 5) &&
		    lines++ == LINES_A_SECOND * (2 + log_s(buf) - first_s))
			fail(name, "%u lines of the log", lines);
		if (opt.verbose || (bad && shown++ < 60))
			say("# kernel: %s\n", text);
	}
}

/* ------------------------------------------------------------- one mutant */

static void odd_errno(const struct walk *w, const char *name)
{
	if (!w->odd || w->odd >= MAX_ERRNO)
		return;
	if (!shared->odd[w->odd_stage][w->odd]++)
		say("# odd: %s: %s (%s)\n", stage_names[w->odd_stage],
		    strerror(w->odd), name);
}

static void judge(struct walk *w, const char *name)
{
	double slowest = w->slowest / ticks_per_s;

	if (w->wrong)
		fail(name, "%s", w->wrong);
	if (slowest > opt.limit)
		fail(name, "%s took %.1f s", stage_names[w->slow_stage],
		     slowest);
	if (w->mount_cpu_s > MOUNT_CPU_S)
		fail(name, "its mount took %.1f s of a processor",
		     w->mount_cpu_s);
	if (w->grown_kb > GROWN_KB)
		fail(name, "the kernel has %ld KB more", w->grown_kb);
	if (w->grown_kb > shared->grown_kb)
		shared->grown_kb = w->grown_kb;
	if (slowest > shared->slowest) {
		shared->slowest = slowest;
		if (slowest > 0.5)
			say("# slowest: %.2f s for %s (%s)\n", slowest,
			    stage_names[w->slow_stage], name);
	}
	odd_errno(w, name);
}

static bool too_slow(const struct walk *w)
{
	return w->slowest / ticks_per_s > opt.limit ||
	       w->mount_cpu_s > MOUNT_CPU_S;
}

/*
 * A guest's clock goes on while the host gives its processor to others, which may
 * be for a second. An image that is slow is so each time.
 */
static void walk_in_time(struct image *img, struct walk *w, const char *name)
{
	const struct walk fresh = *w;
	unsigned int again;

	walk_image(img, w);
	for (again = 0; again < SLOW_AGAIN && too_slow(w) && !w->wrong; again++) {
		say("# slow, so once more: %.1f s for %s, %.1f s of a processor to mount (%s)\n",
		    w->slowest / ticks_per_s,
		    stage_names[w->slow_stage], w->mount_cpu_s, name);
		*w = fresh;
		walk_image(img, w);
	}
}

static void compare_block(struct image *img, const struct walk *by_file,
			  const char *name)
{
	struct walk w = { .number = by_file->number, .by_block = true };

	walk_in_time(img, &w, name);
	judge(&w, name);
	if (!w.wrong && w.hash != by_file->hash)
		fail(name, "not the same by file and by block device");
	shared->by_block++;
}

static void announce(const struct image *img, const struct recipe *rec,
		     uint64_t number)
{
	char text[MAX_RECIPE];
	int n;

	if (number == ~0ULL) {
		recipe_print(rec, text, sizeof(text));
		n = snprintf(shared->name, sizeof(shared->name),
			     MARK "-i =%s -r %s", img->name,
			     text[0] ? text : "-");
	} else {
		n = snprintf(shared->name, sizeof(shared->name),
			     MARK "-i =%s -n %llu", img->name,
			     (unsigned long long)number);
	}
	/* where to go on behind it, for who starts the next guest */
	n += snprintf(shared->name + n, sizeof(shared->name) - n, " -p %llu",
		      (unsigned long long)shared->position + 1);
	if (write(kmsg_out, shared->name, n) < 0)
		say("# cannot write to the kernel's log: %m\n");
}

/* Loop devices show whole sectors, so a cut has to be between two of them */
static bool block_can(const struct image *img, const struct recipe *rec)
{
	unsigned int n;

	for (n = 0; n < rec->nr; n++)
		if (rec->edit[n].op == OP_CUT && rec->edit[n].a < img->size &&
		    rec->edit[n].a % 512)
			return false;
	return true;
}

/* Edges that are new; number is ~0 for what has a recipe only */
static unsigned int run(unsigned int image, const struct recipe *rec,
			uint64_t number)
{
	struct image *img = &images[image];
	const char *name = shared->name + strlen(MARK);
	struct walk w = { .number = number };
	unsigned int fresh;

	if (number == ~0ULL)
		w.number = hash_bytes(0, rec->edit,
				      rec->nr * sizeof(rec->edit[0]));
	shared->image = image;
	announce(img, rec, number);
	recipe_apply(img, rec);
	shared->running = 1;
	cover_start();
	walk_in_time(img, &w, name);
	fresh = cover_new();
	judge(&w, name);
	if ((opt.always_block || w.number / 7 % BLOCK_EVERY == 0) &&
	    block_can(img, rec))
		compare_block(img, &w, name);
	shared->running = 0;
	recipe_undo(img, rec);
	shared->done++;
	image_done[image]++;
	if (opt.verbose || shared->done % KMSG_EVERY == 0)
		look_at_log();
	return fresh;
}

/* --------------------------------------------------------------- coverage */

static void keep(unsigned int image, const struct recipe *rec)
{
	char text[MAX_RECIPE];

	if (nr_pool == MAX_POOL || !rec->nr)
		return;
	recipe_print(rec, text, sizeof(text));
	say("@kept %s %s\n", images[image].name, text);
	pool[nr_pool].image = image;
	pool[nr_pool++].recipe = *rec;
}

static void run_child(struct rnd *r)
{
	struct recipe rec;
	unsigned int n, image;

	/* of two, the simpler parent */
	n = rnd_below(r, nr_pool);
	image = rnd_below(r, nr_pool);
	if (pool[image].recipe.nr < pool[n].recipe.nr)
		n = image;
	image = pool[n].image;
	rec = pool[n].recipe;
	do {
		recipe_grow(&images[image], r, &rec);
	} while (rnd_below(r, 3) == 0);
	if (run(image, &rec, ~0ULL))
		keep(image, &rec);
}

static int by_length(const void *a, const void *b)
{
	const struct parent *x = a, *y = b;

	return (int)x->recipe.nr - (int)y->recipe.nr;
}

/* Those that are needed to reach every edge, the shortest first */
static void distil(void)
{
	static const struct recipe nothing;
	char text[MAX_RECIPE];
	unsigned int n, total;

	cover_forget();
	for (n = 0; n < nr_images; n++)
		run(n, &nothing, ~0ULL);
	qsort(pool, nr_pool, sizeof(pool[0]), by_length);
	for (n = 0; n < nr_pool; n++) {
		total = cover_total();
		run(pool[n].image, &pool[n].recipe, ~0ULL);
		if (cover_total() == total)
			continue;
		recipe_print(&pool[n].recipe, text, sizeof(text));
		say("@corpus %s %s\n", images[pool[n].image].name, text);
	}
}

/* --------------------------------------------------------------- schedule */

static void tell(void)
{
	double now = now_s();

	if (now - last_told < 10)
		return;
	last_told = now;
	say("# %.0f s: %llu mutants, %u edges, %u kept, %llu failed\n",
	    now - start_s, (unsigned long long)shared->done, cover_total(),
	    nr_pool, (unsigned long long)shared->failed);
}

static void step(unsigned int image, uint64_t number)
{
	struct recipe rec;

	recipe_make(&images[image], opt.seed, number, &rec);
	if (run(image, &rec, number) && opt.guided)
		keep(image, &rec);
}

static uint64_t nr_singles(void)
{
	return opt.singles ? max_single * nr_images : 0;
}

static uint64_t nr_pairs(void)
{
	return opt.pairs ? (uint64_t)NR_PAIRS * nr_images : 0;
}

/*
 * Position p of the schedule: first the corpus, then all seeds' first single
 * mutant, their second, ..., then their pairs, then the random ones. False behind
 * its end.
 */
static bool at_position(uint64_t p, struct rnd *r)
{
	struct recipe rec;
	unsigned int image;

	if (p < nr_corpus) {
		run(pool[p].image, &pool[p].recipe, ~0ULL);
		return true;
	}
	p -= nr_corpus;
	image = p % nr_images;
	if (p < nr_singles()) {
		if (p / nr_images < images[image].nr_single)
			step(image, p / nr_images);
		return true;
	}
	p -= nr_singles();
	if (p < nr_pairs()) {
		if (recipe_pair(&images[image], p / nr_images, &rec))
			run(image, &rec, ~0ULL);
		return true;
	}
	p -= nr_pairs();
	if (p >= opt.count)
		return false;
	step(image, images[image].nr_single + p / nr_images);
	if (opt.guided && nr_pool)
		run_child(r);
	return true;
}

/* Seeds themselves: what they show, and that they show it by both ways */
static void run_seeds(void)
{
	static const struct recipe nothing;
	uint64_t errors = 0;
	unsigned int n;
	int e, s;
	bool all = opt.always_block;

	opt.always_block = true;
	for (n = 0; n < nr_images; n++) {
		run(n, &nothing, ~0ULL);
		look_at_log();
		for (s = 0, errors = 0; s < NR_STAGES; s++)
			for (e = 1; e < MAX_ERRNO; e++)
				if (e != ENODATA && e != ENXIO &&
				    e != EINVAL && e != EOPNOTSUPP)
					errors += shared->errors[s][e];
		if (errors)
			fail(images[n].name, "the seed itself has errors");
	}
	opt.always_block = all;
}

/*
 * Was there an error of that name ("any" is any) in that stage (any)? Handles
 * that nobody made, and direct reads that cannot be, tell nothing.
 */
static bool happened(const char *stage, const char *err)
{
	int s, e;

	for (s = 0; s < NR_STAGES; s++) {
		if (strcmp(stage, "any") ? strcmp(stage, stage_names[s]) :
		    s == STAGE_HANDLE || s == STAGE_DIRECT)
			continue;
		for (e = 1; e < MAX_ERRNO; e++)
			if (shared->errors[s][e] && e != ENODATA &&
			    e != ENXIO && (!strcmp(err, "any") ||
					   !strcmp(err, strerrorname_np(e))))
				return true;
	}
	return false;
}

static void check_expected(const struct image *img)
{
	char copy[80], stage[24], err[24], *word, *save;

	strcpy(copy, img->expected);
	for (word = strtok_r(copy, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		if (sscanf(word, "%23[^:]:%23s", stage, err) == 2) {
			if (!happened(stage, err))
				fail(img->name, "no %s of %s", err, stage);
		} else if (strcmp(word, "?") && happened("any", "any")) {
			fail(img->name, "an error, though it is good");
		}
	}
}

/* Images that are bad enough as they are */
static int work_hostile(void)
{
	/* what is only done now and then depends on the number */
	static const uint64_t numbers[] = { 0, 1, 2, 3, 5, 6 };
	static const struct recipe nothing;
	unsigned int n;
	size_t k;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; shared->position < nr_images; shared->position++) {
		n = shared->position;
		memset((void *)shared->errors, 0, sizeof(shared->errors));
		for (k = 0; k < ARRAY_SIZE(numbers); k++)
			run(n, &nothing, numbers[k]);
		look_at_log();
		check_expected(&images[n]);
	}
	shared->position = ~0ULL;
	return 0;
}

static int work(void)
{
	struct rnd r = { opt.seed + opt.worker * 1000 };
	uint64_t p;

	/* what it has mounted ends with it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!cover_open() && opt.guided)
		say("# no coverage in this kernel\n");
	if (!shared->position && !opt.one)
		run_seeds();
	for (p = shared->position;; p = ++shared->position) {
		if (opt.seconds && now_s() - start_s > opt.seconds)
			break;
		if (p % opt.workers == opt.worker && !at_position(p, &r))
			break;
		if (p >= nr_corpus + nr_singles() + nr_pairs() + opt.count)
			break;
		tell();
	}
	look_at_log();
	if (opt.guided)
		distil();
	look_at_log();
	shared->position = ~0ULL;
	return 0;
}

static int work_one(void)
{
	struct recipe rec;
	unsigned int n;
	uint64_t number = opt.recipe ? ~0ULL : opt.number;
	char text[MAX_RECIPE];

	for (n = 0; n < nr_images; n++) {
		if (!opt.recipe)
			recipe_make(&images[n], opt.seed, number, &rec);
		else if (!recipe_parse(opt.recipe, &rec))
			return 2;
		recipe_print(&rec, text, sizeof(text));
		say("# %s: %s\n", images[n].name, text);
		run(n, &rec, number);
		look_at_log();
	}
	shared->position = ~0ULL;
	return 0;
}

/* --------------------------------------------------------------- watching */

/* 0: the child has ended; 1: it was stuck, and was killed; 2: it cannot be */
static int watch(pid_t pid, int *status)
{
	uint32_t beat = shared->beat;
	const double patience = opt.limit > STUCK_S ? opt.limit : STUCK_S;
	double since = now_s();

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (shared->beat != beat || !shared->running) {
			beat = shared->beat;
			since = now_s();
		}
		if (now_s() - since > patience)
			goto stuck;
		usleep(100000);
	}
	return 0;
stuck:
	fail(shared->name + strlen(MARK), "%s does not end",
	     stage_names[shared->stage]);
	kill(pid, SIGKILL);
	for (since = now_s(); now_s() - since < 10; usleep(10000))
		if (waitpid(pid, status, WNOHANG) == pid)
			return 1;
	return 2;
}

static bool run_all(void)
{
	int status, ret;
	pid_t pid;

	while (shared->position != ~0ULL) {
		fflush(stdout);
		shared->running = 0;
		pid = fork();
		if (pid < 0)
			return false;
		if (!pid)
			_exit(opt.one ? work_one() : opt.hostile ?
			      work_hostile() : work());
		ret = watch(pid, &status);
		if (!ret && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		if (!ret)
			fail(shared->name + strlen(MARK),
			     "its reader died (status %#x)", status);
		if (ret == 2) {
			say("Bail out! a task cannot be killed\n");
			return false;
		}
		if (opt.one)
			return true;
		/* the map may still hold the mutant's bytes */
		recipe_undo(&images[shared->image], &(struct recipe) {
			.nr = 2, .edit = {
				{ .op = OP_CUT },
				{ .op = OP_SET, .len = images[shared->image].size },
			} });
		shared->position++;
	}
	return true;
}

/* ---------------------------------------------------------------- results */

static void print_errors(void)
{
	char line[1024];
	int s, e, n;

	for (s = 0; s < NR_STAGES; s++) {
		n = snprintf(line, sizeof(line), "# %s (%.1f s):",
			     stage_names[s], shared->ticks[s] / ticks_per_s);
		for (e = 0; e < MAX_ERRNO; e++)
			if (shared->errors[s][e] && n < 900)
				n += snprintf(line + n, sizeof(line) - n,
					      " %s %llu", e ? strerrorname_np(e)
					      : "ok", (unsigned long long)
					      shared->errors[s][e]);
		say("%s\n", line);
	}
}

static int results(bool done)
{
	double took = now_s() - start_s;
	unsigned int n, bad = 0;

	print_errors();
	for (n = 0; n < nr_images; n++) {
		bad += !!image_failed[n];
		say("%sok %u %s: %llu mutants, %llu failed\n",
		    image_failed[n] ? "not " : "", n + 1, images[n].name,
		    (unsigned long long)image_done[n],
		    (unsigned long long)image_failed[n]);
	}
	say("# at most %ld KB of the kernel's memory for a mount\n",
	    shared->grown_kb);
	say("# slowest operation: %.2f s; %llu compared with a block device\n",
	    shared->slowest, (unsigned long long)shared->by_block);
	say("@mutants %llu %llu %.1f\n", (unsigned long long)shared->done,
	    (unsigned long long)shared->failed, took);
	say("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:0 error:0\n",
	    nr_images - bad, bad);
	return done && !shared->failed && shared->done ? 0 : 1;
}

/* ------------------------------------------------------------------ set-up */

static void only(const char *pattern)
{
	opt.only = pattern;
	if (*pattern != '=' &&
	    regcomp(&opt.pattern, pattern, REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "mutate: not a pattern: %s\n", pattern);
		exit(2);
	}
}

static bool wanted(const char *name)
{
	if (!opt.only)
		return true;
	if (*opt.only == '=')
		return !strcmp(opt.only + 1, name);
	return !regexec(&opt.pattern, name, 0, NULL, 0);
}

static int load_images(const char *dir)
{
	char path[512], line[256], name[48], expected[80];
	int devs;
	FILE *f;

	snprintf(path, sizeof(path), "%s/seeds.txt", dir);
	f = fopen(path, "re");
	if (!f) {
		say("Bail out! %s: %m\n", path);
		return -1;
	}
	while (fgets(line, sizeof(line), f)) {
		strcpy(expected, "-");
		if (sscanf(line, "%47s %d %79s", name, &devs, expected) < 2 ||
		    !wanted(name))
			continue;
		if (nr_images == MAX_IMAGES || devs > MAX_DEVS ||
		    image_load(&images[nr_images], dir, name, devs,
			       !opt.hostile)) {
			say("Bail out! cannot load %s\n", name);
			return -1;
		}
		strcpy(images[nr_images].expected, expected);
		if (opt.pairs && images[nr_images].nr_fields)
			image_choose_pairs(&images[nr_images], opt.seed);
		if (images[nr_images].nr_single > max_single)
			max_single = images[nr_images].nr_single;
		nr_images++;
	}
	fclose(f);
	if (!nr_images)
		say("Bail out! no seed has that name\n");
	return nr_images ? 0 : -1;
}

static int load_corpus(void)
{
	char line[MAX_RECIPE + 128], name[48], text[MAX_RECIPE];
	unsigned int n;
	FILE *f;

	if (!opt.corpus)
		return 0;
	f = fopen(opt.corpus, "re");
	if (!f) {
		say("Bail out! %s: %m\n", opt.corpus);
		return -1;
	}
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#' || sscanf(line, "%47s %767s", name, text) != 2)
			continue;
		for (n = 0; n < nr_images; n++)
			if (!strcmp(images[n].name, name))
				break;
		/* of a seed that was not chosen */
		if (n == nr_images || nr_pool == MAX_POOL)
			continue;
		pool[nr_pool].image = n;
		if (!recipe_parse(text, &pool[nr_pool].recipe)) {
			say("Bail out! not a recipe: %s\n", text);
			return -1;
		}
		nr_pool++;
	}
	fclose(f);
	nr_corpus = nr_pool;
	return 0;
}

static void calibrate(void)
{
	double t = now_s();
	uint64_t c = __rdtsc();

	while (now_s() - t < 0.05)
		;
	ticks_per_s = (__rdtsc() - c) / (now_s() - t);
}

static const char *why_not(void)
{
	int fd;

	if (geteuid())
		return "needs root";
	fd = syscall(__NR_fsopen, "erofs", 1);
	if (fd < 0)
		return "the kernel has no erofs: load the module";
	close(fd);
	kmsg_in = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	kmsg_out = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (kmsg_in < 0 || kmsg_out < 0 || lseek(kmsg_in, 0, SEEK_END) < 0)
		return "no /dev/kmsg";
	return NULL;
}

static bool parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "i:fPc:gC:s:t:l:w:p:n:r:Hbv")) != -1) {
		switch (c) {
		case 'i': only(optarg); break;
		case 'f': opt.singles = true; break;
		case 'P': opt.pairs = true; break;
		case 'c': opt.count = strtoull(optarg, NULL, 0); break;
		case 'g': opt.guided = true; break;
		case 'C': opt.corpus = optarg; break;
		case 's': opt.seed = strtoull(optarg, NULL, 0); break;
		case 't': opt.seconds = atof(optarg); break;
		case 'l': opt.limit = atof(optarg); break;
		case 'n':
			opt.number = strtoull(optarg, NULL, 0);
			opt.one = true;
			break;
		case 'r':
			opt.recipe = strcmp(optarg, "-") ? optarg : "";
			opt.one = true;
			break;
		case 'w':
			if (sscanf(optarg, "%u/%u", &opt.worker,
				   &opt.workers) != 2 ||
			    opt.worker >= opt.workers)
				return false;
			break;
		case 'p': opt.position = strtoull(optarg, NULL, 0); break;
		case 'H': opt.hostile = true; break;
		case 'b': opt.always_block = true; break;
		case 'v': opt.verbose = true; break;
		default: return false;
		}
	}
	return true;
}

static bool share_memory(void)
{
	char *p = mmap(NULL, sizeof(*shared) + 8 + 2 * MAX_IMAGES * 8,
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED)
		return false;
	shared = (struct shared *)p;
	image_done = (uint64_t *)(p + ((sizeof(*shared) + 7) & ~7UL));
	image_failed = image_done + MAX_IMAGES;
	return true;
}

int main(int argc, char **argv)
{
	const char *why;
	unsigned int n;
	uint64_t singles = 0;

	if (!parse_options(argc, argv)) {
		fprintf(stderr, "usage: mutate [-fPgHbv] [-i ERE] [-c COUNT] "
			"[-C FILE] [-s SEED] [-t SEC] [-l SEC] [-w K/J] "
			"[-n NUMBER | -r RECIPE] [DIR]\n");
		return 2;
	}
	say("KTAP version 1\n");
	why = why_not();
	if (why) {
		say("1..0 # SKIP %s\n", why);
		return KSFT_SKIP;
	}
	if (!share_memory() || walk_init() ||
	    load_images(argv[optind] ? argv[optind] : "/share/seeds") ||
	    load_corpus())
		return 1;
	for (n = 0; n < nr_images; n++)
		singles += images[n].nr_single;
	shared->position = opt.position;
	calibrate();
	say("1..%u\n", nr_images);
	say("# %u seeds, %llu mutants of one field, %.0f MHz\n", nr_images,
	    (unsigned long long)singles, ticks_per_s / 1e6);
	start_s = last_told = now_s();
	return results(run_all());
}
