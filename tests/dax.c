// SPDX-License-Identifier: GPL-2.0-only
/*
 * DAX: files mapped and read straight from persistent memory. Needs /dev/pmem0,
 * as a kernel booted with memmap=128M!1G has it, whose content is overwritten.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

#define PMEM	"/dev/pmem0"

static void put_image(const char *name)
{
	int fd;

	copy_file(data_path(image_find(name)->image), PMEM);
	fd = open_need(PMEM, O_RDWR);
	NEED(!fsync(fd), "%s: %m", PMEM);
	close(fd);
}

static bool is_dax(const char *path)
{
	struct statx stx;

	memset(&stx, 0, sizeof(stx));
	NEED(!syscall(__NR_statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx),
	     "statx %s: %m", path);
	CHECK(stx.stx_attributes_mask & STATX_ATTR_DAX, "%s: attribute unknown",
	      path);
	return stx.stx_attributes & STATX_ATTR_DAX;
}

static void check_mapped(const char *path, uint64_t seed, size_t size)
{
	int fd = open_need(path, O_RDONLY);
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			     fd, 0);
	long long bad;

	NEED(map != MAP_FAILED && private != MAP_FAILED, "mmap: %m");
	bad = pattern_check(map, size, seed, 0);
	CHECK(bad < 0, "mapped: wrong byte at %lld", bad);
	memset(private, 'X', 4096);
	CHECK(pattern_check(map, 4096, seed, 0) < 0, "a private copy is shared");
	bad = pattern_check(private + 4096, size - 4096, seed, 4096);
	CHECK(bad < 0, "private: wrong byte at %lld", bad);
	munmap(private, size);
	munmap(map, size);
	close(fd);
}

/* Nothing that is read this way is in the page cache */
static bool cached(const char *path)
{
	int fd = open_need(path, O_RDONLY);
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char vec = 0;

	NEED(map != MAP_FAILED && !mincore(map, 4096, &vec), "mincore: %m");
	munmap(map, 4096);
	close(fd);
	return vec & 1;
}

static void dax_on(const char *opt, const char *name)
{
	const char *dir = tmp_path("mnt"), *file = below(dir, "exact");
	char opts[4096];

	mkdir(dir, 0755);
	put_image(name);
	NEED_OK(mount_file(PMEM, dir, opt), opt);
	NEED(mountinfo(dir, NULL, 0, opts, sizeof(opts)), "no mountinfo");
	CHECK(strstr(opts, "dax"), "mountinfo: %s", opts);
	CHECK(is_dax(file), "%s: not DAX", file);
	file_is_pattern(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	CHECK(!cached(file), "in the page cache");
	check_mapped(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	tree_equals(dir, data_path(image_find(name)->dump));
	drop_caches();
	tree_equals(dir, data_path(image_find(name)->dump));
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

static void always(const void *arg)
{
	dax_on("dax=always", arg);
}

static void short_form(const void *arg)
{
	(void)arg;
	dax_on("dax", "plain-4096");
}

static void never(const void *arg)
{
	static const char * const opt[] = { "dax=never", NULL };
	const char *dir = new_dir("mnt"), *file = below(dir, "exact");
	size_t i;

	(void)arg;
	put_image("plain-4096");
	for (i = 0; i < ARRAY_SIZE(opt); i++) {
		NEED_OK(mount_file(PMEM, dir, opt[i]), "mount");
		CHECK(!is_dax(file), "%s: DAX", opt[i] ? opt[i] : "default");
		tree_equals(dir, data_path(image_find("plain-4096")->dump));
		CHECK_ERR(do_umount(dir, 0), 0, "umount");
	}
}

/* What is asked for and cannot be had fails the mount */
static void refused(const void *arg)
{
	const char *dir = new_dir("mnt");
	struct source src = { .opts = "dax=always" };
	enum via via;

	(void)arg;
	src.path = data_path("plain-4096.img");
	for (via = VIA_PATH; via <= VIA_LOOP_FD; via++) {
		src.via = via;
		CHECK_ERR(mount_at(&src, dir), -EINVAL, via_name(via));
		CHECK(last_log[0], "%s: nothing in the log", via_name(via));
	}
	/* Pages are mapped whole, so blocks must be as large as they are */
	put_image("plain-512");
	CHECK_ERR(mount_file(PMEM, dir, "dax=always"), -EINVAL,
		  "blocks smaller than a page");
	CHECK(last_log[0], "nothing in the log");
	NEED_OK(mount_file(PMEM, dir, NULL), "without DAX");
	tree_equals(dir, data_path(image_find("plain-512")->dump));
}

/* An option that decides how pages are cached cannot change under them */
static void remount(const void *arg)
{
	const char *dir = new_dir("mnt"), *file = below(dir, "exact");
	bool was;

	(void)arg;
	put_image("plain-4096");
	NEED_OK(mount_file(PMEM, dir, "dax=never"), "mount");
	file_is_pattern(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	was = is_dax(file);
	CHECK(run("mount -o remount,dax=always %s 2>/dev/null", dir),
	      "DAX was switched on under a page cache");
	CHECK(is_dax(file) == was, "it has changed");
	file_is_pattern(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
}

static const struct tap_case cases[] = {
	{ .name = "always.plain", .fn = always, .arg = "plain-4096" },
	{ .name = "always.inline", .fn = always, .arg = "default-4096" },
	{ .name = "always.chunk", .fn = always, .arg = "chunk8-4k-4096" },
	TAP_CASE(short_form),
	TAP_CASE(never),
	TAP_CASE(refused),
	TAP_CASE(remount),
};

int main(int argc, char **argv)
{
	if (access(PMEM, F_OK))
		return tap_skip_all("dax", "no " PMEM ", boot with memmap=128M!1G");
	return tap_run("dax", cases, ARRAY_SIZE(cases), argc, argv);
}
