// SPDX-License-Identifier: GPL-2.0-only
/*
 * DAX: files mapped and read straight from persistent memory. Needs /dev/pmem0,
 * as a kernel booted with memmap=128M!1G has it, whose content is overwritten.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

#define PMEM	"/dev/pmem0"

static void put_file(const char *name)
{
	int fd;

	copy_file(data_path(name), PMEM);
	fd = open_need(PMEM, O_RDWR);
	NEED(!fsync(fd), "%s: %m", PMEM);
	close(fd);
}

static void put_image(const char *name)
{
	put_file(image_find(name)->image);
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

/* Puts a breakpoint on the first byte of a file: an event, or -errno */
static int probe(const char *file)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char *type = slurp("/sys/bus/event_source/devices/uprobe/type", NULL);
	int fd;

	if (!type)
		tap_skip("no uprobes");
	attr.type = atoi(type);
	attr.uprobe_path = (uintptr_t)file;
	free(type);
	fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1,
		     PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * Whoever asks for pages of a file while its memory is mapped, and be it the
 * kernel, brings none into its mapping, where the entries of DAX are.
 */
static void no_pages(const void *arg)
{
	const char *dir = new_dir("mnt"), *file = below(dir, "exact");
	const char *copy = tmp_path("copy");
	int fd, out;
	void *map;

	(void)arg;
	put_image("plain-4096");
	NEED_OK(mount_file(PMEM, dir, "dax=always"), "mount");
	fd = open_need(file, O_RDONLY);
	map = mmap(NULL, PATTERN_EXACT_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE,
		   fd, 0);
	NEED(map != MAP_FAILED, "mmap: %m");
	CHECK(pattern_check(map, PATTERN_EXACT_SIZE, PATTERN_EXACT_SEED, 0) < 0,
	      "mapped: differs");
	CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), "fadvise: %m");
	CHECK(!readahead(fd, 0, PATTERN_EXACT_SIZE), "readahead: %m");
	CHECK(!madvise(map, PATTERN_EXACT_SIZE, MADV_WILLNEED), "madvise: %m");
	CHECK_ERR(probe(file), -EIO, "uprobe");
	out = open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(sendfile(out, fd, NULL, PATTERN_EXACT_SIZE) ==
	      PATTERN_EXACT_SIZE, "sendfile: %m");
	file_is_pattern(copy, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	munmap(map, PATTERN_EXACT_SIZE);
	close(out);
	close(fd);
	CHECK(!cached(file), "in the page cache");
	check_mapped(file, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/**
 * struct special - an image whose packed inode or metabox is in its tree
 * @image: its file
 * @itself: that inode, filled by its own name but for its first page
 * @size: its bytes
 * @off: byte of the file that @seed has filled at which @through begins
 * @len: bytes of @through, a file that cannot be read without it
 * @seed: name of the file that gave @through its bytes
 */
struct special {
	const char *image;
	const char *itself;
	size_t size;
	off_t off;
	size_t len;
	const char *seed;
};

static void read_through(const struct special *s, const char *dir)
{
	int fd = open_need(below(dir, "v"), O_RDONLY);
	char buf[10000];

	CHECK(pread_full(fd, buf, sizeof(buf), 0) == (ssize_t)s->len, "size");
	CHECK(pattern_check(buf, s->len, pattern_seed(s->seed), s->off) < 0,
	      "what is read through it differs");
	close(fd);
}

static void map_special(const struct special *s, const char *dir)
{
	int fd = open_need(below(dir, s->itself + 1), O_RDONLY);
	char *map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fd, 0);
	static char buf[4096];

	NEED(map != MAP_FAILED, "mmap: %m");
	NEED(!touch_faults(map), "SIGBUS");
	CHECK(pread_full(fd, buf, 4096, 0) == 4096 && !memcmp(map, buf, 4096),
	      "first page: other bytes than are read");
	CHECK(pattern_check(map + 4096, s->size - 4096, pattern_seed(s->itself),
			    4096) < 0, "mapped: differs");
	munmap(map, s->size);
	close(fd);
}

/*
 * The packed inode and the metabox are read through the page cache for the sake
 * of other files. So they have to be where they are files of the tree, too.
 */
static void special(const void *arg)
{
	const struct special *s = arg;
	const char *dir = new_dir("mnt");
	int mapped_first;

	put_file(s->image);
	for (mapped_first = 0; mapped_first < 2; mapped_first++) {
		NEED_OK(mount_file(PMEM, dir, "dax=always"), "mount");
		if (mapped_first)
			map_special(s, dir);
		read_through(s, dir);
		map_special(s, dir);
		drop_caches();
		read_through(s, dir);
		CHECK(!is_dax(below(dir, s->itself + 1)), "it is DAX");
		CHECK_ERR(do_umount(dir, 0), 0, "umount");
	}
}

#define PACKED(layout)							\
	{ .name = "packed." layout, .fn = special,			\
	  .arg = &(const struct special) {				\
		"negatives/good-packed-in-tree-" layout ".img",		\
		"/p", 20480, 17, 9000, "/p" } }
#define METABOX(layout)							\
	{ .name = "metabox." layout, .fn = special,			\
	  .arg = &(const struct special) {				\
		"negatives/good-box-in-tree-" layout ".img",		\
		"/b", 20480, 0, 100, "/v" } }

static const struct tap_case cases[] = {
	{ .name = "always.plain", .fn = always, .arg = "plain-4096" },
	{ .name = "always.inline", .fn = always, .arg = "default-4096" },
	{ .name = "always.chunk", .fn = always, .arg = "chunk8-4k-4096" },
	TAP_CASE(short_form),
	TAP_CASE(never),
	TAP_CASE(refused),
	TAP_CASE(remount),
	TAP_CASE(no_pages),
	PACKED("plain"),
	PACKED("chunk"),
	METABOX("plain"),
	METABOX("chunk"),
};

int main(int argc, char **argv)
{
	if (access(PMEM, F_OK))
		return tap_skip_all("dax", "no " PMEM ", boot with memmap=128M!1G");
	return tap_run("dax", cases, ARRAY_SIZE(cases), argc, argv);
}
