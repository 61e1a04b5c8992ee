// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test: the fuzz targets on their seeds, on what fuzzing once found (finds/), and
 * on random mutants of both. It needs no fuzzer, so it is part of every check.
 *
 *   replay SEEDS [FINDS]          all targets; SEEDS/NAME and FINDS/NAME
 *   replay -f TARGET FILE...      one target, on these files alone
 *
 * $SEED repeats a run, $SCALE (default 100) is how much of it, in percent.
 */
#include <dirent.h>
#include "fuzz.h"
#include "util.h"

static const struct target {
	const char *name;
	void (*run)(const u8 *data, size_t size);
	u32 mutants;
} targets[] = {
	{ "super", fuzz_super, 60000 },
	{ "inode", fuzz_inode, 60000 },
	{ "dirblk", fuzz_dirblk, 30000 },
	{ "chunk", fuzz_chunk, 10000 },
	{ "xattr", fuzz_xattr, 10000 },
	{ "index", fuzz_index, 15000 },
};

#define INPUT_MAX	8192

struct input {
	u8 *bytes;
	size_t len;
};

struct inputs {
	struct input *list;
	size_t n;
};

static bool add_file(struct inputs *in, const char *path)
{
	FILE *f = fopen(path, "rb");
	u8 buf[INPUT_MAX];
	size_t len;

	if (!f)
		return false;
	len = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	in->list = realloc(in->list, (in->n + 1) * sizeof(*in->list));
	if (!in->list)
		abort();
	in->list[in->n].bytes = must_copy(buf, len);
	in->list[in->n++].len = len;
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of names, so that one seed is one run. */
static void add_folder(struct inputs *in, const char *root, const char *name)
{
	struct dirent **entries;
	char path[4096];
	int n, i;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	n = scandir(path, &entries, NULL, by_name);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", root, name,
			 entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			add_file(in, path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void drop(struct inputs *in)
{
	while (in->n)
		free(in->list[--in->n].bytes);
	free(in->list);
}

static void mutate(u8 *buf, size_t *len, const struct inputs *in, struct rng *r)
{
	const struct input *other = &in->list[rng_below(r, in->n)];
	const u32 bytes = 1 << rng_below(r, 4);
	size_t at;

	if (!*len)
		return;
	at = rng_below(r, *len);
	switch (rng_below(r, 8)) {
	case 0:
		*len = at;
		break;
	case 1:
		if (other->len > at)
			memcpy(buf + at, other->bytes + at,
			       rng_below(r, other->len - at) + 1);
		*len = *len > other->len ? *len : other->len;
		break;
	case 2:
		buf[at] = rng_u64(r);
		break;
	case 3:
	case 4:
		if (at + bytes <= *len)
			put_le(buf + at, get_le(buf + at, bytes) +
			       rng_range(r, 0, 64) - 32, bytes);
		break;
	case 5:
		memset(buf + at, rng_percent(r, 50) ? 0xFF : 0,
		       bytes < *len - at ? bytes : *len - at);
		break;
	default:
		buf[at] ^= 1 << rng_below(r, 8);
	}
}

static void run_mutants(const struct target *t, const struct inputs *in, u32 n,
			u64 seed)
{
	struct rng r = { .state = seed };
	static u8 buf[INPUT_MAX];
	u32 changes;

	while (n--) {
		const struct input *from = &in->list[rng_below(&r, in->n)];
		size_t len = from->len;

		memset(buf, 0, sizeof(buf));
		if (len)
			memcpy(buf, from->bytes, len);
		for (changes = rng_range(&r, 1, 5); changes--;)
			mutate(buf, &len, in, &r);
		t->run(buf, len);
	}
}

static void run_target(struct ktap *k, const struct target *t, char **folders,
		       int nfolders, u32 scale)
{
	struct inputs in = {};
	const u32 mutants = t->mutants * scale / 100 + 1;
	u64 seeds[2];
	u32 i, n;

	for (i = 0; i < (u32)nfolders; i++)
		add_folder(&in, folders[i], t->name);
	for (i = 0; i < in.n; i++)
		t->run(in.list[i].bytes, in.list[i].len);
	ktap_result(k, in.n, "%s: %zu seeds and finds", t->name, in.n);
	n = rng_seeds(seeds);
	for (i = 0; in.n && i < n; i++) {
		/* said before, for a failure ends the program */
		printf("# %s: seed %llu\n", t->name, seeds[i]);
		run_mutants(t, &in, mutants, seeds[i]);
		ktap_result(k, true, "%s: seed %llu: %u mutants", t->name,
			    seeds[i], mutants);
	}
	drop(&in);
}

static int run_files(const char *name, char **files)
{
	struct inputs in = {};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(targets); i++)
		if (!strcmp(targets[i].name, name))
			break;
	if (i == ARRAY_SIZE(targets)) {
		fprintf(stderr, "no target %s\n", name);
		return 2;
	}
	for (; *files; files++) {
		if (!add_file(&in, *files)) {
			perror(*files);
			return 2;
		}
		printf("%s\n", *files);
		fflush(stdout);
		targets[i].run(in.list[in.n - 1].bytes, in.list[in.n - 1].len);
	}
	drop(&in);
	return 0;
}

int main(int argc, char **argv)
{
	const char *scale = getenv("SCALE");
	struct ktap k = {};
	u32 i;

	if (argc > 2 && !strcmp(argv[1], "-f"))
		return run_files(argv[2], argv + 3);
	if (argc < 2) {
		fprintf(stderr, "usage: replay SEEDS [FINDS]\n");
		return 2;
	}
	ktap_begin();
	for (i = 0; i < ARRAY_SIZE(targets); i++)
		run_target(&k, &targets[i], argv + 1, argc - 1,
			   scale ? atoi(scale) : 100);
	return ktap_end(&k);
}
